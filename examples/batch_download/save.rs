//! A file that appears whole or not at all, and what is left of one that does not.
//!
//! The bytes go into `NAME.part`. What they are is in `NAME.part.json`, if they can be gone on with; without that they are worth
//! nothing. So wherever a run ends, however suddenly, the order in which things are written has to leave one of the two: a part
//! that is described rightly, or one that is not described. It is: take the old description away and the old part, write the new
//! description, then the bytes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use crate::kept::Kept;

/// The longer of the two names' endings, in bytes.
pub(crate) const LONGEST_SUFFIX: usize = ".part.json".len();

/// A file that is not there yet.
///
/// Dropping it leaves the part if the next run can go on with it, and removes it if not.
#[derive(Debug)]
pub(crate) struct Save {
    target: PathBuf,
    part: PathBuf,
    description: PathBuf,
    /// What the part is, if it can be gone on with.
    kept: Option<Kept>,
    /// How many bytes the part has.
    len: u64,
    file: Option<File>,
    /// The part is ours to remove.
    begun: bool,
    left: Left,
}

/// Counts the parts that were left for the next run. A clone is a handle to the same count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left(Arc<AtomicU64>);

impl Left {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The names that a file has until it is whole.
pub(crate) fn names_until_whole(name: &str) -> [String; 2] {
    [format!("{name}.part"), format!("{name}.part.json")]
}

impl Save {
    /// Looks what an earlier run has left of the file from this URL.
    pub(crate) async fn open(dir: &Path, name: &str, url: &str, left: &Left) -> io::Result<Self> {
        let [part, description] = names_until_whole(name).map(|name| dir.join(name));
        // One that cannot be read, or is of another URL, describes nothing.
        let kept = fs::read(&description).await.ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| kept.url == url);
        // A link is none that we made.
        let len = match fs::symlink_metadata(&part).await {
            Ok(metadata) if kept.is_some() && metadata.is_file() => metadata.len(),
            _ => 0,
        };
        let (target, left) = (dir.join(name), left.clone());
        let kept = kept.filter(|_| len > 0);
        Ok(Self { target, part, description, kept, len, file: None, begun: false, left })
    }

    /// What is there, and how many bytes of it.
    pub(crate) fn there(&self) -> Option<(&Kept, u64)> {
        self.kept.as_ref().map(|kept| (kept, self.len))
    }

    /// Begins at the beginning.
    pub(crate) async fn start(&mut self, kept: Option<Kept>) -> io::Result<()> {
        self.forget().await?;
        remove(&self.part).await?;
        // A new one: whatever lies there, a link say, is not written to.
        self.file = Some(File::options().write(true).create_new(true).open(&self.part).await?);
        self.begun = true;
        self.len = 0;
        if let Some(kept) = &kept {
            // A few bytes, which need no other thread. If a power failure takes them back the next run begins anew.
            write_whole(&self.description, &serde_json::to_vec(kept)?)?;
        }
        self.kept = kept;
        Ok(())
    }

    /// Has the next run begin anew, whatever is there.
    pub(crate) async fn forget(&mut self) -> io::Result<()> {
        self.kept = None;
        remove(&self.description).await
    }

    /// Goes on behind what is there.
    pub(crate) async fn go_on(&mut self) -> io::Result<()> {
        self.file = Some(File::options().append(true).open(&self.part).await?);
        self.begun = true;
        Ok(())
    }

    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::Error::other("nothing was begun")) };
        self.len += data.len() as u64;
        file.write_all(data).await
    }

    /// Gives it its name. What has the name already is replaced.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => File::options().append(true).open(&self.part).await?,
        };
        file.flush().await?;
        // Otherwise a power failure could leave the name without the content.
        file.sync_all().await?;
        let written = file.metadata().await?.len();
        drop(file);
        if written != self.len {
            // Another run has written to it too, say: nobody knows what it is.
            self.forget().await?;
            return Err(io::Error::other(format!("{} has {written} bytes, not {}", self.part.display(), self.len)));
        }
        fs::rename(&self.part, &self.target).await?;
        (self.begun, self.kept) = (false, None);
        // Without the part it describes nothing, should this not happen.
        match fs::remove_file(&self.description).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Save {
    fn drop(&mut self) {
        if self.kept.is_some() && self.len > 0 {
            self.left.0.fetch_add(1, Ordering::Relaxed);
        } else if self.begun {
            // The description first. If either stays, the next run begins anew.
            let _ = std::fs::remove_file(&self.description);
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Removes a file, if there is one, for good: a power failure must not bring it back beside what comes in its place.
async fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    let dir = path.parent().map(Path::to_owned);
    if let Some(dir) = dir.filter(|_| cfg!(unix)) {
        spawn_blocking(move || std::fs::File::open(dir)?.sync_all()).await??;
    }
    Ok(())
}

/// A file that is there whole or not at all.
fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".batch_download-").tempfile_in(dir)?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}
