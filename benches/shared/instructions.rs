//! Instructions, counted by callgrind: the same number however busy the machine is.

use std::env;
use std::process::Command;

/// What a process took that runs this bench with `--child` and these words, in instructions, its start and end with it. `None` where
/// valgrind is not installed.
///
/// # Panics
///
/// When the process fails.
pub(crate) fn of_child(words: &[&str]) -> Option<u64> {
    let program = env::current_exe().expect("the bench's own path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg("--child")
        .args(words)
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {told}");
    let collected =
        told.lines().find_map(|line| line.split("Collected :").nth(1)).expect("callgrind says what it collected");
    Some(collected.trim().parse().expect("a number"))
}

/// What one repetition takes: the difference between many and few, so that the process's start and end do not count. `words` is
/// followed by the number of repetitions.
pub(crate) fn of_one(words: &[&str], few: u64, many: u64) -> Option<f64> {
    let count = |n: u64| {
        let n = n.to_string();
        of_child(&[words, &[n.as_str()]].concat())
    };
    Some((count(many)? as f64 - count(few)? as f64) / (many - few) as f64)
}
