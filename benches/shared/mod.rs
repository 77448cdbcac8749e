//! What the benches share: options, statistics, instruction counts, and one form of report.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod instructions;
pub(crate) mod options;
pub(crate) mod report;
pub(crate) mod statistics;
