//! What a request looks like over HTTP/1.1.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue};

use crate::setup::{FORMS, both, fetch, get, quiet};
use crate::support::message::Received;
use crate::support::{Fault, Reply, clients, reason};

/// X5: a Host, no pseudo-header, no mark of ours, and the fields of a connection as HTTP/1.1 has them.
#[tokio::test]
async fn headers_are_those_of_http1() {
    for form in FORMS {
        let seen: Arc<Mutex<Vec<Received>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let required = |_: &Received, nth| {
            (nth == 1).then_some(Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false })
        };
        let server = both()
            .choose(required)
            .handler(move |received, _| {
                kept.lock().unwrap().push(received.clone());
                Reply::ok("")
            })
            .start()
            .await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        get(&service, server.uri("/a?b=c"), "1").await.unwrap();

        let mut request = clients::post(server.uri("/d"), "2", "body");
        for (name, value) in [("te", "trailers"), ("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive")] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        for cookie in ["a=b", "c=d"] {
            request.headers_mut().append("cookie", HeaderValue::from_static(cookie));
        }
        fetch(&service, request).await.unwrap();

        let seen = seen.lock().unwrap();
        let [first, second] = &seen[..] else { panic!("{form:?}: {seen:?}") };
        let host = server.addr().to_string();
        assert_eq!((first.path.as_str(), &first.authority), ("/a?b=c", &host), "{form:?}: origin-form");
        assert_eq!(names(&first.headers), ["host", "x-request-id"], "{form:?}");
        assert_eq!((second.path.as_str(), &second.authority), ("/d", &host), "{form:?}");
        assert_eq!(
            names(&second.headers),
            ["connection", "content-length", "cookie", "host", "te", "x-request-id"],
            "{form:?}"
        );
        assert_eq!(
            (&second.headers["te"], &second.headers["connection"]),
            (&HeaderValue::from_static("trailers"), &HeaderValue::from_static("te"))
        );
        assert_eq!(second.headers["cookie"], "a=b; c=d");
    }
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}
