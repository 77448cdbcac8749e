//! Processes that stand still.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};

/// Stopped processes, which go on when this is dropped.
#[derive(Debug)]
pub(crate) struct Paused(Vec<u32>);

impl Paused {
    /// Stops a process and all that descend from it. Some may end meanwhile, since a server's workers come and go.
    pub(crate) fn family(pid: u32) -> Self {
        let parents = parents();
        let mut family = vec![pid];
        let mut at = 0;
        while let Some(parent) = family.get(at).copied() {
            family.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
            at += 1;
        }
        let paused = Self(family);
        paused.signal("STOP");
        paused
    }

    fn signal(&self, signal: &str) {
        let pids = self.0.iter().map(ToString::to_string);
        // An error is one that is gone.
        let _ = Command::new("/bin/sh")
            .args(["-c", "for pid; do kill -s \"$0\" \"$pid\"; done", signal])
            .args(pids)
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

/// Every process's parent.
fn parents() -> HashMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the program's name, which may hold anything, come its state and its parent.
        let parent = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
    .collect()
}
