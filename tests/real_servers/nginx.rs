//! nginx as a TLS and HTTP/2 front of the backend.

use std::{fs, io, net::SocketAddr, os::unix::fs::MetadataExt as _, path::Path, process::Command, sync::Arc};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::{
    front::Front,
    process::{self, ACCESS_LOG, ERROR_LOG, PID_FILE, Server},
};

/// nginx, and how to reach it.
pub(crate) type Nginx = Front<HttpsConnector<HttpConnector>>;

/// Starts nginx with a throw-away certificate, to end each connection after `keepalive_requests` requests. `None` where
/// it is not installed.
pub(crate) async fn start(backend: SocketAddr, keepalive_requests: u32) -> Option<Nginx> {
    start_workers(backend, keepalive_requests, 1).await
}

/// As [`start`], with so many workers. They share one listening socket: whoever is free accepts.
pub(crate) async fn start_workers(backend: SocketAddr, keepalive_requests: u32, workers: u32) -> Option<Nginx> {
    let program = process::installed("nginx")?;
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a valid name");
    let setup = Setup { backend, keepalive_requests, workers, tls: true };
    let server = Server::start(|folder, addr| {
        fs::write(folder.join("cert.pem"), cert.pem())?;
        fs::write(folder.join("key.pem"), signing_key.serialize_pem())?;
        command(&program, folder, addr, &setup)
    })
    .await;
    let uri = format!("https://{}/", server.addr()).parse().expect("an address makes a URI");
    Some(Front { server, connector: connector(cert.der().clone(), false), uri, prior_knowledge: false })
}

/// How nginx is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) backend: SocketAddr,
    /// After how many requests it ends a connection.
    pub(crate) keepalive_requests: u32,
    pub(crate) workers: u32,
    /// With `cert.pem` and `key.pem` of its folder.
    pub(crate) tls: bool,
}

/// How nginx is started in this folder; its configuration is written there.
pub(crate) fn command(program: &Path, folder: &Path, addr: SocketAddr, setup: &Setup) -> io::Result<Command> {
    fs::write(folder.join("nginx.conf"), config(folder, addr, setup)?)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    // Until it has read its configuration it would log to a path of the distribution's.
    command.arg("-e").arg(folder.join(ERROR_LOG));
    Ok(command)
}

/// The worker that has answered the latest request of which the log knows; a request gets its line after its answer.
pub(crate) fn latest_worker(server: &Server) -> Option<u32> {
    let log = server.access_log();
    // What was not answered any more, because the client had gone, says nothing of where it is now.
    let answered = log.lines().rev().find_map(|line| line.split_once(" 200 "));
    answered.and_then(|(_, worker)| worker.parse().ok())
}

/// A connector that trusts this certificate only, and asks for HTTP/2 as every user of hyper-util does: by ALPN; or for HTTP/1.1.
pub(crate) fn connector(certificate: CertificateDer<'static>, http1: bool) -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("rcgen's certificate is well formed");
    // The provider is named because dependencies may compile in two, and then rustls refuses to choose.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Else each handshake waits for a delayed ACK, and a connection for ten requests is mostly handshake.
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    if http1 { builder.enable_http1().wrap_connector(http) } else { builder.enable_http2().wrap_connector(http) }
}

/// Every path is in the folder, so that an ordinary user can run it and nothing is left behind.
fn config(folder: &Path, addr: SocketAddr, setup: &Setup) -> io::Result<String> {
    let Setup { backend, keepalive_requests, workers, tls } = setup;
    let tls = if *tls { " ssl" } else { "" };
    // Started by root, the worker would become `nobody`, who cannot enter the folder. Others may not say `user`.
    let user = if folder.metadata()?.uid() == 0 { "user root;" } else { "" };
    let folder = folder.display();
    let certificate = if tls.is_empty() {
        String::new()
    } else {
        format!(r#"ssl_certificate "{folder}/cert.pem"; ssl_certificate_key "{folder}/key.pem";"#)
    };
    Ok(format!(
        r#"
daemon off;
{user}
worker_processes {workers};
# A connection whose handshake ends when the worker has begun to leave gets no GOAWAY (nginx 1.22), and keeps it for as long
# as it is busy.
worker_shutdown_timeout 1s;
pid "{folder}/{PID_FILE}";
lock_file "{folder}/nginx.lock";
error_log "{folder}/{ERROR_LOG}" notice;

events {{
    worker_connections 1024;
}}

http {{
    log_format redial '$remote_port $status $pid';
    access_log "{folder}/{ACCESS_LOG}" redial;
    client_body_temp_path "{folder}/client_body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";

    upstream backend {{
        server {backend};
        keepalive 128;
    }}

    server {{
        listen {addr}{tls} http2;
        {certificate}
        keepalive_requests {keepalive_requests};
        http2_max_concurrent_streams 128;

        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            # Whatever is processed twice here, the client has sent twice.
            proxy_next_upstream off;
        }}
    }}
}}
"#
    ))
}
