//! Both stacks in turn against one server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde::Serialize;

use super::client::{self, Stack};
use super::load::Load;
use super::shared::instructions;
use super::shared::statistics::{Estimate, estimate};

/// One stack's medians.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) bytes_per_second: f64,
    /// Of the client's process, for a request.
    pub(crate) cpu_microseconds: f64,
    pub(crate) instructions: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) bare: Figures,
    pub(crate) layers: Figures,
    /// Requests a second with the layers over those of the bare client in the same round.
    pub(crate) speed_ratio: Estimate,
    pub(crate) instructions_ratio: Option<f64>,
    /// The same for what the layers are made of, where it is counted.
    pub(crate) capture_ratio: Option<f64>,
    pub(crate) retry_ratio: Option<f64>,
}

/// A server that dies with this.
struct Server {
    process: Child,
    address: String,
    certificate: String,
}

impl Server {
    fn start(tls: bool) -> Self {
        let program = std::env::current_exe().expect("the bench's own path");
        let transport = if tls { "tls" } else { "tcp" };
        let mut command = Command::new(program);
        command.args(["--child", "server", transport]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it is");
        let (address, certificate) = line.trim().split_once(' ').expect("an address and a certificate");
        Self { address: address.to_owned(), certificate: certificate.to_owned(), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have died by itself, which the requests have told already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client of this load takes, under both stacks.
pub(crate) fn load(load: Load, quick: bool) -> Measured {
    let server = Server::start(load.tls);
    let address: SocketAddr = server.address.parse().expect("an address");
    let certificate = hex::decode(&server.certificate).expect("hex");
    let rounds = if quick { 3 } else { 31 };
    let requests = if quick { load.round() / 10 } else { load.round() };
    let stacks = [Stack::Bare, Stack::Layers];
    let (mut speed, mut cpu) = ([vec![], vec![]], [vec![], vec![]]);
    for round in 0..rounds {
        for turn in 0..2 {
            let at = (turn + round) % 2;
            let runtime = runtime();
            let before = cpu_nanoseconds();
            let took = runtime.block_on(client::run(stacks[at], load, address, &certificate, requests));
            cpu[at].push((cpu_nanoseconds() - before) as f64 / 1_000.0 / requests as f64);
            speed[at].push(requests as f64 / took.as_secs_f64());
        }
    }
    let ratios: Vec<_> = speed[1].iter().zip(&speed[0]).map(|(layers, bare)| layers / bare).collect();
    // Counting takes its time: to see that it works once is enough.
    let counted = !quick || load == Load::named("tcp-1-empty");
    let instructions = stacks.map(|stack| if counted { count(stack, load, &server, quick) } else { None });
    let parts = [Stack::Capture, Stack::Retry].map(|stack| {
        let counted = counted && !load.tls && !load.large;
        let count = if counted { count(stack, load, &server, quick) } else { None };
        count.zip(instructions[0]).map(|(part, bare)| part / bare)
    });
    let figures = |at: usize| {
        let per_second = estimate(&speed[at]).median;
        Figures {
            per_second,
            bytes_per_second: per_second * if load.large { super::load::SIZE as f64 } else { 0.0 },
            cpu_microseconds: estimate(&cpu[at]).median,
            instructions: instructions[at],
        }
    };
    Measured {
        bare: figures(0),
        layers: figures(1),
        speed_ratio: estimate(&ratios),
        instructions_ratio: instructions[0].zip(instructions[1]).map(|(bare, layers)| layers / bare),
        capture_ratio: parts[0],
        retry_ratio: parts[1],
    }
}

/// Instructions for a request.
fn count(stack: Stack, load: Load, server: &Server, quick: bool) -> Option<f64> {
    let scale = (if load.large { 8 } else { 1_000 }) / if quick { 4 } else { 1 };
    let scale = scale.max(load.concurrency as u64);
    let words = ["client", stack.name(), &load.name(), &server.address, &server.certificate].map(str::to_owned);
    instructions::of_one(&words.each_ref().map(String::as_str), scale, 3 * scale)
}

/// For a process whose instructions are counted.
pub(crate) fn run_once(stack: Stack, load: Load, address: SocketAddr, certificate: &str, requests: usize) {
    let certificate = hex::decode(certificate).expect("hex");
    runtime().block_on(client::run(stack, load, address, &certificate, requests));
}

/// Client and server have a core each.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// What this thread, which is the client's, has had of a processor.
fn cpu_nanoseconds() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    told.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds come first")
}
