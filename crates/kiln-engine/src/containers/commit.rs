//! `commit`: what a container changed becomes a layer, and an image.

use std::os::fd::AsFd;
use std::time::Duration;

use kiln_build::changes::apply_changes;
use kiln_build::commit_dir;
use kiln_oci::{Digest, History, Reference};
use kiln_runtime::monitor::Status;
use kiln_store::Store;

use super::Failure;
use super::create::copy_tree;
use super::live::{Container, find};
use crate::BuildError;

/// How a container is committed.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The image's name.
    pub name: Option<Reference>,
    /// `-a`.
    pub author: Option<String>,
    /// `-m`.
    pub message: Option<String>,
    /// `-c`: instructions for the image's config.
    pub changes: Vec<String>,
    /// Keep the container still while its files are copied.
    pub pause: bool,
    /// `SOURCE_DATE_EPOCH`: when the image was made, rather than now.
    pub source_date_epoch: Option<i64>,
}

/// Makes an image of a container; gives the image's id.
pub fn commit(store: &Store, name: &str, what: &Commit) -> Result<Digest, Failure> {
    inner(store, name, what).map_err(|f| Failure {
        error: Box::new(crate::full_disk_hint(store, *f.error)),
        ..f
    })
}

fn inner(store: &Store, name: &str, what: &Commit) -> Result<Digest, Failure> {
    let container = find(store, name)?;
    // A bad instruction is found before anything is paused or copied.
    let mut image = apply_changes(store, container.settings.config.clone(), &what.changes)?;
    let _hold = store.hold()?;
    let scratch = store.scratch()?;
    let dir = scratch.path().join("layer");
    let bad = |e: std::io::Error| BuildError::caused(dir.display(), &e);
    std::fs::create_dir(&dir).map_err(bad)?;
    copy(store, &container, &dir, what.pause)?;
    let now = match what.source_date_epoch {
        Some(epoch) => kiln_build::image::rfc3339(epoch)?,
        None => jiff::Timestamp::now().to_string(),
    };
    let fd = std::fs::File::open(&dir).map_err(bad)?;
    if let Some(epoch) = what.source_date_epoch {
        kiln_oci::layer::clamp_times(fd.as_fd(), epoch).map_err(bad)?;
    }
    image.rootfs.diff_ids = container.record.layers.clone();
    let layer = commit_dir(store, &dir, fd.as_fd(), &now)?;
    image.rootfs.diff_ids.extend(layer);
    image.created = Some(now.clone());
    if what.author.is_some() {
        image.author = what.author.clone();
    }
    image.history.push(History {
        created: Some(now),
        // How it came about: from this container, which ran this.
        created_by: Some(format!(
            "kiln commit {}: {}",
            container.record.name,
            container.settings.argv().join(" ")
        )),
        author: what.author.clone(),
        comment: what.message.clone(),
        empty_layer: layer.is_none(),
    });
    let names: Vec<Reference> = what
        .name
        .iter()
        .map(|n| n.clone().with_default_tag())
        .collect();
    let (id, _) = store.image_put_named(&image.to_json(), None, &names)?;
    store.sync()?;
    Ok(id)
}

/// How often a container that doesn't keep still is copied before that is given up.
const TRIES: u32 = 50;

/// Takes everything out of a directory.
fn empty(dir: &std::path::Path) -> Result<(), BuildError> {
    let bad = |e: std::io::Error| BuildError::caused(dir.display(), &e);
    let fd = std::fs::File::open(dir).map_err(bad)?;
    for name in kiln_tree::read_dir_sorted(fd.as_fd()).map_err(bad)? {
        kiln_tree::remove_all(fd.as_fd(), &name).map_err(bad)?;
    }
    Ok(())
}

/// Copies what the container changed, while it keeps still if it runs and is to.
fn copy(
    store: &Store,
    container: &Container,
    dir: &std::path::Path,
    pause: bool,
) -> Result<(), Failure> {
    let upper = container.dir(store).join("rw");
    let bad = |e: std::io::Error| BuildError::caused(upper.display(), &e);
    let source = std::fs::File::open(&upper).map_err(bad)?;
    // Nobody may start it meanwhile.
    let lock = match container.is_running() {
        true => None,
        false => Some(
            container
                .lock(store, Duration::from_secs(10))?
                .ok_or_else(|| {
                    Failure::new(format!(
                        "container {} is being started",
                        container.record.name
                    ))
                })?,
        ),
    };
    // Whatever happens here, the monitor lets the container go on when the connection ends.
    let held = match pause && container.state.status == Status::Running {
        true => {
            let monitor = container.connect(store)?;
            monitor.hold()?;
            Some(monitor)
        }
        false => None,
    };
    let moves = held.is_none() && container.state.status == Status::Running;
    let mut tries = if moves { TRIES } else { 1 };
    loop {
        tries -= 1;
        match copy_tree(&source, dir) {
            Ok(()) => break,
            // A file that was listed is gone when it is read.
            Err(_) if tries > 0 => empty(dir)?,
            Err(e) if moves => return Err(e.hint("leave --pause=false away").into()),
            Err(e) => return Err(e.into()),
        }
    }
    drop(held);
    drop(lock);
    // The root directory is no part of a layer, but of what is seen of it.
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let meta = source.metadata().map_err(bad)?;
    std::os::unix::fs::chown(dir, Some(meta.uid()), Some(meta.gid())).map_err(bad)?;
    std::fs::set_permissions(dir, PermissionsExt::from_mode(meta.mode() & 0o7777)).map_err(bad)?;
    Ok(())
}
