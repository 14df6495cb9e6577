//! Remove and rename containers.

use std::time::{Duration, Instant};

use kiln_runtime::monitor::{Ended, Status};
use kiln_store::{ContainerLock, ContainerRecord, Store};

use super::live::{find, settle};
use super::start::After;
use super::{Failure, names, signals, stop};
use crate::BuildError;

/// How long a container that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Removes a container; one that runs only with `force`. With `volumes`, the volumes that were
/// made for it alone go too.
pub fn remove(store: &Store, name: &str, force: bool, volumes: bool) -> Result<(), Failure> {
    let began = Instant::now();
    let mut container = find(store, name)?;
    let id = container.record.id.clone();
    loop {
        let gone = |e: BuildError| match e.message.starts_with("No such container") {
            true => Ok(()),
            false => Err(Failure::from(e)),
        };
        match container.lock(store, Duration::ZERO) {
            Ok(Some(lock)) => {
                // Its volumes come after it: they are in use until then.
                return Ok(discard(store, &container.record, &lock, volumes)?);
            }
            Ok(None) => {}
            // It removed itself.
            Err(e) => return gone(e),
        }
        if container.is_running() && !force {
            return Err(Failure::new(match container.state.status {
                Status::Paused => format!(
                    "You cannot remove a paused container {id}. Unpause and then stop the \
                     container before attempting removal or force remove"
                ),
                _ => format!(
                    "You cannot remove a running container {id}. Stop the container before \
                     attempting removal or force remove"
                ),
            }));
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::new(format!(
                "container {name} is in use by another process"
            )));
        }
        if container.is_running() && stop::signal(store, &container, signals::KILL)? {
            stop::ends_within(store, &container, Some(Duration::from_secs(1)))?;
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
        container = match find(store, &id) {
            Ok(container) => container,
            Err(e) => return gone(e),
        };
    }
}

/// Removes a container whose lock is held.
pub(super) fn discard(
    store: &Store,
    record: &ContainerRecord,
    lock: &ContainerLock,
    volumes: bool,
) -> Result<(), BuildError> {
    store.container_remove(&record.id, lock)?;
    for name in record.volumes.iter().filter(|_| volumes) {
        if store.volume(name)?.is_some_and(|v| v.anonymous) {
            // Another container may have taken it up.
            let _ = store.volume_remove(name);
        }
    }
    Ok(())
}

/// What a monitor does when its container has ended: one that was started with `--rm` goes.
///
/// The monitor has the lock.
pub fn after_monitor(ended: &Ended) -> Result<(), BuildError> {
    let bad = |e: serde_json::Error| BuildError::new(e.to_string());
    let after: After = serde_json::from_str(&ended.after).map_err(bad)?;
    let store = Store::open_quickly(&after.root)?;
    let record = store.find_container(&after.id)?;
    let settings: super::Settings = serde_json::from_slice(&record.config).map_err(bad)?;
    if settings.auto_remove {
        store.container_remove_locked(&record.id)?;
        for name in &record.volumes {
            if store.volume(name)?.is_some_and(|v| v.anonymous) {
                let _ = store.volume_remove(name);
            }
        }
    }
    Ok(())
}

/// Gives a container another name.
pub fn rename(store: &Store, container: &str, name: &str) -> Result<(), Failure> {
    let container = find(store, container)?;
    let name = name.strip_prefix('/').unwrap_or(name);
    names::check("container", name)?;
    if container.record.name == name {
        return Err(Failure::new(
            "Renaming a container with the same name as its current name",
        ));
    }
    Ok(store.container_rename(&container.record.id, name)?)
}

/// Removes all containers that don't run; gives their ids.
pub fn prune(store: &Store, filters: &super::ContainerFilters) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for record in store.containers()? {
        let id = record.id.clone();
        let Some(container) = settle(store, record)? else {
            continue;
        };
        if container.is_running() || !filters.passes(store, &container)? {
            continue;
        }
        match remove(store, &id, false, false) {
            Ok(()) => done.push(id),
            // It was started meanwhile.
            Err(_) if find(store, &id).is_ok_and(|c| c.is_running()) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}
