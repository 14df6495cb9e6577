//! Images out of the store: archives, trees.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use kiln_oci::archive::{ArchiveImage, ArchiveLayer, write_docker_archive, write_oci_archive};
use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply, write_dir};
use kiln_oci::{Digest, ImageConfig, Reference};
use kiln_store::{Store, StoreError};

use crate::BuildError;
use crate::images::find;

/// The forms of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// What every `docker load` takes.
    Docker,
    /// An OCI image layout in a tar.
    Oci,
}

/// Writes an archive with the named images. A name that is an id goes in without names.
pub fn save(
    store: &Store,
    names: &[String],
    format: Archive,
    out: impl Write,
) -> Result<(), BuildError> {
    let _hold = store.hold()?;
    let mut images: Vec<(Digest, Vec<u8>, ImageConfig, Vec<Reference>)> = Vec::new();
    for name in names {
        let (record, config) = find(store, name)?;
        let tags = store.tags_of(&record.id)?;
        let own = Reference::parse(name)
            .ok()
            .map(|r| r.with_default_tag())
            .filter(|r| tags.iter().any(|t| t.canonical() == r.canonical()));
        match images.iter_mut().find(|(id, ..)| *id == record.id) {
            Some((.., known)) => known.extend(own),
            None => images.push((
                record.id,
                record.config_json,
                config,
                own.into_iter().collect(),
            )),
        }
    }
    let list = images
        .iter()
        .map(|(_, json, config, tags)| {
            Ok(ArchiveImage {
                config_json: json,
                tags: tags.clone(),
                layers: archive_layers(store, &config.rootfs.diff_ids)?,
            })
        })
        .collect::<Result<Vec<_>, BuildError>>()?;
    match format {
        Archive::Docker => write_docker_archive(&list, out)?,
        Archive::Oci => write_oci_archive(&list, out)?,
    }
    Ok(())
}

pub(crate) fn archive_layers(
    store: &Store,
    ids: &[Digest],
) -> Result<Vec<ArchiveLayer>, BuildError> {
    ids.iter()
        .map(|id| {
            let layer = store
                .layer(id)?
                .ok_or_else(|| BuildError::new(format!("layer {id} is gone from the store")))?;
            Ok(ArchiveLayer {
                diff_id: *id,
                dir: store.layer_dir(id),
                tar_size: layer.tar_size,
                recipe: layer.recipe.then(|| store.recipe_path(id)),
            })
        })
        .collect()
}

/// Writes the file system of a container, or else of an image, as a tar.
pub fn export(store: &Store, name: &str, out: impl Write) -> Result<(), BuildError> {
    match store.find_container(name) {
        Ok(container) => crate::containers::export(store, &container, out),
        Err(StoreError::NoContainer { .. }) => export_image(store, name, out),
        Err(e) => Err(e.into()),
    }
}

/// Writes the merged file system of an image as a tar: its history and config stay behind.
pub fn export_image(store: &Store, name: &str, out: impl Write) -> Result<(), BuildError> {
    let _hold = store.hold()?;
    let (_, config) = find(store, name)?;
    export_tar(store, &config.rootfs.diff_ids, out)
}

/// Writes the merged file system as a tar.
pub fn export_tar(store: &Store, layers: &[Digest], out: impl Write) -> Result<(), BuildError> {
    let scratch = store.scratch()?;
    let view = kiln_build::view(store, layers, scratch.path())?;
    let root = view
        .open_dir(Path::new("."))
        .map_err(|e| BuildError::new(format!("opening the image's files: {e}")))?;
    write_dir(root.as_fd(), out)?;
    Ok(())
}

/// Writes the merged file system into a directory, which is made if absent.
pub fn export_dir(store: &Store, layers: &[Digest], dest: &Path) -> Result<(), BuildError> {
    let bad = |e: std::io::Error| BuildError::new(format!("{}: {e}", dest.display()));
    std::fs::create_dir_all(dest).map_err(bad)?;
    let dir = std::fs::File::open(dest).map_err(bad)?;
    let (reader, writer) = std::io::pipe().map_err(bad)?;
    std::thread::scope(|s| {
        let producer = s.spawn(move || export_tar(store, layers, writer));
        let options = ApplyOptions {
            whiteouts: Whiteouts::Literal,
            limits: Limits::default(),
            ids: Ids::Keep,
        };
        let applied = apply(reader, dir.as_fd(), &options);
        let produced = producer
            .join()
            .map_err(|_| BuildError::new("exporting the files failed"))?;
        applied?;
        produced
    })
}
