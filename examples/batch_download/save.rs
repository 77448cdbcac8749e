//! A file that appears whole or not at all.

use std::io;
use std::path::Path;

use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// A file under a temporary name. Dropping it removes it.
pub(crate) struct Save {
    file: File,
    path: TempPath,
}

impl Save {
    /// Creates it in the directory in which it shall stay: names can be changed within a file system only.
    pub(crate) async fn create(dir: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".batch_download-");
        #[cfg(unix)]
        {
            // What the umask leaves of it, as with any other file; temporary ones are for their owner only.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let (file, path) = builder.tempfile_in(dir)?.into_parts();
        Ok(Self { file: File::from_std(file), path })
    }

    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data).await
    }

    /// Gives it its name. What has the name already is replaced.
    pub(crate) async fn finish(mut self, target: &Path) -> io::Result<()> {
        self.file.flush().await?;
        // Otherwise a power failure could leave the name without the content.
        self.file.sync_all().await?;
        drop(self.file.into_std().await);
        self.path.persist(target)?;
        Ok(())
    }
}
