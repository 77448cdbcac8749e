//! Apache httpd with mod_http2. mod_proxy_http sends a request to its backend once, unless it is told to ping it first.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use super::{Recipe, Reload, STREAMS, Setup};
use crate::process::{ERROR_LOG, PID_FILE};

pub(super) const RECIPE: Recipe = Recipe {
    name: "apache",
    program: "apache2",
    version: "-v",
    command,
    // "graceful" and "graceful-stop", as apachectl has them.
    reload: Reload::Signal("USR1"),
    end: "WINCH",
};

/// Where Debian puts them, and where others do.
const MODULES: [&str; 3] = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules"];

const LOADED: [&str; 6] = ["mpm_event", "authz_core", "http2", "proxy", "proxy_http", "ssl"];

fn command(setup: &Setup<'_>) -> io::Result<Command> {
    let file = setup.folder.join("httpd.conf");
    fs::write(&file, config(setup)?)?;
    let mut command = Command::new(setup.program);
    command.arg("-d").arg(setup.folder).arg("-f").arg(file).arg("-DFOREGROUND");
    Ok(command)
}

fn config(setup: &Setup<'_>) -> io::Result<String> {
    // It does not serve as root, and need not: nothing is read from its folder once it runs.
    let user = if super::is_root(setup.folder)? { "User daemon\nGroup daemon" } else { "" };
    let modules = MODULES.into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or(MODULES[0]);
    let load: String =
        LOADED.iter().map(|module| format!("LoadModule {module}_module {modules}/mod_{module}.so\n")).collect();
    let Setup { folder, addr, backend, tls, .. } = setup;
    let folder = folder.display();
    let ssl = if *tls {
        format!("SSLEngine on\nSSLCertificateFile \"{folder}/cert.pem\"\nSSLCertificateKeyFile \"{folder}/key.pem\"")
    } else {
        String::new()
    };
    Ok(format!(
        r#"
ServerRoot "{folder}"
ServerName {addr}
DefaultRuntimeDir "{folder}"
PidFile "{folder}/{PID_FILE}"
ErrorLog "{folder}/{ERROR_LOG}"
LogLevel warn
{user}
{load}
Listen {addr}
Protocols h2 h2c http/1.1
{ssl}
StartServers 1
ThreadsPerChild 32
MaxRequestWorkers 96
MinSpareThreads 1
MaxSpareThreads 96
H2MaxSessionStreams {STREAMS}
# How long old connections may go on after a graceful end, in seconds.
GracefulShutdownTimeout 2
ProxyPass / http://{backend}/ retry=0
"#
    ))
}
