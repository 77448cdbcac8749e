//! Servers that misbehave as real ones do, for tests, the examples and the benches: one place for all of them.
//!
//! - [`script`]: a server whose every frame or byte is written by the test, in an exact order.
//! - [`faulty_server`]: a server that runs by itself, under load, and fails by a plan.
//! - [`cutting`]: a proxy in front of any server, which cuts what passes through it.
//! - [`ledger`]: what a server **processed**, by unique request id: the measure of every test here.
//! - [`files`], [`tls`], [`clients`], [`bodies`], [`log`], [`example`]: what goes with them.
//!
//! The HTTP/2 side is built on raw frames, not on h2 or hyper: a server made of the code under test would send what
//! that code thinks is right, in the order it likes.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test, example and bench uses a part of it")]

pub mod bodies;
pub mod bound;
pub mod clients;
pub mod commands;
pub mod cutting;
pub mod example;
pub mod faults;
mod faulty_conn;
mod faulty_h1;
pub mod faulty_server;
mod faulty_service;
pub mod files;
pub mod flow;
pub mod h1_script;
pub mod h2_script;
pub mod hpack;
pub mod ledger;
pub mod log;
pub mod message;
pub mod script;
pub mod socket;
pub mod tls;
pub mod wire;

pub use self::{
    cutting::{CutOff, CuttingProxy},
    faults::{Cut, Fault, GoAway, GoAwayStyle, ProcessAt},
    faulty_server::{Counters, FaultyServer},
    faulty_service::FaultyService,
    h1_script::H1Conn,
    h2_script::{End, Event, H2Conn, ReceivedBody},
    ledger::{Ledger, REQUEST_ID},
    message::{Received, Reply},
    script::{NobodyListens, ScriptedServer},
    socket::{Socket, Transport},
    wire::{Frame, reason, setting},
};
