//! What is spoken, and with whom.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::{
    setup::{assert_whole, download, names},
    support::{self, Fault, FaultyServer, ScriptedServer, files, tls::Identity},
};

/// A PEM file with the certificate of `identity`.
fn cacert(dir: &TempDir, identity: &Identity) -> PathBuf {
    let path = dir.path().join("ca.pem");
    fs::write(&path, identity.pem()).unwrap();
    path
}

#[tokio::test]
async fn https_takes_http2_by_alpn_from_those_it_trusts() {
    let files = files::files(4);
    let builder = FaultyServer::builder().handler(files::serve(files.len())).every(3, Fault::Refuse);
    let server = builder.tls(Identity::new()).start().await;
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let urls: Vec<_> = files.iter().map(|file| server.uri(&file.path())).collect();

    // Nobody vouches for this certificate.
    let done = download(&dir, urls.clone(), &["--json"]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(done.json()["redial"]["failed"], 4);
    assert_eq!(done.json()["redial"]["resends"], 0, "that cannot get better: {done:?}");
    assert!(done.stderr.contains("invalid peer certificate"), "{done:?}");
    assert_eq!(names(&dir), [""; 0]);

    let pem = cacert(&elsewhere, server.identity());
    let done = download(&dir, urls.clone(), &["--json", "--cacert", pem.to_str().unwrap()]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!(done.json()["redial"]["resends_by_cause"]["refused"], 1, "{done:?}");
    files.iter().for_each(|file| assert_whole(&dir, file));

    // This server has no HTTP/1.1 to offer.
    let done = download(&dir, urls, &["--json", "--http1", "--cacert", pem.to_str().unwrap()]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
}

#[tokio::test]
async fn http_urls_get_http_1_1_and_a_resend_when_the_kept_connection_is_gone() {
    let server = ScriptedServer::bind().await;
    let dir = TempDir::new().unwrap();
    let script = async {
        let mut conn = server.accept_h1().await;
        assert_eq!(conn.request().await.path, "/one");
        conn.respond(200, &[], "the first").await;
        assert_eq!(conn.request().await.path, "/two");
        // Taken, and not answered.
        conn.close().await;
        let mut conn = server.accept_h1().await;
        assert_eq!(conn.request().await.path, "/two");
        conn.respond(200, &[], "the second").await;
        conn.until_closed().await;
    };
    let urls = [server.uri("/one"), server.uri("/two")];
    let (done, ()) = tokio::join!(download(&dir, urls, &["--json", "--concurrency", "1"]), script);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!(done.json()["redial"]["resends_by_cause"]["closed"], 1, "{done:?}");
    assert_eq!(done.json()["redial"]["connections"], 2, "{done:?}");
    assert_eq!(fs::read(dir.path().join("one")).unwrap(), b"the first");
    assert_eq!(fs::read(dir.path().join("two")).unwrap(), b"the second");
}

#[tokio::test]
async fn http1_is_spoken_under_tls_where_it_is_asked_for() {
    let server = ScriptedServer::bind_tls().await;
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pem = cacert(&elsewhere, server.identity());
    let script = async {
        let mut conn = server.accept_h1().await;
        // hyper-rustls then names no protocol at all, which means the same.
        assert_ne!(conn.socket().alpn(), Some(support::tls::H2));
        conn.request().await;
        conn.respond(200, &[], "whole").await;
        conn.until_closed().await;
    };
    let options = ["--http1", "--cacert", pem.to_str().unwrap()];
    let (done, ()) = tokio::join!(download(&dir, [server.uri("/file")], &options), script);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(names(&dir), ["file"]);
}

#[tokio::test]
async fn a_server_that_falls_silent_does_not_hold_the_batch() {
    let server = ScriptedServer::bind().await;
    let dir = TempDir::new().unwrap();
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        conn.head(200, &[], 1_000).await;
        conn.write("a beginning").await;
        conn.until_closed().await;
    };
    let (done, ()) = tokio::join!(download(&dir, [server.uri("/file")], &["--timeout", "1"]), script);
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.stderr.contains("/file: not whole after 1 s\n"), "{done:?}");
    assert_eq!(names(&dir), [""; 0]);
}
