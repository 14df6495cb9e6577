//! `images`, `history`, `tag`, `rmi`, `inspect`.

use std::collections::HashMap;

use anyhow::{Result, bail};
use kiln_engine::filters::Filters;
use kiln_engine::images::{self as engine, Removed};
use kiln_engine::manifests;
use kiln_engine::registry::Registries;
use kiln_oci::{Digest, Reference};
use kiln_store::Store;

use crate::args::{HistoryArgs, ImagesArgs, InspectArgs, RmiArgs, TagArgs};
use crate::format::{Column, harmless, print_rows, print_value};
use crate::transfer::platform;
use crate::units::{ago, go_time, human_size};

fn shown_id(id: &Digest, whole: bool) -> String {
    if whole {
        id.to_string()
    } else {
        id.short().to_string()
    }
}

/// `kiln images`
pub fn list(store: &Store, a: &ImagesArgs) -> Result<()> {
    let mut filters = Filters::default();
    if let Some(name) = &a.name {
        filters.reference(name);
    }
    for filter in &a.filter {
        filters.add(filter)?;
    }
    let rows = engine::list(store, &filters)?;
    if a.quiet && a.format.is_none() {
        let mut seen = std::collections::HashSet::new();
        for r in rows.iter().filter(|r| seen.insert(r.id)) {
            println!("{}", shown_id(&r.id, a.no_trunc));
        }
        return Ok(());
    }
    const COLUMNS: [Column; 5] = [
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
    ];
    const HEADINGS: [Column; 7] = [
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("Digest", "DIGEST"),
    ];
    let none = || "<none>".to_owned();
    let rows: Vec<_> = rows
        .iter()
        .map(|r| {
            HashMap::from([
                ("Repository", r.repository.clone().unwrap_or_else(none)),
                ("Tag", r.tag.clone().unwrap_or_else(none)),
                ("ID", shown_id(&r.id, a.no_trunc)),
                ("CreatedSince", ago(&r.created)),
                ("CreatedAt", go_time(&r.created)),
                ("Size", human_size(r.size)),
                ("VirtualSize", human_size(r.size)),
                ("Digest", r.manifest.map_or_else(none, |d| d.to_string())),
                ("Containers", "N/A".to_owned()),
                ("SharedSize", "N/A".to_owned()),
                ("UniqueSize", "N/A".to_owned()),
            ])
        })
        .collect();
    let mut columns = COLUMNS.to_vec();
    if a.digests {
        columns.insert(2, ("Digest", "DIGEST"));
    }
    print_rows(&rows, &columns, &HEADINGS, a.format.as_deref())
}

/// `kiln history`
pub fn history(store: &Store, a: &HistoryArgs) -> Result<()> {
    let rows = engine::history(store, &a.image)?;
    let id = |r: &engine::HistoryRow| match &r.id {
        Some(id) => shown_id(id, a.no_trunc),
        None => "<missing>".to_owned(),
    };
    if a.quiet && a.format.is_none() {
        for r in &rows {
            println!("{}", id(r));
        }
        return Ok(());
    }
    const COLUMNS: [Column; 5] = [
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ];
    const MACHINE: [Column; 5] = [
        ("ID", "IMAGE"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ];
    const HEADINGS: [Column; 6] = [
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ];
    let table: Vec<_> = rows
        .iter()
        .map(|r| {
            HashMap::from([
                ("ID", id(r)),
                (
                    "CreatedSince",
                    if a.human {
                        ago(&r.created)
                    } else {
                        r.created.clone()
                    },
                ),
                ("CreatedAt", r.created.clone()),
                ("CreatedBy", harmless(&shorten(&r.created_by, a.no_trunc))),
                (
                    "Size",
                    if a.human {
                        human_size(r.size)
                    } else {
                        r.size.to_string()
                    },
                ),
                ("Comment", harmless(&r.comment)),
            ])
        })
        .collect();
    let columns = if a.human { &COLUMNS } else { &MACHINE };
    print_rows(&table, columns, &HEADINGS, a.format.as_deref())
}

/// docker shows 45 characters of an instruction, on one line.
fn shorten(text: &str, whole: bool) -> String {
    let line = text.replace(['\t', '\n'], " ");
    if whole || line.chars().count() <= 45 {
        return line;
    }
    let mut out: String = line.chars().take(44).collect();
    out.push('…');
    out
}

/// `kiln tag`
pub fn tag(store: &Store, a: &TagArgs) -> Result<()> {
    Ok(engine::tag(store, &a.source, &a.target)?)
}

/// `kiln rmi`
pub fn remove(store: &Store, a: &RmiArgs) -> Result<()> {
    let mut failed = 0;
    for name in &a.images {
        match engine::remove(store, name, a.force) {
            Ok(done) => {
                for d in done {
                    match d {
                        Removed::Untagged(n) => println!("Untagged: {n}"),
                        Removed::Deleted(d) => println!("Deleted: {d}"),
                    }
                }
            }
            Err(e) => {
                eprintln!("ERROR: {e}");
                failed += 1;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} images not removed", a.images.len());
    }
    Ok(())
}

/// `kiln inspect`
pub fn inspect(store: &Store, a: &InspectArgs) -> Result<()> {
    let kind = a.kind.as_deref();
    if let Some(kind) = kind.filter(|k| !matches!(*k, "image" | "container")) {
        bail!("--type={kind}: containers and images can be inspected");
    }
    let mut found = Vec::new();
    let mut errors = Vec::new();
    let registries = Registries::new();
    let look = |name: &str| -> Result<serde_json::Value> {
        if !a.remote && kind != Some("image") {
            match crate::container::inspect_one(store, name, false)? {
                Some(found) => return Ok(found),
                None if kind == Some("container") => bail!("No such container: {name}"),
                None => {}
            }
        }
        if !a.remote {
            return Ok(engine::inspect(store, name)?);
        }
        let platform = platform(a.platform.as_deref())?;
        let name = Reference::parse(name)?.with_default_tag();
        Ok(manifests::inspect(&registries, &name, &platform)?)
    };
    for name in &a.images {
        match look(name) {
            Ok(v) => found.push(v),
            Err(e) => errors.push(e),
        }
    }
    match &a.format {
        Some(f) => {
            for v in &found {
                print_value(v, f)?;
            }
        }
        None => println!("{}", serde_json::to_string_pretty(&found)?),
    }
    match errors.into_iter().next() {
        Some(e) => Err(e),
        None => Ok(()),
    }
}
