//! The index of error texts in the guide, row by row: each failure is made, over a socket where one can be had, and its text,
//! its fate and its cause are those of the table.

#[allow(unused_imports, reason = "the tests of tonic use the rest of it")]
#[path = "../support/greeter/mod.rs"]
mod greeter;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the tests of the fates use the rest of it")]
#[path = "../fate/via.rs"]
mod via;

mod bodies;
mod connect;
mod http1;
mod http2;
mod seen;
mod stacks;
mod table;

use crate::seen::Seen;

/// How many rows may rest on a source that was read, instead of a failure that was made.
const READ: usize = 1;

#[tokio::test]
async fn every_text_of_the_index_is_what_its_failure_says() {
    let mut seen: Vec<Seen> = http2::all().await;
    seen.extend(http1::all().await);
    seen.extend(connect::all().await);
    seen.extend(stacks::all().await);

    let rows = table::of_failures();
    let (read, made): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.remark.contains("Read in "));
    assert!(read.len() <= READ, "{read:#?}");
    let unseen: Vec<_> = made.iter().filter(|row| !seen.iter().any(|seen| row.tells(seen))).collect();
    assert!(unseen.is_empty(), "nothing says what these rows say: {unseen:#?}\nwhat was said: {seen:#?}");
    let untold: Vec<_> = seen.iter().filter(|seen| !made.iter().any(|row| row.tells(seen))).collect();
    assert!(untold.is_empty(), "no row tells of these: {untold:#?}");
}

#[tokio::test]
async fn every_text_of_a_body_is_what_its_reader_is_told() {
    let said = bodies::all().await;
    let texts = table::of_bodies();
    let unsaid: Vec<_> = texts.iter().filter(|text| !said.iter().any(|said| said.contains(*text))).collect();
    assert!(unsaid.is_empty(), "nothing says: {unsaid:#?}\nwhat was said: {said:#?}");
    let untold: Vec<_> = said.iter().filter(|said| !texts.iter().any(|text| said.contains(text))).collect();
    assert!(untold.is_empty(), "no row tells of these: {untold:#?}");
}
