//! What a request says of itself, so that a server can check it without knowing the plan.

use bytes::Bytes;
use http::HeaderMap;

use crate::schedule::RequestPlan;
use crate::support::files::{File, noise};
use crate::support::{REQUEST_ID, Received, Reply};

/// The header that says which bytes the body has: their seed and how many they are.
const BODY: &str = "x-body";

/// How many files there are.
pub(crate) const FILES: u64 = 20;

/// From 8 KiB to 200 KiB: more than a window, less than what takes long.
pub(crate) fn file(number: u64) -> File {
    let size = 8 * 1024 + usize::try_from(number % FILES).unwrap_or_default() * 10_007;
    File { name: number.to_string(), size, seed: number }
}

/// A request's bytes.
pub(crate) fn body(seed: u64, len: usize) -> Bytes {
    noise(seed, len)
}

/// The path, which ends with the id.
pub(crate) fn path(plan: &RequestPlan, id: &str) -> String {
    match plan.file {
        Some(number) => format!("/files/{number}/{id}"),
        None => format!("/echo/{id}"),
    }
}

/// The fields that a server wants.
pub(crate) fn fields(id: &str, seed: u64, len: usize) -> [(&'static str, String); 2] {
    [(REQUEST_ID, id.to_owned()), (BODY, format!("{seed} {len}"))]
}

/// Whether a body is the one that its request's head speaks of.
pub(crate) fn is_right(headers: &HeaderMap, body: &[u8]) -> bool {
    let said = headers.get(BODY).and_then(|said| said.to_str().ok()).and_then(|said| said.split_once(' '));
    let said = said.and_then(|(seed, len)| Some((seed.parse().ok()?, len.parse().ok()?)));
    said.is_some_and(|(seed, len)| noise(seed, len) == body)
}

/// What is answered when nothing goes wrong.
pub(crate) fn reply(received: &Received) -> Reply {
    let number = received.path.strip_prefix("/files/").and_then(|rest| rest.split_once('/'));
    match number.and_then(|(number, _)| number.parse().ok()) {
        Some(number) => file(number).serve(received),
        None => Reply::ok(received.id.clone()),
    }
}
