//! List, look at, name and remove images.

use kiln_oci::{Digest, ImageConfig, Reference};
use kiln_store::{ImageRecord, Store};
use serde_json::{Value, json};

use crate::containers::{Container, settle};
use crate::filters::Filters;
use crate::{BuildError, Kind};

/// One row of `images`.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// The repository as people write it; nothing for an image without a tag.
    pub repository: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The image's id.
    pub id: Digest,
    /// When it was made (RFC 3339).
    pub created: String,
    /// Bytes of its files.
    pub size: u64,
    /// The digest under which this repository has it, or of the manifest it was loaded with.
    pub manifest: Option<Digest>,
}

/// All images that pass the filters, newest first, one row a tag.
pub fn list(store: &Store, filters: &Filters) -> Result<Vec<ImageRow>, BuildError> {
    let tags = store.tags()?;
    let images = store.images()?;
    let passing = filters.passing(store, &images)?;
    let mut rows = Vec::new();
    for image in images.iter().filter(|i| passing.contains(&i.id)) {
        let mut own: Vec<&Reference> = tags
            .iter()
            .filter(|(_, id)| *id == image.id)
            .map(|(r, _)| r)
            .collect();
        own.sort_by_key(|r| r.familiar());
        let digests = store.repo_digests_of(&image.id)?;
        // What was pulled by its digest has a name, too.
        if own.is_empty() {
            own.extend(&digests);
        }
        if own.is_empty() && filters.passes_name(None)? {
            rows.push(row(image, None, &digests));
        }
        for name in own {
            if filters.passes_name(Some(name))? {
                rows.push(row(image, Some(name), &digests));
            }
        }
    }
    Ok(rows)
}

fn row(image: &ImageRecord, name: Option<&Reference>, digests: &[Reference]) -> ImageRow {
    let here = digests
        .iter()
        .find(|d| name.is_some_and(|n| n.familiar_name() == d.familiar_name()));
    ImageRow {
        repository: name.map(Reference::familiar_name),
        tag: name.and_then(|r| r.tag()).map(String::from),
        id: image.id,
        created: image.created.clone(),
        size: image.size,
        manifest: here
            .and_then(Reference::digest)
            .copied()
            .or_else(|| image.manifest.as_deref().map(Digest::of)),
    }
}

/// The record and config of the image that a name or id stands for.
pub fn find(store: &Store, name: &str) -> Result<(ImageRecord, ImageConfig), BuildError> {
    let id = store.resolve(name)?;
    let record = store
        .image(&id)?
        .ok_or_else(|| BuildError::new(format!("No such image: {name}")))?;
    let config = ImageConfig::from_json(&record.config_json)?;
    Ok((record, config))
}

/// One row of `history`, newest first.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// The image's id at the newest row, nothing at the others.
    pub id: Option<Digest>,
    /// When (RFC 3339).
    pub created: String,
    /// The instruction.
    pub created_by: String,
    /// Bytes of the files in its layer.
    pub size: u64,
    /// A remark.
    pub comment: String,
}

/// How an image came about.
pub fn history(store: &Store, name: &str) -> Result<Vec<HistoryRow>, BuildError> {
    let (record, config) = find(store, name)?;
    let mut layers = config.rootfs.diff_ids.iter();
    let mut rows = Vec::new();
    for h in &config.history {
        let layer = if h.empty_layer { None } else { layers.next() };
        let size = match layer {
            Some(d) => store.layer(d)?.map_or(0, |l| l.size),
            None => 0,
        };
        rows.push(HistoryRow {
            id: None,
            created: h.created.clone().unwrap_or_default(),
            created_by: h.created_by.clone().unwrap_or_default(),
            size,
            comment: h.comment.clone().unwrap_or_default(),
        });
    }
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        first.id = Some(record.id);
    }
    Ok(rows)
}

/// What `inspect` shows of an image, docker's fields.
pub fn inspect(store: &Store, name: &str) -> Result<Value, BuildError> {
    let (record, config) = find(store, name)?;
    let mut tags: Vec<String> = store
        .tags_of(&record.id)?
        .iter()
        .map(Reference::familiar)
        .collect();
    tags.sort();
    let digests = store.repo_digests_of(&record.id)?;
    let digests: Vec<String> = digests.iter().map(Reference::familiar).collect();
    let comment = config.history.last().and_then(|h| h.comment.clone());
    let document: Value = serde_json::from_slice(&record.config_json)
        .map_err(|e| BuildError::new(format!("config of {name}: {e}")))?;
    Ok(json!({
        "Id": record.id.to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": comment.unwrap_or_default(),
        "Created": config.created,
        "Author": config.author.clone().unwrap_or_default(),
        "Config": document.get("config").cloned().unwrap_or_else(|| json!({})),
        "Architecture": config.architecture,
        "Variant": config.variant.clone().unwrap_or_default(),
        "Os": config.os,
        "Size": record.size,
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
    }))
}

/// Gives an image one more name.
pub fn tag(store: &Store, source: &str, target: &str) -> Result<(), BuildError> {
    let id = store.resolve(source)?;
    let name = Reference::parse(target)?.with_default_tag();
    store.tag(&name, &id)?;
    store.sync()?;
    Ok(())
}

/// What `rmi` did.
#[derive(Debug, Clone, PartialEq)]
pub enum Removed {
    /// A name was taken away.
    Untagged(String),
    /// An image, or a layer that nothing needed any more.
    Deleted(Digest),
}

/// Takes a name away, and the image when it was the last; by id, all names (with `force` where
/// there are several).
pub fn remove(store: &Store, name: &str, force: bool) -> Result<Vec<Removed>, BuildError> {
    let id = store.resolve(name)?;
    let tags = store.tags_of(&id)?;
    let digests = store.repo_digests_of(&id)?;
    let by_name = Reference::parse(name)
        .ok()
        .map(|r| r.with_default_tag())
        .filter(|r| {
            let mut known = tags.iter().chain(&digests);
            known.any(|t| t.canonical() == r.canonical())
        });
    let mut done = Vec::new();
    let last = match &by_name {
        Some(r) => tags.iter().all(|t| t.canonical() == r.canonical()),
        None => true,
    };
    let user = match last {
        true => used_by(store, &id)?,
        false => None,
    };
    if let Some(user) = &user {
        refuse_used(&id, &by_name, user, force)?;
    }
    let names = match by_name {
        Some(r) => vec![r],
        None if tags.len() > 1 && !force => {
            return Err(BuildError::new(format!(
                "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
                id.short()
            ))
            .of_kind(Kind::Conflict)
            .hint("remove it by its names, or add --force"));
        }
        None => tags,
    };
    // A container goes on without its image: what it needs is kept for it.
    let freed = store.untag_and_remove(&id, &names)?;
    done.extend(names.iter().map(|r| Removed::Untagged(r.familiar())));
    if let Some(freed) = freed {
        done.push(Removed::Deleted(id));
        done.extend(freed.into_iter().map(Removed::Deleted));
    }
    store.sync()?;
    Ok(done)
}

/// A container made from an image, one that runs before others.
fn used_by(store: &Store, id: &Digest) -> Result<Option<Container>, BuildError> {
    let mut found = None;
    for record in store.containers_of(id)? {
        if let Some(container) = settle(store, record)? {
            if container.is_running() {
                return Ok(Some(container));
            }
            found.get_or_insert(container);
        }
    }
    Ok(found)
}

/// Docker's refusals: an image that a container uses goes only by force, and not at all while the
/// container runs.
fn refuse_used(
    id: &Digest,
    by_name: &Option<Reference>,
    user: &Container,
    force: bool,
) -> Result<(), BuildError> {
    let (id, container) = (id.short(), user.short_id());
    let message = match by_name {
        _ if user.is_running() => format!(
            "conflict: unable to delete {id} (cannot be forced) - image is being used by running \
             container {container}"
        ),
        _ if force => return Ok(()),
        Some(name) => format!(
            "conflict: unable to remove repository reference \"{}\" (must force) - container \
             {container} is using its referenced image {id}",
            name.familiar()
        ),
        None => format!(
            "conflict: unable to delete {id} (must be forced) - image is being used by stopped \
             container {container}"
        ),
    };
    let error = BuildError::new(message).of_kind(Kind::Conflict);
    Err(error.hint("remove the container first: `kiln rm`"))
}
