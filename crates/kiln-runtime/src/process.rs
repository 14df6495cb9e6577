//! What to run, and how it ended.

use serde::{Deserialize, Serialize};

use crate::volumes::{Mount, Volume};

/// The network a process sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Network {
    /// The caller's.
    Host,
    /// A new one with only the loopback interface.
    None,
}

/// A process to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// The command and its arguments; the first is looked up in `PATH`.
    pub argv: Vec<String>,
    /// The complete environment, each entry `NAME=VALUE`.
    pub env: Vec<String>,
    /// The working directory; it must exist.
    pub cwd: String,
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// The network.
    pub network: Network,
    /// Additional entries of `/etc/hosts`: host name, address.
    pub hosts: Vec<(String, String)>,
    /// The host name.
    pub hostname: String,
    /// What it sees besides the root.
    #[serde(skip)]
    pub mounts: Vec<Mount>,
    /// What the process reads from its standard input; nothing when absent.
    #[serde(skip)]
    pub stdin: Option<Vec<u8>>,
}

/// Where output came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It was killed because the caller cancelled.
    Cancelled,
}

/// What the helper is told: the process, and what is to be seen in `/etc`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Spec {
    pub process: Process,
    pub resolv_conf: Vec<u8>,
    pub has_stdin: bool,
    pub volumes: Vec<Volume>,
}

impl Process {
    /// The contents of `/etc/hosts`.
    pub(crate) fn hosts_file(&self) -> String {
        let mut text = format!(
            "127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
            self.hostname
        );
        for (host, address) in &self.hosts {
            text.push_str(&format!("{address}\t{host}\n"));
        }
        text
    }
}
