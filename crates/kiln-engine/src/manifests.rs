//! Images for several platforms under one name, and what a registry says of an image.

use kiln_build::BuildError;
use kiln_oci::manifest::{Document, Format, Index};
use kiln_oci::{Digest, Platform, Reference};
use kiln_registry::{Access, Target};
use kiln_store::Store;
use serde_json::{Value, json};

use crate::images::find;
use crate::pull::{config_of, of_platform};
use crate::push::{Packing, push_as};
use crate::registry::{Registries, Transfer, failed};

/// Makes a list of images of the store, one for each platform; `amend` adds to the list there is.
pub fn create(
    store: &Store,
    list: &Reference,
    images: &[Reference],
    amend: bool,
) -> Result<(), BuildError> {
    let mut members = store.list_members(list)?;
    if !members.is_empty() && !amend {
        return Err(
            BuildError::new(format!("{list}: there is such a list already"))
                .hint("add to it with --amend, or remove it with `kiln manifest rm`"),
        );
    }
    for image in images {
        let (_, config) = find(store, &image.familiar())?;
        let platform = config.platform();
        for other in &members {
            let (_, config) = find(store, &other.familiar())?;
            if other != image && config.platform() == platform {
                return Err(BuildError::new(format!(
                    "{image} and {other} are both for {platform}"
                )));
            }
        }
        let image = image.clone().with_default_tag();
        if !members.contains(&image) {
            members.push(image);
        }
    }
    store.list_put(list, &members)?;
    Ok(())
}

/// Forgets a list.
pub fn remove(store: &Store, list: &Reference) -> Result<(), BuildError> {
    members_of(store, list)?;
    store.list_put(list, &[])?;
    Ok(())
}

fn members_of(store: &Store, list: &Reference) -> Result<Vec<Reference>, BuildError> {
    let members = store.list_members(list)?;
    if members.is_empty() {
        return Err(BuildError::new(format!("{list}: no such list"))
            .hint("make it with `kiln manifest create`"));
    }
    Ok(members)
}

/// Pushes the images of a list and an index of them; gives the index's digest.
pub fn push_list(
    store: &Store,
    registries: &Registries,
    list: &Reference,
    packing: Packing,
    transfer: &dyn Transfer,
) -> Result<Digest, BuildError> {
    let list = list.clone().with_default_tag();
    let mut entries = Vec::new();
    for member in members_of(store, &list)? {
        let (record, config) = find(store, &member.familiar())?;
        transfer.line(&format!("{member}: {}", config.platform()));
        let pushed = push_as(
            store, registries, &list, &record, &config, None, packing, transfer,
        )?;
        let mut entry = pushed.manifest;
        entry.platform = Some((&config.platform()).into());
        entries.push(entry);
    }
    let index = Index::new(Format::Oci, entries);
    let repository = registries.client()?.repository(&list, Access::Push);
    let target = Target::Tag(list.tag().unwrap_or("latest").to_owned());
    repository
        .put_manifest(&target, index.media_type(), &index.to_json())
        .map_err(failed)
}

/// What a registry has under a name: manifest or index, and the config of the image for the
/// platform, if there is one.
pub fn inspect(
    registries: &Registries,
    name: &Reference,
    platform: &Platform,
) -> Result<Value, BuildError> {
    let repository = registries.client()?.repository(name, Access::Pull);
    let top = repository.manifest(repository.target()).map_err(failed)?;
    let json = |bytes: &[u8]| -> Result<Value, BuildError> {
        serde_json::from_slice(bytes).map_err(|e| BuildError::caused(name, &e))
    };
    let mut out = json!({
        "Name": name.familiar(),
        "Digest": top.digest.to_string(),
        "MediaType": top.document.media_type(),
        "Size": top.bytes.len(),
    });
    let is_index = matches!(top.document, Document::Index(_));
    let key = if is_index { "Index" } else { "Manifest" };
    out[key] = json(&top.bytes)?;
    // An index without this machine's platform is still worth a look.
    if let Ok((fetched, manifest)) = of_platform(&repository, top, platform, name) {
        if is_index {
            out["Manifest"] = json(&fetched.bytes)?;
        }
        out["Config"] = json(&config_of(&repository, &manifest)?)?;
    }
    Ok(out)
}
