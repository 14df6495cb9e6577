//! Base images: from the store, or fetched into it.

use std::collections::HashSet;

use kiln_oci::{Digest, ImageConfig, Platform, Reference};
use kiln_store::{Store, StoreError};

use crate::error::{BuildError, Kind};

/// Brings images into the store.
pub trait Fetch: Sync {
    /// Fetches an image for a platform and gives it its name.
    fn fetch(&self, name: &Reference, platform: &Platform) -> Result<(), BuildError>;
}

/// Where base images come from, and which have been fetched.
pub struct Bases<'a> {
    /// Where they are looked up.
    pub store: &'a Store,
    /// What brings those that aren't there.
    pub fetch: &'a dyn Fetch,
    /// `--pull`: fetch those that are there, too.
    pub pull: bool,
    fetched: HashSet<(String, String)>,
}

impl<'a> Bases<'a> {
    /// Nothing is fetched yet.
    pub fn new(store: &'a Store, fetch: &'a dyn Fetch, pull: bool) -> Self {
        Bases {
            store,
            fetch,
            pull,
            fetched: HashSet::new(),
        }
    }

    /// The image of that name for that platform. What `stages` are called is for suggestions.
    pub fn find(
        &mut self,
        name: &str,
        platform: &Platform,
        stages: &[Option<String>],
    ) -> Result<(Digest, ImageConfig), BuildError> {
        let reference = Reference::parse(name).map_err(|e| {
            BuildError::invalid(format!("failed to parse image name {name:?}: {e}"))
        })?;
        if self.pull {
            self.bring(&reference, platform)?;
        }
        match self.stored(name)? {
            Some((id, config)) if fits(&config, platform) => return Ok((id, config)),
            Some((_, config)) => self.bring(&reference, platform).map_err(|e| {
                let mut error = other_platform(name, &config, platform);
                error.message = format!("{}; {}", error.message, e.message);
                error
            })?,
            None => self.bring(&reference, platform).map_err(|e| {
                let message = format!("{name}: not found in the local store; {}", e.message);
                let error = BuildError { message, ..e };
                match nearest(name, self.store, stages) {
                    Some(n) => BuildError {
                        hint: Some(format!("did you mean {n}?")),
                        ..error
                    },
                    None => error.hint(format!(
                        "bring it in another way, e.g. `kiln import rootfs.tar {name}`"
                    )),
                }
            })?,
        }
        match self.stored(name)? {
            Some((id, config)) if fits(&config, platform) => Ok((id, config)),
            Some((_, config)) => Err(other_platform(name, &config, platform)),
            None => Err(
                BuildError::new(format!("{name}: not found in the local store"))
                    .of_kind(Kind::NotFound),
            ),
        }
    }

    /// Fetches an image, once a build.
    fn bring(&mut self, name: &Reference, platform: &Platform) -> Result<(), BuildError> {
        if self
            .fetched
            .insert((name.canonical(), platform.to_string()))
        {
            self.fetch.fetch(name, platform)?;
        }
        Ok(())
    }

    fn stored(&self, name: &str) -> Result<Option<(Digest, ImageConfig)>, BuildError> {
        let id = match self.store.resolve(name) {
            Ok(id) => id,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let record = self
            .store
            .image(&id)?
            .ok_or_else(|| BuildError::new(format!("{name}: its config is gone from the store")))?;
        Ok(Some((id, ImageConfig::from_json(&record.config_json)?)))
    }
}

fn other_platform(name: &str, config: &ImageConfig, platform: &Platform) -> BuildError {
    BuildError::new(format!(
        "{name} is for {}/{}, not for {platform}",
        config.os, config.architecture
    ))
    .hint("name the platform with --platform, or use an image that has it")
}

fn fits(config: &ImageConfig, platform: &Platform) -> bool {
    config.architecture == platform.architecture && config.os == platform.os
}

/// The stage or tag whose name is nearest, if any is near.
fn nearest(name: &str, store: &Store, stages: &[Option<String>]) -> Option<String> {
    let tags = store.tags().unwrap_or_default();
    // Where the tag is left out, latest is meant: it is no part of the likeness.
    let short = |r: &Reference| match r.tag() {
        Some("latest") if !name.contains(':') => r.familiar_name(),
        _ => r.familiar(),
    };
    let known = stages
        .iter()
        .flatten()
        .cloned()
        .chain(tags.iter().map(|(r, _)| short(r)));
    known
        .map(|k| (kiln_dockerfile::edit_distance(name, &k), k))
        .filter(|(d, k)| *d <= 2 && *d < k.len())
        .min()
        .map(|(_, k)| k)
}
