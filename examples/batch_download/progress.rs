//! Progress bars on stderr. Where that is no terminal, indicatif shows none.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// All bars.
pub(crate) struct Progress {
    bars: MultiProgress,
}

/// The bar of a run.
pub(crate) struct Total {
    bar: ProgressBar,
}

/// The bar of a file. It goes when it is dropped.
pub(crate) struct FileBar {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new() }
    }

    pub(crate) fn total(&self, name: &'static str, files: usize) -> Total {
        let bar = ProgressBar::new(files as u64).with_style(style("{prefix:>8} {wide_bar} {pos}/{len} files{msg}"));
        Total { bar: self.bars.add(bar.with_prefix(name)) }
    }

    pub(crate) fn file(&self, name: &str) -> FileBar {
        let style = style("{prefix:>20!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
        let bar = ProgressBar::no_length().with_style(style).with_prefix(name.to_owned());
        FileBar { bar: self.bars.add(bar) }
    }

    /// Prints something that bars must not garble.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }
}

impl Total {
    pub(crate) fn file_done(&self, failed: u64) {
        self.bar.inc(1);
        if failed > 0 {
            self.bar.set_message(format!(", {failed} failed"));
        }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl std::ops::Deref for FileBar {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.bar
    }
}

impl Drop for FileBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that is wrong costs looks, not the download.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
