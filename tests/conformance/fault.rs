//! What goes wrong: one script for each fault, played to every stack.

use std::future::pending;

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
    /// GOAWAY(NO_ERROR) with a last stream below the request's.
    LowLastStream,
    /// The same with an error code.
    GoAwayWithError,
    /// RST_STREAM(REFUSED_STREAM).
    Refused,
    /// The request is processed, and the connection closed before the response's head.
    CutBeforeHead,
    /// RST_STREAM(INTERNAL_ERROR) while the body is being sent.
    ResetWithinBody,
    /// The request is processed, and then nothing comes any more.
    Silent,
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
        match self.fault {
            Fault::GracefulIdle => {
                let mut conn = server.accept().await;
                let forerunner = conn.request().await;
                answer(&mut conn, &forerunner).await;
                conn.goaway(forerunner.stream_id, reason::NO_ERROR).await;
                conn.until_closed().await;
                tell();
                self.serve_anew().await;
            }
            Fault::GracefulOpen => {
                let mut conn = server.accept().await;
                let forerunner = conn.request().await;
                conn.head(forerunner.stream_id, 200, &[("content-type", "application/grpc")]).await;
                conn.goaway(i32::MAX as u32, reason::NO_ERROR).await;
                conn.round_trip().await;
                tell();
                // The forerunner's stream stays open: nothing but the GOAWAY moves the request.
                self.serve_anew().await;
            }
            Fault::LowLastStream | Fault::GoAwayWithError => {
                let mut conn = server.accept().await;
                tell();
                conn.request().await;
                let code = if self.fault == Fault::LowLastStream { reason::NO_ERROR } else { reason::INTERNAL_ERROR };
                conn.goaway(0, code).await;
                self.serve_anew().await;
            }
            Fault::Refused => {
                let mut conn = server.accept().await;
                tell();
                let refused = conn.request().await;
                conn.reset(refused.stream_id, reason::REFUSED_STREAM).await;
                self.serve(&mut conn).await;
            }
            Fault::CutBeforeHead => {
                let mut conn = server.accept().await;
                tell();
                let lost = conn.request().await;
                conn.process(&lost);
                conn.close().await;
                self.serve_anew().await;
            }
            Fault::ResetWithinBody => {
                let mut conn = server.accept().await;
                tell();
                let reset = conn.request().await;
                conn.read_data(reset.stream_id).await;
                conn.process(&reset);
                conn.reset(reset.stream_id, reason::INTERNAL_ERROR).await;
                self.serve(&mut conn).await;
            }
            Fault::Silent => {
                let mut conn = server.accept().await;
                tell();
                let lost = conn.request().await;
                conn.process(&lost);
                // From here on nothing is answered, pings neither.
                conn.manual();
                self.serve_anew().await;
            }
            Fault::ConnectRefused => tell(),
            Fault::Untrusted => {
                tell();
                // The handshake fails on this side too, with the client's alert.
                let tcp = server.accept_tcp().await;
                assert!(Socket::establish(tcp, Some(&server.identity().acceptor(&[tls::H2]))).await.is_err());
            }
        }
        pending::<()>().await;
    }

    async fn serve_anew(&self) {
        let mut conn = self.server.accept().await;
        self.serve(&mut conn).await;
    }

    /// Answers the tested request, once it has come whole and unharmed.
    async fn serve(&self, conn: &mut H2Conn) {
        let request = conn.request().await;
        assert_eq!(request.id, ID);
        let body = if request.end_stream { Default::default() } else { conn.read_body(request.stream_id).await.data };
        assert_eq!(body, self.call.bytes(), "the body that was sent again");
        conn.process(&request);
        answer(conn, &request).await;
        pending::<()>().await;
    }
}

async fn answer(conn: &mut H2Conn, request: &Received) {
    conn.respond(request.stream_id, 200, &[("content-type", "application/grpc"), ("grpc-status", "0")], "").await;
}

impl Content {
    /// Whether the fault can befall a request with such a body.
    pub(crate) fn can_meet(self, fault: Fault) -> bool {
        // A small body is sent with its head: nothing can come in between.
        fault != Fault::ResetWithinBody || matches!(self, Self::Large | Self::Streamed)
    }
}
