//! Signals to the processes of a server.

use std::{fs, process::Command, time::Duration};

use crate::support::bound::within;

/// Sends a signal, by the `kill` that every shell has.
///
/// # Panics
///
/// If the process is gone.
pub(crate) fn send(signal: &str, pid: u32) {
    let kill = ["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &pid.to_string()];
    let status = Command::new("/bin/sh").args(kill).status().expect("a shell");
    assert!(status.success(), "SIG{signal} to {pid}: {status}");
}

/// A process that is stopped, and goes on when this is dropped.
#[derive(Debug)]
pub(crate) struct Stopped(u32);

impl Stopped {
    /// Stops a process, and returns when it has come to a halt.
    pub(crate) async fn new(pid: u32) -> Self {
        send("STOP", pid);
        let stopped = Self(pid);
        within("the process to stop", async {
            while state(pid) != Some('T') {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if state(self.0).is_some() {
            send("CONT", self.0);
        }
    }
}

/// The letter by which the kernel says what a process is doing; `None` if it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the program's name, which may hold anything.
    stat.rsplit(") ").next()?.chars().next()
}
