use std::time::Duration;

use super::Downgrade;
use super::machine::Settings;

/// Sets up a [`Downgrade`].
///
/// No setting panics; those that make no sense are brought within what does.
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`after`](Self::after) | never: only HTTP_1_1_REQUIRED downgrades |
/// | [`lasting`](Self::lasting) | 5 min |
/// | [`event_capacity`](Self::event_capacity) | 256 |
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Builder {
    settings: Settings,
    event_capacity: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self { settings: Settings::default(), event_capacity: 256 }
    }
}

impl Builder {
    /// Downgrades an origin of which so many HTTP/2 connections in a row, 1 to 100, died within so long before they brought one
    /// useful response. 3 in a minute is a good beginning.
    ///
    /// What counts as such is in the [module](super#what-counts).
    pub fn after(mut self, connections: u32, within: Duration) -> Self {
        self.settings.after = Some((connections.clamp(1, 100), within));
        self
    }

    /// How long an origin gets HTTP/1.1, before one request tries HTTP/2 again. [`Duration::MAX`] for ever.
    pub fn lasting(mut self, lasting: Duration) -> Self {
        self.settings.lasting = lasting;
        self
    }

    /// How many events a reader of [`Downgrade::subscribe`] may be behind, 1 to 65,536.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.event_capacity = events;
        self
    }

    /// The object that all its parts share.
    #[must_use]
    pub fn build(self) -> Downgrade {
        Downgrade::new(self.settings, self.event_capacity.clamp(1, 65_536))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_panics() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            for number in [0, usize::MAX] {
                let builder = Builder::default().after(number as u32, extreme).lasting(extreme);
                drop(builder.event_capacity(number).build().subscribe());
            }
        }
    }

    #[test]
    fn as_many_connections_are_waited_for_as_makes_sense() {
        for (connections, kept) in [(0, 1), (1, 1), (100, 100), (101, 100), (u32::MAX, 100)] {
            let builder = Builder::default().after(connections, Duration::ZERO);
            assert_eq!(builder.settings.after, Some((kept, Duration::ZERO)));
        }
    }
}
