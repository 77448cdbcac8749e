//! A network of a test's own, in which packets can be lost.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use crate::process::{installed, skipped};

/// Says to a test that it runs inside.
const INSIDE: &str = "REDIAL_IN_NETNS";

/// The ways to get a network namespace: as root, and as anybody where the kernel permits it.
const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];

/// What a namespace needs before a test can run in it. The table is there to see whether there can be one.
const PREPARE: &str = "ip link set lo up && nft add table inet redial";

/// Whether this is the inside of a network namespace, whose loopback only this test uses.
///
/// It is not where the test was started. Then this binary is started once more, inside, for this one test.
///
/// # Panics
///
/// If the test fails inside. If there can be no namespace and `REDIAL_REQUIRE_SERVERS=1` says that there has to be.
pub(crate) fn entered(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !["unshare", "ip", "nft"].iter().all(|program| installed(program).is_some()) {
        return false;
    }
    let prepared = |way: &&&[&str]| run(unshare(way).args(["sh", "-c", PREPARE]), "").status.success();
    let Some(way) = WAYS.iter().find(prepared) else {
        skipped("there can be no network namespace");
        return false;
    };
    let binary = std::env::current_exe().expect("a test is a file");
    let inside = run(
        unshare(way)
            .args(["sh", "-c", &format!("{PREPARE} && exec \"$@\""), "sh"])
            .arg(binary)
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "1"),
        "",
    );
    let said = String::from_utf8_lossy(&inside.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&inside.stderr);
    // A name that is no test's would pass without a test.
    assert!(inside.status.success() && said.contains("1 passed"), "{test} inside: {}\n{errors}", inside.status);
    false
}

/// Loses every packet from and to this port when it arrives, as a network does: nobody is told.
pub(crate) fn lose(port: u16) {
    nft(&format!(
        "table inet redial {{
            chain arriving {{
                type filter hook input priority filter
                tcp sport {port} drop
                tcp dport {port} drop
            }}
        }}"
    ));
}

/// Loses no more packets.
pub(crate) fn heal() {
    nft("delete table inet redial");
}

fn nft(rules: &str) {
    let done = run(Command::new("nft").args(["-f", "-"]), rules);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn unshare(way: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(way);
    // Debian puts `ip` and `nft` where an ordinary user's `PATH` does not lead.
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

fn run(command: &mut Command, input: &str) -> Output {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // Dropped at once, which ends the input. Who does not read it says so by its status.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it was started")
}
