//! The process, and what it leaves behind.

use std::{fs, path::PathBuf, process::Output, time::Duration};

use http::Uri;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{bound, example, files::File, tls::Identity};

/// When a process counts as hung. It bounds tests that fail anyway.
pub(crate) const HUNG: Duration = Duration::from_secs(300);

pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document: {error}: {self:?}"))
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {:?}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

pub(crate) async fn run(args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Done {
    let output = bound::checked(HUNG, example::command("batch_download").args(args).output()).await;
    Done::of(output.expect("the process ends").expect("the process starts"))
}

/// Downloads `urls` into `dir`.
pub(crate) async fn download(dir: &TempDir, urls: impl IntoIterator<Item = Uri>, options: &[&str]) -> Done {
    let mut args: Vec<_> = urls.into_iter().map(|url| url.to_string()).collect();
    args.extend(["--out".to_owned(), dir.path().display().to_string()]);
    args.extend(options.iter().map(|option| (*option).to_owned()));
    run(args).await
}

/// A PEM file with the certificate of `identity`.
pub(crate) fn cacert(dir: &TempDir, identity: &Identity) -> PathBuf {
    let path = dir.path().join("ca.pem");
    fs::write(&path, identity.pem()).unwrap();
    path
}

/// What lies in `dir`, hidden files too, in the order of the names.
pub(crate) fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn assert_whole(dir: &TempDir, file: &File) {
    let content = fs::read(dir.path().join(&file.name)).unwrap_or_else(|error| panic!("{}: {error}", file.name));
    assert!(content == file.content(), "{} has {} bytes that are not its own", file.name, content.len());
}
