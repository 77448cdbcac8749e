//! The example `soak`: run as people run it, as a process; and its account by itself.

#[path = "../examples/soak/account.rs"]
#[allow(dead_code, reason = "the example uses more of it")]
mod account;
#[path = "../examples/soak/kind.rs"]
#[allow(dead_code, reason = "the example uses more of it")]
mod kind;
mod support;

use std::{fs, path::PathBuf, process::Output, time::Duration};

use account::{Account, Ending, Row};
use kind::{DOWNLOADS, Kind};
use serde_json::Value;
use support::{
    Ledger,
    bound::{self, within},
    example,
};
use tokio::process::Command;
use tower_redial::{Cause, Fate, retry::Stop};

/// When a process counts as hung. It bounds tests that fail anyway.
const HUNG: Duration = Duration::from_secs(240);

struct Done {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(args: &[&str]) -> Done {
    // A folder of its own for its servers' folders, so that what is left there is this run's.
    let temp = tempfile::tempdir().expect("a folder");
    let mut command = example::command("soak");
    command.args(args).env("TMPDIR", temp.path());
    let done = finish(command).await;
    let left: Vec<_> = fs::read_dir(temp.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    // What is killed takes a moment to go.
    let place = temp.path().display().to_string();
    within("all children to be gone", async {
        while !running(&place).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    done
}

async fn finish(mut command: Command) -> Done {
    let output = bound::checked(HUNG, command.output()).await;
    let Output { status, stdout, stderr } = output.expect("the process ends").expect("the process starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The command lines of processes whose command line, environment or open files name this place. Of nginx's workers only the last
/// do.
fn running(place: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten().map(|process| process.path());
    let text = |file: PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).replace('\0', " ");
    let uses = |process: &PathBuf| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let files = open.filter_map(|file| fs::read_link(file.path()).ok());
        let mut named = files.map(|file| file.to_string_lossy().into_owned());
        named.any(|file| file.contains(place))
            || ["cmdline", "environ"].into_iter().any(|name| text(process.join(name)).contains(place))
    };
    processes.filter(uses).map(|process| text(process.join("cmdline"))).collect()
}

// ===== the process =====

/// A few seconds of it: the report is one document with all that is promised, and nothing is left of it.
#[tokio::test]
async fn a_run_ends_with_one_document_and_leaves_nothing() {
    let done =
        run(&["--minutes", "0.1", "--seed", "7", "--servers", "nginx,scripted", "--workers", "8", "--json"]).await;
    let report: Value = serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("not one document: {error}\n{}\n{}", done.stdout, done.stderr));
    assert_eq!(done.status, Some(0), "{}\n{}", done.stdout, done.stderr);
    for law in ["doubled", "lost", "hung", "wrong_bytes", "false_proofs", "protocol_errors"] {
        assert_eq!(report[law], 0, "{law}: {report:#}");
    }
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert_eq!(number(&report, "seed"), 7);
    let requests = number(&report, "requests");
    assert!(requests > 100 && number(&report, "answered") > requests / 2, "{report:#}");
    assert!(number(&report, "processed") >= number(&report, "answered"), "{report:#}");
    assert!(number(&report, "attempts") >= requests, "{report:#}");
    assert!(number(&report, "connections") > 1 && number(&report, "peak_memory_bytes") > 1 << 20, "{report:#}");
    assert!(report["extra_load"].as_f64().is_some_and(|load| load >= 1.0), "{report:#}");
    for counts in ["resends", "errors", "faults"] {
        assert!(report[counts].as_object().is_some_and(|counts| !counts.is_empty()), "{counts}: {report:#}");
    }
    for counts in ["statuses", "resumes", "broken"] {
        assert!(report[counts].is_object(), "{counts}: {report:#}");
    }
    let servers = report["servers"].as_array().expect("rows");
    let of_servers: u64 = servers.iter().map(|server| number(server, "requests")).sum();
    assert_eq!(of_servers, requests, "{report:#}");
    let names: Vec<_> = servers.iter().filter_map(|server| server["name"].as_str()).collect();
    let skipped = report["skipped"].as_array().expect("names");
    let nginx: &[&str] = if skipped.is_empty() { &["nginx", "nginx+tls"] } else { &[] };
    assert_eq!(names, [nginx, &["scripted", "scripted+tls"]].concat(), "{report:#}");
    let lines = done.stderr.lines().filter(|line| line.contains(" in flight "));
    assert!(lines.count() >= 4, "a line a second: {}", done.stderr);
}

#[tokio::test]
async fn it_ends_after_so_many_requests() {
    let done = run(&["--total", "500", "--servers", "scripted"]).await;
    assert_eq!(done.status, Some(0), "{}\n{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("\n500 requests in "), "{}", done.stdout);
    assert!(done.stdout.ends_with("passed\n"), "{}", done.stdout);
}

/// Ctrl-C and SIGTERM end it with its report, long before its time.
#[tokio::test]
async fn a_signal_ends_it_with_its_report() {
    for signal in ["INT", "TERM"] {
        let mut child =
            example::command("soak").args(["--minutes", "60", "--servers", "scripted", "--json"]).spawn().unwrap();
        let pid = child.id().expect("it runs").to_string();
        // Its first line says that it has begun.
        let mut stderr = tokio::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let began = tokio::io::AsyncBufReadExt::read_line(&mut stderr, &mut line);
        bound::checked(HUNG, began).await.expect("a line in time").expect("a line");
        let drain = tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        let kill = Command::new("/bin/sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &pid]).status().await;
        assert!(kill.expect("a shell").success());
        let output = bound::checked(HUNG, child.wait_with_output()).await.expect("it ends").expect("a child");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert_eq!(
            (output.status.code(), &report["interrupted"]),
            (Some(0), &Value::Bool(true)),
            "{signal}: {report:#}"
        );
        drain.await.expect("no panic").expect("the rest of stderr");
    }
}

/// What the documentation says of an hour is what its report says.
#[tokio::test]
async fn the_documentations_table_is_its_reports() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let report = root.join("soak.json");
    let done = run(&["--table-of", report.to_str().expect("UTF-8")]).await;
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    assert!(done.stdout.lines().count() > 3, "{}", done.stdout);
    let page = fs::read_to_string(root.join("soak.md")).expect("a page");
    assert!(page.contains(&done.stdout), "docs/soak.md has another table than docs/soak.json");

    let done = run(&["--table-of", "no/such/report"]).await;
    assert_eq!((done.status, done.stderr.lines().count()), (Some(1), 1), "{}", done.stderr);
}

#[tokio::test]
async fn bad_arguments_are_said_in_one_line() {
    for (args, what) in [
        (&["--minutes", "0"][..], "neither more than 0"),
        (&["--minutes", "nan"], "neither more than 0"),
        (&["--minutes", "soon"], "not a number"),
        (&["--total", "0"], "--total"),
        (&["--total", "5", "--minutes", "1"], "--total"),
        (&["--workers", "0"], "--workers"),
        (&["--servers", "nginx,iis"], "none of nginx, nghttpx, caddy, h2o, apache, haproxy, scripted"),
        (&["--seed", "-1"], "-1"),
        (&["--json", "--markdown"], "--markdown"),
        (&["--twice"], "--twice"),
    ] {
        let done = run(args).await;
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{args:?}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(what), "{args:?}: {}", done.stderr);
    }
}

// ===== the account =====

/// The first request of this kind.
fn number_of(kind: Kind) -> u64 {
    (0..).find(|number| Kind::of(*number) == kind).expect("each kind has its turn")
}

/// One request that ended so, and how often the ledger has it.
fn settled(kind: Kind, times: u64, happens: impl FnOnce(&mut Account, u64)) -> Row {
    let (mut account, number, ledger) = (Account::default(), number_of(kind), Ledger::new());
    account.begin();
    for _ in 0..times {
        ledger.processed(&number.to_string());
    }
    happens(&mut account, number);
    let doubled: Vec<u64> = ledger.doubled().into_iter().map(|(id, _)| id.parse().unwrap()).collect();
    assert_eq!(Account::doubled_so_far(doubled.clone()), u64::from(times > 1 && !kind.is_idempotent()));
    account.settle(doubled, |number| ledger.times(&number.to_string()));
    let row = account.row().clone();
    assert_eq!(row.requests, row.ended(), "{row:?}");
    row
}

#[test]
fn what_is_answered_once_is_clean() {
    let row = settled(Kind::Post, 1, |account, number| account.end(number, Ending::Answered));
    assert!(row.is_clean(), "{row:?}");
    assert_eq!((row.answered, row.attempts, row.load()), (1, 1, 1.0));
}

#[test]
fn a_post_that_was_processed_twice_is_doubled() {
    for cause in [Cause::Closed, Cause::HandedBack] {
        let row = settled(Kind::EmptyPost, 2, |account, number| {
            account.resent(number, cause);
            account.end(number, Ending::Answered);
        });
        assert_eq!((row.doubled, row.violations, row.is_clean()), (1, 0, false), "{row:?}");
        assert_eq!((row.resends(), row.attempts), (1, 2));
        assert!(row.named[0].contains("processed 2 times"), "{row:?}");
    }
}

/// Nobody here resent it, and still it is doubled: a proxy may have done it, or a client below the layer.
#[test]
fn a_post_that_was_processed_twice_for_no_known_reason_is_doubled() {
    let row = settled(Kind::Post, 2, |account, number| account.end(number, Ending::Answered));
    assert_eq!((row.doubled, row.is_clean()), (1, false), "{row:?}");
}

#[test]
fn what_may_be_processed_twice_is_not_doubled() {
    for kind in [Kind::Get, Kind::Put, Kind::KeyedPost] {
        let row = settled(kind, 3, |account, number| account.end(number, Ending::Answered));
        assert!(row.is_clean(), "{kind:?}: {row:?}");
    }
    assert!(Kind::of(DOWNLOADS + 1).is_idempotent(), "a download is a GET whatever its number");
}

/// RFC 9113, section 8.7: the server said that it had not processed it.
#[test]
fn a_post_that_the_server_refused_and_processed_is_the_servers_violation() {
    let row = settled(Kind::Post, 2, |account, number| {
        account.resent(number, Cause::Refused);
        account.end(number, Ending::Answered);
    });
    assert_eq!((row.doubled, row.violations, row.is_clean()), (0, 1, true), "{row:?}");
    assert_eq!(row.named.len(), 1, "{row:?}");
}

#[test]
fn a_proof_that_surfaces_though_attempts_remain_is_lost() {
    for stop in [Stop::Permanent, Stop::NotIdempotent, Stop::BodyUsed, Stop::NotSingleHop, Stop::Nested, Stop::NotReady]
    {
        let row = settled(Kind::Post, 0, |account, number| {
            account.stopped(number, Fate::NotSent, Cause::HandedBack, stop);
            account.end(number, Ending::Failed(Fate::NotSent, Cause::HandedBack));
        });
        assert_eq!((row.lost, row.is_clean()), (1, false), "{stop:?}: {row:?}");
    }
    // The error says it by itself, and the layer was not even asked.
    let row =
        settled(Kind::Get, 0, |account, number| account.end(number, Ending::Failed(Fate::NotSent, Cause::Connect)));
    assert_eq!((row.lost, row.is_clean()), (1, false), "{row:?}");
    // The layer takes for unknown what the error proves.
    let row = settled(Kind::Get, 0, |account, number| {
        account.stopped(number, Fate::Unknown, Cause::Closed, Stop::NotIdempotent);
        account.end(number, Ending::Failed(Fate::NotProcessed, Cause::Refused));
    });
    assert_eq!((row.lost, row.is_clean()), (1, false), "{row:?}");
}

#[test]
fn an_error_without_a_proof_or_without_attempts_left_is_not_lost() {
    let out = [Stop::MaxResends, Stop::BudgetExhausted, Stop::OutOfTime { wait: Duration::ZERO }];
    let proofs = out.map(|stop| (Fate::NotSent, Cause::Connect, stop));
    for (fate, cause, stop) in proofs.into_iter().chain([(Fate::Unknown, Cause::Closed, Stop::NotIdempotent)]) {
        let row = settled(Kind::Post, 0, |account, number| {
            account.stopped(number, fate, cause, stop);
            account.end(number, Ending::Failed(fate, cause));
        });
        assert!(row.is_clean(), "{row:?}");
        assert_eq!(row.errors[fate.label()][&format!("{cause}: {}", stop.label())], 1, "{row:?}");
    }
}

#[test]
fn a_proof_of_what_was_processed_is_false() {
    let row = settled(Kind::StreamedPost, 1, |account, number| {
        account.stopped(number, Fate::NotProcessed, Cause::Refused, Stop::MaxResends);
        account.end(number, Ending::Failed(Fate::NotProcessed, Cause::Refused));
    });
    assert_eq!((row.false_proofs, row.is_clean()), (1, false), "{row:?}");
}

#[test]
fn what_hangs_and_what_is_wrong_is_counted() {
    let hung = settled(Kind::Get, 1, |account, number| account.end(number, Ending::Hung));
    let wrong = settled(Kind::Get, 1, |account, number| account.end(number, Ending::WrongBytes));
    let other = settled(Kind::Get, 1, |account, number| account.end(number, Ending::Status(502)));
    let broken = settled(Kind::Get, 1, |account, number| account.end(number, Ending::Broken(Cause::Closed)));
    assert_eq!((hung.hung, hung.is_clean()), (1, false));
    assert_eq!((wrong.wrong_bytes, wrong.is_clean()), (1, false));
    assert_eq!((other.statuses[&502], other.is_clean()), (1, true));
    assert_eq!((broken.broken["closed"], broken.is_clean()), (1, true));

    let mut all = Row::default();
    for row in [hung, wrong, other, broken] {
        all.add("server", &row);
    }
    assert_eq!((all.requests, all.ended(), all.hung, all.wrong_bytes, all.is_clean()), (4, 4, 1, 1, false));
    assert!(all.named.iter().all(|what| what.starts_with("server: ")), "{all:?}");
}

#[test]
fn a_ledger_that_counts_less_than_was_answered_is_not_believed() {
    let mut row = settled(Kind::Get, 1, |account, number| account.end(number, Ending::Answered));
    assert!(!row.is_counted());
    row.processed = 1;
    assert!(row.is_counted());
}
