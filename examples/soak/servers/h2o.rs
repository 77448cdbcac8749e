//! h2o, under its own starter, which holds the port while one process takes over from another. It tries a backend once.

use std::process::Command;
use std::{fs, io};

use super::{Recipe, Reload, STREAMS, Setup};
use crate::process::{ERROR_LOG, PID_FILE};

pub(super) const RECIPE: Recipe =
    Recipe { name: "h2o", program: "h2o", version: "--version", command, reload: Reload::Signal("HUP"), end: "TERM" };

fn command(setup: &Setup<'_>) -> io::Result<Command> {
    let file = setup.folder.join("h2o.conf");
    fs::write(&file, config(setup)?)?;
    let mut command = Command::new(setup.program);
    command.args(["-m", "master", "-c"]).arg(file);
    Ok(command)
}

fn config(setup: &Setup<'_>) -> io::Result<String> {
    let user = if super::is_root(setup.folder)? { "user: root" } else { "" };
    let Setup { folder, addr, backend, tls, .. } = setup;
    let (folder, ip, port) = (folder.display(), addr.ip(), addr.port());
    let ssl = if *tls {
        format!("ssl: {{ key-file: \"{folder}/key.pem\", certificate-file: \"{folder}/cert.pem\" }}")
    } else {
        String::new()
    };
    Ok(format!(
        r#"
{user}
pid-file: "{folder}/{PID_FILE}"
error-log: "{folder}/{ERROR_LOG}"
num-threads: 1
http2-max-concurrent-requests-per-connection: {STREAMS}
# How long old connections may go on after a reload, in seconds.
http2-graceful-shutdown-timeout: 2
hosts:
  "{ip}":
    listen:
      host: {ip}
      port: {port}
      {ssl}
    paths:
      "/":
        proxy.reverse.url: "http://{backend}/"
"#
    ))
}
