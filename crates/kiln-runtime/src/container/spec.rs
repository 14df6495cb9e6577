//! What a container is made of: plain data that its monitor is started with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::Process;

/// A container to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its first process.
    pub process: Process,
    /// The capabilities it keeps; see [`capabilities`](crate::capabilities).
    pub capabilities: u64,
    /// Its processes have a terminal.
    pub tty: bool,
    /// The terminal's size at the start: rows, columns.
    pub size: Option<(u16, u16)>,
    /// Standard input is kept open for whoever attaches.
    pub open_stdin: bool,
    /// Standard input ends with the first who attached to it.
    pub stdin_once: bool,
    /// The root file system can't be written.
    pub read_only: bool,
    /// A small first process that takes care of orphans.
    pub init: bool,
    /// What is mounted in it, in order.
    pub mounts: Vec<ContainerMount>,
    /// Lines of `/etc/resolv.conf`.
    pub resolv_conf: Vec<u8>,
    /// How it reaches the network, where it doesn't share the host's.
    pub network: Option<UserNetwork>,
    /// What it may use.
    pub limits: Limits,
    /// How it is checked on.
    pub health: Option<HealthSpec>,
    /// The signals that stop it, which a pause doesn't outlast.
    pub stop_signal: i32,
    /// How large a log grows before a new one is begun.
    pub log_bytes: u64,
}

/// Something mounted in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// Where, as the container sees it.
    pub target: String,
    /// It can't be written.
    pub read_only: bool,
    /// What.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or directory of the host.
    Bind(PathBuf),
    /// A file system in memory, with mount options.
    Tmpfs(Vec<String>),
}

/// A network of the container's own, by a program that needs no root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserNetwork {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; `{pid}` stands for the container's first process. On
    /// its standard output it says that it is ready.
    pub arguments: Vec<String>,
    /// What its standard input is: the container's network namespace, or a
    /// pipe whose end is the container's.
    pub takes_namespace: bool,
    /// The socket in the container's directory on which it is asked for more.
    pub socket: String,
    /// What it is asked, in JSON, each with what to say where it refuses.
    pub requests: Vec<(String, String)>,
    /// What it may say when it can't begin, and what that means.
    pub complaints: Vec<(String, String)>,
}

/// What a container may use; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Billionths of a processor.
    pub nano_cpus: u64,
    /// Processes.
    pub pids: u64,
}

impl Limits {
    /// Whether there is none.
    pub fn none(&self) -> bool {
        *self == Limits::default()
    }
}

/// How a container is checked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// The command.
    pub argv: Vec<String>,
    /// Milliseconds from one check to the next.
    pub interval: u64,
    /// Milliseconds that one may take.
    pub timeout: u64,
    /// Milliseconds at the start in which failures don't count.
    pub start_period: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
}

/// One more process of a running container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecSpec {
    /// What runs; its network and hosts are the container's.
    pub process: Process,
    /// It has a terminal, whose other side is sent to who asked.
    pub tty: bool,
    /// The terminal's size.
    pub size: Option<(u16, u16)>,
    /// Nobody waits for it.
    pub detach: bool,
}
