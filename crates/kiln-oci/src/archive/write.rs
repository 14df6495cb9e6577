//! Writes archives, streaming: nothing is kept but what is being read.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tar::{Builder, EntryType, Header};

use crate::layer::{replay, write_dir};
use crate::manifest::{Descriptor, Format, Index, LayerCompression, Manifest as OciManifest};
use crate::{Digest, OciError, Reference};

/// One image to be written.
pub struct ArchiveImage<'a> {
    /// Its config, byte for byte.
    pub config_json: &'a [u8],
    /// The names that go along.
    pub tags: Vec<Reference>,
    /// Its layers, bottom first.
    pub layers: Vec<ArchiveLayer>,
}

/// A layer of it.
pub struct ArchiveLayer {
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The directory it is made of.
    pub dir: PathBuf,
    /// The bytes of its tar, which must be known before it is written.
    pub tar_size: u64,
    /// The recipe of its tar, where it came from elsewhere.
    pub recipe: Option<PathBuf>,
}

impl ArchiveLayer {
    /// Writes its tar, and checks that it is what it was.
    pub fn write_tar(&self, out: impl Write) -> Result<(), OciError> {
        let open = |path: &Path| {
            File::open(path).map_err(OciError::io(format!("opening {}", path.display())))
        };
        let dir = open(&self.dir)?;
        let written = match &self.recipe {
            Some(recipe) => replay(open(recipe)?, dir.as_fd(), out)?,
            None => write_dir(dir.as_fd(), out)?,
        };
        if written.diff_id == self.diff_id && written.tar_size == self.tar_size {
            return Ok(());
        }
        Err(OciError::Damaged {
            expected: self.diff_id,
            found: written.diff_id,
        })
    }
}

/// A member of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Writes the images to one archive. What tells of them comes first, so that a reader need not
/// keep the layers; a layer that several images have is written once.
pub fn write_docker_archive(images: &[ArchiveImage<'_>], out: impl Write) -> Result<(), OciError> {
    let mut tar = Builder::new(out);
    let manifests: Vec<Manifest> = images.iter().map(manifest).collect();
    let json = serde_json::to_vec(&manifests).map_err(io::Error::from);
    member(
        &mut tar,
        "manifest.json",
        &json.map_err(OciError::io("writing the archive"))?,
    )?;
    let mut written: Vec<String> = Vec::new();
    let mut new = |name: &String| {
        let fresh = !written.contains(name);
        if fresh {
            written.push(name.clone());
        }
        fresh
    };
    for (image, manifest) in images.iter().zip(&manifests) {
        if new(&manifest.config) {
            member(&mut tar, &manifest.config, image.config_json)?;
        }
    }
    for (image, manifest) in images.iter().zip(&manifests) {
        for (layer, name) in image.layers.iter().zip(&manifest.layers) {
            if new(name) {
                write_layer(&mut tar, name, layer)?;
            }
        }
    }
    let mut out = tar
        .into_inner()
        .map_err(OciError::io("writing the archive"))?;
    out.flush().map_err(OciError::io("writing the archive"))
}

fn manifest(image: &ArchiveImage<'_>) -> Manifest {
    let tags: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
    Manifest {
        config: format!("{}.json", Digest::of(image.config_json).hex()),
        repo_tags: (!tags.is_empty()).then_some(tags),
        layers: image
            .layers
            .iter()
            .map(|l| format!("{}.tar", l.diff_id.hex()))
            .collect(),
    }
}

/// Writes the images as an OCI image layout in one tar, their layers uncompressed.
pub fn write_oci_archive(images: &[ArchiveImage<'_>], out: impl Write) -> Result<(), OciError> {
    let mut tar = Builder::new(out);
    let mut written: HashSet<Digest> = HashSet::new();
    let mut entries = Vec::new();
    let mut documents = Vec::new();
    for image in images {
        let manifest = oci_manifest(image).to_json();
        let descriptor = Descriptor::new(
            Format::Oci.manifest(),
            Digest::of(&manifest),
            manifest.len() as u64,
        );
        entries.extend(named(&descriptor, &image.tags));
        documents.push(manifest);
    }
    let index = Index::new(Format::Oci, entries).to_json();
    member(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    member(&mut tar, "index.json", &index)?;
    for (image, manifest) in images.iter().zip(&documents) {
        for document in [manifest.as_slice(), image.config_json] {
            let digest = Digest::of(document);
            if written.insert(digest) {
                member(&mut tar, &blob_name(&digest), document)?;
            }
        }
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        if written.insert(layer.diff_id) {
            write_layer(&mut tar, &blob_name(&layer.diff_id), layer)?;
        }
    }
    let mut out = tar
        .into_inner()
        .map_err(OciError::io("writing the archive"))?;
    out.flush().map_err(OciError::io("writing the archive"))
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn oci_manifest(image: &ArchiveImage<'_>) -> OciManifest {
    let config = Descriptor::new(
        Format::Oci.config(),
        Digest::of(image.config_json),
        image.config_json.len() as u64,
    );
    let media_type = Format::Oci.layer(LayerCompression::None);
    let layers = image.layers.iter();
    let layers = layers.map(|l| Descriptor::new(media_type, l.diff_id, l.tar_size));
    OciManifest::new(Format::Oci, config, layers.collect())
}

/// An entry of the index for each name, annotated as containerd, docker and podman read it.
fn named(descriptor: &Descriptor, tags: &[Reference]) -> Vec<Descriptor> {
    if tags.is_empty() {
        return vec![descriptor.clone()];
    }
    let annotated = |tag: &Reference| {
        let mut entry = descriptor.clone();
        let mut note = |key: &str, value: String| entry.annotations.insert(key.to_owned(), value);
        note("io.containerd.image.name", tag.canonical());
        note("org.opencontainers.image.ref.name", tag.canonical());
        entry
    };
    tags.iter().map(annotated).collect()
}

/// The same header whenever it is written.
fn header(name: &str, size: u64) -> Result<Header, OciError> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
        .set_path(name)
        .map_err(OciError::io(format!("writing {name}")))?;
    header.set_cksum();
    Ok(header)
}

fn member(tar: &mut Builder<impl Write>, name: &str, data: &[u8]) -> Result<(), OciError> {
    let header = header(name, data.len() as u64)?;
    tar.append(&header, data)
        .map_err(OciError::io(format!("writing {name}")))
}

fn write_layer(
    tar: &mut Builder<impl Write>,
    name: &str,
    layer: &ArchiveLayer,
) -> Result<(), OciError> {
    let out = tar.get_mut();
    out.write_all(header(name, layer.tar_size)?.as_bytes())
        .map_err(OciError::io(format!("writing {name}")))?;
    layer.write_tar(&mut *out)?;
    // Most tars are whole blocks already.
    let padding = (512 - layer.tar_size % 512) % 512;
    out.write_all(&[0; 512][..padding as usize])
        .map_err(OciError::io(format!("writing {name}")))
}
