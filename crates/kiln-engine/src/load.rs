//! `load`: images out of an archive into the store.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use kiln_oci::archive::{Members, StoredImage, StoredLayer, contents};
use kiln_oci::layer::{decompress_bounded, looks_like_tar};
use kiln_oci::{Digest, Platform, Reference};
use kiln_store::Store;

use crate::BuildError;
use crate::layers::{ALWAYS, Checked, RATIO, receive};

/// What an archive may spool to at the most: 1 TiB.
const MAX_SPOOL: u64 = 1 << 40;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// The names it has now.
    pub names: Vec<Reference>,
}

/// Loads a file or an OCI layout directory.
pub fn load_path(
    store: &Store,
    path: &Path,
    platform: &Platform,
) -> Result<Vec<Loaded>, BuildError> {
    let failed = |e: std::io::Error| BuildError::caused(path.display(), &e);
    if path.is_dir() {
        return load(store, &Members::of_dir(path)?, platform);
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(512)
        .read_to_end(&mut head)
        .map_err(failed)?;
    // A plain tar in a real file is read where it lies.
    let plain = looks_like_tar(&head) && file.metadata().map_err(failed)?.is_file();
    if plain {
        return load(store, &Members::of_file(file)?, platform);
    }
    let whole = BufReader::new(std::io::Cursor::new(head).chain(file));
    load_stream(store, Box::new(whole), platform)
}

/// Loads what can be read once only: a pipe, or something compressed.
pub fn load_stream<'r>(
    store: &Store,
    input: Box<dyn BufRead + 'r>,
    platform: &Platform,
) -> Result<Vec<Loaded>, BuildError> {
    let scratch = store.scratch()?;
    let tar = decompress_bounded(input, ALWAYS, RATIO)
        .map_err(|e| BuildError::caused("reading the archive", &e))?;
    let members = Members::of_stream(tar, scratch.path(), MAX_SPOOL)
        .map_err(|e| crate::full_disk_hint(store, e.into()))?;
    load(store, &members, platform)
}

fn load(store: &Store, members: &Members, platform: &Platform) -> Result<Vec<Loaded>, BuildError> {
    let _hold = store.hold()?;
    let images = contents(members, platform)?;
    if images.is_empty() {
        return Err(BuildError::new("the archive holds no image"));
    }
    let mut ready = Vec::new();
    for image in images {
        let image = prepare(store, members, image).map_err(|e| crate::full_disk_hint(store, e))?;
        ready.push(image);
    }
    // All or none: only now it is certain that all are good.
    let mut loaded = Vec::new();
    for (image, names) in ready {
        let manifest = image.manifest.as_deref();
        let (id, _) = store.image_put_named(&image.config_json, manifest, &names)?;
        loaded.push(Loaded { id, names });
    }
    store.sync()?;
    Ok(loaded)
}

/// Takes in the layers of an image, and reads its names.
fn prepare(
    store: &Store,
    members: &Members,
    image: StoredImage,
) -> Result<(StoredImage, Vec<Reference>), BuildError> {
    let names = image
        .names
        .iter()
        .map(|name| match Reference::parse(name)? {
            tag if tag.digest().is_none() => Ok(tag.with_default_tag()),
            digest => Err(BuildError::new(format!(
                "{digest}: an image can't be named so"
            ))),
        })
        .collect::<Result<Vec<_>, BuildError>>()?;
    for layer in &image.layers {
        take_layer(store, members, layer)?;
    }
    Ok((image, names))
}

fn take_layer(store: &Store, members: &Members, layer: &StoredLayer) -> Result<(), BuildError> {
    let member = &layer.member;
    let missing = || BuildError::new(format!("{member}: the archive doesn't have this layer"));
    let size = members.size(member).ok_or_else(missing)?;
    receive(store, member, &layer.diff_id, size, || {
        let blob = members.open(member)?.ok_or_else(missing)?;
        Ok(match &layer.descriptor {
            Some(descriptor) => Box::new(Checked::new(blob, descriptor)),
            None => blob,
        })
    })?;
    Ok(())
}
