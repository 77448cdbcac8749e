//! URLs.

use std::fs;

use bytes::Bytes;
use tempfile::TempDir;

use crate::{
    setup::{assert_whole, download, names},
    support::{
        self, Cut, Fault, FaultyServer, GoAway, GoAwayStyle, Reply,
        files::{self, File},
        message::Received,
    },
};

#[tokio::test]
async fn the_layer_brings_every_url_home() {
    let files = files::files(40);
    let builder = FaultyServer::builder().handler(files::serve(files.len())).every(10, Fault::Refuse);
    let server = builder.goaway(GoAway::every(7).style(GoAwayStyle::LowLast)).start().await;
    let dir = TempDir::new().unwrap();
    let urls = files.iter().map(|file| server.uri(&file.path()));
    let done = download(&dir, urls, &["--http2-prior-knowledge", "--json"]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let json = done.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "only the run that was made: {done:?}");
    assert_eq!(json["redial"]["ok"], 40);
    assert!(json["redial"]["resends"].as_u64() > Some(0), "{done:?}");
    assert_eq!(json["redial"]["connections"], server.counters().connections);
    assert_eq!(names(&dir).len(), 40);
    files.iter().for_each(|file| assert_whole(&dir, file));
}

#[tokio::test]
async fn the_bare_client_says_which_urls_it_lost() {
    let files = files::files(12);
    let server = FaultyServer::builder().handler(files::serve(files.len())).every(5, Fault::Refuse).start().await;
    let dir = TempDir::new().unwrap();
    let urls: Vec<_> = files.iter().map(|file| server.uri(&file.path())).collect();
    let options = ["--http2-prior-knowledge", "--json", "--bare", "--concurrency", "1"];
    let done = download(&dir, urls.clone(), &options).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    let json = done.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "only the run that was made: {done:?}");
    // One at a time, so it is known whom it hit.
    let lost = [&urls[4], &urls[9]];
    assert_eq!(json["bare"]["failed"], 2);
    let failures = json["bare"]["failures"].as_array().unwrap();
    assert_eq!(failures.iter().map(|failure| failure["url"].as_str().unwrap()).collect::<Vec<_>>(), lost);
    assert_eq!(done.stderr.lines().count(), 2, "{done:?}");
    for (line, url) in done.stderr.lines().zip(lost) {
        assert!(line.starts_with(&format!("batch_download: {url}: ")) && line.contains("refused stream"), "{line}");
    }
    for (number, file) in files.iter().enumerate() {
        match number {
            4 | 9 => assert!(!dir.path().join(&file.name).exists()),
            _ => assert_whole(&dir, file),
        }
    }
}

/// Each within the body of the smallest file.
const BREAKS: [Fault; 4] = [
    Fault::CutBody { after: 10_000, how: Cut::Fin },
    Fault::CutBody { after: 10_000, how: Cut::Rst },
    // hyper ends this one cleanly.
    Fault::ResetBody { after: 10_000, reason: support::reason::NO_ERROR },
    Fault::EndBody { after: 10_000 },
];

/// The handler of [`files::serve`], without what a download could be resumed by.
fn without_etag(count: usize) -> impl Fn(&Received, Bytes) -> Reply + Send + Sync + 'static {
    let serve = files::serve(count);
    move |received, body| {
        let mut reply = serve(received, body);
        reply.headers.retain(|(name, _)| name != "etag");
        reply
    }
}

#[tokio::test]
async fn a_body_that_breaks_and_cannot_be_resumed_leaves_nothing_behind() {
    for fault in BREAKS {
        let server = FaultyServer::builder().handler(without_etag(4)).every(2, fault).start().await;
        let dir = TempDir::new().unwrap();
        let urls = (0..4).map(|number| server.uri(&File::number(number).path()));
        let options = ["--http2-prior-knowledge", "--json", "--concurrency", "1"];
        let done = download(&dir, urls, &options).await;
        assert_eq!(done.status, Some(1), "{fault:?}: {done:?}");
        assert_eq!(done.json()["redial"]["failed"], 2, "{fault:?}: {done:?}");
        assert_eq!(names(&dir), ["0", "2"], "{fault:?}");
        assert_whole(&dir, &File::number(0));
        assert_whole(&dir, &File::number(2));
    }
}

#[tokio::test]
async fn bodies_that_break_again_and_again_become_whole() {
    for fault in BREAKS {
        let server = FaultyServer::builder().handler(files::serve(2)).every(1, fault).start().await;
        let dir = TempDir::new().unwrap();
        let file = File::number(0);
        let done = download(&dir, [server.uri(&file.path())], &["--http2-prior-knowledge", "--json"]).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{fault:?}: {done:?}");
        let run = &done.json()["redial"];
        // An RST may take bytes back that were sent, and so may a reset stream.
        let at_least = file.size as u64 / 10_000;
        assert!(run["resumes"].as_u64() >= Some(at_least), "{fault:?}: {done:?}");
        assert!(run["bytes_saved"].as_u64() > Some(file.size as u64), "{fault:?}: {done:?}");
        assert_eq!(run["bytes"], file.size, "{done:?}");
        assert_eq!(names(&dir), ["0"], "{fault:?}");
        assert_whole(&dir, &file);
    }
}

#[tokio::test]
async fn a_body_that_ends_cleanly_and_too_early_is_corrupt_to_the_bare_client() {
    let fault = Fault::ResetBody { after: 10_000, reason: support::reason::NO_ERROR };
    let server = FaultyServer::builder().handler(files::serve(1)).every(1, fault).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/files/0")], &["--http2-prior-knowledge", "--json", "--bare"]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(done.json()["bare"]["corrupt"], 1, "{done:?}");
    assert!(done.stderr.contains("the body ended after 10000 of "), "{done:?}");
}

#[tokio::test]
async fn a_file_that_was_there_stays_until_the_new_one_is_whole() {
    let files = files::files(2);
    let fault = Fault::CutBody { after: 10_000, how: Cut::Fin };
    let builder = FaultyServer::builder().handler(without_etag(files.len()));
    let server = builder.choose(move |received, _| (received.path == "/files/1").then_some(fault)).start().await;
    let dir = TempDir::new().unwrap();
    for file in &files {
        fs::write(dir.path().join(&file.name), "old").unwrap();
    }
    let urls = files.iter().map(|file| server.uri(&file.path()));
    let done = download(&dir, urls, &["--http2-prior-knowledge", "--concurrency", "1"]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(names(&dir), ["0", "1"]);
    assert_whole(&dir, &files[0]);
    assert_eq!(fs::read(dir.path().join("1")).unwrap(), b"old");
}

#[tokio::test]
async fn a_status_that_is_no_success_is_a_failure() {
    let reply = |status: &str| Reply::new(status.parse().unwrap()).header("location", "/files/0").body("not the file");
    let builder = FaultyServer::builder().handler(move |received, _| reply(received.path.trim_start_matches('/')));
    let server = builder.start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/404"), server.uri("/302")], &["--http2-prior-knowledge"]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.stderr.contains("/404: status 404 Not Found\n"), "{done:?}");
    assert!(done.stderr.contains("/302: status 302 Found; redirects are not followed\n"), "{done:?}");
    assert!(done.stdout.contains("Errors left by the layer, in the client's own words:\n"), "{done:?}");
    assert_eq!(names(&dir), [""; 0]);
}

#[tokio::test]
async fn names_stay_in_their_directory() {
    let server = FaultyServer::builder().handler(|received, _| Reply::ok(received.path.clone())).start().await;
    let outer = TempDir::new().unwrap();
    let dir = TempDir::new_in(outer.path()).unwrap();
    let paths = [
        ("/a/..%2f..%2fup", "_._.._up"),
        ("/a/%2e%2e%5cdown", "_._down"),
        ("/../../b%20c?d=/e", "b c"),
        ("/%2Fetc%2Fpasswd", "_etc_passwd"),
        ("/.bashrc", "_bashrc"),
        ("/100%", "100%"),
        ("/nul%00%0Aline", "nul__line"),
        ("/%ff%C3%A9", "\u{fffd}é"),
    ];
    let done = download(&dir, paths.map(|(path, _)| server.uri(path)), &["--http2-prior-knowledge"]).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    let mut expected = paths.map(|(_, name)| name);
    expected.sort_unstable();
    assert_eq!(names(&dir), expected);
    assert_eq!(names(&outer).len(), 1, "nothing beside the directory");
}

#[tokio::test]
async fn an_empty_file_and_one_without_a_length_are_files_too() {
    let reply = |path: &str| if path == "/empty" { Reply::ok("") } else { Reply::new(200).body("of some length") };
    let server = FaultyServer::builder().handler(move |received, _| reply(&received.path)).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/empty"), server.uri("/some")], &["--http2-prior-knowledge"]).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(fs::read(dir.path().join("empty")).unwrap(), b"");
    assert_eq!(fs::read(dir.path().join("some")).unwrap(), b"of some length");
}
