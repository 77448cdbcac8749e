//! Downloads from servers that people run, through a proxy that cuts every connection after a few MiB.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::resume::{Progress, ResumeLayer};
use tower_redial::retry::Limits;

use crate::nginx::connector;
use crate::static_files::{self, Content, FILE_SIZE, FILES, StaticFiles};
use crate::support::clients;
use crate::support::cutting::{CuttingProxy, Passed};

/// How many downloads run at a time.
const AT_ONCE: usize = 4;

/// How many there are for each protocol.
const DOWNLOADS: usize = 8;

/// What the downloads through one proxy came to.
struct Run {
    passed: Passed,
    resumes: u32,
}

async fn download(served: &StaticFiles, http1: bool) -> Run {
    // With FIN: an RST takes back what the proxy's kernel has not sent yet, and that would count as transferred.
    let proxy = CuttingProxy::builder().after(2 << 20..=6 << 20).start(served.server.addr()).await;
    let connector = connector(served.certificate.clone(), http1);
    // Loopback takes a connection through its few MiB in milliseconds: a request without a head can be lost three times in a row.
    let patient = Limits::after_loss().max_resends(8);
    let client = ServiceBuilder::new()
        .layer(ResumeLayer::new())
        .layer(RetryOnCanceledLayer::new().after_loss(patient))
        .service(clients::builder().build(connector));
    let resumes = stream::iter(0..DOWNLOADS)
        .map(|number| {
            let uri = format!("https://{}/{}", proxy.addr(), number % FILES).parse::<Uri>().unwrap();
            let client = client.clone();
            // On a task of its own, as those of a program that downloads are.
            tokio::spawn(async move {
                let response = client.oneshot(Request::get(uri).body(Empty::<Bytes>::new())?).await?;
                assert_eq!((response.status().as_u16(), response.version()), (200, version(http1)));
                let progress = response.extensions().get::<Progress>().expect("a download").clone();
                read(response.into_body(), number % FILES).await?;
                Ok::<_, BoxError>(progress.resumes())
            })
        })
        .buffer_unordered(AT_ONCE)
        .map(|joined| joined.expect("no panic"))
        .try_fold(0, async |sum, resumes| Ok(sum + resumes))
        .await
        .expect("all downloads");
    Run { passed: proxy.counters(), resumes }
}

const fn version(http1: bool) -> http::Version {
    if http1 { http::Version::HTTP_11 } else { http::Version::HTTP_2 }
}

/// Reads a body to its end and looks at every byte of it.
async fn read(mut body: impl Body<Data = Bytes, Error = BoxError> + Unpin, file: usize) -> Result<(), BoxError> {
    let content = Content::new();
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().expect("no trailers");
        assert!(content.is_at(file, at, &data), "wrong bytes of {file} at {at}");
        at += data.len();
    }
    assert_eq!(at, FILE_SIZE);
    Ok(())
}

/// R1: 1 GiB, half of it over each protocol.
async fn a_gibibyte(name: &str, served: Option<StaticFiles>) {
    let Some(served) = served else { return };
    for http1 in [false, true] {
        let Run { passed, resumes } = download(&served, http1).await;
        let content = (DOWNLOADS * FILE_SIZE) as f64;
        let ratio = passed.downstream as f64 / content;
        let protocol = version(http1);
        println!("{name}, {protocol:?}: {} cuts, {resumes} resumes, {ratio:.4} times the bytes", passed.cuts);
        assert!(passed.cuts >= 80 && resumes >= 80, "{passed:?}");
        assert!(ratio <= 1.05, "{passed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_from_nginx() {
    a_gibibyte("nginx", static_files::nginx().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_from_caddy() {
    a_gibibyte("Caddy", static_files::caddy().await).await;
}
