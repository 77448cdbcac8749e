//! Whatever the server does, the bytes are the original ones or there is an error.
//!
//! `REDIAL_RESUME_CASES` says how many cases are played; 100,000 if it does not.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::RANGE;
use http_body_util::{BodyExt, Empty};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt};
use tower_redial::resume::{Incomplete, ResumeLayer, Why};
use tower_redial::retry::Limits;

use crate::reference::{Ending, Kind, Lie, Server, ServerDigest, Turn, content};

const IN_A_ROW: u32 = 3;
const MAX_RESUMES: u32 = 12;

#[derive(Clone, Debug)]
struct Case {
    size: usize,
    kind: Kind,
    digest: ServerDigest,
    range: Option<String>,
    restart: bool,
    /// What each head and each piece takes; less than a stall.
    delay: u64,
    turns: Vec<Turn>,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => Just(Kind::Strong),
        3 => Just(Kind::Modified),
        1 => Just(Kind::Weak),
        1 => Just(Kind::JustModified),
        1 => Just(Kind::WeakAndModified),
        1 => Just(Kind::Nothing),
    ]
}

fn endings() -> impl Strategy<Value = Ending> {
    let at = 0_usize..300;
    prop_oneof![
        2 => Just(Ending::Whole),
        4 => at.clone().prop_map(Ending::Short),
        4 => at.clone().prop_map(Ending::Failed),
        3 => at.prop_map(Ending::Stalled),
        1 => Just(Ending::NoEnd),
        1 => (0_usize..50).prop_map(Ending::Long),
        1 => Just(Ending::Trailers),
    ]
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        24 => Just(Lie::None),
        3 => Just(Lie::Ignores),
        1 => Just(Lie::WrongLength),
        1 => (1_usize..300).prop_map(Lie::OtherStart),
        1 => Just(Lie::OtherEnd),
        1 => Just(Lie::OtherTotal),
        1 => Just(Lie::NoTotal),
        1 => Just(Lie::NoContentRange),
        1 => Just(Lie::Multipart),
        1 => Just(Lie::OtherValidator),
        1 => Just(Lie::NoValidator),
        1 => Just(Lie::Encoded),
        1 => prop_oneof![Just(404_u16), Just(412), Just(416), Just(503), Just(304)].prop_map(Lie::Status),
        1 => Just(Lie::Redirect),
        2 => Just(Lie::Error),
        1 => Just(Lie::NotReady),
    ]
}

fn turns() -> impl Strategy<Value = Turn> {
    let changes = prop_oneof![12 => Just(false), 1 => Just(true)];
    (changes, lies(), endings()).prop_map(|(changes, lie, ending)| Turn { changes, lie, ending })
}

fn ranges() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        6 => Just(None),
        1 => (0..300_usize).prop_map(|first| Some(format!("bytes={first}-"))),
        2 => (0..300_usize, 0..300_usize).prop_map(|(a, b)| Some(format!("bytes={}-{}", a.min(b), a.max(b)))),
        1 => (1..300_usize).prop_map(|length| Some(format!("bytes=-{length}"))),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let digests =
        prop_oneof![3 => Just(ServerDigest::None), 1 => Just(ServerDigest::Right), 1 => Just(ServerDigest::Wrong)];
    let delays = prop_oneof![3 => Just(0_u64), 1 => Just(4)];
    (0..300_usize, kinds(), digests, ranges(), any::<bool>(), delays, vec(turns(), 1..9)).prop_map(
        |(size, kind, digest, range, restart, delay, turns)| Case { size, kind, digest, range, restart, delay, turns },
    )
}

/// What the first response says that it has.
fn part_of(response: &http::response::Parts, version: u64, size: usize) -> Bytes {
    let content = content(version, size);
    let Some(range) = response.headers.get("content-range") else { return content };
    let range = range.to_str().unwrap().strip_prefix("bytes ").unwrap().split_once('/').unwrap().0;
    let Some((first, last)) = range.split_once('-') else { return Bytes::new() };
    content.slice(first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap())
}

async fn play(case: &Case) -> Result<bool, TestCaseError> {
    let first = case.turns[0];
    let server = Server::new(case.size, case.kind, case.digest, case.turns.clone());
    let server = server.slow(Duration::from_secs(case.delay));
    let limits = Limits::after_loss().max_resends(IN_A_ROW).without_budget();
    let layer = ResumeLayer::new().limits(limits).max_resumes(MAX_RESUMES).allow_restart(case.restart);
    let client = layer.stall_timeout(Duration::from_secs(5)).layer(server.clone());
    let mut request = Request::get("http://reference/file");
    if let Some(range) = &case.range {
        request = request.header(RANGE, range);
    }
    let Ok(response) = client.oneshot(request.body(Empty::<Bytes>::new()).unwrap()).await else {
        prop_assert!(matches!(first.lie, Lie::Error | Lie::NotReady));
        return Ok(false);
    };
    let (head, mut body) = response.into_parts();
    let is_content = head.status == 200 || (head.status == 206 && head.headers.contains_key("content-range"));
    let expected = part_of(&head, server.version(), case.size);

    let mut got = Vec::new();
    let read = async {
        loop {
            match body.frame().await {
                Some(Ok(frame)) => got.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        }
    };
    // The clock is paused: an hour is over when nothing else can happen.
    let Ok(ended) = tokio::time::timeout(Duration::from_secs(3600), read).await else {
        // What cannot be resumed is not broken off. Nobody else may wait for ever.
        prop_assert!(matches!(first.ending, Ending::Stalled(_) | Ending::NoEnd));
        prop_assert!(!case.kind.is_strong() || first.lie != Lie::None || !is_content, "it hangs");
        return Ok(false);
    };
    prop_assert!(server.requests() <= MAX_RESUMES as usize + 1, "{} requests", server.requests());
    if !is_content {
        return Ok(false);
    }
    // R3, R4: never joined bytes.
    // A server that says and sends too much under one tag, at once or when it is asked again, tells of it in no way.
    let long = case.turns.iter().any(|turn| matches!(turn.ending, Ending::Long(_)));
    let padded = first.lie == Lie::WrongLength && long;
    prop_assert!(expected.starts_with(&got) || padded, "wrong bytes");
    match &ended {
        Ok(()) => {
            prop_assert!(got == expected || padded, "{} of {} bytes, and no error", got.len(), expected.len());
            let is_all = expected.len() == case.size && case.size > 0;
            prop_assert!(
                case.digest != ServerDigest::Wrong || !is_all || !case.kind.is_strong() || first.lie != Lie::None
            );
        }
        Err(error) => {
            if let Some(incomplete) = error.downcast_ref::<Incomplete>() {
                prop_assert_eq!(incomplete.received(), got.len() as u64);
                if !case.kind.is_strong() {
                    prop_assert_eq!((server.requests(), incomplete.resumes()), (1, 0), "R2");
                }
                // Whoever polls on gets it again.
                let again = body.frame().await;
                prop_assert!(matches!(again, Some(Err(_))), "{:?}", again);
            }
        }
    }
    // R1: nothing is lost that could have been had.
    let honest = case.kind.is_strong() && case.digest != ServerDigest::Wrong && case.turns.iter().all(Turn::is_honest);
    if honest {
        // What is slow has not stalled.
        let broken = case.turns.iter().take_while(|turn| turn.breaks()).count();
        prop_assert!(server.requests() <= broken + 1, "{} requests", server.requests());
        let bounded = ended.err().and_then(|error| error.downcast::<Incomplete>().ok()).map(|error| error.why());
        prop_assert!(matches!(bounded, None | Some(Why::NoProgress | Why::MaxResumes)), "{:?}", bounded);
        return Ok(bounded.is_none());
    }
    Ok(false)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// R1 to R6 together.
#[test]
fn the_bytes_are_the_original_ones_or_there_is_an_error() {
    let cases = std::env::var("REDIAL_RESUME_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let runtime = runtime();
    let whole = std::cell::Cell::new(0_u32);
    let result = TestRunner::new(config).run(&self::cases(), |case| {
        whole.set(whole.get() + u32::from(runtime.block_on(play(&case))?));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // One that always fails has no wrong bytes either.
    assert!(whole.get() > cases / 20, "{} of {cases} came whole", whole.get());
}
