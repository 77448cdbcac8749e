//! What is shown.

use std::time::Duration;

use tower_redial::downgrade::{EventKind, State, Trouble};

use crate::setup::{FORMS, Ill, after, both, get, only, so_far};
use crate::support::{Cut, Fault};

#[tokio::test]
async fn each_step_is_told() {
    for form in FORMS {
        let ill = Ill::yes();
        let dies = Fault::Cut { how: Cut::Fin, processed: false };
        let server = both().choose(ill.with(dies)).start().await;
        let lasting = Duration::from_millis(100);
        let downgrade = after(2).lasting(lasting).build();
        let mut events = downgrade.subscribe();
        let service = form.bare(&downgrade, server.identity());
        get(&service, server.uri("/"), "1").await.unwrap_err();
        let origin = only(&downgrade);
        assert_eq!((origin.state, origin.died, origin.downgrades), (State::Http2, 1, 0), "{form:?}");
        get(&service, server.uri("/"), "2").await.unwrap_err();
        let origin = only(&downgrade);
        assert!(matches!(origin.state, State::Http1 { left } if left <= lasting), "{form:?}: {origin:?}");
        assert_eq!((origin.died, origin.downgrades), (0, 1));
        assert_eq!(origin.origin.to_string(), server.uri("/").to_string().trim_end_matches('/'));
        ill.cure();
        tokio::time::sleep(lasting).await;
        get(&service, server.uri("/"), "3").await.unwrap();
        let down = EventKind::Downgraded { reason: Trouble::Died, lasting };
        let told = [EventKind::Died { in_a_row: 1 }, down, EventKind::Probing, EventKind::Restored];
        assert_eq!(so_far(&mut events), told, "{form:?}");
    }
}

/// An origin that has been downgraded.
#[cfg(any(feature = "serde", feature = "metrics"))]
async fn downgraded() -> tower_redial::Downgrade {
    let dies = Fault::Cut { how: Cut::Fin, processed: false };
    let server = both().choose(Ill::yes().with(dies)).start().await;
    let downgrade = after(1).lasting(Duration::from_secs(600)).build();
    let service = FORMS[0].bare(&downgrade, server.identity());
    get(&service, server.uri("/"), "1").await.unwrap_err();
    downgrade
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn it_can_be_serialized() {
    let downgrade = downgraded().await;
    let json = serde_json::to_value(downgrade.snapshot()).unwrap();
    let origin = &json["origins"][0];
    assert!(origin["origin"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{json}");
    assert!(origin["state"]["http1"]["left"]["secs"].as_u64().is_some_and(|left| left > 500), "{json}");
    let kind = EventKind::Downgraded { reason: Trouble::Http11Required, lasting: Duration::from_secs(1) };
    let json = serde_json::to_value(kind).unwrap();
    assert_eq!(json["downgraded"]["reason"], "http_1_1_required");
}

#[cfg(feature = "metrics")]
#[test]
fn changes_are_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(downgraded()));
    let counted = snapshotter.snapshot().into_vec().into_iter().find_map(|(key, _, _, value)| {
        let labels: Vec<_> =
            key.key().labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        (key.key().name() == "tower_redial.downgrade.events").then_some((labels, value))
    });
    let (labels, value) = counted.expect("the counter");
    assert_eq!(value, DebugValue::Counter(1));
    for label in [("event", "downgraded"), ("reason", "died"), ("server.address", "127.0.0.1"), ("url.scheme", "https")]
    {
        assert!(labels.iter().any(|(name, value)| (name.as_str(), value.as_str()) == label), "{labels:?}");
    }
}
