//! `image prune`, `builder prune`, `system prune`, `system df`.

use std::collections::HashSet;

use kiln_oci::Digest;
use kiln_store::{Store, Usage};

use crate::BuildError;
use crate::containers::ContainerFilters;
use crate::filters::Filters;
use crate::images::{Removed, list, remove};

/// What a pruning did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Containers that are gone.
    pub containers: Vec<String>,
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
    /// Containers that don't run.
    pub containers: bool,
    /// Images without a name.
    pub dangling: bool,
    /// All images that no container uses.
    pub all_images: bool,
    /// The build cache.
    pub cache: bool,
}

/// Removes what the scope says and the filters let through, and all layers that nothing needs.
pub fn prune(store: &Store, scope: Scope, filters: &Filters) -> Result<Pruned, BuildError> {
    let before = total(&store.usage()?);
    let mut done = Pruned::default();
    if scope.containers {
        let filters = ContainerFilters::default();
        for row in crate::containers::list(store, true, &filters, true).map_err(|f| *f.error)? {
            if !row.container.is_running() {
                done.bytes += row.size.map_or(0, |(own, _)| own);
            }
        }
        done.containers = crate::containers::prune(store, &filters).map_err(|f| *f.error)?;
    }
    if scope.dangling || scope.all_images {
        let used: HashSet<Digest> = store.containers()?.iter().map(|c| c.image).collect();
        for row in list(store, filters)?
            .iter()
            .filter(|row| !used.contains(&row.id))
        {
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
    done.bytes += before.saturating_sub(total(&store.usage()?));
    Ok(done)
}

fn total(usage: &Usage) -> u64 {
    usage.image_bytes + usage.cache_bytes + usage.unused_bytes + usage.cache_dir_bytes
}
