//! What is spoken, and with whom.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    setup::{HUNG, assert_whole, cacert, download, names},
    support::{self, Cut, Fault, FaultyServer, Reply, ScriptedServer, files, message::Received, reason, tls::Identity},
};

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

/// X1, X2: by ALPN all of them would speak HTTP/2.
#[tokio::test]
async fn origins_whose_http2_is_of_no_use_are_downloaded_from_over_http1() {
    let identity = Identity::new();
    let server = |fault: Option<Fault>| {
        let builder = FaultyServer::builder().handler(files::serve(24)).tls(identity.clone()).http1();
        builder.choose(move |_, _| fault).start()
    };
    let dies = server(Some(Fault::Cut { how: Cut::Fin, processed: false })).await;
    let wants_http1 = server(Some(Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false })).await;
    let well = server(None).await;
    let servers = [&dies, &wants_http1, &well];
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pem = cacert(&elsewhere, &identity);
    let files = files::files(24);
    let urls: Vec<_> = files.iter().zip(servers.into_iter().cycle()).map(|(f, s)| s.uri(&f.path())).collect();

    let options = ["--cacert", pem.to_str().unwrap()];
    let done = download(&dir, urls.clone(), &[&options[..], &["--json"]].concat()).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    files.iter().for_each(|file| assert_whole(&dir, file));
    let run = &done.json()["redial"];
    let [dies_origin, wants_origin, well_origin] = servers.map(|server| format!("https://{}", server.addr()));
    assert_eq!(
        run["protocols"],
        json!({ &dies_origin: {"HTTP/1.1": 8}, &wants_origin: {"HTTP/1.1": 8}, &well_origin: {"HTTP/2.0": 8} }),
        "{done:?}"
    );
    assert_eq!(run["downgrades"], json!({ &dies_origin: 1, &wants_origin: 1 }), "{done:?}");
    assert!(run["resends_by_cause"]["http_1_1_required"].as_u64() > Some(0), "{done:?}");
    assert_eq!((dies.counters().http1_requests, wants_http1.counters().http1_requests), (8, 8));
    assert_eq!(well.counters().http1_requests, 0);
    // At the most 4 run at a time, and each is lost no more often than it takes.
    assert!((3..=12).contains(&dies.counters().streams), "{:?}", dies.counters());
    let connections: u64 = servers.iter().map(|server| server.counters().connections).sum();
    assert_eq!(run["connections"], connections, "those of HTTP/1.1 are counted too: {done:?}");

    // One at a time each of the first of an origin is alone with its three deaths.
    let done = download(&dir, urls.clone(), &[&options[..], &["--concurrency", "1"]].concat()).await;
    let row = |label: &str| done.stdout.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
    assert_eq!((done.status, row("downgrades to HTTP/1.1 ")), (Some(0), Some("2")), "{done:?}");
    assert_eq!((row(&format!("  {dies_origin} ")), row(&format!("  {wants_origin} "))), (Some("1"), Some("1")));
    let done = download(&dir, [well.uri("/files/0")], &options).await;
    assert!(done.status == Some(0) && !done.stdout.contains("downgrades"), "{done:?}");

    // The bare client believes in ALPN.
    let done = download(&dir, urls, &[&options[..], &["--json", "--bare"]].concat()).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!((&done.json()["bare"]["failed"], &done.json()["bare"]["downgrades"]), (&json!(16), &json!({})));
}

/// X2: and so are those whose HTTP/2 dies within every body. What came is kept.
#[tokio::test]
async fn bodies_that_break_over_http2_only_become_whole_over_http1() {
    let fault = Fault::CutBody { after: 10_000, how: Cut::Fin };
    let builder = FaultyServer::builder().handler(files::serve(50)).tls(Identity::new()).http1();
    let server = builder.choose(move |_, _| Some(fault)).start().await;
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pem = cacert(&elsewhere, server.identity());
    let file = files::files(50).into_iter().find(|file| file.size > 900_000).expect("a large one");
    let done = download(&dir, [server.uri(&file.path())], &["--json", "--cacert", pem.to_str().unwrap()]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_whole(&dir, &file);
    let run = &done.json()["redial"];
    assert_eq!(run["downgrades"], json!({ format!("https://{}", server.addr()): 1 }), "{done:?}");
    assert_eq!((server.counters().streams, server.counters().http1_requests), (3, 1), "{done:?}");
    assert!(run["bytes_saved"].as_u64() > Some(20_000), "{done:?}");
}

/// Who asks for HTTP/2 gets it, or nothing.
#[tokio::test]
async fn http2_prior_knowledge_is_not_downgraded() {
    let dies = Fault::Cut { how: Cut::Fin, processed: false };
    let server = FaultyServer::builder().tls(Identity::new()).http1().choose(move |_, _| Some(dies)).start().await;
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pem = cacert(&elsewhere, server.identity());
    let options = ["--http2-prior-knowledge", "--json", "--cacert", pem.to_str().unwrap()];
    let done = download(&dir, [server.uri("/file")], &options).await;
    assert_eq!((done.status, &done.json()["redial"]["downgrades"]), (Some(1), &json!({})), "{done:?}");
    assert_eq!((server.counters().streams, server.counters().http1_requests), (4, 0));
}

/// It takes half a minute, by the default of --head-timeout: without any option there is time for a resend after that.
#[tokio::test]
async fn a_response_that_does_not_begin_is_asked_for_again() {
    let asked = AtomicU64::new(0);
    let handler = move |_: &Received, _| {
        let reply = Reply::ok("whole");
        if asked.fetch_add(1, Ordering::Relaxed) == 0 { reply.after(HUNG) } else { reply }
    };
    let server = FaultyServer::builder().http1().handler(handler).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/file")], &["--json"]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!(done.json()["redial"]["resends_by_cause"], json!({"timeout": 1}), "{done:?}");
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"whole");
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
