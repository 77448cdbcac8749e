//! Ctrl-C.

use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    setup::{Done, HUNG, names},
    support::{ScriptedServer, bound, example},
};

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
