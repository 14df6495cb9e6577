//! `start`: a container and its monitor.

use std::path::PathBuf;
use std::time::Duration;

use kiln_build::users::process_user;
use kiln_oci::Healthcheck;
use kiln_runtime::monitor::{self, Attach, Connection, Control, Status};
use kiln_runtime::{
    ContainerMount, ContainerSpec, HealthSpec, Limits, MountSource, Network, Process, capabilities,
};
use kiln_store::Store;
use kiln_tree::Root;
use serde::{Deserialize, Serialize};

use super::create::mount;
use super::live::{Container, find};
use super::network;
use super::settings::{MountKind, Settings};
use super::{Failure, not_started};
use crate::BuildError;

/// How long somebody who is about to be done with a container is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How large a log grows before it is set aside.
const LOG: u64 = 32 << 20;
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a monitor hands on to [`after_monitor`](super::after_monitor).
#[derive(Serialize, Deserialize)]
pub(super) struct After {
    pub root: PathBuf,
    pub id: String,
}

/// Starts a container; a connection to its monitor comes back, attached as asked for. One that
/// runs already stays as it is, and nothing comes back.
pub fn start(
    store: &Store,
    name: &str,
    attach: Option<Attach>,
    size: Option<(u16, u16)>,
) -> Result<Option<Connection>, Failure> {
    let container = find(store, name)?;
    let lock = match container.lock(store, Duration::ZERO)? {
        Some(lock) => lock,
        None => {
            let now = find(store, name)?;
            match now.state.status {
                Status::Running => return Ok(None),
                Status::Paused => {
                    return Err(Failure::new(
                        "cannot start a paused container, try unpause instead",
                    ));
                }
                _ => container.lock(store, PATIENCE)?.ok_or_else(|| {
                    Failure::new(format!("container {name} is being started or removed"))
                })?,
            }
        }
    };
    // From here on nobody else changes it.
    let container = find(store, &container.record.id)?;
    let dir = container.dir(store);
    let settings = &container.settings;
    let root = mount(store, &dir, &container.record.layers, settings.auto_remove)?;
    let spec = spec(store, &container, &root, size)?;
    let fd = std::fs::File::open(&dir).map_err(|e| BuildError::caused(dir.display(), &e))?;
    let after = After {
        root: store.root().to_owned(),
        id: container.record.id.clone(),
    };
    let after = serde_json::to_string(&after).map_err(|e| BuildError::new(e.to_string()))?;
    use std::os::fd::AsFd;
    let control = Control {
        dir: fd.as_fd(),
        lock: lock.as_fd(),
        root: root.as_fd(),
        attach,
        after,
    };
    monitor::start(&spec, &control)
        .map(Some)
        .map_err(not_started)
}

fn spec(
    store: &Store,
    container: &Container,
    root: &std::os::fd::OwnedFd,
    size: Option<(u16, u16)>,
) -> Result<ContainerSpec, Failure> {
    let settings = &container.settings;
    let config = &settings.config.config;
    let tree = root
        .try_clone()
        .map_err(|e| BuildError::caused("the root", &e))?;
    let user = process_user(&Root::from_fd(tree), &config.user)?;
    let unknown = |name: String| Failure::new(format!("invalid capability: {name:?}"));
    let (network, program) = network::choose(settings)?;
    let process = Process {
        argv: settings.argv(),
        env: environment(settings, user.home.as_deref()),
        cwd: settings.cwd().to_owned(),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
        network,
        hosts: settings.hosts.clone(),
        hostname: settings.hostname.clone(),
        mounts: Vec::new(),
        stdin: None,
    };
    let resolv_conf = match (&program, network) {
        (Some((_, dns)), _) => dns.clone().into_bytes(),
        (None, Network::Host) => std::fs::read("/etc/resolv.conf").unwrap_or_default(),
        (None, Network::None) => Vec::new(),
    };
    Ok(ContainerSpec {
        id: container.record.id.clone(),
        capabilities: capabilities(&settings.cap_add, &settings.cap_drop).map_err(unknown)?,
        tty: settings.tty,
        size,
        open_stdin: settings.open_stdin,
        stdin_once: settings.stdin_once,
        read_only: settings.read_only,
        init: settings.init,
        mounts: settings.mounts.iter().map(|m| mount_of(store, m)).collect(),
        resolv_conf,
        network: program.map(|(program, _)| program),
        limits: Limits {
            memory: settings.memory,
            nano_cpus: settings.nano_cpus,
            pids: settings.pids_limit,
        },
        health: config
            .healthcheck
            .as_ref()
            .and_then(|h| health(h, &config.shell)),
        stop_signal: settings.stop_signal(),
        log_bytes: LOG,
        process,
    })
}

fn mount_of(store: &Store, m: &super::settings::MountSetting) -> ContainerMount {
    ContainerMount {
        target: m.target.clone(),
        read_only: m.read_only,
        source: match m.kind {
            MountKind::Bind => MountSource::Bind(PathBuf::from(&m.source)),
            MountKind::Volume => MountSource::Bind(store.volume_dir(&m.source)),
            MountKind::Tmpfs => MountSource::Tmpfs(m.options.clone()),
        },
    }
}

/// The environment as docker puts it together.
pub(super) fn environment(settings: &Settings, home: Option<&str>) -> Vec<String> {
    let given = &settings.config.config.env;
    let has = |name: &str| given.iter().any(|e| e.split('=').next() == Some(name));
    let mut env = Vec::new();
    if !has("PATH") {
        env.push(DEFAULT_PATH.to_owned());
    }
    if !has("HOSTNAME") {
        env.push(format!("HOSTNAME={}", settings.hostname));
    }
    if settings.tty && !has("TERM") {
        env.push("TERM=xterm".to_owned());
    }
    env.extend(given.iter().cloned());
    if !has("HOME") {
        env.push(format!("HOME={}", home.unwrap_or("/")));
    }
    env
}

/// Docker's defaults where the image says nothing.
fn health(h: &Healthcheck, shell: &[String]) -> Option<HealthSpec> {
    let argv = match h.test.split_first() {
        Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
        Some((kind, rest)) if kind == "CMD-SHELL" => {
            let usual = ["/bin/sh".to_owned(), "-c".to_owned()];
            let shell = if shell.is_empty() { &usual } else { shell };
            [shell, rest].concat()
        }
        _ => return None,
    };
    let millis = |nanos: i64, default: u64| match nanos {
        0 => default,
        n => u64::try_from(n / 1_000_000).unwrap_or(default).max(1),
    };
    Some(HealthSpec {
        argv,
        interval: millis(h.interval, 30_000),
        timeout: millis(h.timeout, 30_000),
        start_period: millis(h.start_period, 0),
        retries: match h.retries {
            n if n > 0 => u32::try_from(n).unwrap_or(3),
            _ => 3,
        },
    })
}
