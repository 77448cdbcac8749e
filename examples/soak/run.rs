//! One run, from the servers' start to the report.

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::BoxError;

use crate::account::{Account, Row};
use crate::args::Args;
use crate::clients::Clients;
use crate::connects::Connects;
use crate::dice::Dice;
use crate::faults;
use crate::load::Load;
use crate::memory;
use crate::report::{self, Report, Server};
use crate::servers::{self, Site, Subject};
use crate::watch::Watch;

/// One server, as it is looked at from outside.
#[derive(Debug)]
struct Observed {
    site: Site,
    watch: Watch,
    connects: Connects,
}

/// Runs it all. Of what goes on one line a second is given to `tell`.
pub(crate) async fn run(args: &Args, tell: impl Fn(&str)) -> Result<Report, BoxError> {
    // Before anything is started that would have to be ended.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let started = servers::start(&args.servers, args.seed).await?;
    for name in &started.skipped {
        if env::var_os("REDIAL_REQUIRE_SERVERS").is_some_and(|required| required == "1") {
            return Err(format!("{name} is not installed, and REDIAL_REQUIRE_SERVERS=1 asks for it").into());
        }
        tell(&format!("skipped: {name} is not installed"));
    }
    if started.servers.is_empty() {
        return Err("none of the servers is installed".into());
    }
    let began = Instant::now();
    let load = Load::new(args.total);
    let (over, is_over) = watch::channel(false);
    let (mut workers, mut doing) = (JoinSet::new(), JoinSet::new());
    let mut observed = Vec::new();
    for (number, (site, subject)) in started.servers.into_iter().enumerate() {
        let (watch, connects) = (Watch::default(), Connects::default());
        let clients = Clients::new(&site, &watch, &connects)?;
        load.begin(&mut workers, args.workers, &site, &watch, clients);
        let dice = Dice::new(args.seed, number as u64);
        let name = site.name.clone();
        let faults = faults::run(subject, dice, watch.clone(), is_over.clone());
        doing.spawn(async move { (name, faults.await) });
        observed.push(Observed { site, watch, connects });
    }

    let mut interrupted = false;
    let mut failures = Vec::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let time_is_up = || args.time.is_some_and(|time| began.elapsed() >= time);
    while !load.is_over() {
        tokio::select! {
            _ = second.tick() => tell(&line(&observed, &load, began)),
            _ = interrupt.recv() => interrupted = true,
            _ = terminate.recv() => interrupted = true,
            Some(Err(error)) = doing.join_next() => failures.push(format!("a server is gone: {error}")),
        }
        if time_is_up() || interrupted || !failures.is_empty() {
            load.end();
        }
    }
    // The servers go back to work, so that what is under way can end; and stay until it has.
    over.send_replace(true);
    let mut subjects = Vec::new();
    loop {
        tokio::select! {
            ended = doing.join_next() => match ended {
                Some(Ok(subject)) => subjects.push(subject),
                Some(Err(error)) => failures.push(format!("a server is gone: {error}")),
                None => break,
            },
            _ = second.tick() => tell(&line(&observed, &load, began)),
        }
    }
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => failures.push(format!("a worker is gone: {error}")),
                None => break,
            },
            _ = second.tick() => tell(&line(&observed, &load, began)),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for (name, subject) in &subjects {
        if let (Subject::Scripted(scripted), Some(of)) = (subject, observed.iter().find(|of| of.site.name == *name)) {
            tell_of(scripted, &of.watch);
        }
    }
    // What is still being processed has been counted before nobody asks any more.
    drop(subjects);
    let (mut total, mut servers) = (Row::default(), Vec::new());
    for of in &observed {
        let row = of.settled();
        total.add(&of.site.name, &row);
        if !row.is_counted() {
            failures.push(format!("{}: {} answers, and {} were processed", of.site.name, row.answered, row.processed));
        }
        servers.push(Server { name: of.site.name.clone(), version: of.site.version.clone(), row });
    }
    if total.ended() != total.requests {
        failures.push(format!("{} requests began, and {} ended", total.requests, total.ended()));
    }
    Ok(Report {
        seed: args.seed,
        workers: args.workers,
        seconds,
        interrupted,
        skipped: started.skipped.iter().map(|name| (*name).to_owned()).collect(),
        peak_memory_bytes: memory::peak(),
        extra_load: total.load(),
        total,
        servers,
        failures,
    })
}

/// What the scripted server did by itself, and saw.
fn tell_of(scripted: &servers::Scripted, watch: &Watch) {
    let (counters, violations) = (scripted.counters(), scripted.violations());
    let mut account = watch.account();
    account.fault("GOAWAY", counters.goaways);
    account.fault("refused stream", counters.refused);
    account.fault("reset", counters.resets);
    account.fault("cut", counters.cuts);
    account.fault("body that stalls", counters.stalled);
    account.row_mut().protocol_errors = violations.len() as u64;
    account.row_mut().named.extend(violations.into_iter().map(|what| format!("against the protocol: {what}")));
}

impl Observed {
    /// The numbers of the requests that were processed more than once.
    fn doubled(&self) -> impl Iterator<Item = u64> {
        self.site.ledger.doubled().into_iter().filter_map(|(id, _)| id.parse().ok())
    }

    fn settled(&self) -> Row {
        let mut account = self.watch.account();
        account.settle(self.doubled(), |number| self.site.ledger.times(&number.to_string()));
        account.row_mut().processed = self.site.ledger.distinct();
        account.row_mut().connections = self.connects.count();
        account.row().clone()
    }
}

fn line(observed: &[Observed], load: &Arc<Load>, began: Instant) -> String {
    let mut total = Row::default();
    for of in observed {
        let mut row = of.watch.account().row().clone();
        row.connections = of.connects.count();
        row.doubled = Account::doubled_so_far(of.doubled());
        total.add("", &row);
    }
    report::progress(began.elapsed().as_secs(), &total, load.in_flight(), memory::resident().unwrap_or_default())
}
