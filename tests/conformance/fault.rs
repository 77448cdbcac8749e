//! What goes wrong: one script for each fault, played to every stack.

use std::future::pending;

use bytes::Bytes;
use http::Uri;
use tokio::sync::oneshot;

use crate::call::{Call, Content, ID};
use crate::support::tls::{self, Identity};
use crate::support::{H2Conn, NobodyListens, Received, ScriptedServer, Socket, reason};

/// A path that gRPC could have as well.
const PATH: &str = "/conformance.Test/Call";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is idle when the server winds it up.
    GracefulIdle,
    /// A stream is open when the server winds the connection up.
    GracefulOpen,
    /// GOAWAY with this code, and a last stream below the request's.
    GoAway(u32),
    /// RST_STREAM(REFUSED_STREAM).
    Refused,
    /// The request is processed, and its stream reset with this code before the response's head.
    Reset(u32),
    /// The request is processed, and the connection closed before the response's head.
    CutBeforeHead,
    /// RST_STREAM(INTERNAL_ERROR) while the body is being sent.
    ResetWithinBody,
    /// RST_STREAM(INTERNAL_ERROR) after the response's head.
    ResetAfterHead,
    /// The request is processed, and then nothing comes any more.
    Silent,
    /// The request's own body fails.
    BodyFails,
    /// Nobody listens.
    ConnectRefused,
    /// The server's certificate is not trusted.
    Untrusted,
}

/// The server's side of one cell.
pub(crate) struct Played {
    pub(crate) server: ScriptedServer,
    nobody: NobodyListens,
    fault: Fault,
    call: Call,
}

impl Fault {
    pub(crate) const fn uses_tls(self) -> bool {
        matches!(self, Self::Untrusted)
    }

    /// Whether another request is sent before the tested one.
    pub(crate) const fn has_forerunner(self) -> bool {
        matches!(self, Self::GracefulIdle | Self::GracefulOpen)
    }

    pub(crate) async fn start(self, call: Call) -> Played {
        let server = if self.uses_tls() {
            ScriptedServer::bind_tls_with(&Identity::new(), &[tls::H2]).await
        } else {
            ScriptedServer::bind().await
        };
        Played { server, nobody: NobodyListens::bind(), fault: self, call }
    }
}

impl Played {
    /// Where the request goes.
    pub(crate) fn uri(&self) -> Uri {
        if self.fault == Fault::ConnectRefused { self.nobody.uri(PATH) } else { self.server.uri(PATH) }
    }

    /// Plays the fault, and then serves properly, until it is dropped. `ready` is told when the tested request may come.
    pub(crate) async fn play(&self, ready: oneshot::Sender<()>) {
        let server = &self.server;
        let tell = || ready.send(()).expect("somebody waits");
        // Connections are held until the end, or they would be cut.
        let _held = match self.fault {
            Fault::GracefulIdle => {
                let mut conn = server.accept().await;
                let forerunner = conn.request().await;
                answer(&mut conn, &forerunner).await;
                conn.goaway(forerunner.stream_id, reason::NO_ERROR).await;
                conn.until_closed().await;
                tell();
                vec![conn, self.serve_anew().await]
            }
            Fault::GracefulOpen => {
                let mut conn = server.accept().await;
                let forerunner = conn.request().await;
                conn.head(forerunner.stream_id, 200, GRPC).await;
                conn.goaway(i32::MAX as u32, reason::NO_ERROR).await;
                conn.round_trip().await;
                tell();
                let other = self.serve_anew().await;
                conn.trailers(forerunner.stream_id, &[("grpc-status", "0")]).await;
                vec![conn, other]
            }
            Fault::GoAway(code) => {
                let mut conn = self.first(tell).await;
                conn.request().await;
                conn.goaway(0, code).await;
                vec![conn, self.serve_anew().await]
            }
            Fault::Refused | Fault::Reset(_) => {
                let mut conn = self.first(tell).await;
                let reset = conn.request().await;
                let code = match self.fault {
                    Fault::Reset(code) => {
                        conn.process(&reset);
                        code
                    }
                    _ => reason::REFUSED_STREAM,
                };
                conn.reset(reset.stream_id, code).await;
                self.serve(&mut conn).await;
                vec![conn]
            }
            Fault::CutBeforeHead => {
                let mut conn = self.first(tell).await;
                let lost = conn.request().await;
                conn.process(&lost);
                conn.close().await;
                vec![self.serve_anew().await]
            }
            Fault::ResetWithinBody => {
                let mut conn = self.first(tell).await;
                let reset = conn.request().await;
                conn.read_data(reset.stream_id).await;
                conn.process(&reset);
                conn.reset(reset.stream_id, reason::INTERNAL_ERROR).await;
                self.serve(&mut conn).await;
                vec![conn]
            }
            Fault::ResetAfterHead => {
                let mut conn = self.first(tell).await;
                let request = conn.request().await;
                conn.process(&request);
                conn.head(request.stream_id, 200, GRPC).await;
                conn.reset(request.stream_id, reason::INTERNAL_ERROR).await;
                vec![conn]
            }
            Fault::Silent => {
                let mut conn = self.first(tell).await;
                let lost = conn.request().await;
                conn.process(&lost);
                // From here on nothing is answered, pings neither.
                conn.manual();
                vec![conn, self.serve_anew().await]
            }
            Fault::BodyFails => {
                let mut conn = self.first(tell).await;
                let request = conn.request().await;
                conn.expect_reset(request.stream_id).await;
                vec![conn]
            }
            Fault::ConnectRefused => {
                tell();
                vec![]
            }
            Fault::Untrusted => {
                tell();
                // The handshake fails on this side too, with the client's alert.
                let tcp = server.accept_tcp().await;
                assert!(Socket::accept_tls(tcp, server.identity(), &[tls::H2]).await.is_err());
                vec![]
            }
        };
        pending::<()>().await;
    }

    async fn first(&self, tell: impl FnOnce()) -> H2Conn {
        let conn = self.server.accept().await;
        tell();
        conn
    }

    async fn serve_anew(&self) -> H2Conn {
        let mut conn = self.server.accept().await;
        self.serve(&mut conn).await;
        conn
    }

    /// Answers the tested request, once it has come whole and unharmed.
    async fn serve(&self, conn: &mut H2Conn) {
        let request = conn.request().await;
        assert_eq!(request.id, ID);
        let body = if request.end_stream { Bytes::new() } else { conn.read_body(request.stream_id).await.data };
        assert_eq!(body, self.call.bytes(), "the body that was sent again");
        conn.process(&request);
        answer(conn, &request).await;
    }
}

/// What makes an answer one that gRPC takes as well.
const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

async fn answer(conn: &mut H2Conn, request: &Received) {
    conn.head(request.stream_id, 200, GRPC).await;
    conn.trailers(request.stream_id, &[("grpc-status", "0")]).await;
}

impl Fault {
    /// What is sent while it happens; each call that it cannot befall is left out, with the reason why.
    pub(crate) fn befalls(self, call: Call) -> Result<(), &'static str> {
        match (self, call.content) {
            (Self::BodyFails, Content::Failing) => Ok(()),
            (Self::BodyFails, _) => Err("this body does not fail"),
            (_, Content::Failing) => Err("its own failure comes first"),
            (Self::ResetWithinBody, Content::Empty | Content::Small) => {
                Err("a small body is sent together with the head: nothing can come in between")
            }
            _ => Ok(()),
        }
    }
}
