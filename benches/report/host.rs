//! The machine, and the versions of what was measured on it.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is measured, and what it is measured with.
const PACKAGES: [&str; 10] = [
    "h2",
    "hyper",
    "hyper-util",
    "http",
    "tokio",
    "tower",
    "reqwest",
    "reqwest-middleware",
    "reqwest-retry",
    "tower-redial",
];

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Host {
    pub(crate) processor: String,
    pub(crate) threads: usize,
    pub(crate) memory_mib: u64,
    pub(crate) system: String,
    /// Names and versions.
    pub(crate) versions: Vec<(String, String)>,
}

impl Host {
    pub(crate) fn of_this_machine() -> Result<Self, String> {
        let mut versions = vec![("rustc".to_owned(), said("rustc", &["--version"])?)];
        versions.extend(packages()?);
        // It says so on standard error.
        versions.extend(
            said("nginx", &["-v"])
                .or_else(|_| said("/usr/sbin/nginx", &["-v"]))
                .ok()
                .map(|said| ("nginx".to_owned(), said.rsplit('/').next().unwrap_or_default().to_owned())),
        );
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = field(&memory, "MemTotal").and_then(|told| told.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&cpu, "model name").unwrap_or_default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or_default() / 1024,
            system: said("uname", &["-sr"])?,
            versions,
        })
    }
}

/// The value of a line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

/// As cargo has resolved them.
fn packages() -> Result<Vec<(String, String)>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = said(&cargo, &["metadata", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let version_of = |name: &str| {
        // Of two the newer one is ours.
        let versions =
            packages.iter().filter(|package| package["name"] == name).filter_map(|package| package["version"].as_str());
        versions
            .max_by_key(|version| version.split('.').map(|part| part.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>())
    };
    Ok(PACKAGES.iter().filter_map(|name| Some(((*name).to_owned(), version_of(name)?.to_owned()))).collect())
}
