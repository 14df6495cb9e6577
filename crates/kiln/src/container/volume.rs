//! `volume create|ls|inspect|rm|prune`.

use std::collections::HashMap;

use anyhow::{Result, bail};
use kiln_engine::volumes::{self, VolumeFilters};
use kiln_store::Store;
use serde_json::json;

use super::args::{
    VolumeCommand, VolumeCreateArgs, VolumeInspectArgs, VolumeLsArgs, VolumePruneArgs, VolumeRmArgs,
};
use super::{complain, each, flags};
use crate::format::{Column, print_rows, print_value};
use crate::units::exact_size;

/// Carries out one command.
pub fn run(store: &Store, command: VolumeCommand) -> Result<()> {
    match command {
        VolumeCommand::Create(a) => create(store, &a),
        VolumeCommand::Ls(a) => list(store, &a),
        VolumeCommand::Inspect(a) => inspect(store, &a),
        VolumeCommand::Rm(a) => remove(store, &a),
        VolumeCommand::Prune(a) => prune(store, &a),
    }
}

fn create(store: &Store, a: &VolumeCreateArgs) -> Result<()> {
    if a.driver != "local" {
        bail!("--driver {}: there is only local", a.driver);
    }
    let name = volumes::create(store, a.name.as_deref(), flags::labels(&a.label))?;
    println!("{name}");
    Ok(())
}

fn list(store: &Store, a: &VolumeLsArgs) -> Result<()> {
    let mut filters = VolumeFilters::default();
    for filter in &a.filter {
        filters.add(filter)?;
    }
    let found = volumes::list(store, &filters)?;
    if a.quiet && a.format.is_none() {
        for volume in &found {
            println!("{}", volume.name);
        }
        return Ok(());
    }
    const COLUMNS: [Column; 2] = [("Driver", "DRIVER"), ("Name", "VOLUME NAME")];
    const HEADINGS: [Column; 5] = [
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Scope", "SCOPE"),
        ("Labels", "LABELS"),
    ];
    let rows: Vec<_> = found
        .iter()
        .map(|v| {
            let labels: Vec<String> = v.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            HashMap::from([
                ("Driver", "local".to_owned()),
                ("Name", v.name.clone()),
                (
                    "Mountpoint",
                    store.volume_dir(&v.name).display().to_string(),
                ),
                ("Scope", "local".to_owned()),
                ("Labels", labels.join(",")),
            ])
        })
        .collect();
    print_rows(&rows, &COLUMNS, &HEADINGS, a.format.as_deref())
}

fn inspect(store: &Store, a: &VolumeInspectArgs) -> Result<()> {
    let mut found = Vec::new();
    let mut failed = None;
    for name in &a.volumes {
        match store.volume(name)? {
            Some(v) => found.push(json!({
                "CreatedAt": v.created,
                "Driver": "local",
                "Labels": v.labels,
                "Mountpoint": store.volume_dir(&v.name),
                "Name": v.name,
                "Options": {},
                "Scope": "local",
            })),
            None => failed = failed.or(Some(name)),
        }
    }
    match &a.format {
        Some(format) => {
            for value in &found {
                print_value(value, format)?;
            }
        }
        None => println!("{}", serde_json::to_string_pretty(&found)?),
    }
    match failed {
        Some(name) => bail!("No such volume: {name}"),
        None => Ok(()),
    }
}

fn remove(store: &Store, a: &VolumeRmArgs) -> Result<()> {
    each(&a.volumes, |name| {
        match store.volume_remove(name) {
            Err(kiln_store::StoreError::NoVolume { .. }) if a.force => {
                complain(&format!("No such volume: {name}"))
            }
            other => other?,
        }
        println!("{name}");
        Ok(())
    })
}

fn prune(store: &Store, a: &VolumePruneArgs) -> Result<()> {
    let what = match a.all {
        true => "WARNING! This will remove all local volumes not used by at least one container.\n",
        false => {
            "WARNING! This will remove anonymous local volumes not used by at least one container.\n"
        }
    };
    if !a.force && !crate::system::asked(what)? {
        return Ok(());
    }
    let (gone, bytes) = volumes::prune(store, a.all)?;
    if !gone.is_empty() {
        println!("Deleted Volumes:");
        for name in &gone {
            println!("{name}");
        }
        println!();
    }
    println!("Total reclaimed space: {}", exact_size(bytes));
    Ok(())
}
