//! HTTP/2 that is broken in ways that say nothing, or for good, while HTTP/1.1 is well.

use std::time::{Duration, Instant};

use tower::ServiceExt;

use crate::setup::{FORMS, Form, Ill, after, both, get, quiet};
use crate::support::{Cut, Fault, clients, reason};

const LASTING: Duration = Duration::from_millis(800);

/// X2: after its time HTTP/2 resets every stream, which says nothing of it. Ever fewer requests find out, all others are served.
#[tokio::test]
async fn resets_after_the_time_do_not_undo_the_downgrade() {
    for form in FORMS {
        let required = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };
        let resets = Fault::Reset { reason: reason::INTERNAL_ERROR, processed: false };
        let server = both().choose(move |_, nth| Some(if nth == 1 { required } else { resets })).start().await;
        let downgrade = quiet().lasting(LASTING).build();
        let service = form.bare(&downgrade, server.identity());
        get(&service, server.uri("/"), "first").await.unwrap_err();
        let (began, mut served, mut failed) = (Instant::now(), 0, 0);
        while began.elapsed() < 3 * LASTING {
            match get(&service, server.uri("/"), "next").await {
                Ok(_) => served += 1,
                Err(_) => failed += 1,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // At the end of the first time, and 1/8, 3/8, 7/8 and 15/8 of it later.
        assert!((1..=5).contains(&failed) && served > 30, "{form:?}: {failed} failed, {served} served");
    }
}

/// X2: a POST is not spent on finding out.
#[tokio::test]
async fn no_post_is_lost_to_a_probe() {
    for form in FORMS {
        let dies = Fault::Cut { how: Cut::Fin, processed: false };
        let server = both().choose(Ill::yes().with(dies)).start().await;
        let lasting = Duration::from_millis(100);
        let downgrade = after(1).lasting(lasting).build();
        let service = form.resent(&downgrade, server.identity());
        get(&service, server.uri("/"), "first").await.unwrap();
        let began = Instant::now();
        while began.elapsed() < 5 * lasting {
            let post = clients::post(server.uri("/"), "post", "a body");
            service.clone().oneshot(post).await.unwrap();
            get(&service, server.uri("/"), "get").await.unwrap();
        }
        assert!(server.counters().streams >= 4, "{form:?}: there were probes");
    }
}

/// X2: a probe that hangs is followed by another, when its time is over.
#[tokio::test]
async fn a_probe_that_hangs_keeps_nobody() {
    for form in [Form::OneClient, Form::TwoClients] {
        let required = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };
        let hangs = Fault::StallBody { after: 0 };
        let faults = move |_: &_, nth| [Some(required), Some(hangs)].get(nth as usize - 1).copied().flatten();
        let server = both().choose(faults).start().await;
        let downgrade = quiet().lasting(LASTING).build();
        let service = form.bare(&downgrade, server.identity());
        get(&service, server.uri("/"), "first").await.unwrap_err();
        tokio::time::sleep(LASTING).await;
        let hung = tokio::spawn({
            let (service, uri) = (service.clone(), server.uri("/"));
            async move { get(&service, uri, "long-hangs").await.map(drop) }
        });
        while server.counters().streams < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        get(&service, server.uri("/"), "meanwhile").await.unwrap();
        assert_eq!(server.counters().streams, 2, "{form:?}");
        tokio::time::sleep(LASTING).await;
        get(&service, server.uri("/"), "next").await.unwrap();
        assert_eq!(server.counters().streams, 3, "{form:?}: it went over HTTP/2");
        hung.abort();
    }
}
