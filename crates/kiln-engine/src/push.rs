//! `push`: an image to a registry, of whose blobs only those go that it hasn't got.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_build::BuildError;
use kiln_oci::archive::ArchiveLayer;
use kiln_oci::layer::Packer;
use kiln_oci::manifest::{
    Descriptor, Document, Format, LayerCompression, Manifest, layer_compression, parse,
};
use kiln_oci::{Digest, ImageConfig, Reference};
use kiln_registry::{Access, RegistryError, Repository, Target};
use kiln_store::{Blob as KnownBlob, ImageRecord, Store};

use crate::images::find;
use crate::parallel::{lock, work_off};
use crate::registry::{Registries, Transfer, failed};
use crate::save::archive_layers;
use crate::stream::Ahead;

/// How many layers go at once.
const AT_ONCE: usize = 8;
/// How many of them are large: each compresses on all cores, and takes some memory for that.
const LARGE_AT_ONCE: usize = 2;
/// Layers up to this size are compressed before they are sent: with the digest known that takes a
/// request less.
const SMALL: u64 = 1 << 20;
/// How often a blob is sent anew when the connection breaks.
const TRIES: u32 = 5;

/// How layers are compressed that have to be.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    /// The codec.
    pub compression: LayerCompression,
    /// Its level, a fast one by default.
    pub level: Option<i32>,
}

impl Default for Packing {
    fn default() -> Packing {
        Packing {
            compression: LayerCompression::Gzip,
            level: None,
        }
    }
}

/// An image that was pushed.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// What points to its manifest.
    pub manifest: Descriptor,
}

/// What the threads of a push share.
struct Push<'a> {
    store: &'a Store,
    repository: Repository,
    name: &'a Reference,
    packing: Packing,
    transfer: &'a dyn Transfer,
    /// The layers as the manifest names them that the image was pulled with.
    pulled: Option<Manifest>,
}

/// Pushes the image of that name under that name.
pub fn push(
    store: &Store,
    registries: &Registries,
    name: &Reference,
    packing: Packing,
    transfer: &dyn Transfer,
) -> Result<Pushed, BuildError> {
    let name = name.clone().with_default_tag();
    let (record, config) = find(store, &name.familiar())?;
    let target = name.tag().map(|tag| Target::Tag(tag.to_owned()));
    push_as(
        store, registries, &name, &record, &config, target, packing, transfer,
    )
}

/// Pushes an image into the repository of `name`: under a target, or its manifest's digest.
#[allow(clippy::too_many_arguments)]
pub(crate) fn push_as(
    store: &Store,
    registries: &Registries,
    name: &Reference,
    record: &ImageRecord,
    config: &ImageConfig,
    target: Option<Target>,
    packing: Packing,
    transfer: &dyn Transfer,
) -> Result<Pushed, BuildError> {
    let _hold = store.hold()?;
    let pulled = match record.manifest.as_deref().map(|m| parse(m, None)) {
        Some(Ok(Document::Manifest(manifest))) => Some(manifest),
        _ => None,
    };
    let push = Push {
        store,
        repository: registries.client()?.repository(name, Access::Push),
        name,
        packing,
        transfer,
        pulled,
    };
    let layers = push.layers(&archive_layers(store, &config.rootfs.diff_ids)?)?;
    let (manifest, media_type) = push.manifest(record, layers);
    push.config(&record.config_json)?;
    let digest = Digest::of(&manifest);
    let target = target.unwrap_or(Target::Digest(digest));
    push.repository
        .put_manifest(&target, media_type, &manifest)
        .map_err(failed)?;
    store.repo_digest_put(&name.at_digest(&digest), &record.id)?;
    Ok(Pushed {
        manifest: Descriptor::new(media_type, digest, manifest.len() as u64),
    })
}

impl Push<'_> {
    /// All layers, several at once; one that the image has twice goes once.
    fn layers(&self, layers: &[ArchiveLayer]) -> Result<Vec<Descriptor>, BuildError> {
        let mut first: HashMap<Digest, usize> = HashMap::new();
        for (at, layer) in layers.iter().enumerate() {
            first.entry(layer.diff_id).or_insert(at);
        }
        let small = |at: &usize| layers[*at].tar_size <= SMALL;
        let (small, large): (Vec<usize>, Vec<usize>) = first.values().partition(|at| small(at));
        let (small, large) = (Mutex::new(small), Mutex::new(large));
        let done: Mutex<HashMap<Digest, Descriptor>> = Mutex::default();
        work_off(
            AT_ONCE.min(first.len()),
            |thread| {
                let of_large = (thread < LARGE_AT_ONCE).then(|| lock(&large).pop());
                of_large.flatten().or_else(|| lock(&small).pop())
            },
            |at| {
                let descriptor = self.layer(&layers[at], at)?;
                lock(&done).insert(layers[at].diff_id, descriptor);
                Ok(())
            },
        )?;
        let done = lock(&done);
        let of = |layer: &ArchiveLayer| done.get(&layer.diff_id).cloned();
        Ok(layers.iter().filter_map(of).collect())
    }

    fn layer(&self, layer: &ArchiveLayer, at: usize) -> Result<Descriptor, BuildError> {
        let part = layer.diff_id.short();
        self.transfer
            .begin(&part, "Preparing", Some(layer.tar_size));
        let (descriptor, how) = match self.there_already(layer, at)? {
            Some(found) => found,
            None => (self.upload(layer, &part)?, "Pushed".to_owned()),
        };
        self.store.blob_home_put(
            &descriptor.digest,
            self.name.registry(),
            self.name.repository(),
        )?;
        self.transfer.end(&part, &how);
        Ok(descriptor)
    }

    /// A blob of the layer that the repository has, or can have from another one of the registry.
    fn there_already(
        &self,
        layer: &ArchiveLayer,
        at: usize,
    ) -> Result<Option<(Descriptor, String)>, BuildError> {
        let known = self.candidates(layer, at)?;
        for blob in &known {
            if self.repository.has_blob(&blob.digest).map_err(failed)? == Some(blob.size) {
                return Ok(Some((blob.clone(), "Layer already exists".to_owned())));
            }
        }
        for blob in &known {
            if let Some(from) = self.mounted(&blob.digest)? {
                return Ok(Some((blob.clone(), format!("Mounted from {from}"))));
            }
        }
        Ok(None)
    }

    /// The blobs that the layer is known to be: first that of the manifest it came with, then
    /// those of the compression that was asked for.
    fn candidates(&self, layer: &ArchiveLayer, at: usize) -> Result<Vec<Descriptor>, BuildError> {
        let mut out = Vec::new();
        out.extend(self.pulled.as_ref().and_then(|m| m.layers.get(at)).cloned());
        for blob in self.store.blobs_of(&layer.diff_id)? {
            if layer_compression(&blob.media_type) == Some(self.packing.compression) {
                out.push(Descriptor::new(blob.media_type, blob.digest, blob.size));
            }
        }
        Ok(out)
    }

    /// Compresses and sends a layer; nothing is kept but the knowledge of what came out.
    fn upload(&self, layer: &ArchiveLayer, part: &str) -> Result<Descriptor, BuildError> {
        let compression = self.packing.compression;
        let (digest, size) = if layer.tar_size <= SMALL {
            self.upload_small(layer, part)?
        } else {
            self.upload_large(layer, part)?
        };
        let media_type = Format::Oci.layer(compression).to_owned();
        self.store.blob_put(
            &layer.diff_id,
            &KnownBlob {
                digest,
                size,
                media_type: media_type.clone(),
            },
        )?;
        Ok(Descriptor::new(media_type, digest, size))
    }

    fn upload_small(&self, layer: &ArchiveLayer, part: &str) -> Result<(Digest, u64), BuildError> {
        let Packing { compression, level } = self.packing;
        let broken = |e: &io::Error| BuildError::caused(format_args!("layer {}", layer.diff_id), e);
        let mut packer = Packer::new(compression, level, Vec::new()).map_err(|e| broken(&e))?;
        layer.write_tar(&mut packer)?;
        let blob = packer.finish().map_err(|e| broken(&e))?;
        let (digest, size) = (Digest::of(&blob), blob.len() as u64);
        self.retried(|| {
            self.repository
                .upload(&digest, size, &mut &blob[..], &|_| {})
        })?;
        self.transfer.bytes(part, size);
        Ok((digest, size))
    }

    fn upload_large(&self, layer: &ArchiveLayer, part: &str) -> Result<(Digest, u64), BuildError> {
        let Packing { compression, level } = self.packing;
        self.retried(|| {
            std::thread::scope(|s| {
                let mut body = Ahead::writing(s, |out| {
                    let mut packer = Packer::new(compression, level, out)?;
                    layer.write_tar(&mut packer).map_err(io::Error::other)?;
                    packer.finish().map(|_| ())
                });
                let sent = AtomicU64::new(0);
                self.repository.upload_stream(&mut body, &|total| {
                    let before = sent.swap(total, Ordering::Relaxed);
                    self.transfer.bytes(part, total.saturating_sub(before));
                })
            })
        })
    }

    fn retried<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, RegistryError>,
    ) -> Result<T, BuildError> {
        let mut tries = 1;
        loop {
            match attempt() {
                Err(e) if e.retryable() && tries < TRIES => {
                    let pause = std::time::Duration::from_millis(250 << tries);
                    std::thread::sleep(e.retry_after().unwrap_or(pause));
                    tries += 1;
                }
                other => return other.map_err(failed),
            }
        }
    }

    fn config(&self, config: &[u8]) -> Result<(), BuildError> {
        let digest = Digest::of(config);
        if self.repository.has_blob(&digest).map_err(failed)?.is_none()
            && self.mounted(&digest)?.is_none()
        {
            self.retried(|| {
                self.repository
                    .upload(&digest, config.len() as u64, &mut &config[..], &|_| {})
            })?;
        }
        let name = self.name;
        self.store
            .blob_home_put(&digest, name.registry(), name.repository())?;
        Ok(())
    }

    /// Takes a blob over from another repository of the registry that is known to have it.
    fn mounted(&self, digest: &Digest) -> Result<Option<String>, BuildError> {
        for from in self.store.blob_homes(digest, self.name.registry())? {
            if from != self.name.repository()
                && self.repository.mount(digest, &from).map_err(failed)?
            {
                return Ok(Some(from));
            }
        }
        Ok(None)
    }

    /// The manifest it was pulled with, byte for byte, if it still says what was pushed; else a
    /// new one.
    fn manifest(&self, record: &ImageRecord, layers: Vec<Descriptor>) -> (Vec<u8>, &'static str) {
        if let (Some(pulled), Some(bytes)) = (&self.pulled, &record.manifest) {
            let same = |a: &Descriptor, b: &Descriptor| a.digest == b.digest && a.size == b.size;
            let mut pairs = pulled.layers.iter().zip(&layers);
            if pulled.layers.len() == layers.len()
                && pulled.config.digest == record.id
                && pairs.all(|(a, b)| same(a, b))
            {
                return (bytes.clone(), pulled.media_type());
            }
        }
        // Types of one family: what a layer was called when it was pulled may be Docker's.
        let layers = layers.into_iter().map(|layer| {
            let compression = layer_compression(&layer.media_type);
            let media_type = compression.map_or(layer.media_type, |c| Format::Oci.layer(c).into());
            Descriptor::new(media_type, layer.digest, layer.size)
        });
        let config = Descriptor::new(
            Format::Oci.config(),
            record.id,
            record.config_json.len() as u64,
        );
        let manifest = Manifest::new(Format::Oci, config, layers.collect());
        (manifest.to_json(), manifest.media_type())
    }
}
