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
