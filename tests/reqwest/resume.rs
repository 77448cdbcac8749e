//! Downloads through reqwest: what is resumed, what is not, and that all else stays as it is.

use http::Method;
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::resume::{Incomplete, Progress, ResumeLayer, Why};

use crate::setup::{self, request, stream, with_body};
use crate::support::bound::within;
use crate::support::{Cut, Fault, FaultyServer, Received, Reply, files};

const CUT: Fault = Fault::CutBody { after: 10_000, how: Cut::Fin };

/// What went wrong with reading a body, down the chain of reqwest's error.
fn incomplete(error: &reqwest::Error) -> &Incomplete {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(incomplete) = error.downcast_ref() {
            return incomplete;
        }
        source = error.source();
    }
    panic!("{error:?}")
}

/// A request that is no download goes out as it is, with its body, in memory or a stream.
#[tokio::test]
async fn an_upload_is_none_of_its_business() {
    let server = FaultyServer::builder().handler(|_, body| Reply::ok(body)).start().await;
    let client = ServiceBuilder::new().layer(ResumeLayer::new()).service(setup::client());
    for (id, body) in [("1", reqwest::Body::from("all of it")), ("2", stream(b"all of it", 2))] {
        let post = with_body(Method::POST, &server.uri("/echo"), id, body);
        let response = within("a response", client.clone().oneshot(post)).await.unwrap();
        assert_eq!(response.url().path(), "/echo");
        assert_eq!(response.text().await.unwrap(), "all of it");
    }
}

/// R1: a download's URL, length and address stay, and its progress is in the extensions.
#[tokio::test]
async fn a_download_is_a_response_as_any_other() {
    let cut_once = |received: &Received, _: u64| (!received.headers.contains_key("range")).then_some(CUT);
    let server = FaultyServer::builder().handler(files::serve(1)).choose(cut_once).start().await;
    let client = ServiceBuilder::new().layer(ResumeLayer::new()).service(setup::client());
    let get = request(Method::GET, &server.uri("/files/0"), "1");
    let response = within("a response", client.oneshot(get)).await.unwrap();
    let file = files::File::number(0);
    assert_eq!((response.url().path(), response.content_length()), ("/files/0", Some(file.size as u64)));
    assert!(response.remote_addr().is_some());
    let progress = response.extensions().get::<Progress>().unwrap().clone();
    assert!(within("the file", response.bytes()).await.unwrap() == file.content());
    assert_eq!(progress.resumes(), 1);
}

/// The redirect that reqwest follows may lead elsewhere the second time: a validator is one resource's own, and equal by chance.
#[tokio::test]
async fn another_place_is_another_file() {
    for elsewhere in [false, true] {
        let redirect = move |received: &Received, body: bytes::Bytes| {
            let is_rest = received.headers.contains_key("range");
            let at = if is_rest && elsewhere { "/files/1" } else { "/files/0" };
            match &*received.path {
                "/latest" => Reply::new(302).header("location", format!("{at}?signature={is_rest}")),
                _ => {
                    let path = received.path.split('?').next().unwrap().to_owned();
                    let mut asked = Received { path, ..received.clone() };
                    // Both have the same tag, which is not that of the support's files.
                    asked.headers.remove("if-range");
                    let mut reply = files::serve(2)(&asked, body);
                    reply.headers.retain(|(name, _)| name != "etag");
                    reply.header("etag", "\"1\"")
                }
            }
        };
        let cut = |received: &Received, _: u64| {
            (received.path != "/latest" && !received.headers.contains_key("range")).then_some(CUT)
        };
        let server = FaultyServer::builder().handler(redirect).choose(cut).start().await;
        let client = ServiceBuilder::new().layer(ResumeLayer::new()).service(setup::client());
        let get = request(Method::GET, &server.uri("/latest"), "1");
        let response = within("a response", client.oneshot(get)).await.unwrap();
        let bytes = within("the file", response.bytes()).await;
        match elsewhere {
            false => assert!(bytes.unwrap() == files::File::number(0).content()),
            true => assert_eq!(incomplete(&bytes.unwrap_err()).why(), Why::Elsewhere),
        }
    }
}
