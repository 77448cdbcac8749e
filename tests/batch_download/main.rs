//! The example `batch_download`, run as people run it: as a process; and its rules by themselves.

#[path = "../../examples/batch_download/aimd.rs"]
mod aimd;
mod built_in;
mod command_line;
mod concurrency;
mod interrupted;
#[path = "../../examples/batch_download/kept.rs"]
mod kept;
mod parts;
mod protocols;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod urls;
