//! A GOAWAY is noticed when it comes, not when the next request meets it.

use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Failure, Reason};
use tower_redial::health::{Close, Drain, EventKind, State};

use crate::setup::{self, fetch, only, until};
use crate::support::bound::within;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{FaultyServer, GoAway, ScriptedServer, clients, reason};

/// G1: the stream that is open finishes, and the next POST goes to a new connection at its first attempt.
#[tokio::test]
async fn a_goaway_is_noticed_before_the_next_request() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h2(&health);
    let mut events = health.subscribe();

    let script = async {
        let mut first = server.accept().await;
        let open = first.request().await;
        first.head(open.stream_id, 200, &[]).await;
        first.goaway_debug(MAX_STREAM_ID, reason::NO_ERROR, "bye").await;
        first.round_trip().await;
        let mut second = server.accept().await;
        let post = second.request().await;
        second.respond(post.stream_id, 200, &[], "second").await;
        assert!(first.unheard().is_empty(), "nothing new came here");
        first.data(open.stream_id, "first", true).await;
        (first, second)
    };
    let requests = async {
        let response = client.clone().oneshot(clients::get(server.uri("/"), "1")).await.unwrap();
        let connection = setup::connection(&response);
        let drained = until(&mut events, |kind| matches!(kind, EventKind::Draining { .. })).await;
        let goaway = Drain::GoAway { reason: Reason::NO_ERROR };
        assert_eq!(drained, EventKind::Draining { reason: goaway });
        assert_eq!(connection.state(), State::Draining(goaway));
        let snapshot = connection.snapshot();
        assert_eq!((snapshot.open_streams, snapshot.debug_data.as_deref()), (1, Some(&b"bye"[..])));

        // Without resends: an error would surface.
        let second = client.clone().oneshot(clients::post(server.uri("/"), "2", "body")).await.unwrap();
        assert_ne!(setup::connection(&second).id(), connection.id());
        assert_eq!(second.into_body().collect().await.unwrap().to_bytes(), "second");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "first");
        connection
    };
    let (connection, (mut first, _second)) = within("both sides", async { tokio::join!(requests, script) }).await;
    // G4: nothing is left of it on either side.
    first.until_closed().await;
    assert_eq!(connection.state(), State::Closed(Close::Client));
    let ended = health.snapshot().ended;
    let ended = ended.iter().find(|ended| ended.id == connection.id()).expect("it is remembered");
    assert_eq!(ended.drained, Some(Drain::GoAway { reason: Reason::NO_ERROR }));
    assert_eq!(
        (ended.state.to_string(), State::Draining(Drain::Age).to_string()),
        ("closed: client".into(), "draining: age".into())
    );
}

/// G2, G3: a second GOAWAY that rises, or names a stream of the server's, breaks nothing here; what it is worth is the
/// endpoint's to say.
#[tokio::test]
async fn odd_goaways_are_no_matter() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h2_resent(&health);
    let script = async {
        let mut first = server.accept().await;
        let request = first.request().await;
        for last in [request.stream_id, MAX_STREAM_ID, 2, 0] {
            first.goaway(last, reason::NO_ERROR).await;
        }
        let mut second = server.accept().await;
        let request = second.request().await;
        second.respond(request.stream_id, 200, &[], "done").await;
        second
    };
    let request = fetch(&client, clients::get(server.uri("/"), "1"));
    let (response, _second) = within("both sides", async { tokio::join!(request, script) }).await;
    assert_eq!(response.unwrap(), "done");
    assert_eq!(only(&health).state, State::Open);
}

/// G4, K15: two thousand connections that were wound up leave nothing behind, neither here nor there.
#[tokio::test]
async fn no_connection_is_left_behind() {
    let server = FaultyServer::builder().goaway(GoAway::every(1)).addresses(8).start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2_resent(&health);
    for n in 0..2_000 {
        fetch(&client, clients::get(server.uri_at(n, "/"), &n.to_string())).await.unwrap();
    }
    assert!(server.counters().connections >= 2_000);
    within("the connections to end", async {
        while server.counters().open_connections > 8 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let snapshot = health.snapshot();
    assert!(snapshot.connections.len() <= 8, "{snapshot:?}");
    assert_eq!(snapshot.ended.len(), 64, "only the last are remembered");
    assert!(snapshot.origins.iter().all(|origin| origin.in_flight == 0 && origin.waiting == 0), "{snapshot:?}");
}

/// G9: a server that winds up every hundred requests, under load: no GET fails, and every POST is done once. A POST may meet
/// the GOAWAY race of hyper's, whose error proves nothing (see `tests/goaway_race.rs`).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn goaways_under_load_surface_nowhere() {
    let server = FaultyServer::builder().goaway(GoAway::every(100)).start().await;
    let health = ConnectionHealth::default();
    let client = setup::h2_resent(&health);
    let workers = (0..16).map(|worker| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            for n in 0..200 {
                let id = format!("{worker}-{n}");
                let is_get = n % 2 == 0;
                let request =
                    if is_get { clients::get(uri.clone(), &id) } else { clients::post(uri.clone(), &id, "body") };
                if let Err(error) = within("a response", fetch(&client, request)).await {
                    let failure = Failure::of(&*error, BodyUse::Untouched);
                    assert!(!is_get && failure.cause().label() == "goaway", "{id}: {failure}: {error:?}");
                }
            }
        })
    });
    for worker in futures_util::future::join_all(workers).await {
        worker.unwrap();
    }
    assert!(server.counters().goaways >= 20);
    assert!(server.ledger().distinct() >= 16 * 200 - 20, "{}", server.ledger().distinct());
    let posts_twice: Vec<_> = server.ledger().doubled().into_iter().filter(|(id, _)| is_post(id)).collect();
    assert_eq!(posts_twice, []);
    assert_eq!(server.violations(), Vec::<String>::new());
}

fn is_post(id: &str) -> bool {
    id.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n % 2 == 1)
}
