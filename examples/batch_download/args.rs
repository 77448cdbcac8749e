//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use rustls::ClientConfig;

use crate::client::Protocol;
use crate::concurrency::Concurrency;
use crate::tls;
use crate::urls::{self, Target};

/// How many files the built-in server has by default.
pub(crate) const FILES: u32 = 400;

/// How many seconds a response may take to begin, and its body may stand still.
const PATIENCE: u32 = 30;

/// The same for the built-in server. It has to be longer than it takes to find a silent connection, or the layers would have
/// nothing to find; and the bare client waits for it once for each group of files.
const EMBEDDED_PATIENCE: u32 = 3;

#[derive(Parser, Debug)]
#[command(
    name = "batch_download",
    about = "Downloads a batch of files, resends what a dying connection took down, and resumes what broke.",
    long_about = "\
Downloads a batch of files, resends what a dying connection took down, and resumes what broke.

Without URLs it starts an HTTP/2 server of its own on loopback, which misbehaves as real ones do:
GOAWAY every so many requests, with streams in flight, in three styles; REFUSED_STREAM beyond its
stream limit; connections cut before the response's head and within bodies, by FIN and by RST; two
bodies that stall; one connection that falls silent while requests wait; and it forgets a connection
that is idle for a second, without a word, as a NAT does.
From it, it downloads files of 16 KiB to 1 MiB in groups of --concurrency, first with the bare
hyper-util client, then with the layers, and checks every file's SHA-256. Halfway it pauses for
1.5 s. Where a whole group has failed by --head-timeout or --stall-timeout, it goes on with a new
client: the bare one would never leave a silent connection. Each of the two gets a server of its own,
with the same plan.

With URLs it downloads those, at most --concurrency at a time, into files named as the URLs' last
segments. A file appears whole or not at all: it gets its name when all of it has arrived and its
length is what was promised, if there was a promise. A file that has the name already is replaced.
Redirects are not followed: only a status of 2xx is a success.

Until it is whole a file is named NAME.part. If the server gave a strong validator (an ETag that is
not weak, or a Last-Modified a minute older than the response) that is kept in NAME.part.json with
the URL, and the next run of the same URL goes on where this one ended, whether it failed, was
interrupted or killed: with Range and If-Range. Only an answer that proves to be of the same version
is joined on; otherwise it begins anew, as it does without a validator, when NAME.part is removed. What
has one of the two names already is replaced. Let no two runs download the same file at once.

An https origin that asks for HTTP/1.1 (HTTP_1_1_REQUIRED), or of which three HTTP/2 connections in a
row die within a minute before they bring one whole response, gets HTTP/1.1 for five minutes; then one
request tries HTTP/2 again. --http2-prior-knowledge and --bare switch that off.

With --concurrency auto each origin has a number of its own. One download goes ahead; once the server
has answered there may be 4. When as many as there may be at a time have ended well, there may be one
more. When a connection fails, or a request is refused, there may be half as many, but 1 at least:
once for all downloads that were under way then. A connection that is wound up with GOAWAY(NO_ERROR)
has not failed. There are never more than the server's SETTINGS_MAX_CONCURRENT_STREAMS, or 100
without that; over HTTP/1.1, 6. This is how TCP avoids congestion. With --bare the server's limit is
not known.",
    after_long_help = "\
Output:
  A table on stdout, or with --json one JSON document: {\"bare\": {...}, \"redial\": {...}}; with URLs
  the one of the two that was run. In it `failed` counts every file that is not there whole, and
  `corrupt` those of them whose body came to a clean end and was wrong all the same. `rescued`
  counts files that are there thanks to a resend. `resumes` counts the requests for the rest of a
  body that broke, and `bytes_saved` the bytes of whole files that did not have to be fetched again
  for that, those of earlier runs included. `protocols` has for each origin how many responses came
  in which version of HTTP, those for the rest of a body not counted. `downgrades` has the origins
  that were given HTTP/1.1 though they would speak HTTP/2, and how often; the table says so only
  where there are any. `concurrency` has, with --concurrency auto, how many downloads each origin was
  found to bear at the end and at the most, and how often that was halved. `connections` counts
  those accepted by the built-in server, or made to URLs. `silent_connections` are those that were
  given up because they answered no probe; what each cost is the time from the last byte that came
  on it to its end, which for one that was idle includes the pause. The bare client finds none: it
  has no probes. `restarts` counts the new clients that a run needed. `server.silenced` counts the
  connections that the built-in server let fall silent, `server.stalled` the bodies that it let
  stall. Progress bars go to stderr, if that is a terminal; so does a line for each URL that
  failed.

Exit status:
  0    the layers' run had no failure; with --bare: that run had none
  1    it had
  2    bad arguments: one line on stderr says which
  130  interrupted with Ctrl-C; what can be gone on with is left for the next run

Examples:
  batch_download
  batch_download --tls --json
  batch_download https://example.org/a.tar.gz https://example.org/b.tar.gz --out /tmp
  batch_download --concurrency auto --resume-max 20 https://example.org/a.iso https://example.org/b.iso"
)]
struct CommandLine {
    /// What to download: http:// or https:// URLs. Without any, the built-in server is used.
    #[arg(value_name = "URL")]
    urls: Vec<String>,

    /// Where the files go. The directory must exist. Only with URLs.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,

    /// How many downloads run at a time, over one client: a number from 1 to 250, or `auto`.
    #[arg(long, value_name = "N|auto", default_value = "4")]
    concurrency: Concurrency,

    /// Fails a file that is not there whole after so many seconds, resends and resumes included.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,

    /// Gives an attempt up whose response has not begun after so many seconds. The layers resend it. [default: 30; 3 with the
    /// built-in server]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    head_timeout: Option<u32>,

    /// Gives a body up when nothing has come of it for so many seconds. The layers resume it. [default: 30; 3 with the built-in
    /// server]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    stall_timeout: Option<u32>,

    /// How often one download whose body breaks is resumed within a run. 0 switches it off.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    resume_max: u32,

    /// Prints one JSON document instead of the table.
    #[arg(long)]
    json: bool,

    /// Draws both runs into this file, as SVG. Only with the built-in server.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    /// Downloads with the bare client, without the layers. Only with URLs.
    #[arg(long)]
    bare: bool,

    /// Speaks HTTP/1.1 to https servers too. Otherwise ALPN chooses between that and HTTP/2. Only with URLs.
    #[arg(long)]
    http1: bool,

    /// Speaks HTTP/2 at once, to http servers too. Otherwise these get HTTP/1.1. Only with URLs.
    #[arg(long)]
    http2_prior_knowledge: bool,

    /// Trusts the certificates in this PEM file, and not those that browsers trust. Only with URLs.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Runs the built-in server over TLS, with ALPN: HTTP/2 and HTTP/1.1.
    #[arg(long)]
    tls: bool,

    /// How many files the built-in server has. [default: 400]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    files: Option<u32>,
}

/// What was asked for, checked.
#[derive(Debug)]
pub(crate) struct Args {
    /// Empty for the built-in server.
    pub(crate) urls: Vec<Target>,
    pub(crate) out: PathBuf,
    pub(crate) concurrency: Concurrency,
    pub(crate) timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) resume_max: u32,
    pub(crate) json: bool,
    /// Where both runs are drawn.
    pub(crate) picture: Option<PathBuf>,
    pub(crate) bare: bool,
    pub(crate) protocol: Protocol,
    /// Whom to trust at URLs.
    pub(crate) trust: ClientConfig,
    pub(crate) tls: bool,
    pub(crate) files: u32,
}

impl Args {
    /// Reads the process's arguments. Where there is nothing to run, whether for --help or for a mistake, that has been
    /// said, and the exit status is returned.
    pub(crate) fn from_command_line() -> Result<Self, ExitCode> {
        let parsed = CommandLine::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => {
                // A reader that is gone needs no help.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            _ => complain(&one_line(&error)),
        })?;
        parsed.check().map_err(|what| complain(&what))
    }
}

impl CommandLine {
    fn check(self) -> Result<Args, String> {
        if self.urls.is_empty() {
            let given = [
                ("--out", self.out.as_os_str() != "."),
                ("--bare", self.bare),
                ("--http1", self.http1),
                ("--http2-prior-knowledge", self.http2_prior_knowledge),
                ("--cacert", self.cacert.is_some()),
            ];
            if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
                return Err(format!("{option} needs at least one URL"));
            }
        } else if let Some((option, _)) =
            [("--tls", self.tls), ("--files", self.files.is_some()), ("--picture", self.picture.is_some())]
                .iter()
                .find(|(_, given)| *given)
        {
            return Err(format!("{option} is about the built-in server and cannot be used with URLs"));
        }
        let protocol = match (self.http1, self.http2_prior_knowledge) {
            (true, true) => return Err("--http1 and --http2-prior-knowledge exclude each other".to_owned()),
            (true, false) => Protocol::Http1,
            (false, true) => Protocol::Http2,
            (false, false) => Protocol::Alpn,
        };
        let urls = urls::targets(&self.urls)?;
        if !self.out.is_dir() {
            return Err(format!("--out: {} is not a directory", self.out.display()));
        }
        let trust = tls::config(self.cacert.as_deref()).map_err(|error| error.to_string())?;
        let patience = if self.urls.is_empty() { EMBEDDED_PATIENCE } else { PATIENCE };
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        Ok(Args {
            urls,
            out: self.out,
            concurrency: self.concurrency,
            timeout: seconds(self.timeout),
            head_timeout: seconds(self.head_timeout.unwrap_or(patience)),
            stall_timeout: seconds(self.stall_timeout.unwrap_or(patience)),
            resume_max: self.resume_max,
            json: self.json,
            picture: self.picture,
            bare: self.bare,
            protocol,
            trust,
            tls: self.tls,
            files: self.files.unwrap_or(FILES),
        })
    }
}

fn complain(what: &str) -> ExitCode {
    crate::say(&format!("{what} (--help says more)"));
    ExitCode::from(2)
}

/// What clap has to say, without its hints on the lines below.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let said = said.collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}
