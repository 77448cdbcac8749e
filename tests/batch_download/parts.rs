//! What one run leaves of a file, and the next goes on with.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::Uri;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    setup::{Done, assert_whole, download, names},
    support::{Cut, CutOff, CuttingProxy, FaultyServer, Reply, bound, example, files::File, message::Received},
};

/// Where the first connection stalls, in bytes.
const STALLS: u64 = 300_000;

/// A run that nothing repairs.
const ONCE: [&str; 6] = ["--http2-prior-knowledge", "--json", "--resume-max", "0", "--stall-timeout", "1"];

/// A file with far more than [`STALLS`] bytes.
fn large() -> File {
    File { name: "file".to_owned(), size: 1_000_001, seed: 1 }
}

/// Another version of it, of the same size.
fn other_version() -> File {
    File { seed: 2, ..large() }
}

/// Its first connection stalls.
async fn stalling(server: &FaultyServer) -> CuttingProxy {
    let builder = CuttingProxy::builder().after(STALLS..=STALLS).cut_offs([CutOff::Stall]).first(1);
    builder.start(server.addr()).await
}

fn part_of(dir: &TempDir) -> Vec<u8> {
    fs::read(dir.path().join("file.part")).expect("a part")
}

fn description_of(dir: &TempDir) -> Value {
    serde_json::from_slice(&fs::read(dir.path().join("file.part.json")).expect("a description")).expect("JSON")
}

/// Leaves them, as some earlier run might have.
fn leave(dir: &TempDir, part: &[u8], description: &str) {
    fs::write(dir.path().join("file.part"), part).unwrap();
    fs::write(dir.path().join("file.part.json"), description).unwrap();
}

fn described(uri: &Uri, file: &File) -> String {
    serde_json::json!({"url": uri.to_string(), "etag": file.etag(), "length": file.size}).to_string()
}

/// Serves one file under any path, and remembers what was asked.
#[derive(Clone)]
struct OneFile {
    now: Arc<Mutex<File>>,
    asked: Arc<Mutex<Vec<Received>>>,
}

impl OneFile {
    fn new(file: &File) -> Self {
        Self { now: Arc::new(Mutex::new(file.clone())), asked: Arc::default() }
    }

    fn becomes(&self, file: &File) {
        *self.now.lock().unwrap() = file.clone();
    }

    fn handler(&self) -> impl Fn(&Received, Bytes) -> Reply + Send + Sync + 'static {
        let this = self.clone();
        move |received, _body| {
            this.asked.lock().unwrap().push(received.clone());
            this.now.lock().unwrap().serve(received)
        }
    }

    /// The `Range` and `If-Range` of each request.
    fn asked(&self) -> Vec<[Option<String>; 2]> {
        let field = |received: &Received, name| Some(received.headers.get(name)?.to_str().unwrap().to_owned());
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|received| [field(received, "range"), field(received, "if-range")]).collect()
    }
}

fn assert_content(dir: &TempDir, file: &File) {
    assert_eq!(names(dir), ["file"]);
    assert_whole(dir, file);
}

fn run_of(done: &Done) -> Value {
    let json = done.json();
    json.get("redial").or(json.get("bare")).unwrap_or_else(|| panic!("{done:?}")).clone()
}

#[tokio::test]
async fn the_next_run_goes_on_where_one_ended() {
    for bare in [&[][..], &["--bare"]] {
        let (file, dir) = (large(), TempDir::new().unwrap());
        let one = OneFile::new(&file);
        let server = FaultyServer::builder().handler(one.handler()).start().await;
        let proxy = stalling(&server).await;
        let url = proxy.through(&server.uri("/file"));
        let options = [&ONCE, bare].concat();

        let done = download(&dir, [url.clone()], &options).await;
        assert_eq!(done.status, Some(1), "{done:?}");
        assert_eq!(run_of(&done)["resumes"], 0, "{done:?}");
        assert_eq!(names(&dir), ["file.part", "file.part.json"]);
        let part = part_of(&dir);
        assert!(part.len() > 250_000 && file.content().starts_with(&part), "{} bytes", part.len());
        let description = serde_json::json!({"url": url.to_string(), "etag": file.etag(), "length": file.size});
        assert_eq!(description_of(&dir), description);

        let before = proxy.counters().downstream;
        let done = download(&dir, [url], &options).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert_content(&dir, &file);
        let fetched = proxy.counters().downstream - before;
        let missing = (file.size - part.len()) as u64;
        assert!((missing..missing + 20_000).contains(&fetched), "{fetched} bytes for {missing}");
        assert_eq!((&run_of(&done)["bytes"], &run_of(&done)["bytes_saved"]), (&file.size.into(), &part.len().into()));
        let range = format!("bytes={}-", part.len());
        assert_eq!(one.asked(), [[None, None], [Some(range), Some(file.etag())]]);
    }
}

#[tokio::test]
async fn however_many_runs_it_takes_nothing_is_fetched_twice() {
    let (file, dir) = (large(), TempDir::new().unwrap());
    let server = FaultyServer::builder().handler(OneFile::new(&file).handler()).start().await;
    let cut_offs = [CutOff::Cut(Cut::Fin), CutOff::Stall, CutOff::Cut(Cut::Rst)];
    let builder = CuttingProxy::builder().after(60_000..=200_000).cut_offs(cut_offs).seed(5);
    let proxy = builder.start(server.addr()).await;
    let mut runs = 0;
    loop {
        runs += 1;
        let done = download(&dir, [proxy.through(&server.uri("/file"))], &ONCE).await;
        match done.status {
            Some(0) => break,
            _ => assert!(runs < 40 && done.status == Some(1), "{done:?}"),
        }
    }
    assert_content(&dir, &file);
    assert!(runs >= 4, "{runs}");
    // What was under way when a connection was cut may be lost.
    let fetched = proxy.counters().downstream;
    assert!(fetched < file.size as u64 * 2, "{fetched} bytes in {runs} runs");
}

#[tokio::test]
async fn one_run_resumes_as_often_as_it_may() {
    let (file, dir) = (large(), TempDir::new().unwrap());
    let server = FaultyServer::builder().handler(OneFile::new(&file).handler()).start().await;
    let builder = CuttingProxy::builder().after(150_000..=150_000).cut_offs([CutOff::Stall]);
    let proxy = builder.start(server.addr()).await;
    let url = proxy.through(&server.uri("/file"));
    // Long before the layers find out that the connection is silent: each resume has one of its own, because its body stalls.
    let options = ["--http2-prior-knowledge", "--json", "--stall-timeout", "1", "--resume-max"];
    let done = download(&dir, [url.clone()], &[&options[..], &["2"]].concat()).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(run_of(&done)["resumes"], 2, "{done:?}");
    // Not the half a minute each that is the default.
    assert!(run_of(&done)["seconds"].as_f64() < Some(20.0), "{done:?}");
    assert!(done.stderr.contains(" and 2 resumes: it was resumed as often as is allowed"), "{done:?}");
    assert_eq!(names(&dir), ["file.part", "file.part.json"]);
}

#[tokio::test]
async fn what_has_changed_begins_anew() {
    for ignores_if_range in [false, true] {
        let (old, new, dir) = (large(), other_version(), TempDir::new().unwrap());
        let one = OneFile::new(&old);
        let handler = one.handler();
        // Such a server sends the rest of another version. It says so in its ETag.
        let deaf = move |received: &Received, body| {
            let mut received = received.clone();
            if ignores_if_range {
                received.headers.remove("if-range");
            }
            handler(&received, body)
        };
        let server = FaultyServer::builder().handler(deaf).start().await;
        let proxy = stalling(&server).await;
        let url = proxy.through(&server.uri("/file"));
        let done = download(&dir, [url.clone()], &ONCE).await;
        assert_eq!(done.status, Some(1), "{done:?}");
        assert!(part_of(&dir).len() > 250_000);

        one.becomes(&new);
        let done = download(&dir, [url], &ONCE).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert_content(&dir, &new);
        assert_eq!(run_of(&done)["bytes_saved"], 0, "{done:?}");
        assert_eq!(one.asked().len(), if ignores_if_range { 3 } else { 2 });
    }
}

/// Whatever is there of an earlier version with a validator, a version without one must not be described by it.
#[tokio::test]
async fn a_version_without_a_validator_takes_the_description_away() {
    let (old, new, dir) = (large(), other_version(), TempDir::new().unwrap());
    let one = OneFile::new(&old);
    let handler = one.handler();
    let handler = move |received: &Received, body| {
        let mut reply = handler(received, body);
        reply.headers.retain(|(name, value)| name != "etag" || *value == large().etag());
        reply
    };
    let server = FaultyServer::builder().handler(handler).start().await;
    let builder = CuttingProxy::builder().after(STALLS..=STALLS).cut_offs([CutOff::Stall]).first(2);
    let proxy = builder.start(server.addr()).await;
    let url = proxy.through(&server.uri("/file"));
    download(&dir, [url.clone()], &ONCE).await;
    assert_eq!(names(&dir), ["file.part", "file.part.json"]);

    // Killed in the middle, so that nothing can be tidied up at the end; not even for the stall, however slow this test is.
    one.becomes(&new);
    let (mut command, patient) = (example::command("batch_download"), &ONCE[..4]);
    let mut child = command.arg(url.to_string()).arg("--out").arg(dir.path()).args(patient).spawn().unwrap();
    let rewritten = async {
        let content = new.content();
        // For a moment there is no part at all.
        let is_new = |part: Vec<u8>| !part.is_empty() && content.starts_with(&part);
        while !is_new(fs::read(dir.path().join("file.part")).unwrap_or_default()) {
            tokio::task::yield_now().await;
        }
    };
    bound::within("bytes of the new version", rewritten).await;
    child.kill().await.unwrap();
    assert_eq!(names(&dir), ["file.part"]);
    let done = download(&dir, [url], &ONCE).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_content(&dir, &new);
}

#[tokio::test]
async fn a_change_and_another_break_leave_only_the_new_bytes() {
    let (old, new, dir) = (large(), other_version(), TempDir::new().unwrap());
    let one = OneFile::new(&old);
    let server = FaultyServer::builder().handler(one.handler()).start().await;
    let proxy =
        CuttingProxy::builder().after(STALLS..=STALLS).cut_offs([CutOff::Stall]).first(2).start(server.addr()).await;
    let url = proxy.through(&server.uri("/file"));
    download(&dir, [url.clone()], &ONCE).await;
    one.becomes(&new);
    let done = download(&dir, [url.clone()], &ONCE).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    let part = part_of(&dir);
    assert!(part.len() > 250_000 && new.content().starts_with(&part));
    assert_eq!(description_of(&dir)["etag"], new.etag());
    let done = download(&dir, [url], &ONCE).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_content(&dir, &new);
    assert_eq!(run_of(&done)["bytes_saved"], part.len(), "{done:?}");
}

#[tokio::test]
async fn a_file_that_only_lacks_its_name_gets_it() {
    let (file, dir) = (large(), TempDir::new().unwrap());
    let one = OneFile::new(&file);
    let server = FaultyServer::builder().handler(one.handler()).start().await;
    let url = server.uri("/file");
    // So it is if a run ends between the last byte and the name.
    leave(&dir, &file.content(), &described(&url, &file));
    let done = download(&dir, [url.clone()], &ONCE).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_content(&dir, &file);
    assert_eq!((one.asked().len(), &run_of(&done)["bytes_saved"]), (1, &file.size.into()), "{done:?}");

    // There is no such file with a byte more.
    let dir = TempDir::new().unwrap();
    let longer = [&file.content()[..], b"!"].concat();
    leave(&dir, &longer, &described(&url, &file));
    let done = download(&dir, [url], &ONCE).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_content(&dir, &file);
    assert_eq!(run_of(&done)["bytes_saved"], 0, "{done:?}");
}

#[tokio::test]
async fn what_is_not_described_rightly_begins_anew() {
    let file = large();
    let one = OneFile::new(&file);
    let server = FaultyServer::builder().handler(one.handler()).start().await;
    let url = server.uri("/file");
    let elsewhere = described(&server.uri("/elsewhere"), &file);
    let cut_off = &described(&url, &file)[..40];
    for (number, description) in ["", "{}", cut_off, &elsewhere].into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        leave(&dir, &file.content()[..5_000], description);
        let done = download(&dir, [url.clone()], &ONCE).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{description}: {done:?}");
        assert_content(&dir, &file);
        assert_eq!(one.asked()[number], [None, None], "{description}");
    }
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file.part"), b"somebody's").unwrap();
    let done = download(&dir, [url.clone()], &ONCE).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_content(&dir, &file);

    // A description without a part, as it is if a run ends just before that is removed.
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file.part.json"), described(&url, &file)).unwrap();
    let done = download(&dir, [url], &ONCE).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_content(&dir, &file);
    assert!(one.asked().iter().all(|asked| *asked == [None, None]), "{:?}", one.asked());
}

#[tokio::test]
async fn a_server_that_fails_costs_nothing_that_is_there() {
    let (file, dir) = (large(), TempDir::new().unwrap());
    let server = FaultyServer::builder().handler(|_, _| Reply::new(503).body("busy")).start().await;
    let url = server.uri("/file");
    leave(&dir, &file.content()[..5_000], &described(&url, &file));
    let done = download(&dir, [url.clone()], &ONCE).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!((part_of(&dir).len(), description_of(&dir)["url"].as_str()), (5_000, Some(&*url.to_string())));
}

#[tokio::test]
async fn bytes_that_are_known_to_be_wrong_are_not_kept() {
    let file = large();
    let one = OneFile::new(&file);
    let handler = one.handler();
    // RFC 9530: the digest of something else.
    let digest = format!("sha-256=:{}=:", "A".repeat(43));
    let handler = move |received: &Received, body| handler(received, body).header("repr-digest", digest.clone());
    let server = FaultyServer::builder().handler(handler).start().await;
    let dir = TempDir::new().unwrap();
    let done = download(&dir, [server.uri("/file")], &ONCE).await;
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.stderr.contains("its bytes do not have the digest"), "{done:?}");
    assert_eq!(names(&dir), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_a_part_is_not_followed() {
    let file = large();
    let one = OneFile::new(&file);
    let server = FaultyServer::builder().handler(one.handler()).start().await;
    let url = server.uri("/file");
    for description in [None, Some(described(&url, &file))] {
        let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let target = elsewhere.path().join("precious");
        fs::write(&target, &file.content()[..5_000]).unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("file.part")).unwrap();
        if let Some(description) = description {
            fs::write(dir.path().join("file.part.json"), description).unwrap();
        }
        let done = download(&dir, [url.clone()], &ONCE).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert_content(&dir, &file);
        assert!(fs::symlink_metadata(dir.path().join("file")).unwrap().is_file());
        assert_eq!(fs::metadata(&target).unwrap().len(), 5_000);
    }
}
