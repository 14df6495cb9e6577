//! `ps`: containers, which of them, and how much they hold.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;
use kiln_runtime::monitor::Status;
use kiln_store::Store;

use super::Failure;
use super::live::{Container, settle};
use crate::BuildError;

/// One container.
#[derive(Clone, Debug)]
pub struct ContainerRow {
    /// All that is known of it.
    pub container: Container,
    /// Bytes of its changes and of all its files, where these were asked for.
    pub size: Option<(u64, u64)>,
}

/// Which containers are wanted. Several filters of one kind: any of them; all labels.
#[derive(Clone, Debug, Default)]
pub struct ContainerFilters(Vec<(String, String)>);

const KNOWN: [&str; 13] = [
    "ancestor", "before", "exited", "expose", "health", "id", "label", "name", "network", "since",
    "status", "until", "volume",
];

impl ContainerFilters {
    /// Adds one filter, `name=value`.
    pub fn add(&mut self, text: &str) -> Result<(), BuildError> {
        let bad =
            |hint: &str| BuildError::new(format!("invalid filter {text:?}")).hint(hint.to_owned());
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| bad("filters look like name=value"))?;
        match (name, value) {
            ("exited", code) if code.parse::<i32>().is_err() => {
                return Err(bad("exited takes an exit code"));
            }
            (
                "status",
                "created" | "running" | "paused" | "exited" | "restarting" | "removing" | "dead",
            ) => {}
            ("status", _) => return Err(bad("status is created, running, paused or exited")),
            ("health", "none" | "starting" | "healthy" | "unhealthy") => {}
            ("health", _) => return Err(bad("health is none, starting, healthy or unhealthy")),
            ("until", time) if crate::filters::point(time).is_none() => {
                return Err(bad("until takes a time, or how long ago"));
            }
            (name, _) if KNOWN.contains(&name) => {}
            _ => return Err(bad(&format!("filters are {}", KNOWN.join(", ")))),
        }
        self.0.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Whether there is one about how containers ended or are: then all are looked at.
    pub fn about_state(&self) -> bool {
        self.0
            .iter()
            .any(|(name, _)| matches!(name.as_str(), "status" | "exited"))
    }

    /// Whether a container passes.
    pub fn passes(&self, store: &Store, c: &Container) -> Result<bool, Failure> {
        for name in KNOWN {
            let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
            let mut any = false;
            let mut all = true;
            let mut none = true;
            for value in values.by_ref() {
                none = false;
                let passes = passes(store, c, name, value)?;
                any |= passes;
                all &= passes;
            }
            if !(none || if name == "label" { all } else { any }) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn passes(store: &Store, c: &Container, name: &str, value: &str) -> Result<bool, Failure> {
    let settings = &c.settings;
    let other = |name: &str| -> Result<Option<Timestamp>, Failure> {
        Ok(store.find_container(name)?.created.parse().ok())
    };
    let created: Option<Timestamp> = c.record.created.parse().ok();
    Ok(match name {
        "id" => c.record.id.starts_with(value),
        "name" => {
            let value = value.trim_start_matches('/');
            match value.strip_prefix('^') {
                Some(start) => match start.strip_suffix('$') {
                    Some(whole) => c.record.name == whole,
                    None => c.record.name.starts_with(start),
                },
                None => match value.strip_suffix('$') {
                    Some(end) => c.record.name.ends_with(end),
                    None => c.record.name.contains(value),
                },
            }
        }
        "label" => match value.split_once('=') {
            Some((key, value)) => settings.labels.get(key).is_some_and(|v| v == value),
            None => settings.labels.contains_key(value),
        },
        "status" => status_word(c.state.status) == value,
        "exited" => c.state.status == Status::Exited && c.state.exit_code.to_string() == value,
        "health" => {
            let health = c.state.health.as_ref().map(|h| h.status.as_str());
            health.unwrap_or("none") == value
        }
        "ancestor" => match store.resolve(value) {
            Ok(id) => {
                let layers = match store.image(&id)? {
                    Some(image) => {
                        kiln_oci::ImageConfig::from_json(&image.config_json)?
                            .rootfs
                            .diff_ids
                    }
                    None => Vec::new(),
                };
                c.record.image == id || (!layers.is_empty() && c.record.layers.starts_with(&layers))
            }
            Err(_) => settings.image == value,
        },
        "before" => created < other(value)?,
        "since" => created > other(value)?,
        "until" => created < crate::filters::point(value),
        "volume" => {
            let value = value.trim_end_matches('/');
            settings
                .mounts
                .iter()
                .any(|m| m.source == value || m.target == value)
        }
        "network" => settings.network == value,
        "expose" => {
            let ports = &settings.config.config.exposed_ports;
            ports.contains_key(value) || ports.contains_key(&format!("{value}/tcp"))
        }
        _ => true,
    })
}

/// `running` and the like.
pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "exited",
    }
}

/// The containers that pass, newest first; without `all`, those that run.
pub fn list(
    store: &Store,
    all: bool,
    filters: &ContainerFilters,
    sizes: bool,
) -> Result<Vec<ContainerRow>, Failure> {
    let mut rows = Vec::new();
    for record in store.containers()? {
        let Some(container) = settle(store, record)? else {
            continue;
        };
        let wanted = all || filters.about_state() || container.is_running();
        if !wanted || !filters.passes(store, &container)? {
            continue;
        }
        let size = match sizes {
            true => Some(size_of(store, &container)?),
            false => None,
        };
        rows.push(ContainerRow { container, size });
    }
    Ok(rows)
}

/// The bytes of what a container changed, and of all its files.
pub fn size_of(store: &Store, container: &Container) -> Result<(u64, u64), Failure> {
    let own = bytes(&store.container_dir(&container.record.id).join("rw"));
    let mut whole = own;
    for layer in &container.record.layers {
        whole += store.layer(layer)?.map_or(0, |l| l.size);
    }
    Ok((own, whole))
}

/// The bytes of all files in a directory, each of several hard links counted once.
pub(crate) fn bytes(dir: &Path) -> u64 {
    let mut todo = vec![dir.to_owned()];
    let mut seen = std::collections::HashSet::new();
    let mut sum = 0;
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else {
                continue;
            };
            if meta.is_dir() {
                todo.push(entry.path());
            } else if meta.nlink() < 2 || seen.insert(meta.ino()) {
                sum += meta.len();
            }
        }
    }
    sum
}
