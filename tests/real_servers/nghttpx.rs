//! nghttpx as a cleartext HTTP/2 front of the backend.
//!
//! It resends to its backend by itself, up to 50 times, and that cannot be switched off; but only a request of which
//! nothing has been written yet (nghttp2 1.52, `shrpx_downstream.cc`, `request_submission_ready`). What is processed
//! twice, the client has sent twice.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use hyper_util::client::legacy::connect::HttpConnector;

use crate::{
    process::{self, ACCESS_LOG, ERROR_LOG, PID_FILE, Server},
    stack::Front,
};

/// Starts nghttpx, which ends each connection gracefully after `max_requests` requests. `None` where it is not
/// installed.
pub(crate) async fn start(backend: SocketAddr, max_requests: u32) -> Option<Front<HttpConnector>> {
    let program = process::installed("nghttpx")?;
    let server = Server::start(|folder, addr| {
        let file = folder.join("nghttpx.conf");
        fs::write(&file, config(folder, addr, backend, max_requests))?;
        let mut command = Command::new(&program);
        // Naming a file keeps it from reading the machine's own one in /etc.
        command.arg("--conf").arg(file);
        Ok(command)
    })
    .await;
    let uri = format!("http://{}/", server.addr()).parse().expect("an address makes a URI");
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Some(Front { server, connector, uri, prior_knowledge: true })
}

fn config(folder: &Path, addr: SocketAddr, backend: SocketAddr, max_requests: u32) -> String {
    let (folder, front_port) = (folder.display(), addr.port());
    let (front, back, back_port) = (addr.ip(), backend.ip(), backend.port());
    format!(
        "\
frontend={front},{front_port};no-tls
backend={back},{back_port}
workers=1
frontend-max-requests={max_requests}
pid-file={folder}/{PID_FILE}
accesslog-file={folder}/{ACCESS_LOG}
accesslog-format=$remote_port $status
errorlog-file={folder}/{ERROR_LOG}
"
    )
}
