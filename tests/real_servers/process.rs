//! Starts a foreign server, waits until it serves, and makes sure that it is gone afterwards.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::signals;

/// How long a server may take to start before the test gives up on it.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long a server may take to end when it was asked to.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How often a condition is looked at that nobody tells of.
const TICK: Duration = Duration::from_millis(5);

/// How often another free port is tried when the server could not start on the one it was given.
const START_ATTEMPTS: usize = 5;

/// The server's own log, under its folder; printed when the test fails.
pub(crate) const ERROR_LOG: &str = "error.log";

/// One line for every request served, `client-port status` and what the server adds, under the server's folder.
pub(crate) const ACCESS_LOG: &str = "access.log";

/// The file by which the server says that it holds its port.
pub(crate) const PID_FILE: &str = "server.pid";

/// Runs the server and waits for standard input to end, which the kernel sees to however the test process goes: a
/// panic, an abort, Ctrl-C or SIGKILL. Then everything in the process group dies, the server's workers among it.
/// Should the server end first, the group ends with it, so that waiting for the shell is waiting for the server.
const GUARD: &str = r#"("$@" </dev/null; kill -KILL 0) & read -r _; kill -KILL 0"#;

/// The installed program of that name, or `None` (said on standard error) where it is missing.
///
/// `sbin` is searched too: it is where Debian puts nginx, and not on an ordinary user's `PATH`.
///
/// # Panics
///
/// If the program is missing and `REDIAL_REQUIRE_SERVERS=1` says that it has to be there.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// The installed program of that name.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Says on standard error why a test is not run.
///
/// # Panics
///
/// If `REDIAL_REQUIRE_SERVERS=1` says that it has to be.
pub(crate) fn skipped(why: &str) {
    let required = std::env::var_os("REDIAL_REQUIRE_SERVERS");
    assert!(required.as_deref() != Some(OsStr::new("1")), "{why}, and REDIAL_REQUIRE_SERVERS=1 asks for it");
    eprintln!("SKIPPED: {why} (REDIAL_REQUIRE_SERVERS=1 makes this a failure)");
}

/// A running server with its folder. Dropping it kills the server with all its workers and removes the folder.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    command: Command,
    guard: Child,
    folder: TempDir,
}

impl Server {
    /// Starts the server that `command` describes, given its folder and the port to listen on.
    ///
    /// A free port is found by letting the kernel choose one and giving it back, so somebody else may take it before
    /// the server does; then the server ends, and the next attempt asks for another.
    ///
    /// # Panics
    ///
    /// If no attempt gets the server to serve; its log is in the message.
    pub(crate) async fn start(command: impl Fn(&Path, SocketAddr) -> io::Result<Command>) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, command).await
    }

    /// The same at another address of loopback. One that no client has for its own end is safe for servers that come and go:
    /// nobody's connection takes their port while they are away.
    pub(crate) async fn start_at(ip: Ipv4Addr, command: impl Fn(&Path, SocketAddr) -> io::Result<Command>) -> Self {
        let mut problems = String::new();
        for attempt in 1..=START_ATTEMPTS {
            match Self::try_start(ip, &command).await {
                Ok(server) => return server,
                Err(problem) => writeln!(problems, "attempt {attempt}: {problem}").expect("a String takes all"),
            }
        }
        panic!("the server did not start\n{problems}");
    }

    async fn try_start(
        ip: Ipv4Addr,
        command: &impl Fn(&Path, SocketAddr) -> io::Result<Command>,
    ) -> Result<Self, String> {
        let folder = TempDir::with_prefix("redial-").map_err(|e| e.to_string())?;
        let addr = free_address(ip).map_err(|e| e.to_string())?;
        let command = command(folder.path(), addr).map_err(|e| e.to_string())?;
        let guard = guarded(&command, folder.path()).map_err(|e| format!("{command:?}: {e}"))?;
        let mut server = Self { addr, command, guard, folder };
        match server.serves().await {
            Ok(()) => Ok(server),
            Err(problem) => Err(format!("{problem}\n{}", server.logs())),
        }
    }

    /// Waits until the server itself holds the port and accepts on it. An accepting port alone would not do: it may
    /// be another process's, while the server is still asking for it in vain.
    async fn serves(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.guard.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("it ended ({status})"));
            }
            if self.folder.path().join(PID_FILE).exists() && TcpStream::connect(self.addr).await.is_ok() {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT {
                return Err(format!("it does not accept on {} after {START_LIMIT:?}", self.addr));
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Sends a signal to the process that the others are children of.
    pub(crate) fn signal(&self, signal: &str) {
        signals::send(signal, self.pid());
    }

    /// The process that the others are children of.
    pub(crate) fn pid(&self) -> u32 {
        let pid = fs::read_to_string(self.file(PID_FILE)).expect("the server writes its process id");
        pid.trim().parse().expect("a process id")
    }

    /// Asks the server by SIGQUIT to finish what it has begun and to end, and waits until it has.
    pub(crate) async fn quit(&mut self) {
        self.end_by("QUIT").await;
    }

    /// The same by the signal that this server has for it.
    pub(crate) async fn end_by(&mut self, signal: &str) {
        self.signal(signal);
        let asked = Instant::now();
        while self.guard.try_wait().expect("the guard is a child").is_none() {
            assert!(asked.elapsed() < END_LIMIT, "the server has not ended {END_LIMIT:?} after SIG{signal}");
            tokio::time::sleep(TICK).await;
        }
    }

    /// Ends all its processes at once by SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }

    /// Starts it once more on the same port, after it has ended.
    pub(crate) async fn start_again(&mut self) {
        // One that was killed leaves it behind.
        let _ = fs::remove_file(self.file(PID_FILE));
        self.guard = guarded(&self.command, self.folder.path()).expect("it could be started before");
        self.serves().await.expect("it served on this port before");
    }

    /// Where the server listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has logged of requests so far.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.file(ACCESS_LOG)).unwrap_or_default()
    }

    /// The server's folder.
    #[allow(dead_code, reason = "the example `soak` asks for it")]
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A file in the server's folder.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many connections the server has answered requests on, by its own access log.
    pub(crate) fn connections(&self) -> usize {
        let log = self.access_log();
        let ports = log.lines().filter_map(|line| line.split(' ').next());
        ports.collect::<HashSet<_>>().len()
    }

    fn logs(&self) -> String {
        ["output.log", ERROR_LOG]
            .map(|name| {
                let text = fs::read(self.file(name)).unwrap_or_default();
                format!("--- {name} of {}\n{}", self.addr, String::from_utf8_lossy(&text))
            })
            .concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

fn free_address(ip: Ipv4Addr) -> io::Result<SocketAddr> {
    TcpListener::bind((ip, 0))?.local_addr()
}

fn guarded(command: &Command, folder: &Path) -> io::Result<Child> {
    let output = fs::File::options().create(true).append(true).open(folder.join("output.log"))?;
    Command::new("/bin/sh")
        .args(["-c", GUARD, "guard"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
}
