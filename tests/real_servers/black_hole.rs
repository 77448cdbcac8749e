//! A network that loses the packets of one connection and no others: a NAT or a load balancer that forgot it, say.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Method, Uri};
use hyper_util::client::legacy::connect::HttpInfo;
use tower_redial::{
    BodyUse, ConnectionHealth, Failure, RetryOnCanceledLayer,
    health::{Builder, ConnectionId},
};

use crate::{
    attempts::Attempts,
    netns,
    silence::{BlackHole, is_given_up, is_left_silent, silent},
    support::{FaultyServer, bound::within, clients},
    watched::{self, Answer, Watched, look_up, send},
};

/// A server, and a client that has one connection to it, whose packets are lost from now on.
struct Scene {
    server: FaultyServer,
    health: ConnectionHealth,
    attempts: Attempts,
    client: Watched,
    connection: ConnectionId,
}

impl Scene {
    async fn set(health: Builder) -> Self {
        let server = FaultyServer::builder().start().await;
        let health = health.build();
        let attempts = Attempts::default();
        let connector = clients::http_connector();
        let client = watched::client(&health, connector, true, RetryOnCanceledLayer::new(), &attempts);
        let first = send(client.clone(), Method::GET, server.uri("/"), "first");
        let first = within("the first answer", first).await.expect("an answer");
        let connection = first.connection();
        netns::lose(port(&first));
        Self { server, health, attempts, client, connection }
    }

    fn uri(&self) -> Uri {
        self.server.uri("/")
    }
}

/// The client's port of the connection that an answer came on.
fn port(answer: &Answer) -> u16 {
    answer.extensions.get::<HttpInfo>().expect("a TCP connection").local_addr().port()
}

/// K1, K10, K13, C14: nothing new is sent into the hole once a probe is overdue; what is in it fails when it is given up, and
/// what is idempotent succeeds on a new connection. The POST is not resent, and arrives when the network has healed: it
/// would have been processed twice.
#[tokio::test]
async fn a_connection_whose_packets_are_lost_is_left() {
    if !netns::entered("black_hole::a_connection_whose_packets_are_lost_is_left") {
        return;
    }
    let scene = Scene::set(watched::quick()).await;
    // A client that nobody watches, to see that nothing else ends the wait.
    let bare = clients::h2();
    let first = within("an answer", bare.request(clients::get(scene.uri(), "bare-first"))).await.expect("an answer");
    netns::lose(first.extensions().get::<HttpInfo>().expect("a TCP connection").local_addr().port());
    let mut waiting = Box::pin(bare.request(clients::get(scene.uri(), "bare")));
    assert!((&mut waiting).now_or_never().is_none());

    let hole = BlackHole {
        client: &scene.client,
        health: &scene.health,
        attempts: &scene.attempts,
        uri: scene.uri(),
        connection: scene.connection,
        events: scene.health.subscribe(),
    };
    hole.escape().await;
    assert!(waiting.now_or_never().is_none(), "the bare client knows nothing yet");

    let ledger = scene.server.ledger();
    assert_eq!((ledger.times("stuck-get"), ledger.times("stuck-post")), (1, 0));
    netns::heal();
    within("what was sent into the hole to arrive", async {
        while ledger.times("stuck-get") < 2 || ledger.times("stuck-post") < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(ledger.times("stuck-post"), 1);
    assert_eq!(ledger.doubled(), [("stuck-get".to_owned(), 2)]);
    assert_eq!(scene.server.violations(), Vec::<String>::new());
}

/// K9: the hole is found by the first request after a pause, whose probe does not wait for `probe_after`.
#[tokio::test]
async fn the_first_request_after_a_pause_finds_a_lost_connection() {
    if !netns::entered("black_hole::the_first_request_after_a_pause_finds_a_lost_connection") {
        return;
    }
    let pause = Duration::from_millis(300);
    let scene = Scene::set(watched::quick().probe_after(Duration::from_secs(60)).verify_idle(pause)).await;
    let mut events = scene.health.subscribe();
    within("the pause", async {
        while look_up(&scene.health, scene.connection).idle <= pause {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let before = look_up(&scene.health, scene.connection);
    assert_eq!(before.probes, 0, "an idle connection is not probed");
    let get = send(scene.client.clone(), Method::GET, scene.uri(), "get");
    let post = send(scene.client.clone(), Method::POST, scene.uri(), "post");
    let told = async {
        is_left_silent(&mut events, scene.connection).await;
        is_given_up(&mut events, scene.connection).await;
    };
    let (get, post, ()) = within("all of it", async { tokio::join!(get, post, told) }).await;
    assert_ne!(get.expect("an answer from elsewhere").connection(), scene.connection);
    assert_eq!((scene.attempts.of("get"), scene.attempts.of("post")), (2, 1));
    let error = post.expect_err("it cannot be known what became of it");
    assert!(silent(&Failure::of(&*error, BodyUse::Polled)), "{error:?}");
}
