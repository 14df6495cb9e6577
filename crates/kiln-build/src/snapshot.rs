//! File systems of a build: stacks of layers, seen through overlay mounts that nobody else sees.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use kiln_oci::Digest;
use kiln_runtime::{Overlay, mount_overlay};
use kiln_store::{Layer, Store};
use kiln_tree::Root;

use crate::error::{BuildError, IoContext};

/// A stack of layers and the key of how it came about.
#[derive(Debug, Clone)]
pub struct Snapshot {
    layers: Vec<Digest>,
    /// Their chain ID: to take it anew at each step would take longer the more there are.
    chain: Option<Digest>,
    /// Digest over everything that led here: a step that missed changes it for all steps after.
    pub state: String,
}

impl Snapshot {
    /// The stack of those layers, bottom first.
    pub fn new(layers: Vec<Digest>) -> Snapshot {
        Snapshot {
            chain: kiln_oci::chain_id(&layers),
            layers,
            state: String::new(),
        }
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Digest] {
        &self.layers
    }

    /// Goes on to a state, with the layer that leads there, if one does.
    pub fn advance(&mut self, layer: Option<Digest>, state: String) {
        if let Some(layer) = layer {
            self.chain = Some(kiln_oci::chain_onto(self.chain, &layer));
            self.layers.push(layer);
        }
        self.state = state;
    }

    /// The chain ID (OCI image spec, "Layer ChainID"), or a word for the empty stack.
    pub fn chain(&self) -> String {
        self.chain
            .map_or_else(|| "empty".to_owned(), |d| d.to_string())
    }
}

fn lowers(store: &Store, layers: &[Digest], empty: &Path) -> Result<Vec<PathBuf>, BuildError> {
    if layers.is_empty() {
        std::fs::create_dir_all(empty).context("creating", empty)?;
        return Ok(vec![empty.to_owned()]);
    }
    Ok(layers.iter().rev().map(|d| store.layer_dir(d)).collect())
}

/// Mounts the stack read-only.
pub fn view(store: &Store, layers: &[Digest], scratch: &Path) -> Result<Root, BuildError> {
    let lowers = lowers(store, layers, &scratch.join("empty"))?;
    let fd = mount_overlay(&Overlay {
        lowers: &lowers,
        upper: None,
    })?;
    Ok(Root::from_fd(fd))
}

/// A writable view whose changes become a layer.
pub struct Writable {
    dir: PathBuf,
    mount: OwnedFd,
    /// Mode, user and group of the root directory.
    top: (u32, u32, u32),
}

/// Gives a directory that look.
fn dress(path: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<(), BuildError> {
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).context("setting the owner of", path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
        .context("setting the mode of", path)
}

impl Writable {
    /// Mounts the stack with a fresh upper directory below `dir`, which is created.
    pub fn new(store: &Store, layers: &[Digest], dir: PathBuf) -> Result<Writable, BuildError> {
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        for d in [&dir, &upper, &work] {
            std::fs::DirBuilder::new()
                .mode(0o755)
                .create(d)
                .context("creating", d)?;
        }
        let lowers = lowers(store, layers, &dir.join("empty"))?;
        // The root directory's own mode and owner come from the upper directory.
        let top = std::fs::metadata(&lowers[0]).context("reading", &lowers[0])?;
        let mode = if layers.is_empty() {
            0o755
        } else {
            top.mode() & 0o7777
        };
        let top = (mode, top.uid(), top.gid());
        dress(&upper, top)?;
        let mount = mount_overlay(&Overlay {
            lowers: &lowers,
            upper: Some((&upper, &work)),
        })?;
        Ok(Writable { dir, mount, top })
    }

    /// The mount.
    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.mount.as_fd()
    }

    /// The mount as a tree.
    pub fn root(&self) -> Result<Root, BuildError> {
        let fd = self
            .mount
            .try_clone()
            .context("duplicating the mount of", &self.dir)?;
        Ok(Root::from_fd(fd))
    }

    /// The mount alone: what is changed in it is lost with its directory.
    pub fn into_mount(self) -> OwnedFd {
        self.mount
    }

    /// Unmounts, hashes what changed and stores it; nothing where nothing changed.
    pub fn commit(
        self,
        store: &Store,
        epoch: Option<i64>,
        created: &str,
    ) -> Result<Option<Digest>, BuildError> {
        let Writable { dir, mount, top } = self;
        drop(mount);
        let upper = dir.join("upper");
        // A layer has no entry for the root: what a step did to it ends with the step, as with
        // docker.
        dress(&upper, top)?;
        let fd = std::fs::File::open(&upper).context("opening", &upper)?;
        if let Some(epoch) = epoch {
            kiln_oci::layer::clamp_times(fd.as_fd(), epoch).context("clamping times of", &upper)?;
        }
        commit_dir(store, &upper, fd.as_fd(), created)
    }
}

/// Makes a directory of the store's file system, opened as `fd`, a layer; nothing where it is empty.
pub fn commit_dir(
    store: &Store,
    dir: &Path,
    fd: BorrowedFd<'_>,
    created: &str,
) -> Result<Option<Digest>, BuildError> {
    let written = kiln_oci::layer::write_dir(fd, std::io::sink())?;
    if written.entries == 0 {
        return Ok(None);
    }
    let layer = Layer {
        diff_id: written.diff_id,
        size: written.size,
        tar_size: written.tar_size,
        entries: written.entries,
        created: created.to_owned(),
        recipe: false,
    };
    store.commit_layer(dir, &layer)?;
    Ok(Some(written.diff_id))
}
