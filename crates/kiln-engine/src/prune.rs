//! `image prune`, `builder prune`, `system prune`, `system df`.

use kiln_store::{Store, Usage};

use crate::BuildError;
use crate::filters::Filters;
use crate::images::{Removed, list, remove};

/// What a pruning did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Names and images that are gone.
    pub removed: Vec<Removed>,
    /// Cache records that are gone.
    pub records: usize,
    /// Directories of cache mounts that are gone.
    pub cache_dirs: usize,
    /// Bytes of files that are gone.
    pub bytes: u64,
}

/// What is to go.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Images without a name.
    pub dangling: bool,
    /// All images: no container keeps one.
    pub all_images: bool,
    /// The build cache.
    pub cache: bool,
}

/// Removes what the scope says and the filters let through, and all layers that nothing needs.
pub fn prune(store: &Store, scope: Scope, filters: &Filters) -> Result<Pruned, BuildError> {
    let before = total(&store.usage()?);
    let mut done = Pruned::default();
    if scope.dangling || scope.all_images {
        for row in list(store, filters)? {
            let name = match (&row.repository, &row.tag) {
                (Some(repository), Some(tag)) if scope.all_images => format!("{repository}:{tag}"),
                (Some(_), None) if scope.all_images => row.id.to_string(),
                (None, _) => row.id.to_string(),
                _ => continue,
            };
            done.removed.extend(remove(store, &name, false)?);
        }
    }
    if scope.cache {
        done.records = store.cache_clear()?;
        done.cache_dirs = store.cache_dirs_clear()?;
    }
    store.collect()?;
    done.bytes = before.saturating_sub(total(&store.usage()?));
    Ok(done)
}

fn total(usage: &Usage) -> u64 {
    usage.image_bytes + usage.cache_bytes + usage.unused_bytes + usage.cache_dir_bytes
}
