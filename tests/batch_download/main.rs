//! The example `batch_download`, run as people run it: as a process; and its rule for `--concurrency auto` by itself.

#[path = "../../examples/batch_download/aimd.rs"]
mod aimd;
mod built_in;
mod command_line;
mod concurrency;
mod interrupted;
mod protocols;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod urls;
