//! The commands of containers and volumes.

pub mod args;
mod attach;
mod copy;
mod exec;
mod flags;
mod lifecycle;
mod list;
mod logs;
mod mounts;
mod processes;
mod run;
mod terminal;
mod volume;

use anyhow::{Result, bail};
use kiln_engine::containers::Failure;
use kiln_store::Store;

use crate::exit::Exit;
use args::{ContainerCommand, Verb, VolumeCommand};

pub use list::inspect_one;

/// Carries out one command.
pub fn verb(store: &Store, verb: Verb) -> Result<()> {
    match verb {
        Verb::Run(a) => run::run(store, &a),
        Verb::Create(a) => run::create(store, &a),
        Verb::Start(a) => run::start(store, &a),
        Verb::Stop(a) => lifecycle::stop(store, &a),
        Verb::Restart(a) => lifecycle::restart(store, &a),
        Verb::Kill(a) => lifecycle::kill(store, &a),
        Verb::Rm(a) => lifecycle::remove(store, &a),
        Verb::Exec(a) => exec::run(store, &a),
        Verb::Attach(a) => run::attach(store, &a),
        Verb::Logs(a) => logs::run(store, &a),
        Verb::Wait(a) => lifecycle::wait(store, &a),
        Verb::Top(a) => processes::top(store, &a),
        Verb::Stats(a) => processes::stats(store, &a),
        Verb::Cp(a) => copy::run(store, &a),
        Verb::Diff(a) => copy::diff(store, &a),
        Verb::Rename(a) => lifecycle::rename(store, &a),
        Verb::Port(a) => list::port(store, &a),
        Verb::Pause(a) => lifecycle::pause(store, &a),
        Verb::Unpause(a) => lifecycle::unpause(store, &a),
        Verb::Commit(a) => lifecycle::commit(store, &a),
        Verb::Ps(a) => list::run(store, &a),
    }
}

/// Carries out a command of the group.
pub fn group(store: &Store, command: ContainerCommand) -> Result<()> {
    match command {
        ContainerCommand::Verb(v) => verb(store, v),
        ContainerCommand::Inspect(a) => list::inspect(store, &a),
        ContainerCommand::Prune(a) => lifecycle::prune(store, &a),
        ContainerCommand::Export(a) => crate::transfer::export(store, &a),
    }
}

/// Carries out a command of volumes.
pub fn volumes(store: &Store, command: VolumeCommand) -> Result<()> {
    volume::run(store, command)
}

/// Does something with each of several containers; all are tried.
fn each(
    names: &[String],
    mut act: impl FnMut(&str) -> std::result::Result<(), Failure>,
) -> Result<()> {
    let mut failed = false;
    for name in names {
        if let Err(e) = act(name) {
            complain(&e);
            failed = true;
        }
    }
    match failed {
        true => bail!(Exit::quiet(1)),
        false => Ok(()),
    }
}

/// Tells what went wrong.
fn complain(e: &dyn std::fmt::Display) {
    eprintln!("ERROR: {}", crate::format::harmless(&e.to_string()));
}

/// Ends with the code that docker has for this failure.
fn ends_with(e: Failure) -> anyhow::Error {
    complain(&e);
    Exit::quiet(e.code).into()
}
