//! Cache mounts: which directory of the store it is, and how a new one begins.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_dockerfile::{CacheMount, Sharing};
use kiln_oci::Digest;
use kiln_store::{CacheDir, Claim};
use kiln_tree::Root;

use super::inputs::{chain, layer_tree};
use super::{MountOp, Mounting, tree_name, written_from};
use crate::copy::{Copier, Look};
use crate::error::{BuildError, IoContext};
use crate::key::KeyBuilder;
use crate::listing::exact;
use crate::snapshot::view;

/// How often a locked cache is asked for again.
const WAIT: Duration = Duration::from_millis(50);

/// The build argument that separates the caches of builds, as with BuildKit.
pub const NAMESPACE_ARG: &str = "BUILDKIT_CACHE_MOUNT_NS";

impl Mounting<'_> {
    /// What tells one cache from another: the id, and how it began.
    pub fn cache_key(&self, m: &CacheMount, layers: Option<&Vec<Digest>>) -> String {
        let namespace = self.options.build_args.get(NAMESPACE_ARG);
        let mut key = KeyBuilder::new("cache-dir/1");
        key.add("namespace", "", namespace.cloned().unwrap_or_default());
        key.add("id", "", m.id.clone().unwrap_or_default());
        if let Some(layers) = layers {
            key.add("seed", "", chain(layers));
            key.add("source", "", m.source.clone());
        }
        key.add("look", "", format!("{:?}", m.look));
        key.finish().0
    }

    /// Gets a directory of the key, making one where there is none to be had.
    pub fn cache_dir(
        &self,
        op: &MountOp,
        m: &CacheMount,
        layers: Option<&Vec<Digest>>,
        key: &str,
    ) -> Result<CacheDir, BuildError> {
        let alone = m.sharing != Sharing::Shared;
        loop {
            if self.cancel.is_cancelled() {
                return Err(BuildError::cancelled());
            }
            // One at a time makes a directory of this key.
            let making = self.store.lock_key(&format!("cache-{key}"))?;
            match self.store.claim_cache_dir(key, alone)? {
                Claim::Got(dir) => return Ok(dir),
                Claim::Busy if m.sharing == Sharing::Locked => {}
                Claim::Busy | Claim::Absent => {
                    let data = self.new_dir(op, m, layers, key)?;
                    self.store.add_cache_dir(key, &data)?;
                    continue;
                }
            }
            drop(making);
            std::thread::sleep(WAIT);
        }
    }

    fn new_dir(
        &self,
        op: &MountOp,
        m: &CacheMount,
        layers: Option<&Vec<Digest>>,
        key: &str,
    ) -> Result<PathBuf, BuildError> {
        let dir = self.dir.join(format!("cache-{key}"));
        std::fs::create_dir_all(&dir).context("creating", &dir)?;
        let (mut mode, mut uid, mut gid) = (0o755, 0, 0);
        if let Some(layers) = layers {
            let root = view(self.store, layers, self.dir)?;
            let name = tree_name(op, written_from(op));
            let found = exact(&layer_tree(op, &root, &name), &m.source)?;
            if !found.is_dir() {
                return Err(BuildError::new(format!(
                    "{:?} in {name} is not a directory: a cache can't begin with it",
                    m.source
                )));
            }
            if let Some(top) = found.entries.first() {
                (mode, uid, gid) = (top.meta.mode & 0o7777, top.meta.uid, top.meta.gid);
            }
            let target = Root::open(&dir).context("opening", &dir)?;
            Copier::new(&target, Look::default()).copy(&root, &found, "/")?;
        }
        let uid = m.look.uid.unwrap_or(uid);
        let gid = m.look.gid.unwrap_or(gid);
        set_look(&dir, m.look.mode.unwrap_or(mode), uid, gid)?;
        Ok(dir)
    }
}

/// Gives a directory of our own its owner and mode.
fn set_look(path: &Path, mode: u32, uid: u32, gid: u32) -> Result<(), BuildError> {
    let file = std::fs::File::open(path).context("opening", path)?;
    kiln_tree::set_owner(file.as_fd(), "".as_ref(), uid, gid)
        .context("setting the owner of", path)?;
    file.set_permissions(PermissionsExt::from_mode(mode))
        .context("setting the mode of", path)
}
