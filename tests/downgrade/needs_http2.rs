//! Requests that need HTTP/2.

use http::{Method, Version, header};

use tower::ServiceExt;

use crate::setup::{FORMS, Ill, both, fetch, get, quiet};
use crate::support::message::Received;
use crate::support::{Fault, clients, reason};

/// X3: a downgrade never takes HTTP/2 away from what needs it.
#[tokio::test]
async fn what_needs_http2_stays_with_it() {
    for form in FORMS {
        // Ill for others only.
        let ill = |received: &Received, _| {
            let plain = received.path == "/plain";
            plain.then_some(Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false })
        };
        let server = both().choose(ill).start().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        get(&service, server.uri("/plain"), "1").await.unwrap();
        assert_eq!((server.counters().streams, server.counters().http1_requests), (1, 1), "{form:?}");

        let mut grpc = clients::post(server.uri("/grpc"), "2", "message");
        grpc.headers_mut().insert(header::CONTENT_TYPE, "application/grpc+proto".parse().unwrap());
        fetch(&service, grpc).await.unwrap();
        let mut explicit = clients::get(server.uri("/explicit"), "3");
        *explicit.version_mut() = Version::HTTP_2;
        fetch(&service, explicit).await.unwrap();
        assert_eq!((server.counters().streams, server.counters().http1_requests), (3, 1), "{form:?}");

        // A tunnel: the server waits for its end.
        let mut connect = clients::request(Method::CONNECT, server.uri("/socket"), "4", "");
        connect.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
        let tunnel = tokio::spawn(service.clone().oneshot(connect));
        while server.counters().streams < 4 {
            assert!(!tunnel.is_finished(), "{form:?}: {:?}", tunnel.await);
            tokio::task::yield_now().await;
        }
        get(&service, server.uri("/other"), "5").await.unwrap();
        assert_eq!(server.counters().http1_requests, 2, "{form:?}");
        assert_eq!(server.counters().http1_connections, 1, "{form:?}");
    }
}

/// X3: one that the server turns away fails with the client's own error, at once.
#[tokio::test]
async fn what_needs_http2_is_not_resent_over_http1() {
    for form in FORMS {
        let required = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };
        let server = both().choose(Ill::yes().with(required)).start().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        for n in 1..=3 {
            let mut explicit = clients::get(server.uri("/"), &n.to_string());
            *explicit.version_mut() = Version::HTTP_2;
            fetch(&service, explicit).await.unwrap_err();
            assert_eq!((server.counters().streams, server.counters().http1_requests), (n, 0), "{form:?}");
        }
    }
}
