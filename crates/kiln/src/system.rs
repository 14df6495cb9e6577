//! `system df` and the prunings.

use std::collections::HashMap;
use std::io::Write;

use anyhow::{Context as _, Result};
use kiln_engine::containers::{self, ContainerFilters};
use kiln_engine::filters::Filters;
use kiln_engine::images::Removed;
use kiln_engine::prune::{Scope, prune as engine_prune};
use kiln_engine::volumes;
use kiln_store::Store;

use crate::args::{DfArgs, PruneArgs};
use crate::format::{Column, print_rows};
use crate::units::exact_size;

/// What is pruned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `image prune`
    Images,
    /// `builder prune`
    Cache,
    /// `system prune`
    System,
}

/// `kiln system df`
pub fn usage(store: &Store, a: &DfArgs) -> Result<()> {
    const COLUMNS: [Column; 5] = [
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ];
    let usage = store.usage()?;
    let share = |part: u64, whole: u64| match whole {
        0 => "0B".to_owned(),
        _ => format!("{} ({}%)", exact_size(part), part * 100 / whole),
    };
    let row = |kind: &str, total: u64, size: u64, reclaimable: String| {
        HashMap::from([
            ("Type", kind.to_owned()),
            ("TotalCount", total.to_string()),
            ("Active", "0".to_owned()),
            ("Size", exact_size(size)),
            ("Reclaimable", reclaimable),
        ])
    };
    let cache = usage.cache_bytes + usage.unused_bytes + usage.cache_dir_bytes;
    let records = usage.cache_records + usage.cache_dirs;
    let all = containers::list(store, true, &ContainerFilters::default(), true)?;
    let mut used = std::collections::HashSet::new();
    let (mut size, mut free, mut running) = (0, 0, 0);
    for one in &all {
        used.insert(one.container.record.image);
        let (own, _) = one.size.unwrap_or_default();
        size += own;
        match one.container.is_running() {
            true => running += 1,
            false => free += own,
        }
    }
    let mut containers = row("Containers", all.len() as u64, size, share(free, size));
    containers.insert("Active", running.to_string());
    let (found, active, size, free) = volumes::usage(store)?;
    let mut volumes = row("Local Volumes", found, size, share(free, size));
    volumes.insert("Active", active.to_string());
    let mut images = row(
        "Images",
        usage.images,
        usage.image_bytes,
        share(usage.dangling_bytes, usage.image_bytes),
    );
    images.insert("Active", used.len().to_string());
    let rows = [
        images,
        containers,
        volumes,
        row("Build Cache", records, cache, exact_size(cache)),
    ];
    print_rows(&rows, &COLUMNS, &COLUMNS, a.format.as_deref())
}

/// The three prunings.
pub fn prune(store: &Store, a: &PruneArgs, kind: Kind) -> Result<()> {
    let scope = Scope {
        containers: kind == Kind::System,
        dangling: kind != Kind::Cache,
        all_images: a.all && kind != Kind::Cache,
        cache: kind != Kind::Images,
    };
    let mut filters = Filters::default();
    for filter in &a.filter {
        filters.add(filter)?;
    }
    if !a.force && !agreed(scope)? {
        return Ok(());
    }
    let done = engine_prune(store, scope, &filters)?;
    if !done.containers.is_empty() {
        println!("Deleted Containers:");
        for id in &done.containers {
            println!("{id}");
        }
        println!();
    }
    if !done.removed.is_empty() {
        println!("Deleted Images:");
    }
    for removed in &done.removed {
        match removed {
            Removed::Untagged(name) => println!("untagged: {name}"),
            Removed::Deleted(id) => println!("deleted: {id}"),
        }
    }
    if done.records > 0 {
        println!("Deleted build cache records: {}", done.records);
    }
    if done.cache_dirs > 0 {
        println!("Deleted cache mounts: {}", done.cache_dirs);
    }
    println!("\nTotal reclaimed space: {}", exact_size(done.bytes));
    Ok(())
}

fn agreed(scope: Scope) -> Result<bool> {
    println!("WARNING! This will remove:");
    if scope.containers {
        println!("  - all stopped containers");
    }
    match (scope.all_images, scope.dangling) {
        (true, _) => println!("  - all images without at least one container associated to them"),
        (_, true) => println!("  - all dangling images"),
        _ => {}
    }
    if scope.cache {
        println!("  - all build cache");
    }
    asked("")
}

/// Whether the user agrees to what is told.
pub fn asked(what: &str) -> Result<bool> {
    print!("{what}\nAre you sure you want to continue? [y/N] ");
    std::io::stdout().flush().context("writing the question")?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
