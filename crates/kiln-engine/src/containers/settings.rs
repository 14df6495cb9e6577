//! What a container is made of, as its row keeps it.

use std::collections::BTreeMap;

use kiln_oci::ImageConfig;
use serde::{Deserialize, Serialize};

/// All that `create` was told, joined with what the image says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The image as it was named.
    pub image: String,
    /// The image's config with what was given for the container in place: what a commit starts
    /// from.
    pub config: ImageConfig,
    /// The host name.
    pub hostname: String,
    /// It has a terminal.
    pub tty: bool,
    /// `-i`.
    pub open_stdin: bool,
    /// Standard input ends with the first who attached.
    pub stdin_once: bool,
    /// What was attached to when it was made: input, output, errors.
    pub attach: (bool, bool, bool),
    /// `--rm`.
    pub auto_remove: bool,
    /// `host`, `none` or `default`.
    pub network: String,
    /// `--add-host`.
    pub hosts: Vec<(String, String)>,
    /// `-p`.
    pub ports: Vec<Port>,
    /// What is mounted.
    pub mounts: Vec<MountSetting>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--memory`.
    pub memory: u64,
    /// `--cpus`, in billionths.
    pub nano_cpus: u64,
    /// `--pids-limit`.
    pub pids_limit: u64,
    /// `--init`.
    pub init: bool,
    /// `--stop-timeout`.
    pub stop_timeout: Option<u64>,
    /// Labels, the image's included.
    pub labels: BTreeMap<String, String>,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The host's address, empty for all.
    pub host_ip: String,
    /// The host's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// The kinds of mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume.
    Volume,
    /// A file system in memory.
    Tmpfs,
}

/// One mount, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSetting {
    /// What kind.
    pub kind: MountKind,
    /// The host's path or the volume's name; a name is made for a volume without.
    pub source: String,
    /// Where.
    pub target: String,
    /// `ro`.
    pub read_only: bool,
    /// Of a tmpfs.
    pub options: Vec<String>,
    /// Don't fill an empty volume with what the image has there.
    pub no_copy: bool,
    /// `-v`: a directory of the host that isn't there is made.
    pub make_source: bool,
    /// The volume is the container's own.
    pub anonymous: bool,
}

impl Settings {
    /// The command and its arguments.
    pub fn argv(&self) -> Vec<String> {
        let config = &self.config.config;
        let parts = [config.entrypoint.as_ref(), config.cmd.as_ref()];
        parts.into_iter().flatten().flatten().cloned().collect()
    }

    /// Its working directory.
    pub fn cwd(&self) -> &str {
        match self.config.config.working_dir.as_str() {
            "" => "/",
            dir => dir,
        }
    }

    /// The signal that asks it to stop.
    pub fn stop_signal(&self) -> i32 {
        let signal = self.config.config.stop_signal.as_deref();
        signal
            .and_then(super::signals::signal_number)
            .unwrap_or(super::signals::TERM)
    }
}
