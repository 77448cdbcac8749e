//! nghttpx as a cleartext HTTP/2 front of the backend.
//!
//! It resends to its backend by itself, up to 50 times, and that cannot be switched off; but only a request of which
//! nothing has been written yet (nghttp2 1.52, `shrpx_downstream.cc`, `request_submission_ready`). What is processed
//! twice, the client has sent twice.

use std::{fs, io, net::SocketAddr, path::Path, process::Command};

use hyper_util::client::legacy::connect::HttpConnector;

use crate::{
    front::Front,
    process::{self, ACCESS_LOG, ERROR_LOG, PID_FILE, Server},
};

/// Starts nghttpx, which ends each connection gracefully after `max_requests` requests. `None` where it is not
/// installed.
pub(crate) async fn start(backend: SocketAddr, max_requests: u32) -> Option<Front<HttpConnector>> {
    let program = process::installed("nghttpx")?;
    let setup = Setup { backend, max_requests, tls: false };
    let server = Server::start(|folder, addr| command(&program, folder, addr, &setup)).await;
    let uri = format!("http://{}/", server.addr()).parse().expect("an address makes a URI");
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Some(Front { server, connector, uri, prior_knowledge: true })
}

/// How nghttpx is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) backend: SocketAddr,
    /// After how many requests it ends a connection.
    pub(crate) max_requests: u32,
    /// With `cert.pem` and `key.pem` of its folder.
    pub(crate) tls: bool,
}

/// How nghttpx is started in this folder; its configuration is written there.
pub(crate) fn command(program: &Path, folder: &Path, addr: SocketAddr, setup: &Setup) -> io::Result<Command> {
    let file = folder.join("nghttpx.conf");
    fs::write(&file, config(folder, addr, setup))?;
    let mut command = Command::new(program);
    // Naming a file keeps it from reading the machine's own one in /etc.
    command.arg("--conf").arg(file);
    Ok(command)
}

fn config(folder: &Path, addr: SocketAddr, setup: &Setup) -> String {
    let Setup { backend, max_requests, tls } = setup;
    let (folder, front_port) = (folder.display(), addr.port());
    let (no_tls, certificate) = if *tls {
        ("", format!("private-key-file={folder}/key.pem\ncertificate-file={folder}/cert.pem\n"))
    } else {
        (";no-tls", String::new())
    };
    let (front, back, back_port) = (addr.ip(), backend.ip(), backend.port());
    format!(
        "\
frontend={front},{front_port}{no_tls}
backend={back},{back_port}
workers=1
frontend-max-requests={max_requests}
pid-file={folder}/{PID_FILE}
accesslog-file={folder}/{ACCESS_LOG}
accesslog-format=$remote_port $status
errorlog-file={folder}/{ERROR_LOG}
{certificate}"
    )
}
