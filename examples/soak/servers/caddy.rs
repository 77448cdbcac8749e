//! Caddy. `lb_try_duration` is 0 by default: it does not try a backend twice.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use super::{Recipe, Reload, Setup};
use crate::process::{ERROR_LOG, PID_FILE};

const FILE: &str = "Caddyfile";

/// The socket by which it is told of a new configuration.
const ADMIN: &str = "admin.sock";

pub(super) const RECIPE: Recipe = Recipe {
    name: "caddy",
    program: "caddy",
    version: "version",
    command,
    reload: Reload::Command(reload),
    end: "TERM",
};

fn command(setup: &Setup<'_>) -> io::Result<Command> {
    fs::write(setup.folder.join(FILE), config(setup))?;
    let mut command = caddy(setup.program, setup.folder);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(setup.folder.join(FILE));
    command.arg("--pidfile").arg(setup.folder.join(PID_FILE));
    Ok(command)
}

fn reload(program: &Path, folder: &Path) -> Command {
    let mut command = caddy(program, folder);
    command.args(["reload", "--force", "--adapter", "caddyfile", "--config"]).arg(folder.join(FILE));
    command.arg("--address").arg(format!("unix/{}", folder.join(ADMIN).display()));
    command
}

/// It keeps what it has read of its configuration, and its folder is to be all that it writes to.
fn caddy(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("env");
    command.args(["XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| format!("{name}={}", folder.display())));
    command.arg(program);
    command
}

fn config(setup: &Setup<'_>) -> String {
    let Setup { folder, addr, backend, tls, .. } = setup;
    let (folder, ip) = (folder.display(), addr.ip());
    let (scheme, tls) = if *tls {
        ("https", format!(r#"tls "{folder}/cert.pem" "{folder}/key.pem""#))
    } else {
        ("http", String::new())
    };
    format!(
        r#"
{{
    admin "unix/{folder}/{ADMIN}"
    auto_https off
    default_sni {ip}
    # How long old connections may go on after a reload.
    grace_period 2s
    servers {{
        protocols h1 h2 h2c
    }}
    log {{
        output file "{folder}/{ERROR_LOG}"
        level WARN
    }}
}}

{scheme}://{addr} {{
    bind {ip}
    {tls}
    reverse_proxy {backend}
}}
"#
    )
}
