//! `ps`, `inspect`, `port`.

use std::collections::HashMap;

use anyhow::{Result, bail};
use jiff::Timestamp;
use kiln_engine::containers::{
    self, Container, ContainerFilters, ContainerRow, MountKind, Port, find,
};
use kiln_runtime::monitor::Status;
use kiln_store::Store;
use serde_json::Value;

use super::args::{InspectContainerArgs, PortArgs, PsArgs};
use crate::format::{Column, harmless, print_rows, print_value};
use crate::units::{ago, exact_size, go_time, human_duration};

/// `kiln ps`
pub fn run(store: &Store, a: &PsArgs) -> Result<()> {
    let mut filters = ContainerFilters::default();
    for filter in &a.filter {
        filters.add(filter)?;
    }
    let last = match a.latest {
        true => 1,
        false => a.last,
    };
    let template = a.format.as_deref().unwrap_or_default();
    let size = a.size || template.contains(".Size");
    let mut rows = containers::list(store, a.all || last > 0, &filters, size)?;
    if let Ok(last) = usize::try_from(last)
        && last > 0
    {
        rows.truncate(last);
    }
    if a.quiet && a.format.is_none() {
        for row in &rows {
            println!("{}", shown_id(&row.container, a.no_trunc));
        }
        return Ok(());
    }
    const COLUMNS: [Column; 7] = [
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
    ];
    const HEADINGS: [Column; 14] = [
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
    ];
    let table: Vec<_> = rows.iter().map(|row| cells(row, a.no_trunc)).collect();
    let mut columns = COLUMNS.to_vec();
    if a.size {
        columns.push(("Size", "SIZE"));
    }
    print_rows(&table, &columns, &HEADINGS, a.format.as_deref())
}

fn shown_id(c: &Container, whole: bool) -> String {
    match whole {
        true => c.record.id.clone(),
        false => c.short_id().to_owned(),
    }
}

fn cells(row: &ContainerRow, whole: bool) -> HashMap<&'static str, String> {
    let c = &row.container;
    let settings = &c.settings;
    let labels: Vec<String> = settings
        .labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let mounts: Vec<String> = settings
        .mounts
        .iter()
        .filter(|m| m.kind != MountKind::Tmpfs)
        .map(|m| shortened(&m.source, if whole { usize::MAX } else { 15 }))
        .collect();
    let volumes = settings
        .mounts
        .iter()
        .filter(|m| m.kind == MountKind::Volume)
        .count();
    let quoted: Vec<String> = settings
        .argv()
        .into_iter()
        .enumerate()
        .map(|(n, arg)| match n > 0 && arg.contains(' ') {
            true => format!("'{arg}'"),
            false => arg,
        })
        .collect();
    let command = shortened(&quoted.join(" "), if whole { usize::MAX } else { 20 });
    let ports = match c.is_running() {
        true => settings.ports.iter().map(shown_port).collect::<Vec<_>>(),
        false => Vec::new(),
    };
    let size = row.size.map_or_else(String::new, |(own, whole)| {
        format!("{} (virtual {})", exact_size(own), exact_size(whole))
    });
    HashMap::from([
        ("ID", shown_id(c, whole)),
        ("Image", settings.image.clone()),
        ("Command", format!("\"{}\"", harmless(&command))),
        ("RunningFor", ago(&c.record.created)),
        ("CreatedAt", go_time(&c.record.created)),
        ("Status", status(c)),
        ("State", state(c.state.status).to_owned()),
        ("Ports", ports.join(", ")),
        ("Names", c.record.name.clone()),
        ("Size", size),
        ("Labels", labels.join(",")),
        ("Mounts", mounts.join(",")),
        ("LocalVolumes", volumes.to_string()),
        ("Networks", settings.network.clone()),
    ])
}

fn shortened(text: &str, limit: usize) -> String {
    match text.chars().count() > limit {
        true => text.chars().take(limit - 1).chain("…".chars()).collect(),
        false => text.to_owned(),
    }
}

fn state(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "exited",
    }
}

/// `Up 2 minutes`, `Exited (0) 3 hours ago`.
fn status(c: &Container) -> String {
    let since = |time: &str| {
        let time: Option<Timestamp> = time.parse().ok();
        let past = time.map_or(0, |t| Timestamp::now().as_second() - t.as_second());
        human_duration(past)
    };
    let up = format!("Up {}", since(&c.state.started_at));
    match (c.state.status, &c.state.health) {
        (Status::Created, _) => "Created".to_owned(),
        (Status::Paused, _) => format!("{up} (Paused)"),
        (Status::Running, Some(health)) if health.status == "starting" => {
            format!("{up} (health: starting)")
        }
        (Status::Running, Some(health)) => format!("{up} ({})", health.status),
        (Status::Running, None) => up,
        (Status::Exited, _) => format!(
            "Exited ({}) {} ago",
            c.state.exit_code,
            since(&c.state.finished_at)
        ),
    }
}

/// `0.0.0.0:8080->80/tcp`
fn shown_port(p: &Port) -> String {
    let ip = if p.host_ip.is_empty() {
        "0.0.0.0"
    } else {
        &p.host_ip
    };
    format!("{ip}:{}->{}/{}", p.host, p.container, p.protocol)
}

/// `kiln port`
pub fn port(store: &Store, a: &PortArgs) -> Result<()> {
    let container = find(store, &a.container)?;
    let ports = match container.is_running() {
        true => container.settings.ports.as_slice(),
        false => &[],
    };
    let address = |p: &Port| {
        let ip = if p.host_ip.is_empty() {
            "0.0.0.0"
        } else {
            &p.host_ip
        };
        format!("{ip}:{}", p.host)
    };
    let Some(wanted) = &a.port else {
        for p in ports {
            println!("{}/{} -> {}", p.container, p.protocol, address(p));
        }
        return Ok(());
    };
    let (number, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    let mut found = ports
        .iter()
        .filter(|p| p.container.to_string() == number && p.protocol == protocol)
        .peekable();
    if found.peek().is_none() {
        bail!(
            "No public port '{number}/{protocol}' published for {}",
            a.container
        );
    }
    for p in found {
        println!("{}", address(p));
    }
    Ok(())
}

/// What `inspect` shows of a container; nothing where there is none of that name.
pub fn inspect_one(store: &Store, name: &str, size: bool) -> Result<Option<Value>> {
    match containers::inspect(store, name, size) {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.error.message.starts_with("No such container") => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// `kiln container inspect`
pub fn inspect(store: &Store, a: &InspectContainerArgs) -> Result<()> {
    let mut found = Vec::new();
    let mut failed = None;
    for name in &a.containers {
        match containers::inspect(store, name, a.size) {
            Ok(value) => found.push(value),
            Err(e) => failed = failed.or(Some(e)),
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
        Some(e) => Err(e.into()),
        None => Ok(()),
    }
}
