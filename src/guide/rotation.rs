//! Load balancers, deploys and DNS.
//!
//! An HTTP/2 client makes one connection to an origin and keeps it. Whatever chose the server behind it, a resolver or a load balancer,
//! chose once. So a new server gets nothing, an old one cannot leave, and a changed address is not noticed. Servers help themselves by closing
//! connections, which is where most errors of [the index](super::errors) come from.
//!
//! # What the other side does
//!
//! | who | closes a connection | how |
//! |---|---|---|
//! | nginx | after `keepalive_requests`, 1,000 by default, and `keepalive_time`, an hour; at each reload | GOAWAY |
//! | gRPC servers | after `MAX_CONNECTION_AGE` and `MAX_CONNECTION_IDLE`, where they are set (gRPC's proposal A9) | GOAWAY(NO_ERROR), with `max_age` or `max_idle` as debug data |
//! | gRPC servers | when PINGs come too often, by default oftener than every five minutes | GOAWAY(ENHANCE_YOUR_CALM), `too_many_pings` |
//! | kube-apiserver | by chance, with `--goaway-chance` | GOAWAY |
//! | Envoy | after an hour without a request (`idle_timeout`); after `max_connection_duration`, where it is set | winds it up, for its `drain_timeout` |
//! | AWS's Application Load Balancer | after its idle timeout, 60 s by default; PINGs do not count | closes it |
//! | NATs and firewalls | after minutes without a packet | silently: what is sent afterwards goes nowhere |
//!
//! # Leave first
//!
//! A connection that the client leaves in its own time fails nobody:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_redial::ConnectionHealth;
//!
//! let health = ConnectionHealth::builder()
//!     .max_age(Duration::from_secs(300)) // less than the server's
//!     .max_requests(900) // nginx closes after 1,000
//!     .build();
//! # drop(health);
//! ```
//!
//! - **[`max_age`](crate::health::Builder::max_age)** is what makes a client follow DNS and load balancers: each new connection resolves the name
//!   and is balanced anew. Five to ten minutes spread load well; what it costs is a handshake. The
//!   [jitter](crate::health::Builder::max_age_jitter) keeps a fleet that was started together from reconnecting together.
//! - **[`max_requests`](crate::health::Builder::max_requests)** a little below the server's number.
//! - **Idle for less long than the other side.** hyper-util's `pool_idle_timeout` is 90 s by default and needs a `pool_timer`; behind a
//!   load balancer that closes after 60 s set 50 s.
//! - **After a deploy** call [`drain(origin)`](crate::ConnectionHealth::drain), after a change of network or a sleep
//!   [`drain_all()`](crate::ConnectionHealth::drain_all):
//!
//! ```
//! use http::Uri;
//! use tower_redial::ConnectionHealth;
//!
//! # fn run(health: &ConnectionHealth) {
//! health.drain(&Uri::from_static("https://api.example.com/")); // open streams finish; new requests go to a new connection
//! health.drain_all();
//! # }
//! # run(&ConnectionHealth::default());
//! ```
//!
//! Which clients can be told to leave is in [`health`](crate::health#which-client-can-be-told).
//!
//! # When the server was faster
//!
//! A GOAWAY is seen when it arrives, so that requests that come after it go elsewhere. Those on their way when it came are resent on a proof; what
//! can be proved, and of which requests, differs by client ([the stacks](crate#the-stacks)). To lose none of them,
//!
//! - give requests a body, or an `Idempotency-Key`, where an empty POST changes something;
//! - or hold the notice back until they are out: [`own_goaway(true)`](crate::health::Builder::own_goaway), for servers that shut down in two
//!   steps;
//! - or use the pool of the feature [`connect`](../../connect/index.html), which knows each stream.
//!
//! # More servers than one
//!
//! These layers do not balance. They keep one client's connections healthy, and spread its load over time. A client that has to
//! use several servers at once needs something that balances requests instead of connections: a mesh, or a load balancer that speaks HTTP.
//! [`Pool`](../../connect/pool/struct.Pool.html) makes several connections when the stream limit asks for it; where they lead is not its to choose.
