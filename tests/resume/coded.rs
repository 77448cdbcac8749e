//! A layer below that decodes, whatever was asked for, and what it leaves of a head.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_http::decompression::DecompressionLayer;
use tower_redial::resume::{Incomplete, ResumeLayer, Why};

use crate::reference::repr_digest;
use crate::support::files::noise;

const SIZE: usize = 2000;

fn coded() -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&original()).unwrap();
    encoder.finish().unwrap().into()
}

fn original() -> Bytes {
    noise(3, SIZE)
}

/// Sends it coded whatever the request says, and counts ranges in coded bytes, as it has to (RFC 9110, section 8.4).
async fn serve(
    asked: HeaderMap,
    cut: bool,
    digest: bool,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = BoxError>>, BoxError> {
    let bytes = coded();
    let first =
        asked.get(RANGE).map(|range| range.to_str().unwrap()["bytes=".len()..].trim_end_matches('-').parse::<usize>());
    let first = first.transpose()?;
    let length = bytes.len();
    let rest = bytes.slice(first.unwrap_or(0)..);
    let mut response = Response::builder().header(ETAG, "\"a\"").header(CONTENT_ENCODING, "gzip");
    response = response.header(CONTENT_LENGTH, rest.len());
    if let Some(first) = first {
        response = response.status(StatusCode::PARTIAL_CONTENT);
        response = response.header(CONTENT_RANGE, format!("bytes {first}-{}/{length}", length - 1));
    }
    if digest {
        response = response.header("repr-digest", repr_digest(&bytes));
    }
    let mut frames = vec![Ok(Frame::data(if cut { rest.slice(..rest.len() / 2) } else { rest }))];
    if cut {
        frames.push(Err(BoxError::from("the connection is gone")));
    }
    Ok(response.body(StreamBody::new(stream::iter(frames)))?)
}

async fn fetch(range: bool, cut: bool, digest: bool) -> Result<Bytes, Incomplete> {
    let client = ServiceBuilder::new()
        .layer(ResumeLayer::new())
        .layer(DecompressionLayer::new())
        .service(service_fn(move |request: Request<Empty<Bytes>>| serve(request.headers().clone(), cut, digest)));
    let mut request = Request::get("http://reference/file").header("accept-encoding", "gzip");
    if range {
        request = request.header(RANGE, "bytes=0-");
    }
    let response = client.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    assert!(!response.headers().contains_key(CONTENT_ENCODING) && !response.headers().contains_key(CONTENT_LENGTH));
    let collected = response.into_body().collect().await;
    Ok(collected.map_err(|error| *error.downcast::<Incomplete>().unwrap())?.to_bytes())
}

/// R5: what was decoded has another length than was said, another digest, and ranges of its own: all of it or an error.
#[tokio::test(start_paused = true)]
async fn what_was_decoded_is_whole_or_an_error() {
    for (range, digest) in [(false, false), (false, true), (true, false), (true, true)] {
        assert!(fetch(range, false, digest).await.unwrap() == original(), "range: {range}, digest: {digest}");
        let error = fetch(range, true, digest).await.unwrap_err();
        assert_eq!((error.why(), error.resumes()), (Why::NoLength, 0), "range: {range}, digest: {digest}");
        assert!((0..SIZE as u64).contains(&error.received()), "{error}");
    }
}
