//! Ctrl-C, and worse.
#![cfg(unix)]

use http::Uri;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    setup::{Done, HUNG, assert_whole, download, names},
    support::{CutOff, CuttingProxy, FaultyServer, ScriptedServer, bound, example, files},
};

/// Begins to download `url` into `dir`.
fn begin(dir: &TempDir, url: &Uri) -> Child {
    let mut command = example::command("batch_download");
    command.arg(url.to_string()).arg("--out").arg(dir.path()).arg("--http2-prior-knowledge");
    command.spawn().expect("the process starts")
}

/// Sends it a signal, and waits for its end.
async fn end(child: Child, signal: &str) -> Done {
    let pid = child.id().expect("a process that nobody has waited for").to_string();
    let killed = Command::new("kill").args([signal, &pid]).status().await.expect("kill, as POSIX has it");
    assert!(killed.success());
    let output = bound::checked(HUNG, child.wait_with_output()).await;
    Done::of(output.expect("the process ends").unwrap())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    bound::within(what, wait).await;
}

#[tokio::test]
async fn ctrl_c_leaves_nothing_of_what_cannot_be_gone_on_with() {
    let server = ScriptedServer::bind().await;
    let dir = TempDir::new().unwrap();
    let mut command = example::command("batch_download");
    command.arg(server.uri("/file").to_string()).arg("--out").arg(dir.path());
    let child = command.spawn().expect("the process starts");
    let mut conn = server.accept_h1().await;
    conn.request().await;
    conn.head(200, &[], 1_000).await;
    conn.write("a beginning").await;
    until("a part", || names(&dir) == ["file.part"]).await;
    let done = end(child, "-INT").await;
    assert_eq!((done.status, done.stdout.as_str()), (Some(130), ""), "{done:?}");
    assert_eq!(done.stderr, "batch_download: interrupted\n");
    assert_eq!(names(&dir), [""; 0]);
}

#[tokio::test]
async fn the_next_run_goes_on_after_ctrl_c_and_after_a_kill() {
    for (signal, status) in [("-INT", Some(130)), ("-KILL", None)] {
        let file = files::files(50).into_iter().find(|file| file.size > 900_000).expect("a large one");
        let server = FaultyServer::builder().handler(files::serve(50)).start().await;
        // It stands still then, in the middle of the body.
        let builder = CuttingProxy::builder().after(300_000..=300_000).cut_offs([CutOff::Stall]).first(1);
        let proxy = builder.start(server.addr()).await;
        let (dir, url) = (TempDir::new().unwrap(), proxy.through(&server.uri(&file.path())));
        let part = dir.path().join(format!("{}.part", file.name));
        let len = || std::fs::metadata(&part).map_or(0, |metadata| metadata.len());

        let child = begin(&dir, &url);
        until("most of what passes", || len() > 250_000).await;
        let done = end(child, signal).await;
        assert_eq!((done.status, done.stdout.as_str()), (status, ""), "{done:?}");
        let says = "batch_download: interrupted; the same command goes on with one file that was begun\n";
        assert_eq!(done.stderr, if status.is_some() { says } else { "" });
        assert_eq!(names(&dir), [format!("{}.part", file.name), format!("{}.part.json", file.name)]);

        let (there, before) = (len(), proxy.counters().downstream);
        let done = download(&dir, [url], &["--http2-prior-knowledge", "--json"]).await;
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert_eq!(names(&dir), [file.name.as_str()]);
        assert_whole(&dir, &file);
        let (fetched, missing) = (proxy.counters().downstream - before, file.size as u64 - there);
        assert!((missing..missing + 20_000).contains(&fetched), "{fetched} bytes for {missing}");
        assert_eq!(done.json()["redial"]["bytes_saved"], there, "{done:?}");
    }
}
