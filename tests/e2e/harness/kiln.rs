//! The binary under test, with a store of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Archive, Done, Image, base_tar, run, run_with};

/// A store in a temporary directory, and commands on it.
pub struct Kiln {
    home: TempDir,
    store: PathBuf,
}

impl Kiln {
    /// An empty store.
    pub fn empty() -> Kiln {
        let home = tempfile::Builder::new()
            .prefix("kiln-e2e-")
            .tempdir()
            .unwrap();
        let store = home.path().join("store");
        Kiln { home, store }
    }

    /// A store with `busybox:latest` in it.
    pub fn new() -> Kiln {
        let kiln = Kiln::empty();
        kiln.import_base();
        kiln
    }

    /// A store in a directory that is somebody else's to remove.
    pub fn at(store: &Path) -> Kiln {
        Kiln {
            store: store.to_owned(),
            ..Kiln::empty()
        }
    }

    /// Imports the common root file system as `busybox:latest`.
    pub fn import_base(&self) -> Done {
        run_with(
            &mut self.command(["import", "-", "busybox:latest"]),
            base_tar().to_vec(),
        )
        .ok()
    }

    /// The store's directory.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// A place for files of the test, removed at its end.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The binary.
    pub fn binary() -> &'static Path {
        Path::new(env!("CARGO_BIN_EXE_kiln"))
    }

    /// A command on this store, free of what the caller's environment may say.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(Kiln::binary());
        command
            .args(args)
            .current_dir(self.home.path())
            .env("KILN_ROOT", &self.store)
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("BUILDKIT_PROGRESS");
        command
    }

    /// Runs a command, however it ends.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        run(&mut self.command(args))
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        self.run(args).ok()
    }

    /// Builds a directory; more arguments may precede it.
    #[track_caller]
    pub fn build(&self, context: &Path, args: &[&str]) -> Done {
        self.try_build(context, args).ok()
    }

    /// Builds a directory, however that ends.
    pub fn try_build(&self, context: &Path, args: &[&str]) -> Done {
        let mut command = self.command(["build", "--progress", "plain"]);
        run(command.args(args).arg(context))
    }

    /// `inspect` of one image.
    #[track_caller]
    pub fn inspect(&self, image: &str) -> Value {
        let all: Value = serde_json::from_slice(&self.ok(["inspect", image]).stdout).unwrap();
        all[0].clone()
    }

    /// The id of an image.
    #[track_caller]
    pub fn id(&self, image: &str) -> String {
        self.inspect(image)["Id"].as_str().unwrap().to_owned()
    }

    /// What `save` writes to standard output.
    #[track_caller]
    pub fn save(&self, image: &str) -> Vec<u8> {
        self.ok(["save", image]).stdout
    }

    /// An image, by way of `save`.
    #[track_caller]
    pub fn image(&self, name: &str) -> Image {
        Archive::read(&self.save(name)).image()
    }

    /// The text of a file in an image.
    #[track_caller]
    pub fn cat(&self, image: &str, path: &str) -> String {
        self.image(image).tree.text(path)
    }
}
