//! The example `batch_download`, run as people run it: as a process.

mod support;

use std::{fs, path::PathBuf, process::Output, time::Duration};

use http::Uri;
use serde_json::Value;
use support::{
    Cut, Fault, FaultyServer, GoAway, GoAwayStyle, Reply, ScriptedServer, bound, example,
    files::{self, File},
    tls::Identity,
};
use tempfile::TempDir;
use tokio::process::Command;

/// When a process counts as hung. It bounds tests that fail anyway.
const HUNG: Duration = Duration::from_secs(300);

struct Done {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Done {
    fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document: {error}: {self:?}"))
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {:?}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

async fn run(args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Done {
    let output = bound::checked(HUNG, example::command("batch_download").args(args).output()).await;
    Done::of(output.expect("the process ends").expect("the process starts"))
}

/// Downloads `urls` into `dir`.
async fn download(dir: &TempDir, urls: impl IntoIterator<Item = Uri>, options: &[&str]) -> Done {
    let mut args: Vec<_> = urls.into_iter().map(|url| url.to_string()).collect();
    args.extend(["--out".to_owned(), dir.path().display().to_string()]);
    args.extend(options.iter().map(|option| (*option).to_owned()));
    run(args).await
}

/// What lies in `dir`, hidden files too, in the order of the names.
fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_whole(dir: &TempDir, file: &File) {
    let content = fs::read(dir.path().join(&file.name)).unwrap_or_else(|error| panic!("{}: {error}", file.name));
    assert!(content == file.content(), "{} has {} bytes that are not its own", file.name, content.len());
}

// ===== the built-in server =====

async fn the_built_in_server(options: &[&str]) {
    let done = run(["--json"].iter().chain(options)).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(done.stderr, "", "bars are for terminals");
    let json = done.json();
    let number =
        |run: &str, field: &str| json[run][field].as_u64().unwrap_or_else(|| panic!("{run}.{field}: {done:?}"));

    assert_eq!(number("redial", "files"), 400);
    assert_eq!(number("redial", "ok"), 400);
    assert_eq!(number("redial", "failed"), 0);
    assert_eq!(number("redial", "corrupt"), 0);
    assert_eq!(json["redial"]["errors"], Value::Array(Vec::new()));
    assert_eq!(json["redial"]["gave_up"], Value::Object(serde_json::Map::new()));
    for cause in ["goaway(NO_ERROR)", "refused", "closed"] {
        assert!(json["redial"]["resends_by_cause"][cause].as_u64() > Some(0), "{cause}: {done:?}");
    }
    let causes = json["redial"]["resends_by_cause"].as_object().unwrap();
    assert_eq!(causes.values().filter_map(Value::as_u64).sum::<u64>(), number("redial", "resends"));

    assert_eq!(number("bare", "files"), 400);
    assert!(number("bare", "failed") > 0, "{done:?}");
    assert_eq!(number("bare", "ok") + number("bare", "failed"), 400);
    assert_eq!(number("bare", "corrupt"), 0);
    assert_eq!(number("bare", "resends"), 0);
    let counts: Vec<_> =
        json["bare"]["errors"].as_array().unwrap().iter().map(|e| e["count"].as_u64().unwrap()).collect();
    assert!(counts.len() >= 3, "one kind of error for each kind of fault: {done:?}");
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), number("bare", "failed"));

    // One fell silent under its requests, the other while it was idle. Each was found when a second had passed without a
    // byte and half another without an answer, or later.
    let silent = json["redial"]["silent_connections"].as_array().unwrap();
    assert!(silent.len() >= 2, "{done:?}");
    assert!(silent.iter().all(|silent| silent["seconds"].as_f64() >= Some(1.5)), "{done:?}");
    assert_eq!(number("redial", "restarts"), 0);
    assert_eq!(json["bare"]["silent_connections"], Value::Array(Vec::new()));
    assert!(number("bare", "restarts") > 0, "{done:?}");
    let errors = json["bare"]["errors"].as_array().unwrap();
    assert!(errors.iter().any(|error| error["error"] == "request timed out"), "{done:?}");

    for run in ["bare", "redial"] {
        assert!(number(run, "connections") > 1, "{done:?}");
        assert!(json[run]["seconds"].as_f64() > Some(0.0), "{done:?}");
        for fault in ["goaways", "refused", "cuts", "silenced"] {
            assert!(json[run]["server"][fault].as_u64() > Some(0), "{run}: {fault}: {done:?}");
        }
    }
}

#[tokio::test]
async fn the_layer_loses_nothing_where_the_bare_client_does() {
    the_built_in_server(&[]).await;
}

#[tokio::test]
async fn the_same_over_tls() {
    the_built_in_server(&["--tls"]).await;
}

#[tokio::test]
async fn the_table_is_all_there_is_on_stdout() {
    let done = run(["--files", "48"]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let mut lines = done.stdout.lines();
    assert_eq!(lines.next().map(|line| line.split_whitespace().collect()), Some(vec!["bare", "redial"]));
    let table: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let cells = |label: &str| {
        let row = table.iter().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{label}: {done:?}"));
        row.split_whitespace().map(|cell| cell.parse().unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(cells("files "), [48.0, 48.0]);
    assert_eq!(cells("ok ")[1], 48.0);
    assert_eq!(cells("failed ")[1], 0.0);
    assert!(cells("failed ")[0] > 0.0);
    for label in ["resends ", "connections ", "silent connections ", "restarts ", "seconds "] {
        assert_eq!(cells(label).len(), 2);
    }
    assert_eq!((cells("silent connections ")[0], cells("restarts ")[1]), (0.0, 0.0));
    let costs = table.iter().find_map(|line| line.strip_prefix("  time each cost, s ")).unwrap();
    let costs: Vec<_> = costs.split([' ', ',']).filter(|word| !matches!(*word, "" | "to")).collect();
    assert!(costs[0] == "-" && costs.len() > 2, "two or more were found: {done:?}");
    assert!(costs[1..].iter().all(|cost| cost.parse::<f64>().is_ok_and(|cost| cost >= 1.5)), "{done:?}");
    let width = table[0].len();
    assert!(table.iter().all(|line| line.len() == width), "not aligned: {done:?}");
    assert_eq!(lines.next(), Some("Errors of the bare client, in the client's own words:"));
    let errors: Vec<_> = lines.map(|line| line.split_once(" x ").unwrap().1).collect();
    assert!(errors.contains(&"request timed out"), "{done:?}");
    assert!(errors.iter().any(|error| error.starts_with("client error (SendRequest): ")), "{done:?}");
}

#[tokio::test]
async fn one_at_a_time_and_many_at_a_time() {
    for concurrency in ["1", "32"] {
        let done = run(["--json", "--files", "64", "--concurrency", concurrency]).await;
        assert_eq!(done.status, Some(0), "{done:?}");
        assert_eq!(done.json()["redial"]["ok"], 64);
    }
}

// ===== URLs =====

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

#[tokio::test]
async fn a_body_that_breaks_leaves_nothing_behind() {
    let faults = [
        Fault::CutBody { after: 10_000, how: Cut::Fin },
        Fault::CutBody { after: 10_000, how: Cut::Rst },
        // hyper ends this one cleanly.
        Fault::ResetBody { after: 10_000, reason: support::reason::NO_ERROR },
        Fault::EndBody { after: 10_000 },
    ];
    for fault in faults {
        let server = FaultyServer::builder().handler(files::serve(4)).every(2, fault).start().await;
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
async fn a_body_that_ends_cleanly_and_too_early_is_corrupt() {
    let fault = Fault::ResetBody { after: 10_000, reason: support::reason::NO_ERROR };
    let server = FaultyServer::builder().handler(files::serve(1)).every(1, fault).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/files/0")], &["--http2-prior-knowledge", "--json"]).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(done.json()["redial"]["corrupt"], 1, "{done:?}");
    assert!(done.stderr.contains("the body ended after 10000 of "), "{done:?}");
}

#[tokio::test]
async fn a_file_that_was_there_stays_until_the_new_one_is_whole() {
    let files = files::files(2);
    let fault = Fault::CutBody { after: 10_000, how: Cut::Fin };
    let builder = FaultyServer::builder().handler(files::serve(files.len()));
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

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_leaves_nothing_behind() {
    let server = ScriptedServer::bind().await;
    let dir = TempDir::new().unwrap();
    let mut command = example::command("batch_download");
    command.arg(server.uri("/file").to_string()).arg("--out").arg(dir.path());
    let child = command.spawn().expect("the process starts");
    let pid = child.id().expect("a process that nobody has waited for").to_string();
    let mut conn = server.accept_h1().await;
    conn.request().await;
    conn.head(200, &[], 1_000).await;
    conn.write("a beginning").await;
    let beginning = async {
        while names(&dir).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    bound::within("a temporary file", beginning).await;
    let killed = Command::new("kill").args(["-INT", &pid]).status().await.expect("kill, as POSIX has it");
    assert!(killed.success());
    let output = bound::checked(HUNG, child.wait_with_output()).await;
    let done = Done::of(output.expect("the process ends").unwrap());
    assert_eq!((done.status, done.stdout.as_str()), (Some(130), ""), "{done:?}");
    assert_eq!(names(&dir), [""; 0]);
}

// ===== the command line =====

#[tokio::test]
async fn bad_arguments_get_one_line_and_status_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["--bogus"], "unexpected argument '--bogus'"),
        (&["--concurrency", "0"], "'--concurrency <N>': 0 is not in 1..=250"),
        (&["--concurrency", "four"], "invalid digit"),
        (&["--timeout", "0"], "'--timeout <SECONDS>'"),
        (&["--head-timeout", "-1"], "'-1'"),
        (&["--files", "0"], "'--files <N>'"),
        (&["--cacert"], "'--cacert <FILE>'"),
        (&["--out", "/"], "--out needs at least one URL"),
        (&["--bare"], "--bare needs at least one URL"),
        (&["--http1"], "--http1 needs at least one URL"),
        (&["--tls", "http://localhost/a"], "--tls is about the built-in server"),
        (&["--files", "3", "http://localhost/a"], "--files is about the built-in server"),
        (&["--http1", "--http2-prior-knowledge", "http://localhost/a"], "exclude each other"),
        (&["--out", "/no/such/directory", "http://localhost/a"], "/no/such/directory is not a directory"),
        (&["--cacert", "/no/such/file", "http://localhost/a"], "--cacert: /no/such/file: "),
        (&["--cacert", "/dev/null", "http://localhost/a"], "no certificate"),
        (&["localhost/a"], "localhost/a: a URL begins with http:// or https://"),
        (&["ftp://localhost/a"], "a URL begins with http:// or https://"),
        (&["http:///a"], "http:///a: "),
        (&["http://[::1/a"], "http://[::1/a: "),
        (&["http://me:secret@localhost/a"], "user name"),
        (&["http://localhost"], "no usable file name"),
        (&["http://localhost/a/"], "no usable file name"),
        (&["http://localhost/a/.."], "no usable file name"),
        (&["http://localhost/%2e%2E"], "no usable file name"),
        (&["http://localhost/a", "http://127.0.0.1/b/a?c"], "would both be named a"),
    ];
    for (args, expected) in cases {
        let done = run(*args).await;
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{args:?}: {done:?}");
        assert_eq!(done.stderr.matches('\n').count(), 1, "{args:?}: {done:?}");
        assert!(done.stderr.starts_with("batch_download: ") && done.stderr.contains(expected), "{args:?}: {done:?}");
        assert!(!done.stderr.contains("secret"), "{done:?}");
    }
}

#[tokio::test]
async fn help_says_everything() {
    let done = run(["--help"]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let options = [
        "--out <DIR>",
        "--concurrency <N>",
        "--timeout <SECONDS>",
        "--head-timeout <SECONDS>",
        "--json",
        "--bare",
        "--http1",
        "--http2-prior-knowledge",
        "--cacert <FILE>",
        "--tls",
        "--files <N>",
        "--help",
    ];
    for said in options.iter().chain(&["[URL]...", "Exit status:", "Redirects are not followed"]) {
        assert!(done.stdout.contains(said), "{said}: {done:?}");
    }
    let listed = done.stdout.lines().filter(|line| line.trim_start().starts_with('-')).count();
    assert_eq!(listed, options.len(), "an option that this test does not know: {done:?}");
}
