//! `exec`: one more process in a running container.

use std::os::fd::BorrowedFd;

use kiln_build::users::process_user;
use kiln_runtime::monitor::{Started, Status};
use kiln_runtime::{ExecSpec, Network, Process};
use kiln_store::Store;
use kiln_tree::Root;

use super::live::running;
use super::start::environment;
use super::{Failure, not_started};

/// What is to run.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// The command.
    pub argv: Vec<String>,
    /// `-e`: replaces or adds to the container's environment.
    pub env: Vec<String>,
    /// `-w`.
    pub cwd: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `-t`.
    pub tty: bool,
    /// The terminal's size.
    pub size: Option<(u16, u16)>,
    /// `-d`.
    pub detach: bool,
}

/// Starts a process in a container. Without a terminal it gets three pipes.
pub fn exec(
    store: &Store,
    name: &str,
    request: &ExecRequest,
    stdio: &[BorrowedFd],
) -> Result<Started, Failure> {
    let container = running(store, name).map_err(|f| Failure { code: 1, ..f })?;
    if container.state.status == Status::Paused {
        return Err(Failure {
            code: 1,
            ..Failure::new(format!(
                "Container {name} is paused, unpause the container before exec"
            ))
        });
    }
    let monitor = container.connect(store)?;
    let config = &container.settings.config.config;
    let root = Root::from_fd(monitor.root()?);
    let user = process_user(&root, request.user.as_deref().unwrap_or(&config.user))?;
    let mut settings = container.settings.clone();
    settings.tty = request.tty || settings.tty;
    for entry in &request.env {
        let env = &mut settings.config.config.env;
        let name = entry.split('=').next();
        env.retain(|e| e.split('=').next() != name);
        env.push(entry.clone());
    }
    let spec = ExecSpec {
        process: Process {
            argv: request.argv.clone(),
            env: environment(&settings, user.home.as_deref()),
            cwd: match &request.cwd {
                Some(dir) => dir.clone(),
                None => settings.cwd().to_owned(),
            },
            uid: user.uid,
            gid: user.gid,
            groups: user.groups,
            network: Network::Host,
            hosts: Vec::new(),
            hostname: String::new(),
            mounts: Vec::new(),
            stdin: None,
        },
        tty: request.tty,
        size: request.size,
        detach: request.detach,
    };
    monitor.exec(&spec, stdio).map_err(not_started)
}
