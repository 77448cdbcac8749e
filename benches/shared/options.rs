//! What every bench is told on its command line.

use std::env;

/// The words after `--`. Cargo adds `--bench`, which says nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// One JSON document on stdout instead of tables.
    pub(crate) json: bool,
    /// A short run, to see that the bench works: its figures are of no use.
    pub(crate) quick: bool,
    /// A run for the bench itself, in a process of its own: what it is to do.
    pub(crate) child: Vec<String>,
}

impl Options {
    /// Reads the command line. `None` where there is a word that nobody knows, which has been said then.
    pub(crate) fn parse() -> Option<Self> {
        let mut options = Self::default();
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {}
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--child" => options.child.extend(words.by_ref()),
                unknown => {
                    eprintln!("unknown option {unknown}; there are --json and --quick");
                    return None;
                }
            }
        }
        Some(options)
    }
}
