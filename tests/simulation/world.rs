//! One run: hosts, network and faults, in the order of the plan.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use tower_redial::seed_jitter;

use crate::caller::Caller;
use crate::history::Client;
use crate::oracle::{Oracle, Record};
use crate::schedule::{ClientPlan, Plan, ServerPlan, Stack, WorldFault};
use crate::server::Server;
use crate::stack;

/// How far the world goes at a time.
const TICK: Duration = Duration::from_millis(5);

/// No run takes so long.
const LONGEST: Duration = Duration::from_secs(200);

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Plays a seed.
pub(crate) fn run(seed: u64) -> Record {
    count_panics();
    let oracle = Oracle::default();
    PANICS.set(0);
    seed_jitter(Some(seed));
    let played = catch_unwind(AssertUnwindSafe(|| play(&Plan::of(seed), &oracle)));
    seed_jitter(None);
    if played.is_err() || PANICS.get() > 0 {
        oracle.wrong(format!("{} panics", PANICS.get()));
    }
    oracle.close()
}

/// Those of tasks too, which tokio keeps to itself.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

fn play(plan: &Plan, oracle: &Oracle) {
    oracle.count(format!("flavour: {:?}", plan.flavour), 1);
    oracle
        .begin(plan.clients.iter().map(|client| told(client, &plan.servers[client.server])).collect(), plan.faults_end);
    let mut sim = turmoil::Builder::new()
        .rng_seed(plan.seed)
        .enable_random_order()
        .tick_duration(TICK)
        .simulation_duration(LONGEST)
        .min_message_latency(plan.latency.0)
        .max_message_latency(plan.latency.1)
        .tcp_capacity(1_024)
        .build();
    let servers = plan.servers.iter().enumerate().map(|(number, server)| {
        let server = Server::new(server, plan.seed ^ (number as u64) << 40, plan.faults_end, oracle);
        let host = server.clone();
        sim.host(server_name(number), move || host.clone().run());
        server
    });
    let servers: Vec<_> = servers.collect();
    let healths = plan.clients.iter().enumerate().map(|(number, client)| {
        oracle.count(format!("stack: {:?}{}", client.stack, if client.resume { " with resume" } else { "" }), 1);
        let health = stack::health(client);
        let caller = Caller {
            number,
            seed: plan.seed,
            plan: Arc::new(client.clone()),
            host: server_name(client.server),
            faults_end: plan.faults_end,
            health: health.clone(),
            oracle: oracle.clone(),
        };
        sim.client(client_name(number), caller.run());
        health
    });
    let healths: Vec<_> = healths.collect();
    let mut faults = plan.faults.iter().peekable();
    loop {
        while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= sim.elapsed()) {
            oracle.note_at(sim.elapsed(), format_args!("world: {fault:?}"));
            oracle.count(format!("world: {}", fault.label()), 1);
            match *fault {
                WorldFault::Crash(server) => sim.crash(server_name(server)),
                WorldFault::Bounce(server) => sim.bounce(server_name(server)),
                WorldFault::Partition(client, server) => sim.partition(client_name(client), server_name(server)),
                WorldFault::PartitionThere(client, server) => {
                    sim.partition_oneway(client_name(client), server_name(server));
                }
                WorldFault::PartitionBack(client, server) => {
                    sim.partition_oneway(server_name(server), client_name(client));
                }
                WorldFault::Repair(client, server) => sim.repair(client_name(client), server_name(server)),
                WorldFault::Hold(client, server) => sim.hold(client_name(client), server_name(server)),
                WorldFault::Release(client, server) => sim.release(client_name(client), server_name(server)),
                WorldFault::Latency(client, server, most) => {
                    sim.set_link_max_message_latency(client_name(client), server_name(server), most);
                }
                WorldFault::GoAway(server, style) => servers[server].go_away(style),
                WorldFault::Cut(server) => servers[server].cut(),
                WorldFault::Drain(client) => healths[client].drain_all(),
            }
        }
        match sim.step() {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                oracle.wrong(format!("the run: {error}"));
                break;
            }
        }
    }
    oracle.count("simulated ms", sim.elapsed().as_millis() as u64);
    drop(sim);
    servers.iter().for_each(Server::close);
}

fn told(client: &ClientPlan, server: &ServerPlan) -> Client {
    let permanent = match server {
        ServerPlan::Frames(server) => server.permanent,
        ServerPlan::Hyper(_) => false,
    };
    Client {
        limits: client.limits,
        retry_for: client.retry_for,
        per_try: client.per_try.is_some(),
        permanent,
        downgrades: client.stack == Stack::Downgrade,
        readies: client.stack == Stack::Reconnect,
    }
}

fn server_name(number: usize) -> String {
    format!("server-{number}")
}

fn client_name(number: usize) -> String {
    format!("client-{number}")
}
