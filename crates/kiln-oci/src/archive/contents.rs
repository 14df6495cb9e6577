//! Which images an archive holds.

use std::collections::HashMap;

use serde::Deserialize;

use super::Members;
use crate::manifest::{Descriptor, Document, parse};
use crate::{Digest, ImageConfig, OciError, Platform};

/// The largest config that is read: 8 MiB.
const MAX_CONFIG: u64 = 8 << 20;
/// The largest manifest that is read: 4 MiB.
const MAX_MANIFEST: u64 = 4 << 20;
/// The largest configs and manifests together: 16 MiB.
const MAX_CONFIGS: usize = 16 << 20;
/// How deep indexes may lie in indexes.
const MAX_DEPTH: usize = 4;

/// An image of an archive.
#[derive(Debug)]
pub struct StoredImage {
    /// Its config, byte for byte.
    pub config_json: Vec<u8>,
    /// The config, read.
    pub config: ImageConfig,
    /// Its names.
    pub names: Vec<String>,
    /// Its layers, bottom first, as many as the config has.
    pub layers: Vec<StoredLayer>,
    /// Its manifest, byte for byte, where the archive has one.
    pub manifest: Option<Vec<u8>>,
}

/// A layer of it.
#[derive(Debug)]
pub struct StoredLayer {
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The file in the archive.
    pub member: String,
    /// What the file must be, where the archive says.
    pub descriptor: Option<Descriptor>,
}

/// A member of docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn bad(what: &str, why: impl std::fmt::Display) -> OciError {
    OciError::Archive(format!("{what}: {why}"))
}

fn required(members: &Members, name: &str, most: u64) -> Result<Vec<u8>, OciError> {
    members
        .read(name, most)?
        .ok_or_else(|| bad(name, "the archive doesn't have this file"))
}

/// The images of an archive: of several platforms only that for `platform`.
pub fn contents(members: &Members, platform: &Platform) -> Result<Vec<StoredImage>, OciError> {
    // Archives of docker 25 and later are both; the docker half has the names as people use them.
    if let Some(json) = members.read("manifest.json", MAX_MANIFEST)? {
        let list: Vec<DockerManifest> =
            serde_json::from_slice(&json).map_err(|e| bad("manifest.json", e))?;
        let mut images = Images::default();
        for manifest in list {
            let key = format!("{}\n{}", manifest.config, manifest.layers.join("\n"));
            let names = manifest.repo_tags.clone().unwrap_or_default();
            images.add(key, names, || docker_image(members, manifest))?;
        }
        return Ok(images.list);
    }
    let Some(json) = members.read("index.json", MAX_MANIFEST)? else {
        return Err(OciError::Archive(
            "neither a docker-archive (it has no manifest.json) nor an OCI layout (no index.json)"
                .to_owned(),
        ));
    };
    let Document::Index(index) = parse(&json, None).map_err(|e| bad("index.json", e))? else {
        return Err(bad("index.json", "it is no index"));
    };
    let mut images = Images::default();
    for descriptor in &index.manifests {
        let key = descriptor.digest.to_string();
        images.add(key, names(descriptor), || {
            oci_image(members, descriptor, platform, 0)
        })?;
    }
    Ok(images.list)
}

/// The images found so far.
#[derive(Default)]
struct Images {
    list: Vec<StoredImage>,
    known: HashMap<String, usize>,
    bytes: usize,
}

impl Images {
    /// Adds what `read` gives, unless `key` says that it was read before: the same image under
    /// several names may be there several times.
    fn add(
        &mut self,
        key: String,
        names: Vec<String>,
        read: impl FnOnce() -> Result<StoredImage, OciError>,
    ) -> Result<(), OciError> {
        if let Some(&at) = self.known.get(&key) {
            self.list[at].names.extend(names);
            return Ok(());
        }
        let image = read()?;
        self.bytes += image.config_json.len() + image.manifest.as_ref().map_or(0, Vec::len);
        if self.bytes > MAX_CONFIGS {
            return Err(OciError::Limit(format!(
                "its configs are larger than {MAX_CONFIGS} bytes"
            )));
        }
        self.known.insert(key, self.list.len());
        self.list.push(image);
        Ok(())
    }
}

fn docker_image(members: &Members, manifest: DockerManifest) -> Result<StoredImage, OciError> {
    let config_json = required(members, &manifest.config, MAX_CONFIG)?;
    let config = ImageConfig::from_json(&config_json).map_err(|e| bad(&manifest.config, e))?;
    let expected = config.rootfs.diff_ids.len();
    if manifest.layers.len() != expected {
        let found = manifest.layers.len();
        return Err(bad(
            "manifest.json",
            format!("it names {found} layers, the config {expected}"),
        ));
    }
    let layers = config.rootfs.diff_ids.iter().zip(manifest.layers);
    Ok(StoredImage {
        layers: layers
            .map(|(diff_id, member)| StoredLayer {
                diff_id: *diff_id,
                member,
                descriptor: None,
            })
            .collect(),
        names: manifest.repo_tags.unwrap_or_default(),
        config_json,
        config,
        manifest: None,
    })
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A small blob, checked.
fn blob(members: &Members, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>, OciError> {
    let name = blob_name(&descriptor.digest);
    let bytes = required(members, &name, most)?;
    if Digest::of(&bytes) != descriptor.digest || bytes.len() as u64 != descriptor.size {
        return Err(bad(&name, "its content is not what its name and size say"));
    }
    Ok(bytes)
}

/// Names in the annotations of an index: containerd's whole one, or OCI's, where it is one.
fn names(descriptor: &Descriptor) -> Vec<String> {
    let annotation = |key: &str| descriptor.annotations.get(key).cloned();
    annotation("io.containerd.image.name")
        .or_else(|| {
            let name = annotation("org.opencontainers.image.ref.name")?;
            // Docker and others put the tag alone here.
            (name.contains('/') || name.contains(':')).then_some(name)
        })
        .into_iter()
        .collect()
}

fn oci_image(
    members: &Members,
    descriptor: &Descriptor,
    platform: &Platform,
    depth: usize,
) -> Result<StoredImage, OciError> {
    let name = blob_name(&descriptor.digest);
    if depth > MAX_DEPTH {
        return Err(bad(&name, "indexes lie in indexes without end"));
    }
    let json = blob(members, descriptor, MAX_MANIFEST)?;
    let manifest = match parse(&json, Some(&descriptor.media_type)).map_err(|e| bad(&name, e))? {
        Document::Index(index) => {
            let inner = index.select(platform).map_err(|e| bad(&name, e))?;
            let mut image = oci_image(members, inner, platform, depth + 1)?;
            image.names = names(descriptor);
            return Ok(image);
        }
        Document::Manifest(manifest) => manifest,
    };
    let config_json = blob(members, &manifest.config, MAX_CONFIG)?;
    let config = ImageConfig::from_json(&config_json)
        .map_err(|e| bad(&blob_name(&manifest.config.digest), e))?;
    if manifest.layers.len() != config.rootfs.diff_ids.len() {
        return Err(bad(
            &name,
            "manifest and config differ in their number of layers",
        ));
    }
    let layers = config.rootfs.diff_ids.iter().zip(manifest.layers);
    Ok(StoredImage {
        layers: layers
            .map(|(diff_id, layer)| StoredLayer {
                diff_id: *diff_id,
                member: blob_name(&layer.digest),
                descriptor: Some(layer),
            })
            .collect(),
        names: names(descriptor),
        config_json,
        config,
        manifest: Some(json),
    })
}
