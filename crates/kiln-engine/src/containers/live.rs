//! A container and what became of it.

use std::path::PathBuf;
use std::time::Duration;

use kiln_runtime::monitor::{
    Connection, State, Status, boot_id, clean_up, read_state, write_state,
};
use kiln_store::{ContainerLock, ContainerRecord, Store};

use super::Failure;
use super::settings::Settings;
use crate::{BuildError, Kind};

/// The code of a container whose monitor was killed, and it with it.
const KILLED: i32 = 137;
/// The code of one that a reboot ended, as docker has it.
const REBOOT: i32 = 255;

/// A container: its row, what it is made of, and its state.
#[derive(Clone, Debug)]
pub struct Container {
    /// The row.
    pub record: ContainerRecord,
    /// What it is made of.
    pub settings: Settings,
    /// How it is.
    pub state: State,
}

impl Container {
    pub(super) fn dir(&self, store: &Store) -> PathBuf {
        store.container_dir(&self.record.id)
    }

    /// Whether its processes exist.
    pub fn is_running(&self) -> bool {
        matches!(self.state.status, Status::Running | Status::Paused)
    }

    /// The first twelve digits of its id.
    pub fn short_id(&self) -> &str {
        self.record.id.get(..12).unwrap_or(&self.record.id)
    }

    /// A connection to its monitor; the container must run.
    pub fn connect(&self, store: &Store) -> Result<Connection, BuildError> {
        Connection::open(&self.dir(store)).map_err(|_| self.not_running())
    }

    pub(super) fn not_running(&self) -> BuildError {
        let text = format!("Container {} is not running", self.record.id);
        BuildError::new(text).of_kind(Kind::Conflict)
    }

    /// Takes its lock; whoever has it for long is its monitor.
    pub(super) fn lock(
        &self,
        store: &Store,
        patience: Duration,
    ) -> Result<Option<ContainerLock>, BuildError> {
        Ok(store.lock_container(&self.record.id, patience)?)
    }
}

/// The container of a name or id.
pub fn find(store: &Store, name: &str) -> Result<Container, BuildError> {
    let record = store.find_container(name)?;
    settle(store, record)?.ok_or_else(|| {
        BuildError::new(format!("No such container: {name}")).of_kind(Kind::NotFound)
    })
}

/// Joins a row with its state. A container that is said to run but has no monitor has ended: this
/// is written down, and what the monitor would have cleaned up is. Nothing where it was to be
/// removed at its end.
pub fn settle(store: &Store, record: ContainerRecord) -> Result<Option<Container>, BuildError> {
    let dir = store.container_dir(&record.id);
    let broken = |e: &dyn std::fmt::Display| {
        BuildError::new(format!("container {}: {e}", record.id)).hint("remove it with `kiln rm -f`")
    };
    let settings: Settings = serde_json::from_slice(&record.config).map_err(|e| broken(&e))?;
    let Ok(fd) = std::fs::File::open(&dir) else {
        return Ok(None);
    };
    let state = || match read_state(&fd) {
        Ok(state) => Ok(state),
        Err(_) if !dir.is_dir() => Ok(State::default()),
        Err(e) => Err(broken(&e)),
    };
    let mut now = state()?;
    let runs = |s: &State| matches!(s.status, Status::Running | Status::Paused);
    if runs(&now) && !store.container_locked(&record.id)? {
        let lock = match store.lock_container(&record.id, Duration::ZERO) {
            Ok(lock) => lock,
            Err(kiln_store::StoreError::NoContainer { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        // It may have ended in order between the two looks.
        now = state()?;
        if runs(&now) {
            let rebooted = now.boot != boot_id();
            now.status = Status::Exited;
            now.exit_code = if rebooted { REBOOT } else { KILLED };
            now.finished_at = jiff::Timestamp::now().to_string();
            if let Some(lock) = lock {
                clean_up(&now);
                now.pid = 0;
                now.cgroup.clear();
                now.helpers.clear();
                let _ = std::fs::remove_file(dir.join("sock"));
                write_state(&fd, &now).map_err(|e| broken(&e))?;
                if settings.auto_remove {
                    super::remove::discard(store, &record, &lock, true)?;
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(Container {
        record,
        settings,
        state: now,
    }))
}

/// As [`find`], for a container that must run.
pub(super) fn running(store: &Store, name: &str) -> Result<Container, Failure> {
    let container = find(store, name)?;
    match container.is_running() {
        true => Ok(container),
        false => Err(container.not_running().into()),
    }
}
