//! What is sent: how much at a time, and how much comes back.

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) tls: bool,
    /// Requests at a time.
    pub(crate) concurrency: usize,
    /// Whether responses have a body of 1 MiB, or none.
    pub(crate) large: bool,
}

/// The paths that the server knows.
pub(crate) const EMPTY: &str = "/empty";
pub(crate) const LARGE: &str = "/large";

/// Bytes of a large body.
pub(crate) const SIZE: usize = 1 << 20;

impl Load {
    /// Every load that is measured.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let loads = [(1, false), (4, false), (64, false), (512, false), (1, true), (4, true), (64, true), (512, true)];
        [false, true]
            .into_iter()
            .flat_map(move |tls| loads.into_iter().map(move |(concurrency, large)| Self { tls, concurrency, large }))
    }

    pub(crate) fn name(self) -> String {
        let transport = if self.tls { "tls" } else { "tcp" };
        let body = if self.large { "1MiB" } else { "empty" };
        format!("{transport}-{}-{body}", self.concurrency)
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::all().find(|load| load.name() == name).expect("a load's name")
    }

    pub(crate) fn path(self) -> &'static str {
        if self.large { LARGE } else { EMPTY }
    }

    /// Requests of one round: enough for a twentieth of a second or more.
    pub(crate) fn round(self) -> usize {
        match (self.large, self.concurrency) {
            (true, 512) => 512,
            (true, _) => 64,
            (false, 1) => 1_000,
            (false, 512) => 8_000,
            (false, _) => 4_000,
        }
    }
}
