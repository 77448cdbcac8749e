//! What the command is told.

use std::path::PathBuf;

use clap::Parser;

/// Runs every bench and writes `benchmarks.md`, with its plots and figures in the folder `benchmarks` beside it.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// Short runs, to see that it works: their figures are of no use
    #[arg(long, conflicts_with = "from")]
    pub(crate) quick: bool,

    /// Writes the figures of an earlier run, `figures.json`, anew, and measures nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = "docs")]
    pub(crate) out: PathBuf,
}
