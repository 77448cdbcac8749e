//! Instructions, counted by callgrind: the same number however busy the machine is.

use std::env;
use std::process::Command;

/// What a process, or a repetition in it, took.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Count {
    pub(crate) instructions: f64,
    /// Of these, those that lock the memory bus: what threads share is changed by them, and each takes as long as many others.
    pub(crate) locked: f64,
}

/// What a process took that runs this bench with `--child` and these words, its start and end with it. `None` where
/// valgrind is not installed.
///
/// # Panics
///
/// When the process fails.
pub(crate) fn of_child(words: &[&str]) -> Option<Count> {
    let program = env::current_exe().expect("the bench's own path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-bus=yes", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg("--child")
        .args(words)
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {told}");
    let collected =
        told.lines().find_map(|line| line.split("Collected :").nth(1)).expect("callgrind says what it collected");
    // As its "Events" line has them: instructions, and global bus events.
    let mut counts = collected.split_whitespace().map(|count| count.parse().expect("a number"));
    let mut next = || counts.next().expect("two numbers");
    Some(Count { instructions: next(), locked: next() })
}

/// What one repetition takes: the difference between many and few, so that the process's start and end do not count. `words` is
/// followed by the number of repetitions.
pub(crate) fn of_one(words: &[&str], few: u64, many: u64) -> Option<Count> {
    let count = |n: u64| {
        let n = n.to_string();
        of_child(&[words, &[n.as_str()]].concat())
    };
    let (less, more) = (count(few)?, count(many)?);
    let each = |less: f64, more: f64| (more - less) / (many - few) as f64;
    Some(Count { instructions: each(less.instructions, more.instructions), locked: each(less.locked, more.locked) })
}
