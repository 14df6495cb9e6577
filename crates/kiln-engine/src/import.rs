//! `import`: a root file system in a tar becomes an image of one layer.

use std::io::BufRead;
use std::os::fd::AsFd;

use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply, decompress};
use kiln_oci::{Digest, History, ImageConfig, Platform, Reference};
use kiln_store::Store;

use crate::BuildError;
use kiln_build::changes::apply_changes;
use kiln_build::commit_dir;

/// What to make of the tar.
pub struct Import {
    /// The image's name, if it gets one.
    pub name: Option<Reference>,
    /// Its history's remark.
    pub message: String,
    /// What it is for.
    pub platform: Platform,
    /// `SOURCE_DATE_EPOCH`: when the image was made, rather than now.
    pub source_date_epoch: Option<i64>,
    /// `--change`: instructions for its config.
    pub changes: Vec<String>,
}

/// Reads the tar (plain or compressed) and stores the image.
pub fn import<'r>(
    store: &Store,
    tar: Box<dyn BufRead + 'r>,
    what: &Import,
) -> Result<Digest, BuildError> {
    inner(store, tar, what).map_err(|e| crate::full_disk_hint(store, e))
}

fn inner<'r>(
    store: &Store,
    tar: Box<dyn BufRead + 'r>,
    what: &Import,
) -> Result<Digest, BuildError> {
    let _hold = store.hold()?;
    let scratch = store.scratch()?;
    let dir = scratch.path().join("layer");
    std::fs::create_dir(&dir).map_err(|e| BuildError::new(format!("{}: {e}", dir.display())))?;
    let fd = std::fs::File::open(&dir)
        .map_err(|e| BuildError::new(format!("{}: {e}", dir.display())))?;
    let options = ApplyOptions {
        whiteouts: Whiteouts::Literal,
        limits: Limits::default(),
        ids: Ids::Keep,
    };
    let reader =
        decompress(tar).map_err(|e| BuildError::new(format!("reading the archive: {e}")))?;
    let applied = apply(reader, fd.as_fd(), &options)?;
    if applied.entries == 0 {
        return Err(
            BuildError::new("the archive holds no files").hint("give a tar of a root file system")
        );
    }
    let now = match what.source_date_epoch {
        Some(epoch) => kiln_build::image::rfc3339(epoch)?,
        None => jiff::Timestamp::now().to_string(),
    };
    let layer = commit_dir(store, &dir, fd.as_fd(), &now)?;
    let image = ImageConfig {
        architecture: what.platform.architecture.clone(),
        os: what.platform.os.clone(),
        variant: what.platform.variant.clone(),
        created: Some(now.clone()),
        ..ImageConfig::default()
    };
    let mut image = apply_changes(store, image, &what.changes)?;
    image.rootfs.diff_ids = layer.into_iter().collect();
    image.history = vec![History {
        created: Some(now),
        comment: Some(what.message.clone()),
        created_by: None,
        author: None,
        empty_layer: false,
    }];
    let names: Vec<Reference> = what
        .name
        .iter()
        .map(|n| n.clone().with_default_tag())
        .collect();
    let (id, _) = store.image_put_named(&image.to_json(), None, &names)?;
    store.sync()?;
    Ok(id)
}
