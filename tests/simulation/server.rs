//! A server's host: HTTP/2 on one port, HTTP/1.1 on the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::spawn_local;
use turmoil::net::TcpListener;

use crate::frames;
use crate::hyper_server::{Command, HyperServer};
use crate::oracle::{Oracle, now};
use crate::schedule::{FramesPlan, HyperPlan, ServerPlan};
use crate::support::{Cut, FaultyService, GoAway, GoAwayStyle};
use crate::transport::Tcp;

pub(crate) const HTTP2: u16 = 80;
pub(crate) const HTTP1: u16 = 81;

/// One host, over all the times that it was started.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    plan: ServerPlan,
    seed: u64,
    faults_end: Duration,
    oracle: Oracle,
    hyper: HyperServer,
    /// All that were started of the other kind: the last runs.
    frames: Arc<Mutex<Vec<FaultyService>>>,
}

impl Server {
    pub(crate) fn new(plan: &ServerPlan, seed: u64, faults_end: Duration, oracle: &Oracle) -> Self {
        let hyper = match plan {
            ServerPlan::Hyper(plan) => plan.clone(),
            // For HTTP/1.1.
            ServerPlan::Frames(FramesPlan { fault_percent, delay, .. }) => HyperPlan {
                max_streams: 100,
                graceful_after: None,
                fault_percent: *fault_percent,
                delay: *delay,
                pause: *delay / 4,
                early: false,
            },
        };
        let hyper = HyperServer::new(hyper, seed, faults_end, oracle);
        Self { plan: plan.clone(), seed, faults_end, oracle: oracle.clone(), hyper, frames: Arc::default() }
    }

    /// Runs until the host crashes.
    ///
    /// Its tasks are local ones: in a crash these go in their order, others in one that depends on how many tasks there ever were
    /// in this process (tokio 1.54, `runtime/task/list.rs`).
    pub(crate) async fn run(self) -> turmoil::Result {
        let frames = match &self.plan {
            ServerPlan::Frames(plan) => {
                let starts = self.frames.lock().unwrap().len() as u64;
                let seed = self.seed.wrapping_add(starts << 32);
                let service = frames::service(plan, seed, now() >= self.faults_end, &self.oracle);
                self.frames.lock().unwrap().push(service.clone());
                Some(service)
            }
            ServerPlan::Hyper(_) => None,
        };
        let http2 = TcpListener::bind(("0.0.0.0", HTTP2)).await?;
        let http1 = TcpListener::bind(("0.0.0.0", HTTP1)).await?;
        loop {
            tokio::select! {
                biased;
                accepted = http2.accept() => {
                    let tcp = Tcp(accepted?.0);
                    match &frames {
                        Some(frames) => spawn_local(frames.serve(tcp)),
                        None => spawn_local(self.hyper.clone().serve2(tcp)),
                    };
                }
                accepted = http1.accept() => {
                    spawn_local(self.hyper.clone().serve1(Tcp(accepted?.0)));
                }
            }
        }
    }

    /// Winds all connections up.
    pub(crate) fn go_away(&self, style: GoAwayStyle) {
        if let Some(frames) = self.frames.lock().unwrap().last() {
            frames.go_away(GoAway::every(1).style(style));
        }
        self.hyper.commands.tell(Command::WindUp);
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        if let Some(frames) = self.frames.lock().unwrap().last() {
            frames.cut(Cut::Fin);
        }
        self.hyper.commands.tell(Command::Close);
    }

    /// Tells what it saw: what a client did against the protocol is the client's defect.
    pub(crate) fn close(&self) {
        for frames in self.frames.lock().unwrap().iter() {
            for what in frames.violations() {
                self.oracle.wrong(format!("against the protocol: {what}"));
            }
            let counters = frames.counters();
            self.oracle.count("seen: goaways", counters.goaways);
            self.oracle.count("seen: refused over the limit", counters.over_limit);
            self.oracle.count("seen: ignored above a last stream", counters.ignored);
            self.oracle.count("seen: pings", counters.client_pings);
            self.oracle.count("seen: resets by clients", counters.client_resets);
        }
    }
}
