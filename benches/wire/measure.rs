//! Both stacks in turn against one server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde::Serialize;

use super::client::{self, Stack};
use super::load::Load;
use super::shared::instructions::{self, Count};
use super::shared::statistics::{Estimate, estimate};

/// One stack's medians, for a request, and what they are over the bare client's.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) bytes_per_second: f64,
    /// Of the client's process.
    pub(crate) cpu_microseconds: f64,
    /// Where they are counted.
    pub(crate) count: Option<Count>,
    /// Requests a second over those of the bare client in the same round.
    pub(crate) speed_ratio: Estimate,
    pub(crate) instructions_ratio: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) bare: Figures,
    pub(crate) layers: Figures,
    /// What the layers are made of, where that is measured.
    pub(crate) capture: Option<Figures>,
    pub(crate) retry: Option<Figures>,
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

/// What a client of this load takes, under each stack.
pub(crate) fn load(load: Load, quick: bool) -> Measured {
    let server = Server::start(load.tls);
    let address: SocketAddr = server.address.parse().expect("an address");
    let certificate = hex::decode(&server.certificate).expect("hex");
    let rounds = if quick { 3 } else { 31 };
    let requests = if quick { load.round() / 10 } else { load.round() };
    let stacks = stacks(load);
    let (mut speed, mut cpu) = (vec![vec![]; stacks.len()], vec![vec![]; stacks.len()]);
    for round in 0..rounds {
        for turn in 0..stacks.len() {
            let at = (turn + round) % stacks.len();
            let runtime = runtime();
            let before = cpu_nanoseconds();
            let took = runtime.block_on(client::run(stacks[at], load, address, &certificate, requests));
            cpu[at].push((cpu_nanoseconds() - before) as f64 / 1_000.0 / requests as f64);
            speed[at].push(requests as f64 / took.as_secs_f64());
        }
    }
    // Counting takes its time: to see that it works once is enough.
    let counted = !quick || load == Load::named("tcp-1-empty");
    let counts: Vec<_> =
        stacks.iter().map(|stack| if counted { count(*stack, load, &server, quick) } else { None }).collect();
    let figures = |stack: Stack| {
        let at = stacks.iter().position(|one| *one == stack)?;
        let per_second = estimate(&speed[at]).median;
        let ratios: Vec<_> = speed[at].iter().zip(&speed[0]).map(|(one, bare)| one / bare).collect();
        Some(Figures {
            per_second,
            bytes_per_second: per_second * if load.large { super::load::SIZE as f64 } else { 0.0 },
            cpu_microseconds: estimate(&cpu[at]).median,
            count: counts[at],
            speed_ratio: estimate(&ratios),
            instructions_ratio: counts[at].zip(counts[0]).map(|(one, bare)| one.instructions / bare.instructions),
        })
    };
    let always = |stack| figures(stack).expect("it is measured with every load");
    Measured {
        bare: always(Stack::Bare),
        layers: always(Stack::Layers),
        capture: figures(Stack::Capture),
        retry: figures(Stack::Retry),
    }
}

/// The bare client, to which the others are compared, is the first.
fn stacks(load: Load) -> Vec<Stack> {
    if load.tls || load.large {
        vec![Stack::Bare, Stack::Layers]
    } else {
        vec![Stack::Bare, Stack::Layers, Stack::Capture, Stack::Retry]
    }
}

/// What a request takes.
fn count(stack: Stack, load: Load, server: &Server, quick: bool) -> Option<Count> {
    // How large bodies are cut into reads is chance, and evens out over many.
    let scale = (if load.large { 64 } else { 1_000 }) / if quick { 4 } else { 1 };
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
