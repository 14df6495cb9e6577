//! Volumes: made, listed, pruned.

use std::collections::BTreeMap;

use kiln_store::{Store, Volume};

use crate::BuildError;
use crate::containers::names;

/// Which volumes are wanted. Several filters of one kind: any of them; all labels.
#[derive(Clone, Debug, Default)]
pub struct VolumeFilters(Vec<(String, String)>);

impl VolumeFilters {
    /// Adds one filter, `name=value`.
    pub fn add(&mut self, text: &str) -> Result<(), BuildError> {
        match text.split_once('=') {
            Some(("dangling", "true" | "1" | "false" | "0")) | Some(("label" | "name", _)) => {}
            Some(("driver", "local")) => {}
            _ => {
                return Err(BuildError::new(format!("invalid filter {text:?}"))
                    .hint("filters are dangling=true|false, label and name"));
            }
        }
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        self.0.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn passes(&self, store: &Store, v: &Volume) -> Result<bool, BuildError> {
        let mut names = self.0.iter().filter(|(n, _)| n == "name").peekable();
        if names.peek().is_some() && !names.any(|(_, part)| v.name.contains(part.as_str())) {
            return Ok(false);
        }
        for (name, value) in &self.0 {
            let passes = match name.as_str() {
                "dangling" => {
                    let dangling = store.volume_users(&v.name)?.is_empty();
                    dangling == matches!(value.as_str(), "true" | "1")
                }
                "label" => match value.split_once('=') {
                    Some((key, value)) => v.labels.get(key).is_some_and(|found| found == value),
                    None => v.labels.contains_key(value),
                },
                _ => true,
            };
            if !passes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Makes a volume, with a name made up where there is none; gives its name.
pub fn create(
    store: &Store,
    name: Option<&str>,
    labels: BTreeMap<String, String>,
) -> Result<String, BuildError> {
    let anonymous = name.is_none();
    let name = match name {
        Some(name) => {
            names::check("volume", name)?;
            name.to_owned()
        }
        None => names::id()?,
    };
    store.volume_put(&Volume {
        name: name.clone(),
        created: jiff::Timestamp::now().to_string(),
        anonymous,
        labels,
    })?;
    Ok(name)
}

/// The volumes that pass.
pub fn list(store: &Store, filters: &VolumeFilters) -> Result<Vec<Volume>, BuildError> {
    let mut out = Vec::new();
    for volume in store.volumes()? {
        if filters.passes(store, &volume)? {
            out.push(volume);
        }
    }
    Ok(out)
}

/// Removes the volumes that no container uses: those without a name, or all. Gives their names
/// and how much they held.
pub fn prune(store: &Store, all: bool) -> Result<(Vec<String>, u64), BuildError> {
    let (mut gone, mut bytes) = (Vec::new(), 0);
    for volume in store.volumes()? {
        if !(all || volume.anonymous) || !store.volume_users(&volume.name)?.is_empty() {
            continue;
        }
        let size = crate::containers::bytes(&store.volume_dir(&volume.name));
        match store.volume_remove(&volume.name) {
            Ok(()) => {
                bytes += size;
                gone.push(volume.name);
            }
            // A container took it meanwhile.
            Err(kiln_store::StoreError::VolumeInUse { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok((gone, bytes))
}

/// The bytes in a volume.
pub fn size(store: &Store, name: &str) -> u64 {
    crate::containers::bytes(&store.volume_dir(name))
}

/// How many volumes there are, how many of them containers use, the bytes of all and of those
/// that none uses.
pub fn usage(store: &Store) -> Result<(u64, u64, u64, u64), BuildError> {
    let mut out = (0, 0, 0, 0);
    for volume in store.volumes()? {
        let size = crate::containers::bytes(&store.volume_dir(&volume.name));
        out.0 += 1;
        out.2 += size;
        match store.volume_users(&volume.name)?.is_empty() {
            true => out.3 += size,
            false => out.1 += 1,
        }
    }
    Ok(out)
}
