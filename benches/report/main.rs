//! Runs every bench and writes what they printed: `docs/benchmarks.md`, its plots, and the document that both are made of.
//!
//! ```text
//! cargo run --release --example benchmarks
//! cargo run --release --example benchmarks -- --quick --out target/benchmarks
//! cargo run --release --example benchmarks -- --from docs/benchmarks/figures.json
//! ```

mod args;
mod chart;
mod figures;
mod host;
mod page;
mod plots;

use std::fs;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::Args;
use self::figures::Document;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let document = match &args.from {
        Some(file) => Document::read(file)?,
        None => Document::measure(args.quick)?,
    };
    let folder = args.out.join("benchmarks");
    let write = |file: &std::path::Path, text: &str| {
        fs::write(file, text).map_err(|error: io::Error| format!("{}: {error}", file.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write(&folder.join("figures.json"), &document.json())?;
    for (name, svg) in plots::all(&document) {
        write(&folder.join(name), &svg)?;
    }
    write(&args.out.join("benchmarks.md"), &page::markdown(&document))
}
