//! URLs from the command line, into files.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Uri;
use indicatif::ProgressBar;
use tokio::time::sleep;
use tower::BoxError;
use tower_redial::ConnectionHealth;

use crate::args::Args;
use crate::client::{AnyClient, Setup};
use crate::concurrency::Places;
use crate::counts::{Protocols, Repairs};
use crate::download::{self, Failure, Fetched};
use crate::kept::{self, Answer};
use crate::progress::Progress;
use crate::report::{Report, Run, Tally};
use crate::save::{self, LONGEST_SUFFIX, Left, Save};
use crate::silence::Silences;

/// How often it looks whether more may begin, while nothing ends.
const LOOK: Duration = Duration::from_millis(50);

/// What most file systems allow for a name, in bytes.
const LONGEST_NAME: usize = 255;

/// A URL, and the name of its file.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) uri: Uri,
    pub(crate) name: String,
}

pub(crate) async fn run(args: &Args, left: &Left) -> Result<Report, BoxError> {
    let setup = Setup::new(args.trust.clone(), args.protocol, args, ConnectionHealth::default());
    let mut silences = Silences::new(&setup.health);
    let (repairs, protocols) = (Repairs::default(), Protocols::default());
    let places = Places::new(args.concurrency, (!args.bare).then_some(&setup.health));
    let client = if args.bare { setup.bare(&protocols) } else { setup.redial(&repairs, &places, &protocols) };
    let progress = Progress::new();
    let total = progress.total(if args.bare { "bare" } else { "redial" }, args.urls.len());
    let mut tally = Tally::default();
    let began = Instant::now();
    let mut waiting: Vec<_> = args.urls.iter().collect();
    let mut running = FuturesUnordered::new();
    while !waiting.is_empty() || !running.is_empty() {
        places.look();
        // In the order of the command line; but none waits for a place at another origin.
        waiting.retain(|&target| {
            let begins = places.is_free(&target.uri);
            if begins {
                let download = places.hold(target.uri.clone(), one_file(&client, target, args, left, &progress));
                running.push(async move { (target, download.await) });
            }
            !begins
        });
        let ended = tokio::select! {
            ended = running.next() => ended,
            // The peer may have said meanwhile that there may be more.
            () = sleep(LOOK), if places.is_auto() && !waiting.is_empty() => None,
        };
        let Some((target, outcome)) = ended else { continue };
        if let Err(failure) = &outcome {
            let line = format!("{}: {}", target.url, failure.text);
            progress.suspend(|| crate::say(&line));
        }
        tally.add_named(&target.url, outcome, &total);
        silences.look();
    }
    drop(running);
    total.clear();
    let connections = setup.connections.load(Ordering::Relaxed);
    let (seconds, silences) = (began.elapsed().as_secs_f64(), silences.into_found());
    let run = Run::new(tally, &repairs, &protocols, &setup.downgrade, silences, connections, seconds);
    let run = run.with_concurrency(&places);
    Ok(if args.bare { Report { bare: Some(run), redial: None } } else { Report { bare: None, redial: Some(run) } })
}

async fn one_file(
    client: &AnyClient,
    target: &Target,
    args: &Args,
    left: &Left,
    progress: &Progress,
) -> Result<Fetched, Failure> {
    let bar = progress.file(&target.name);
    let download = async {
        let mut save = Save::open(&args.out, &target.name, &target.url, left).await?;
        let fetched = into_file(client, target, &mut save, &bar).await;
        if fetched.as_ref().is_err_and(|failure| failure.spoilt) {
            save.forget().await?;
        }
        fetched
    };
    download::within(args.timeout, download).await
}

/// Goes on with what is there, if the server says that it is the same, or begins anew.
async fn into_file(
    client: &AnyClient,
    target: &Target,
    save: &mut Save,
    bar: &ProgressBar,
) -> Result<Fetched, Failure> {
    let mut there = save.there().map(|(kept, len)| (kept.clone(), len));
    let (response, promised) = loop {
        let fields = there.as_ref().and_then(|(kept, len)| kept.asks(*len));
        let response = download::ask(client, &target.uri, fields.into_iter().flatten()).await?;
        let part = there.as_ref().map(|(kept, len)| (kept, *len));
        match Answer::of(part, &target.url, response.status(), response.headers()) {
            Answer::All(kept) => {
                let promised = kept::length(response.headers());
                save.start(kept).await?;
                there = None;
                break (response, promised);
            }
            Answer::Rest(bytes) => {
                save.go_on().await?;
                break (response, Some(bytes));
            }
            Answer::Nothing => {
                save.finish().await?;
                let bytes = part.map_or(0, |(_, len)| len);
                return Ok(Fetched { bytes, resent: false, saved: bytes });
            }
            // What is there stays until there is something else.
            Answer::Unfit => there = None,
            Answer::Failed(status) => return Err(Failure::status(status)),
        }
    };
    let before = there.map_or(0, |(_, len)| len);
    promised.inspect(|promised| bar.set_length(before + promised));
    bar.set_position(before);
    let read = download::read(client, response, promised, bar, async |data| save.write(&data).await);
    let fetched = read.await?;
    save.finish().await?;
    Ok(Fetched { bytes: before + fetched.bytes, saved: before + fetched.saved, ..fetched })
}

/// Checks the URLs and finds a name for each file.
pub(crate) fn targets(urls: &[String]) -> Result<Vec<Target>, String> {
    let mut names = HashMap::new();
    let target = |url: &String| {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            // Not repeated, since there may be a password in it.
            return Err("a URL with a user name in it: that is not supported".to_owned());
        }
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(format!("{url}: a URL begins with http:// or https://"));
        }
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(format!("{url}: no host in it"));
        }
        let name = file_name(uri.path()).map_err(|what| format!("{url}: {what}"))?;
        let [part, description] = save::names_until_whole(&name);
        for taken in [name.clone(), part, description] {
            if let Some(other) = names.insert(taken.clone(), url.clone()) {
                return Err(format!("{other} and {url} would both be named {taken}"));
            }
        }
        Ok(Target { url: url.clone(), uri, name })
    };
    urls.iter().map(target).collect()
}

/// The last segment of a path, as a name that stays in its directory on every system.
fn file_name(path: &str) -> Result<String, String> {
    let segment = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_decoded(segment);
    // What separates directories or is not allowed in a name somewhere; the control characters for terminals' sake.
    let safe = |c: char| if c.is_control() || r#"/\:*?"<>|"#.contains(c) { '_' } else { c };
    let name: String = decoded.chars().map(safe).collect();
    if name.trim_matches(['.', ' ']).is_empty() {
        return Err(format!("its path ends in {segment:?}, which is no usable file name"));
    }
    if name.len() + LONGEST_SUFFIX > LONGEST_NAME {
        return Err(format!("its last segment is too long for a file name ({} bytes)", name.len()));
    }
    // Nobody shall get a `.bashrc` for having asked for a file.
    Ok(if name.starts_with('.') { name.replacen('.', "_", 1) } else { name })
}

/// What is no escape sequence stays as it is; what is no UTF-8 is replaced.
fn percent_decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |offset| bytes.get(at + offset).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
