//! What your error proves: an index of error texts.
//!
//! An HTTP client's error says what went wrong on this side. Whether the request may be sent again depends on what it proves of
//! the other side. Find the text that you have in the tables below.
//!
//! The texts are those of hyper 1.12, hyper-util 0.1.21, h2 0.4.20, reqwest 0.13.5, reqwest-retry 0.9.1, tonic 0.14.9 and
//! kube 5.0.0, on Linux. `tests/error_texts` makes each of these failures, and compares its text, its fate and its cause with the tables of this
//! page; where a row says "read in", the text was read in that source. They are for people: this crate decides
//! [by types](crate::fate#the-decision-table) and never by a text, which upstream may change in any version.
//!
//! # See all of it first
//!
//! Most of these errors print their outermost level only: `client error (SendRequest)` alone says nothing. Print the
//! whole chain, and what it proves:
//!
//! ```
//! use std::error::Error;
//! use std::{io, iter};
//!
//! use tower_redial::fate::{BodyUse, Failure};
//!
//! fn explain(error: &(dyn Error + 'static)) -> String {
//!     let chain = iter::successors(Some(error), |error| <dyn Error>::source(*error));
//!     let texts: Vec<_> = chain.map(ToString::to_string).collect();
//!     format!("{}: {}", Failure::of(error, BodyUse::Untouched), texts.join(": "))
//! }
//!
//! let error = io::Error::from(io::ErrorKind::ConnectionReset);
//! assert_eq!(explain(&error), "unknown (closed): connection reset");
//! ```
//!
//! [`BodyUse::Untouched`](crate::BodyUse::Untouched) claims the least; a body that is known to have been polled makes a proof of
//! a GOAWAY. Texts below are whole chains joined by `: `, or parts of them; those with `(` after a type's name are what
//! `{:?}` prints.
//!
//! # What follows from the fate
//!
//! | fate | what [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer) does | what you may do without it |
//! |---|---|---|
//! | [`NotSent`], [`NotProcessed`] | resends it, whatever its method | the same, if the whole body can be sent again and there was [one hop](crate::fate#a-proof-speaks-of-the-last-hop) |
//! | [`Unknown`] | resends it if it is idempotent | the same; for anything else ask the server what became of it |
//! | [`Permanent`] | gives you the error | repair the request, its body, or the settings |
//!
//! # The connection ended before the request went out
//!
//! The most frequent of all, and the most harmless: the server closed the connection, in good order as a rule, and the request was still
//! here.
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `operation was canceled: connection closed` <br> `hyper::Error(Canceled, "connection closed")` | [`NotSent`] | [`HandedBack`] | It waited in the connection's queue when the connection ended or began to drain. hyper-util sends it again by itself, but only if the connection had been used before; tonic and hyper's own connections do not |
//! | `client error (Canceled): operation was canceled: connection closed` <br> `hyper_util::client::legacy::Error(Canceled, hyper::Error(Canceled, "connection closed"))` | [`NotSent`] | [`HandedBack`] | The same, on a connection that was new, or with `retry_canceled_requests(false)` |
//! | `operation was canceled: connection was not ready` <br> `hyper::Error(Canceled, "connection was not ready")` | [`NotSent`] | [`HandedBack`] | hyper's `SendRequest` was used after its connection had ended. Wait for `ready()`, and connect again when it fails |
//! | `code: 'The operation was cancelled', message: "operation was canceled"` <br> `Status { code: Cancelled, message: "operation was canceled"` | [`NotSent`] | [`HandedBack`] | tonic's word for the first row. Nobody canceled anything. Older versions of tonic print `status: Cancelled, message: "operation was canceled"`. [`grpc`](super::grpc) has the layers for it |
//! | `channel closed` <br> `hyper::Error(ChannelClosed)` | [`Unknown`] | [`Closed`] | `SendRequest::ready` found the connection ended. No request was given to it yet: connect again |
//!
//! # No connection came to be
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `client error (Connect): tcp connect error: Connection refused (os error 111)` | [`NotSent`] | [`Connect`] | Nobody listens. Resent twice, with a backoff; a longer outage surfaces |
//! | `client error (Connect): dns error: ` | [`NotSent`] | [`Connect`] | The name was not resolved; what follows is the resolver's own word |
//! | `client error (Connect): tls handshake eof` | [`NotSent`] | [`Connect`] | The server hung up in the middle of the TLS handshake |
//! | `client error (Connect): invalid peer certificate: UnknownIssuer` | [`Permanent`] | [`Certificate`] | Nobody whom you trust vouched for the certificate. Other certificate errors and TLS alerts go the same way |
//! | `client error (Connect): received corrupt message of type InvalidContentType` | [`Permanent`] | [`Certificate`] | TLS spoken to a port that does not: `https` where it should be `http` |
//! | `error sending request for url (http://127.0.0.1:` <br> `client error (Connect): tcp connect error: Connection refused (os error 111)` | [`NotSent`] | [`Connect`] | The same through reqwest, which puts its own line in front |
//! | `client error (Connect): operation timed out` | [`NotSent`] | [`Connect`] | reqwest's `connect_timeout` |
//! | `client error (Connect): the connection was not established in time` | [`NotSent`] | [`Connect`] | The [`connect_timeout`](crate::health::Builder::connect_timeout) of [`health`](crate::health) |
//! | `transport error: tcp connect error: tcp connect error: Connection refused (os error 111)` <br> `tonic::transport::Error(Transport, ` | [`NotSent`] | [`Connect`] | tonic's `connect()`. "transport error" alone is any error of its channel |
//! | `code: 'The service is currently unavailable', message: "tcp connect error"` | [`NotSent`] | [`Connect`] | A call on a channel that could not connect |
//!
//! # The server turned the request away
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `http2 error: stream error received: refused stream before processing any application logic` <br> `hyper::Error(Http2, Error { kind: Reset(StreamId(1), REFUSED_STREAM, Remote) })` | [`NotProcessed`] | [`Refused`] | RST_STREAM(REFUSED_STREAM): the server promises that it did nothing (RFC 9113, section 8.7). Often there were more streams at once than it allows; [`health`](crate::health) holds requests back instead |
//! | `http2 error: connection error received: not a result of an error` <br> `hyper::Error(Http2, Error { kind: GoAway(b"", NO_ERROR, Remote) })` | [`NotProcessed`] | [`GoAway`] | A graceful shutdown, and the request's body was being sent: its stream lay above those that the server still answers |
//! | `http2 error: connection error received: not a result of an error` <br> `hyper::Error(Http2, Error { kind: GoAway(b"", NO_ERROR, Remote) })` | [`Unknown`] | [`GoAway`] | The same of a request without a body. hyper gives this error also to requests that the server has accepted ([why](crate::fate#why-a-goaway-is-no-proof-by-itself)): a POST may have been processed. [`own_goaway`](crate::health::Builder::own_goaway) keeps most of them from it; the pool of the feature `connect` knows |
//! | `connection error received: not a result of an error (b"max_age")` | [`NotProcessed`] | [`GoAway`] | The same with the server's own words: a gRPC server whose connection had reached its maximum age says this |
//! | `connection error received: detected excessive load generating behavior (b"too_many_pings")` | [`NotProcessed`] | [`GoAway`] | A gRPC server that had too many PINGs. Switch `http2_keep_alive_interval` off, or make it longer than five minutes; [`health`](crate::health) probes on suspicion only |
//! | `http2 error: stream error received: endpoint requires HTTP/1.1` | [`Permanent`] | [`Http11Required`] | HTTP/2 will not do for this request. A [`downgrade`](crate::downgrade) sends it over HTTP/1.1 at once |
//! | `code: 'Internal error', message: "h2 protocol error: http2 error"` <br> `Error { kind: GoAway(b"", NO_ERROR, Remote) }` | [`Unknown`] | [`GoAway`] | tonic's word for a GOAWAY, if its feature `server` is on; without it `code: 'Unknown error', message: "transport error"`. A status does not say what became of the body, so that it proves less than the layer below it knew |
//! | `code: 'The service is currently unavailable', message: "h2 protocol error: http2 error"` | [`NotProcessed`] | [`Refused`] | tonic's for REFUSED_STREAM, with the same feature |
//!
//! # The server gave the stream up
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `http2 error: stream error received: stream no longer needed` | [`Unknown`] | [`Reset`] | RST_STREAM(CANCEL), from a proxy as a rule, whose own upstream went away |
//! | `http2 error: stream error received: unexpected internal error encountered` | [`Unknown`] | [`Reset`] | INTERNAL_ERROR: the handler failed, or a proxy's upstream did |
//! | `http2 error: stream error received: not a result of an error` | [`Unknown`] | [`Reset`] | NO_ERROR before any answer |
//! | `http2 error: stream error received: detected excessive load generating behavior` | [`Unknown`] | [`Reset`] | ENHANCE_YOUR_CALM: send less at once. Resent only after a backoff, out of the tight budget |
//! | `http2 error: stream error received: unspecific protocol error detected` | [`Permanent`] | [`Reset`] | PROTOCOL_ERROR: the server found the request malformed; a header that HTTP/2 forbids, say. The connection is left too |
//! | `http2 error: connection error detected: unspecific protocol error detected` | [`Unknown`] | [`Local`] | This side's h2 found the server's frames wrong. Resent at most once |
//! | `http2 error: connection error detected: frame with invalid size` | [`Unknown`] | [`Local`] | HTTP/2 spoken to a server that answered in HTTP/1.1: `http2_only` or prior knowledge where it is not known |
//! | `connection error detected: detected excessive load generating behavior (b"too_many_internal_resets")` | [`Unknown`] | [`Local`] | This side's h2 had reset more streams than it bears, for what it found wrong in them, and gave the connection up. Read in h2 0.4.20, `proto/streams/streams.rs` |
//!
//! # The connection was lost with the request on it
//!
//! Nothing is proved: the server may have processed the request and died with the answer.
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `client error (SendRequest): connection closed before message completed` <br> `hyper::Error(IncompleteMessage)` | [`Unknown`] | [`Closed`] | HTTP/1.1: the server closed before its answer was there. Often an idle connection that it closed in the very moment: let yours idle for less long than the server does (`pool_idle_timeout`) |
//! | `client error (SendRequest): connection error: Connection reset by peer (os error 104)` | [`Unknown`] | [`Closed`] | HTTP/1.1: reset instead of closed |
//! | `client error (SendRequest): connection error: stream closed because of a broken pipe` <br> `hyper::Error(Io, Custom { kind: BrokenPipe, error: "stream closed because of a broken pipe" })` | [`Unknown`] | [`Closed`] | HTTP/2: the server closed the connection without a GOAWAY, or after one that promised to answer this request |
//! | `client error (SendRequest): connection error: connection reset` <br> `hyper::Error(Io, Kind(ConnectionReset))` | [`Unknown`] | [`Closed`] | HTTP/2: reset; h2 loses the number of the os error |
//! | `error writing a body to connection: Broken pipe (os error 32)` | [`Unknown`] | [`Closed`] | HTTP/1.1: it could not even be written whole; part of it may have arrived |
//! | `dispatch task is gone: runtime dropped the dispatch task` <br> `hyper::Error(User(DispatchGone), "runtime dropped the dispatch task")` | [`Unknown`] | [`DispatchGone`] | The connection's task ended: a runtime that was shut down, or a request in h2's queue behind the server's stream limit when its connection went. [`health`](crate::health) keeps requests out of that queue |
//! | `error sending request for url (http://127.0.0.1:` <br> `client error (SendRequest): connection closed before message completed` | [`Unknown`] | [`Closed`] | The same through reqwest |
//! | `ServiceError: client error (SendRequest)` <br> `Service(hyper_util::client::legacy::Error(SendRequest, ` | [`Unknown`] | [`Closed`] | The same through kube: `kube::Error::Service` |
//! | `code: 'Unknown error', message: "transport error"` | [`Unknown`] | [`Closed`] | The same through tonic |
//!
//! # The connection fell silent, or somebody stopped waiting
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `http2 error: keep-alive timed out: operation timed out` <br> `hyper::Error(Http2, KeepAliveTimedOut)` | [`Unknown`] | [`Silent`] | hyper's keep-alive PING was not answered |
//! | `connection error: the connection was given up: nothing came from its peer` | [`Unknown`] | [`Silent`] | The same, found by [`health`](crate::health) |
//! | `connection error: Connection timed out (os error 110)` | [`Unknown`] | [`Silent`] | The kernel gave up on the peer, after a quarter of an hour unless it is told otherwise |
//! | `connection error: No route to host (os error 113)` | [`Unknown`] | [`Unreachable`] | The network went away under an established connection. Under `client error (Connect)` it is [`NotSent`], [`Connect`] |
//! | `request timed out` <br> `Elapsed(())` | [`Unknown`] | [`Timeout`] | `tower::timeout`. Resent only with [`resend_timeouts`](crate::RetryOnCanceledLayer::resend_timeouts), see [`layers`](super::layers) |
//! | `deadline has elapsed` | [`Unknown`] | [`Timeout`] | `tokio::time::timeout` |
//! | `error sending request for url (http://127.0.0.1:` <br> `reqwest::Error { kind: Request, url: "http://127.0.0.1:` | [`Unknown`] | [`Timeout`] | With `operation timed out` at the end: reqwest's `timeout`. Its connection stays in the pool, and if it is dead, takes the next request down as well: `Renew` of the feature `reqwest` is for that |
//! | `code: 'The operation was cancelled', message: "Timeout expired"` | [`Unknown`] | [`Timeout`] | tonic's `Endpoint::timeout`, or the call's own `grpc-timeout` |
//!
//! # The request, or what came back, is wrong
//!
//! | what it says | fate | cause | what happened, and what to do |
//! |---|---|---|---|
//! | `client error (UserAbsoluteUriRequired)` | [`Permanent`] | [`Request`] | A URI without scheme and host |
//! | `client error (UserUnsupportedVersion)` | [`Permanent`] | [`Request`] | A version that hyper-util does not speak |
//! | `client error (SendRequest): error from user's Body stream` | [`Permanent`] | [`Body`] | The request's own body failed; its error comes next in the chain |
//! | `client error (SendRequest): http2 error: stream error sent by user: unexpected internal error encountered` | [`Permanent`] | [`Body`] | The same over HTTP/2, where hyper drops the body's own error: [`Event::body_error`](crate::retry::Event::body_error) has it |
//! | `client error (SendRequest): invalid HTTP version parsed` | [`Permanent`] | [`Parse`] | What answers there does not speak HTTP |
//! | `client error (SendRequest): invalid HTTP header parsed` | [`Permanent`] | [`Parse`] | A response that is malformed |
//! | `builder error: relative URL without a base` <br> `reqwest::Error { kind: Builder, ` | [`Permanent`] | [`Request`] | reqwest could not make the request |
//! | `Request failed after 2 retries` | [`NotSent`] | [`Connect`] | reqwest-retry's, and its last attempt's error comes next: fate and cause are **that attempt's**, and say nothing of those before it |
//! | `Request object is not cloneable. Are you passing a streaming body?` | [`Permanent`] | [`Other`] | reqwest-retry's, of a request that was not sent even once. [`moving`](super::moving) |
//!
//! # While the response's body is read
//!
//! The head has come: the request was processed, and nothing is sent again for you. What is lost is the rest of the body. A
//! [`ResumeLayer`](../../resume/struct.ResumeLayer.html) asks for it; see [`downloads`](super::downloads).
//!
//! | what it says | what happened |
//! |---|---|
//! | `error reading a body from connection: end of file before message length reached` | HTTP/1.1: closed before all of `Content-Length` was there |
//! | `error reading a body from connection: stream closed because of a broken pipe` | HTTP/2: the connection was closed |
//! | `error reading a body from connection: stream error received: stream no longer needed` | HTTP/2: the server, or a proxy, gave the stream up |
//! | `error decoding response body` | The same through reqwest, read as a whole or in parts. It puts that line before every failure of a body, also where nothing is decoded |
//! | `the download ended after 5 of 10 bytes: it has no strong validator to be resumed by` | A `ResumeLayer` that could not go on, and why |
//! | `the response body ended after 5 of 10 bytes` | [`WholeBodyLayer`](crate::body::WholeBodyLayer): a body that hyper took for whole |
//!
//! [`NotSent`]: crate::Fate::NotSent
//! [`NotProcessed`]: crate::Fate::NotProcessed
//! [`Unknown`]: crate::Fate::Unknown
//! [`Permanent`]: crate::Fate::Permanent
//! [`HandedBack`]: crate::Cause::HandedBack
//! [`Connect`]: crate::Cause::Connect
//! [`Certificate`]: crate::Cause::Certificate
//! [`Refused`]: crate::Cause::Refused
//! [`GoAway`]: crate::Cause::GoAway
//! [`Http11Required`]: crate::Cause::Http11Required
//! [`Reset`]: crate::Cause::Reset
//! [`Local`]: crate::Cause::Local
//! [`Closed`]: crate::Cause::Closed
//! [`DispatchGone`]: crate::Cause::DispatchGone
//! [`Silent`]: crate::Cause::Silent
//! [`Unreachable`]: crate::Cause::Unreachable
//! [`Timeout`]: crate::Cause::Timeout
//! [`Body`]: crate::Cause::Body
//! [`Request`]: crate::Cause::Request
//! [`Parse`]: crate::Cause::Parse
//! [`Other`]: crate::Cause::Other
