//! A client that is rebuilt when its connections are dead and it does not know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use reqwest::Client;
use reqwest::cookie::Jar;
use reqwest_middleware::ClientBuilder;
use tokio::sync::oneshot;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::reqwest::{Renew, RenewBuilder, Renewal};

use crate::setup::{Decisions, build, client, request};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, Received, Reply, ScriptedServer, clients};

const QUICK: Duration = Duration::from_millis(100);

/// The first connection that is used falls silent at its second request.
async fn falls_silent() -> FaultyServer {
    let silent = |_: &Received, nth: u64| (nth == 2).then_some(Fault::Silence { processed: false });
    FaultyServer::builder().choose(silent).start().await
}

fn impatient() -> Result<Client, BoxError> {
    Ok(build(clients::reqwest().timeout(QUICK)))
}

async fn get(renew: &Renew, server: &FaultyServer, id: &str) -> Result<reqwest::Response, reqwest::Error> {
    within("an end", renew.clone().oneshot(request(Method::GET, &server.uri("/"), id))).await
}

/// What was told of the rebuilds.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn listen(&self, builder: RenewBuilder) -> RenewBuilder {
        let told = Arc::clone(&self.0);
        builder.on_renewal(move |renewal| {
            told.lock().unwrap().push(match renewal {
                Renewal::Renewed { generation } => format!("generation {generation}"),
                Renewal::Failed { error } => error.to_string(),
                other => format!("{other:?}"),
            });
        })
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// K1: reqwest loses every request on a connection that fell silent; renewed, as many as it takes to be sure.
#[tokio::test]
async fn a_silent_connection_is_left() {
    let server = falls_silent().await;
    let bare = build(clients::reqwest().timeout(QUICK));
    let mut lost = 0;
    for n in 0..8 {
        let get = bare.execute(request(Method::GET, &server.uri("/"), &n.to_string()));
        lost += usize::from(within("an end", get).await.is_err());
    }
    assert_eq!((lost, server.counters().connections), (7, 1));

    let server = falls_silent().await;
    let told = Told::default();
    let renew = told.listen(Renew::builder()).build(impatient).unwrap();
    for n in 0..8 {
        let result = get(&renew, &server, &n.to_string()).await;
        assert_eq!(result.is_err(), n == 1 || n == 2, "{n}: {result:?}");
    }
    assert_eq!((renew.generation(), server.counters().connections), (1, 2));
    assert_eq!(told.all(), ["generation 1"]);
}

/// Under the retry layer nothing surfaces at all.
#[tokio::test]
async fn under_the_retry_layer_nothing_surfaces() {
    let server = falls_silent().await;
    let renew = Renew::builder().build(impatient).unwrap();
    let decisions = Decisions::default();
    let client = ServiceBuilder::new().layer(decisions.layer().resend_timeouts(true)).service(renew);
    for n in 0..8 {
        let get = request(Method::GET, &server.uri("/"), &n.to_string());
        within("a response", client.clone().oneshot(get)).await.unwrap();
    }
    assert_eq!(decisions.seen(), (2, None));
}

/// As the last middleware it serves the requests itself.
#[tokio::test]
async fn it_is_middleware_too() {
    let server = falls_silent().await;
    let renew = Renew::builder().build(impatient).unwrap();
    let layer = Decisions::default().layer().resend_timeouts(true);
    let client = ClientBuilder::new(client()).with(layer).with(renew.clone()).build();
    for n in 0..8 {
        let get = request(Method::GET, &server.uri("/"), &n.to_string());
        within("a response", client.execute(get)).await.unwrap();
    }
    assert_eq!(renew.generation(), 1);
}

/// What is under way on the old client finishes there.
#[tokio::test]
async fn what_is_under_way_finishes() {
    let server = ScriptedServer::bind().await;
    let renew = Renew::builder().build(|| Ok::<_, BoxError>(client())).unwrap();
    let (tell, told) = oneshot::channel();
    let script = async {
        let mut first = server.accept().await;
        let mut requests = first.requests(2).await;
        requests.sort_by(|one, other| one.id.cmp(&other.id));
        let [headless, half] = requests.try_into().unwrap();
        first.head(half.stream_id, 200, &[]).await;
        tell.send(()).unwrap();
        let mut second = server.accept().await;
        let next = second.request().await;
        second.respond(next.stream_id, 200, &[], "new").await;
        first.respond(headless.stream_id, 200, &[], "old").await;
        first.data(half.stream_id, "half", true).await;
        // Then nothing holds the old client any more, and its connection goes with it.
        first.until_closed().await;
        second
    };
    let requests = async {
        let send = |id: &str| renew.clone().oneshot(request(Method::GET, &server.uri("/"), id));
        let headless = tokio::spawn(send("1"));
        let half = send("2").await.unwrap();
        told.await.unwrap();
        renew.renew();
        while renew.generation() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(send("3").await.unwrap().text().await.unwrap(), "new");
        assert_eq!(headless.await.unwrap().unwrap().text().await.unwrap(), "old");
        assert_eq!(half.text().await.unwrap(), "half");
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
}

/// A closure that fails, or panics, leaves the client as it is, says so, and is not asked again before its time.
#[tokio::test]
async fn a_closure_that_fails_keeps_the_old_client() {
    for panics in [false, true] {
        let server = FaultyServer::builder().handler(|_, _| Reply::ok("slow").after(3 * QUICK)).start().await;
        let (told, calls) = (Told::default(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&calls);
        let make = move || match counted.fetch_add(1, Ordering::Relaxed) {
            0 => impatient(),
            _ if panics => panic!("as it was told"),
            _ => Err("no client today".into()),
        };
        let renew = told.listen(Renew::builder().timeouts(1)).build(make).unwrap();
        for n in 0..3 {
            assert!(get(&renew, &server, &n.to_string()).await.unwrap_err().is_timeout());
        }
        // The second and the third came too soon after the first.
        assert_eq!((renew.generation(), calls.load(Ordering::Relaxed)), (0, 2));
        let said = if panics { "the closure that makes the client panicked" } else { "no client today" };
        assert_eq!(told.all(), [said]);
    }
}

/// The first client cannot be made: that is said at once, with the closure's own error.
#[tokio::test]
async fn the_first_failure_is_the_callers() {
    let error = Renew::builder().build(|| Err::<Client, _>(std::fmt::Error)).unwrap_err();
    assert_eq!(error, std::fmt::Error);
}

/// However many requests time out at once, there is one rebuild, and the next one after the pace.
#[tokio::test]
async fn rebuilds_are_paced() {
    let server = FaultyServer::builder().every(1, Fault::Silence { processed: false }).start().await;
    let told = Told::default();
    let pace = 10 * QUICK;
    let renew = told.listen(Renew::builder().timeouts(1).pace(pace)).build(impatient).unwrap();
    let storm = async |round: u64| {
        let requests = (0..50).map(|n| {
            let get = request(Method::GET, &server.uri("/"), &format!("{round}-{n}"));
            renew.clone().oneshot(get)
        });
        let ended = within("an end of all", futures_util::future::join_all(requests)).await;
        assert!(ended.iter().all(Result::is_err));
    };
    storm(1).await;
    storm(2).await;
    assert_eq!(told.all(), ["generation 1"]);
    tokio::time::sleep(pace).await;
    storm(3).await;
    assert_eq!(told.all(), ["generation 1", "generation 2"]);
}

/// A closure that takes its time does not hold the error back for longer than the patience.
#[tokio::test]
async fn patience_ends() {
    let server = FaultyServer::builder().every(1, Fault::Silence { processed: false }).start().await;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (wait, calls) = (Mutex::new(wait), AtomicU64::new(0));
    let make = move || {
        if calls.fetch_add(1, Ordering::Relaxed) > 0 {
            // Until the test is over.
            let _ = wait.lock().unwrap().recv();
        }
        impatient()
    };
    let renew = Renew::builder().timeouts(1).patience(QUICK).build(make).unwrap();
    for n in 0..3 {
        assert!(get(&renew, &server, &n.to_string()).await.unwrap_err().is_timeout());
    }
    assert_eq!(renew.generation(), 0);
    drop(release);
}

/// An answer in between ends the row; a slow answer is none.
#[tokio::test]
async fn a_row_of_timeouts_is_a_row() {
    let slow = |received: &Received, _| match &*received.path {
        "/slow" => Reply::ok("slow").after(10 * QUICK),
        _ => Reply::ok("quick"),
    };
    let server = FaultyServer::builder().handler(slow).start().await;
    let renew = Renew::builder().build(impatient).unwrap();
    let send = async |path: &str| {
        let sent = renew.clone().oneshot(request(Method::GET, &server.uri(path), "1"));
        within("an end", sent).await.is_ok()
    };
    for path in ["/slow", "/", "/slow", "/", "/slow"] {
        assert_eq!(send(path).await, path == "/");
    }
    assert_eq!(renew.generation(), 0);
    assert!(!send("/slow").await);
    assert_eq!(renew.generation(), 1);
}

/// What the closure shares outlives the client: its cookies.
#[tokio::test]
async fn what_is_shared_stays() {
    let cookies = |received: &Received, _| {
        let cookie = received.headers.get("cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        Reply::ok(cookie.unwrap_or_default()).header("set-cookie", "session=7")
    };
    let server = FaultyServer::builder().handler(cookies).start().await;
    let jar = Arc::new(Jar::default());
    let make = move || Ok::<_, BoxError>(build(clients::reqwest().cookie_provider(Arc::clone(&jar))));
    let renew = Renew::builder().build(make).unwrap();
    assert_eq!(get(&renew, &server, "1").await.unwrap().text().await.unwrap(), "");
    renew.renew();
    while renew.generation() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(get(&renew, &server, "2").await.unwrap().text().await.unwrap(), "session=7");
}
