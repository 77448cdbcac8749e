//! nginx and Caddy as servers of files, over TLS.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
};

use bytes::Bytes;
use rustls::pki_types::CertificateDer;

use crate::{
    process::{self, ERROR_LOG, PID_FILE, Server},
    support::files::noise,
};

/// How large each file is.
pub(crate) const FILE_SIZE: usize = 64 << 20;

/// How many there are.
pub(crate) const FILES: usize = 4;

/// A prime, so that no power of two is a multiple of it: bytes that were joined at the wrong place show.
const BLOCK: usize = 65_521;

/// A server of [`FILES`] files, named by their number.
pub(crate) struct StaticFiles {
    pub(crate) server: Server,
    pub(crate) certificate: CertificateDer<'static>,
}

/// The content of every file: noise, with the file and the place in it at the beginning of each block.
#[derive(Clone, Debug)]
pub(crate) struct Content(Bytes);

impl Content {
    pub(crate) fn new() -> Self {
        Self(noise(1, BLOCK))
    }

    fn stamp(file: usize, block: usize) -> [u8; 16] {
        let mut stamp = [0; 16];
        stamp[..8].copy_from_slice(&(file as u64).to_be_bytes());
        stamp[8..].copy_from_slice(&(block as u64).to_be_bytes());
        stamp
    }

    /// Whether these are the bytes of the file at this place.
    pub(crate) fn is_at(&self, file: usize, mut at: usize, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let (block, offset) = (at / BLOCK, at % BLOCK);
            let len = bytes.len().min(BLOCK - offset);
            let (here, rest) = bytes.split_at(len);
            let stamp = Self::stamp(file, block);
            let stamped = stamp.len().saturating_sub(offset).min(len);
            let of_stamp = if stamped > 0 { &stamp[offset..offset + stamped] } else { &[] };
            if here[..stamped] != *of_stamp || here[stamped..] != self.0[offset + stamped..offset + len] {
                return false;
            }
            (at, bytes) = (at + len, rest);
        }
        true
    }

    fn write(&self, file: usize, path: &Path) -> io::Result<()> {
        let mut out = io::BufWriter::new(File::create(path)?);
        let mut left = FILE_SIZE;
        for block in 0.. {
            let len = left.min(BLOCK);
            if len == 0 {
                break;
            }
            let stamped = [&Self::stamp(file, block), &self.0[16..]].concat();
            out.write_all(&stamped[..len])?;
            left -= len;
        }
        out.flush()
    }
}

/// nginx; `None` where it is not installed.
pub(crate) async fn nginx() -> Option<StaticFiles> {
    let program = process::installed("nginx")?;
    Some(
        start(|folder, addr| {
            fs::write(folder.join("nginx.conf"), nginx_config(folder, addr)?)?;
            let mut command = Command::new(&program);
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
            // Until it has read its configuration it would log to a path of the distribution's.
            command.arg("-e").arg(folder.join(ERROR_LOG));
            Ok(command)
        })
        .await,
    )
}

/// Caddy; `None` where it is not installed.
pub(crate) async fn caddy() -> Option<StaticFiles> {
    let program = process::installed("caddy")?;
    Some(
        start(|folder, addr| {
            fs::write(folder.join("Caddyfile"), caddy_config(folder, addr))?;
            // It keeps what it has read of its configuration, and this folder is to be all that it writes to.
            let mut command = Command::new("env");
            command.args(["XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| format!("{name}={}", folder.display())));
            command.arg(&program).args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
            command.arg("--pidfile").arg(folder.join(PID_FILE));
            Ok(command)
        })
        .await,
    )
}

async fn start(command: impl Fn(&Path, SocketAddr) -> io::Result<Command>) -> StaticFiles {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a valid name");
    let server = Server::start(|folder, addr| {
        fs::write(folder.join("cert.pem"), cert.pem())?;
        fs::write(folder.join("key.pem"), signing_key.serialize_pem())?;
        fs::create_dir(folder.join("files"))?;
        for file in 0..FILES {
            Content::new().write(file, &folder.join("files").join(file.to_string()))?;
        }
        command(folder, addr)
    })
    .await;
    StaticFiles { server, certificate: cert.der().clone() }
}

fn nginx_config(folder: &Path, addr: SocketAddr) -> io::Result<String> {
    // Started by root, the worker would become `nobody`, who cannot enter the folder. Others may not say `user`.
    let user = if folder.metadata()?.uid() == 0 { "user root;" } else { "" };
    let folder = folder.display();
    Ok(format!(
        r#"
daemon off;
{user}
worker_processes 1;
pid "{folder}/{PID_FILE}";
lock_file "{folder}/nginx.lock";
error_log "{folder}/{ERROR_LOG}" notice;

events {{
    worker_connections 1024;
}}

http {{
    access_log off;
    sendfile on;
    client_body_temp_path "{folder}/client_body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";

    server {{
        listen {addr} ssl http2;
        ssl_certificate "{folder}/cert.pem";
        ssl_certificate_key "{folder}/key.pem";
        root "{folder}/files";
    }}
}}
"#
    ))
}

fn caddy_config(folder: &Path, addr: SocketAddr) -> String {
    let (folder, ip) = (folder.display(), addr.ip());
    format!(
        r#"
{{
    admin off
    auto_https off
    default_sni {ip}
    log {{
        output file "{folder}/{ERROR_LOG}"
    }}
}}

https://{addr} {{
    bind {ip}
    tls "{folder}/cert.pem" "{folder}/key.pem"
    root * "{folder}/files"
    file_server
}}
"#
    )
}
