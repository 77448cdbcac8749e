//! Peers who mean no good, and outages, under reqwest: over real sockets and in real time, since its connector is its own. What
//! bounds it is the same as in the catalogue of `tests/hostile`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Uri};
use reqwest::Client;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::reqwest::{Renew, Renewal};
use tower_redial::retry::Typed;

use crate::setup::{build, client, request, with_body};
use crate::support::bound::within;
use crate::support::{
    Cut, Fault, FaultyServer, GoAway, GoAwayStyle, NobodyListens, REQUEST_ID, ScriptedServer, clients, reason,
};

/// So many at once, every second one a POST.
const REQUESTS: usize = 20;

/// What came of them.
struct Came {
    answered: usize,
    resends: u64,
    took: Duration,
}

/// A layer that counts its resends.
fn counting(resends: &Arc<AtomicU64>) -> RetryOnCanceledLayer<Typed> {
    let resends = Arc::clone(resends);
    RetryOnCanceledLayer::new().single_hop(true).on_retry(move |event| {
        if matches!(event.decision(), tower_redial::retry::Decision::Resend { .. }) {
            resends.fetch_add(1, Ordering::Relaxed);
        }
    })
}

async fn send(client: Client, uri: &Uri) -> Came {
    let resends = Arc::new(AtomicU64::new(0));
    let service = ServiceBuilder::new().layer(counting(&resends)).service(client);
    let began = Instant::now();
    let all = (0..REQUESTS).map(|n| {
        let id = n.to_string();
        let request =
            if n % 2 == 0 { request(Method::GET, uri, &id) } else { with_body(Method::POST, uri, &id, "an order") };
        service.clone().oneshot(request)
    });
    let results = within("all to end", futures_util::future::join_all(all)).await;
    let answered = results.into_iter().filter(Result::is_ok).count();
    Came { answered, resends: resends.load(Ordering::Relaxed), took: began.elapsed() }
}

/// How often the requests of this kind arrived, at the most.
fn most_seen(server: &FaultyServer, posts: bool) -> u64 {
    let ids = (0..REQUESTS).filter(|n| (n % 2 == 1) == posts);
    ids.map(|n| server.ledger().seen(&n.to_string())).max().unwrap_or_default()
}

/// RFC 9113, section 8.7: six resends each, of any method, and none is processed.
#[tokio::test]
async fn a_server_that_refuses_for_ever() {
    let server = FaultyServer::builder().every(1, Fault::Refuse).start().await;
    let came = send(client(), &server.uri("/")).await;
    assert_eq!((came.answered, server.ledger().total()), (0, 0));
    assert!(most_seen(&server, false) <= 7 && most_seen(&server, true) <= 7);
    assert!(came.resends <= 6 * REQUESTS as u64 && server.counters().connections <= 2, "{:?}", server.counters());
    assert!(came.took < Duration::from_secs(10), "{:?}", came.took);
}

/// CVE-2023-44487, the other way round: every stream is reset at once. A reset proves nothing.
#[tokio::test]
async fn a_server_that_resets_every_stream() {
    let reset = Fault::Reset { reason: reason::CANCEL, processed: true };
    let server = FaultyServer::builder().every(1, reset).start().await;
    let came = send(client(), &server.uri("/")).await;
    assert_eq!(came.answered, 0);
    assert!(most_seen(&server, false) <= 3, "two resends of what may be processed twice");
    assert_eq!(most_seen(&server, true), 1, "and none of what may not");
    assert!(came.took < Duration::from_secs(10), "{:?}", came.took);
}

/// A GOAWAY on every connection, which turns all its requests away: as many connections as there are rounds of attempts.
#[tokio::test]
async fn a_server_that_turns_every_connection_away() {
    let goaway = GoAway::on_accept().style(GoAwayStyle::Final);
    let server = FaultyServer::builder().goaway(goaway).start().await;
    let came = send(client(), &server.uri("/")).await;
    assert_eq!((came.answered, server.ledger().total()), (0, 0));
    assert!(came.resends <= 8 * REQUESTS as u64, "{}", came.resends);
    assert!(server.counters().connections <= 1 + came.resends, "{:?}", server.counters());
    assert!(came.took < Duration::from_secs(10), "{:?}", came.took);
}

/// A server that cuts each connection at its first request: a load balancer whose backends flap.
#[tokio::test]
async fn a_server_that_cuts_every_connection() {
    for how in [Cut::Fin, Cut::Rst] {
        let server = FaultyServer::builder().every(1, Fault::Cut { how, processed: true }).start().await;
        let came = send(client(), &server.uri("/")).await;
        assert_eq!(came.answered, 0);
        assert_eq!(server.ledger().doubled().iter().filter(|(id, _)| id.parse::<usize>().unwrap() % 2 == 1).count(), 0);
        assert!(most_seen(&server, false) <= 9 && most_seen(&server, true) <= 7, "{how:?}");
        assert!(came.resends <= 8 * REQUESTS as u64 && came.took < Duration::from_secs(20), "{how:?}: {:?}", came.took);
    }
}

/// Nobody is there: two resends of each, of any method.
#[tokio::test]
async fn an_outage() {
    let nobody = NobodyListens::bind();
    let came = send(client(), &nobody.uri("/")).await;
    assert_eq!(came.answered, 0);
    assert!(came.resends <= 2 * REQUESTS as u64 && came.took < Duration::from_secs(10), "{:?}", came.took);
}

/// A peer who takes everything and says nothing: what ends it is the caller's timeout, and clients are rebuilt no more often than their
/// pace allows.
#[tokio::test]
async fn a_server_that_never_says_anything() {
    const PACE: Duration = Duration::from_millis(400);
    let server = FaultyServer::builder().every(1, Fault::Silence { processed: false }).start().await;
    let renewals = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&renewals);
    let renew = Renew::builder()
        .pace(PACE)
        .patience(Duration::ZERO)
        .on_renewal(move |renewal| {
            if matches!(renewal, Renewal::Renewed { .. }) {
                told.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build(|| Ok::<_, BoxError>(build(clients::reqwest().timeout(Duration::from_millis(50)))))
        .unwrap();
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::<Typed>::new()).service(renew);
    let began = Instant::now();
    for n in 0..REQUESTS {
        let get = service.clone().oneshot(request(Method::GET, &server.uri("/"), &n.to_string()));
        assert!(within("an end", get).await.is_err());
    }
    let most = 1 + began.elapsed().as_millis() as u64 / PACE.as_millis() as u64;
    let renewals = renewals.load(Ordering::Relaxed);
    assert!((1..=most).contains(&renewals), "{renewals} of {most}");
    assert!(server.counters().connections <= 1 + renewals, "{:?}", server.counters());
    assert_eq!(most_seen(&server, false), 1, "a timeout is not resent unless that is asked for");
}

/// reqwest follows redirects below the layer. What the first server was given stays with it, whatever the second does.
#[tokio::test]
async fn a_redirect_to_a_server_that_refuses() {
    let (first, second) = (ScriptedServer::bind().await, ScriptedServer::bind().await);
    let mut get = request(Method::GET, &first.uri("/"), "1");
    get.headers_mut().insert("authorization", "Bearer hunter2".parse().unwrap());
    get.headers_mut().insert("cookie", "session=hunter2".parse().unwrap());
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::<Typed>::new()).service(client());
    let elsewhere = second.uri("/").to_string();
    let script = async {
        let mut near = first.accept().await;
        let received = near.request().await;
        assert_eq!(received.headers["authorization"], "Bearer hunter2");
        near.respond(received.stream_id, 307, &[("location", elsewhere.as_str())], "").await;
        let mut far = second.accept().await;
        let refused = far.request().await;
        far.reset(refused.stream_id, reason::REFUSED_STREAM).await;
        // It is sent again as the caller gave it: to the first, which redirects again.
        let again = near.request().await;
        assert_eq!((again.headers["authorization"].as_bytes(), &*again.id), (&b"Bearer hunter2"[..], "1"));
        near.respond(again.stream_id, 307, &[("location", elsewhere.as_str())], "").await;
        let received = far.request().await;
        far.respond(received.stream_id, 200, &[], "").await;
        for received in [refused, received] {
            assert!(received.headers.contains_key(REQUEST_ID));
            for secret in ["authorization", "cookie"] {
                assert!(!received.headers.contains_key(secret), "{secret} was given to another origin");
            }
        }
        (near, far)
    };
    let (response, _connections) = tokio::join!(within("an answer", service.oneshot(get)), script);
    assert_eq!(response.unwrap().status(), 200);
}
