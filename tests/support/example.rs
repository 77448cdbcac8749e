//! The examples, run as people run them: as processes.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

/// The example of this name, without a terminal. `cargo test` builds the examples beside the tests:
/// target/<profile>/examples beside target/<profile>/deps.
///
/// # Panics
///
/// When it has not been built.
pub fn command(name: &str) -> Command {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let example = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "{} is not there: `cargo test` builds it, `cargo test --test {name}` does not; \
         run `cargo build --example {name}` first",
        example.display()
    );
    let mut command = Command::new(example);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}
