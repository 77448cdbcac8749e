//! HAProxy, whose master starts a new worker with `-sf` for the old one when it is reloaded. `retries 0`: it tries a backend once.

use std::process::Command;
use std::{fs, io};

use super::{Recipe, Reload, STREAMS, Setup};
use crate::process::PID_FILE;

pub(super) const RECIPE: Recipe =
    Recipe { name: "haproxy", program: "haproxy", version: "-v", command, reload: Reload::Signal("USR2"), end: "USR1" };

fn command(setup: &Setup<'_>) -> io::Result<Command> {
    let file = setup.folder.join("haproxy.cfg");
    fs::write(&file, config(setup))?;
    let mut command = Command::new(setup.program);
    command.args(["-W", "-db", "-p"]).arg(setup.folder.join(PID_FILE)).arg("-f").arg(file);
    Ok(command)
}

fn config(setup: &Setup<'_>) -> String {
    let Setup { folder, addr, backend, tls, .. } = setup;
    let folder = folder.display();
    let protocol = if *tls { format!("ssl crt {folder}/both.pem alpn h2") } else { "proto h2".to_owned() };
    format!(
        r#"
global
    nbthread 1
    # How long old connections may go on after a reload.
    hard-stop-after 2s
    tune.h2.max-concurrent-streams {STREAMS}
    # A new worker takes the listening sockets over from the old one.
    stats socket {folder}/admin.sock mode 600 expose-fd listeners

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 0
    option http-keep-alive

frontend front
    bind {addr} {protocol}
    default_backend back

backend back
    server one {backend}
"#
    )
}
