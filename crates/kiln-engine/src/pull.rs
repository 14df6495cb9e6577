//! `pull`, and base images of builds.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use kiln_build::{BuildError, Event, Fetch, Progress};
use kiln_oci::manifest::{Descriptor, Document, Manifest};
use kiln_oci::{Digest, ImageConfig, Platform, Reference};
use kiln_registry::{Access, Fetched, RegistryError, Repository, Target};
use kiln_store::{Blob as KnownBlob, Store};

use crate::layers::receive;
use crate::parallel::work_off;
use crate::registry::{Registries, Transfer, failed};

/// How many layers come at once.
const AT_ONCE: usize = 4;
/// How often a layer is begun anew.
const AGAIN: usize = 2;
/// The largest config that is read: 8 MiB.
const MAX_CONFIG: u64 = 8 << 20;

/// An image that was pulled.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// Its id.
    pub id: Digest,
    /// The digest of what the name stands for: a manifest or an index.
    pub digest: Digest,
    /// The store didn't have it, or under another name.
    pub new: bool,
}

/// Pulls what a name stands for and gives it that name.
pub fn pull(
    store: &Store,
    registries: &Registries,
    name: &Reference,
    platform: &Platform,
    transfer: &dyn Transfer,
) -> Result<Pulled, BuildError> {
    inner(store, registries, name, platform, transfer).map_err(|e| crate::full_disk_hint(store, e))
}

/// The tags of a repository, for `pull --all-tags`.
pub fn tags(registries: &Registries, name: &Reference) -> Result<Vec<String>, BuildError> {
    let repository = registries.client()?.repository(name, Access::Pull);
    repository.tags().map_err(failed)
}

fn inner(
    store: &Store,
    registries: &Registries,
    name: &Reference,
    platform: &Platform,
    transfer: &dyn Transfer,
) -> Result<Pulled, BuildError> {
    let repository = registries.client()?.repository(name, Access::Pull);
    let top = repository.manifest(repository.target()).map_err(failed)?;
    let digest = top.digest;
    let (fetched, manifest) = of_platform(&repository, top, platform, name)?;
    let _hold = store.hold()?;
    // Whoever pulls the same image at the same time waits, and then has it.
    let _single = store.lock_key(&format!("pull-{}", fetched.digest.hex()))?;
    let names: Vec<Reference> = match name.digest() {
        Some(_) => Vec::new(),
        None => vec![name.clone().with_default_tag()],
    };
    let known = store.resolve(&format!("{}@{}", name.familiar_name(), fetched.digest));
    if let Ok(id) = known
        && let Some(image) = store.image(&id)?
        && complete(store, &image.config_json)?
    {
        let (id, new) = store.image_put_named(&image.config_json, Some(&fetched.bytes), &names)?;
        store.repo_digest_put(&name.at_digest(&digest), &id)?;
        if new {
            store.sync()?;
        }
        return Ok(Pulled { id, digest, new });
    }
    let config_json = config_of(&repository, &manifest)?;
    let config = ImageConfig::from_json(&config_json)?;
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return Err(BuildError::new(format!(
            "{name}: its manifest has {} layers, its config {}",
            manifest.layers.len(),
            config.rootfs.diff_ids.len()
        )));
    }
    if config.os != platform.os || config.architecture != platform.architecture {
        transfer.line(&format!(
            "WARNING: {name} is for {}/{}, not for {platform}",
            config.os, config.architecture
        ));
    }
    let layers: Vec<(&Digest, &Descriptor)> = config
        .rootfs
        .diff_ids
        .iter()
        .zip(&manifest.layers)
        .collect();
    fetch_layers(store, &repository, name, &layers, transfer)?;
    let (id, _) = store.image_put_named(&config_json, Some(&fetched.bytes), &names)?;
    store.repo_digest_put(&name.at_digest(&digest), &id)?;
    store.blob_home_put(&manifest.config.digest, name.registry(), name.repository())?;
    store.sync()?;
    Ok(Pulled {
        id,
        digest,
        new: true,
    })
}

/// The manifest itself, or that of an index for the platform.
pub(crate) fn of_platform(
    repository: &Repository,
    top: Fetched,
    platform: &Platform,
    name: &Reference,
) -> Result<(Fetched, Manifest), BuildError> {
    let fetched = match &top.document {
        Document::Manifest(_) => top,
        Document::Index(index) => {
            let chosen = index
                .select(platform)
                .map_err(|e| BuildError::caused(name, &e))?;
            repository
                .manifest(&Target::Digest(chosen.digest))
                .map_err(failed)?
        }
    };
    match &fetched.document {
        Document::Manifest(manifest) if manifest.is_image() => {
            let manifest = manifest.clone();
            Ok((fetched, manifest))
        }
        _ => Err(BuildError::new(format!(
            "{name}: {} is no image",
            fetched.digest
        ))),
    }
}

pub(crate) fn config_of(
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Vec<u8>, BuildError> {
    let descriptor = &manifest.config;
    if descriptor.size > MAX_CONFIG {
        return Err(BuildError::new(format!(
            "config {}: {} bytes are more than a config may have",
            descriptor.digest, descriptor.size
        )));
    }
    let mut bytes = Vec::new();
    repository
        .blob(descriptor)
        .map_err(failed)?
        .read_to_end(&mut bytes)
        .map_err(|e| BuildError::new(e.to_string()))?;
    Ok(bytes)
}

/// Whether all layers of an image are there.
fn complete(store: &Store, config_json: &[u8]) -> Result<bool, BuildError> {
    for layer in &ImageConfig::from_json(config_json)?.rootfs.diff_ids {
        if store.layer(layer)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn fetch_layers(
    store: &Store,
    repository: &Repository,
    name: &Reference,
    layers: &[(&Digest, &Descriptor)],
    transfer: &dyn Transfer,
) -> Result<(), BuildError> {
    let next = AtomicUsize::new(0);
    work_off(
        AT_ONCE.min(layers.len()),
        |_| layers.get(next.fetch_add(1, Ordering::Relaxed)),
        |(diff_id, blob)| fetch_layer(store, repository, name, diff_id, blob, transfer),
    )
}

fn fetch_layer(
    store: &Store,
    repository: &Repository,
    name: &Reference,
    diff_id: &Digest,
    blob: &Descriptor,
    transfer: &dyn Transfer,
) -> Result<(), BuildError> {
    let part = blob.digest.short();
    transfer.begin(&part, "Pulling", Some(blob.size));
    let source = format!("pulling {} of {}", blob.digest, name.familiar_name());
    let again = AtomicBool::new(false);
    let attempt = || {
        receive(store, &source, diff_id, blob.size, || {
            let inner = repository.blob(blob).map_err(failed)?;
            Ok(Box::new(Counted {
                inner,
                transfer,
                part: part.clone(),
                again: &again,
            }))
        })
    };
    let mut fetched = attempt();
    // What was unpacked is thrown away. A mirror that lied is not asked again.
    for _ in 0..AGAIN {
        if fetched.is_ok() || !again.swap(false, Ordering::Relaxed) {
            break;
        }
        fetched = attempt();
    }
    let fetched = fetched?;
    store.blob_put(
        diff_id,
        &KnownBlob {
            digest: blob.digest,
            size: blob.size,
            media_type: blob.media_type.clone(),
        },
    )?;
    store.blob_home_put(&blob.digest, name.registry(), name.repository())?;
    let how = if fetched {
        "Pull complete"
    } else {
        "Already exists"
    };
    transfer.end(&part, how);
    Ok(())
}

/// Tells how far it is.
struct Counted<'t, R> {
    inner: R,
    transfer: &'t dyn Transfer,
    part: String,
    /// Set where it may go better next time.
    again: &'t AtomicBool,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer).inspect_err(|e| {
            let passing = RegistryError::of(e).is_some_and(RegistryError::retryable);
            self.again.fetch_or(passing, Ordering::Relaxed);
        })?;
        self.transfer.bytes(&self.part, n as u64);
        Ok(n)
    }
}

/// Fetches the base images of a build.
pub struct BaseImages<'a> {
    /// Where they go.
    pub store: &'a Store,
    /// Where they come from.
    pub registries: &'a Registries,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

impl Fetch for BaseImages<'_> {
    fn fetch(&self, name: &Reference, platform: &Platform) -> Result<(), BuildError> {
        let began = Instant::now();
        // Steps count from 1; fetching comes before all of them, one image at a time.
        let id = 0;
        self.progress.event(Event::Started {
            id,
            name: format!("[internal] pull {}", name.clone().with_default_tag()),
        });
        let shown = Shown(self.progress);
        let done = pull(self.store, self.registries, name, platform, &shown);
        self.progress.event(match &done {
            Ok(_) => Event::Done {
                id,
                cached: false,
                took: began.elapsed(),
            },
            Err(e) => Event::Failed {
                id,
                message: e.message.clone(),
            },
        });
        done.map(|_| ())
    }
}

/// Shows layers as the output of the fetching step.
struct Shown<'a>(&'a dyn Progress);

impl Transfer for Shown<'_> {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) {}

    fn bytes(&self, _: &str, _: u64) {}

    fn end(&self, part: &str, how: &str) {
        self.line(&format!("{part}: {how}"));
    }

    fn line(&self, text: &str) {
        self.0.event(Event::Output {
            id: 0,
            stderr: false,
            data: format!("{text}\n").into_bytes(),
        });
    }
}
