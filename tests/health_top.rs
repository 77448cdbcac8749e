//! The example `health_top`: run as people run it, as a process; and its drawing by itself.

#[path = "../examples/health_top/draw.rs"]
mod draw;
#[path = "../examples/health_top/model.rs"]
mod model;
mod support;

use std::{process::Output, time::Duration};

use model::{Connection, Entry, Happening, Model, Requests};
use support::{bound, example};
use tower_redial::{
    fate::Reason,
    health::{Close, Drain, EventKind, State},
};

/// When a process counts as hung. It bounds tests that fail anyway.
const HUNG: Duration = Duration::from_secs(120);

/// Its exit status, stdout and stderr.
async fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = bound::checked(HUNG, example::command("health_top").args(args).output()).await;
    let Output { status, stdout, stderr } = output.expect("the process ends").expect("the process starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// The number that follows `label`.
fn number(frame: &str, label: &str) -> u64 {
    let (_, rest) = frame.split_once(label).unwrap_or_else(|| panic!("no {label:?} in\n{frame}"));
    let word = rest.split_whitespace().next().unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("{label:?} and then {word:?} in\n{frame}"))
}

/// The rows of the connections' table.
fn rows(frame: &str) -> Vec<&str> {
    frame.lines().filter(|line| line.starts_with('#')).collect()
}

// ===== the process =====

#[tokio::test]
async fn once_prints_one_frame_as_plain_text() {
    let (status, frame, stderr) = run(&["--once"]).await;
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{frame}");
    let commands: Vec<_> = frame.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(commands.is_empty(), "{commands:?} in {frame}");

    let headings = frame.lines().find(|line| line.starts_with("conn ")).unwrap_or_else(|| panic!("{frame}"));
    let headings: Vec<_> = headings.split_whitespace().collect();
    let wanted = "conn state streams rtt age requests received sent goaway said";
    assert_eq!(headings, wanted.split(' ').collect::<Vec<_>>(), "{frame}");

    let rows = rows(&frame);
    assert!(rows.iter().any(|row| row.contains("goaway(NO_ERROR)")), "drained, and why\n{frame}");
    assert!(rows.iter().any(|row| row.contains("silent") || row.contains("closed: dead")), "{frame}");
    assert!(rows.iter().any(|row| row.contains("/12 ")), "open streams and the peer's limit\n{frame}");
    assert!(frame.contains(" probed"), "the log: a silent connection was probed\n{frame}");

    assert!(number(&frame, "\nok") > 0, "{frame}");
    assert!(number(&frame, "drains:") > 0, "{frame}");
    assert!(number(&frame, "resends:") > 0, "{frame}");
    assert!(number(&frame, "refused") > 0, "resends by cause\n{frame}");
}

#[tokio::test]
async fn where_there_is_no_terminal_it_says_so_in_one_line() {
    for args in [&[][..], &["--seconds", "1"]] {
        let (status, stdout, stderr) = run(args).await;
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("no terminal") && stderr.contains("--once"), "{stderr}");
    }
}

#[tokio::test]
async fn bad_arguments_are_said_in_one_line() {
    for (args, what) in [
        (&["--once", "--seconds", "3"][..], "--seconds"),
        (&["--once", "--concurrency", "0"], "--concurrency"),
        (&["--once", "--concurrency", "251"], "--concurrency"),
        (&["--seconds", "0"], "--seconds"),
        (&["--twice"], "--twice"),
    ] {
        let (status, stdout, stderr) = run(args).await;
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        assert!(stderr.contains(what), "{args:?}: {stderr}");
    }
}

// ===== the drawing =====

fn connection(id: u64, state: State) -> Connection {
    Connection {
        id,
        state,
        drained: None,
        streams: 3,
        limit: Some(100),
        round_trip: None,
        age: Duration::from_secs(1),
        requests: 7,
        received: 0,
        sent: 0,
        said: None,
    }
}

fn busy() -> Model {
    let goaway = Drain::GoAway { reason: Reason::ENHANCE_YOUR_CALM };
    let counts = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 11)).collect::<Vec<_>>();
    Model {
        hint: "keys",
        origin: "http://127.0.0.1:1".to_owned(),
        workers: 2,
        running: Duration::from_secs(3_599),
        requests: Requests { ok: 9, resent: 2, failed: 1, under_way: 5, waiting: 4 },
        drains: counts(&["a", "b"]),
        ends: counts(&["c"]),
        resends: counts(&["1", "2", "3", "4", "5", "6", "7", "8"]),
        given_up: counts(&["closed: not_idempotent"]),
        connections: vec![
            Connection {
                limit: None,
                round_trip: Some(Duration::from_micros(12_340)),
                age: Duration::from_secs(3_600),
                received: 1_023,
                sent: 1_024 * 1_024,
                ..connection(1, State::Open)
            },
            Connection { said: Some(b"\x1b[2J\x07\xff".to_vec()), ..connection(2, State::Draining(goaway)) },
            connection(3, State::Silent),
            Connection { drained: Some(Drain::Age), ..connection(4, State::Closed(Close::Client)) },
            connection(5, State::Closed(Close::Dead)),
        ],
        log: vec![
            Entry { at: Duration::from_millis(1_500), what: Happening::Missed(17) },
            Entry {
                at: Duration::from_secs(61),
                what: Happening::Event {
                    connection: 5,
                    kind: EventKind::Closed { reason: Close::Dead, silent_for: Duration::from_secs(15) },
                },
            },
        ],
    }
}

/// One space where there are many.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn each_connection_has_a_row_with_all_that_is_known() {
    let text = draw::text(&busy(), 120, 40);
    let found: Vec<_> = rows(&text).into_iter().flat_map(squeezed).collect();
    assert_eq!(
        found,
        [
            "#1 open 3/- 12 ms 1h00m 7 1.0 KiB 1.0 MiB",
            r"#2 draining: goaway(ENHANCE_YOUR_CALM) 3/100 1.0 s 7 0 B 0 B \x1b[2J\x07\xff",
            "#3 silent 3/100 1.0 s 7 0 B 0 B",
            "#4 closed: client, age 3/100 1.0 s 7 0 B 0 B",
            "#5 closed: dead 3/100 1.0 s 7 0 B 0 B",
        ]
    );
    let lines = squeezed(&text);
    assert_eq!(lines[0], "health_top http://127.0.0.1:1 2 workers 59m59s keys");
    assert!(lines.contains(&"1.5 s 17 events were missed".to_owned()), "{text}");
    assert!(lines.contains(&"1m01s #5 closed: dead, nothing heard for 15.0 s".to_owned()), "{text}");
    assert!(text.contains("connections: 3 live, 11 ended "), "{text}");
}

#[test]
fn counts_that_do_not_fit_are_summed_up() {
    let text = draw::text(&busy(), 120, 40);
    assert_eq!(number(&text, "resends:"), 88);
    assert_eq!(number(&text, "3 others"), 33);
    assert_eq!(number(&text, "given up:"), 11);
}

/// The oldest events and connections go first; nothing panics, and nothing is wider than the terminal.
#[test]
fn it_fits_terminals_of_any_size() {
    let model = busy();
    for width in (1..=130).step_by(3) {
        for height in [1, 2, 5, 8, 24, 50] {
            let text = draw::text(&model, width, height);
            assert!(text.lines().count() <= usize::from(height), "{width}x{height}\n{text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}x{height}\n{text}");
        }
    }
    let small = draw::text(&model, 80, 8);
    assert!(small.contains("#1") && !small.contains("#5   closed"), "{small}");
    assert!(small.contains("nothing heard for 15.0 s") && !small.contains("missed"), "{small}");
    for (width, shown) in [(30, true), (29, false)] {
        assert_eq!(draw::text(&model, width, 24).contains("3/100"), shown, "{width}");
    }
}
