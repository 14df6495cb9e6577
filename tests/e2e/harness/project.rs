//! A build context made by a test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary directory with a Dockerfile and other files.
pub struct Project {
    dir: TempDir,
}

impl Project {
    /// A context with only a Dockerfile.
    pub fn new(dockerfile: &str) -> Project {
        let dir = tempfile::Builder::new()
            .prefix("kiln-ctx-")
            .tempdir()
            .unwrap();
        // Other users read it too, in the tests of builds without root.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Project { dir }.with("Dockerfile", dockerfile)
    }

    /// Adds or replaces a file; directories come with it.
    pub fn with(self, name: &str, text: impl AsRef<[u8]>) -> Project {
        self.write(name, text);
        self
    }

    /// Writes a file; directories come with it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }

    /// Sets the mode of a file.
    pub fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
