//! The pictures in `docs/`, drawn from what the code does: a picture that has drifted from it fails here.
//!
//! `REDIAL_PICTURES=write cargo test --all-features --test pictures` draws them anew.

mod connection;
mod decision;
mod page;
mod request;
#[path = "../support/mod.rs"]
mod support;

use std::{env, fs, path::PathBuf};

/// Compares a picture with what is drawn now, or writes it.
fn check(name: &str, drawn: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if env::var_os("REDIAL_PICTURES").is_some_and(|what| what == "write") {
        fs::write(&path, drawn).expect("a file that can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == drawn,
        "docs/{name} is not what the code does: `REDIAL_PICTURES=write cargo test --all-features --test pictures` draws it anew"
    );
}
