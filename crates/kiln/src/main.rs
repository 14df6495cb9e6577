//! The `kiln` command: reads arguments, calls the engine, prints.

mod analyze;
mod args;
mod bars;
mod build;
mod call;
mod check;
mod container;
mod exit;
mod explain;
mod fmt;
mod format;
mod images;
mod progress;
mod remote;
mod secrets;
mod serve;
mod system;
mod template;
mod transfer;
mod units;
mod why;

use std::process::ExitCode;

use clap::Parser;
use kiln_store::Store;

use args::{BuilderCommand, Cli, Command, ImageCommand, ManifestCommand, SystemCommand};
use exit::Exit;
use system::Kind;

fn main() -> ExitCode {
    kiln_runtime::helper_main_if_asked();
    let after = |ended: &kiln_runtime::monitor::Ended| {
        // Nobody is there to be told; what is left shows in `ps`.
        let _ = kiln_engine::containers::after_monitor(ended);
    };
    if kiln_runtime::monitor::monitor_if_asked(after) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            // docker's code for a command line it does not understand.
            return ExitCode::from(if e.use_stderr() { 125 } else { 0 });
        }
    };
    // As with docker: a code that can't be the container's.
    let failed = if cli.command.runs_a_container() {
        125
    } else {
        1
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            if let Some(exit) = e.downcast_ref::<Exit>() {
                return ExitCode::from(exit.code);
            }
            eprintln!("ERROR: {}", format::harmless(&format!("{e:#}")));
            ExitCode::from(failed)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Check(a) => return check::run(cli.root.as_deref(), a),
        Command::Fmt(a) => return fmt::run(a),
        _ => {}
    }
    // Before any thread exists: it may enter a user namespace.
    let root_user = rustix::process::geteuid().is_root();
    let mode = kiln_runtime::enter()?;
    let root = match &cli.root {
        Some(r) => r.clone(),
        None => Store::default_root()?,
    };
    let store = Store::open(&root)?;
    match cli.command {
        Command::Build(a) => build::run(&store, *a),
        Command::Check(a) => check::run(Some(&root), &a),
        Command::Fmt(a) => fmt::run(&a),
        Command::Images(a) => images::list(&store, &a),
        Command::History(a) => images::history(&store, &a),
        Command::Why(a) => why::run(&store, &a),
        Command::Tag(a) => images::tag(&store, &a),
        Command::Rmi(a) => images::remove(&store, &a),
        Command::Inspect(a) => images::inspect(&store, &a),
        Command::Import(a) => transfer::import(&store, &a),
        Command::Save(a) => transfer::save(&store, &a),
        Command::Load(a) => transfer::load(&store, &a),
        Command::Pull(a) => remote::pull(&store, &a),
        Command::Push(a) => remote::push(&store, &a),
        Command::Manifest(sub) => match sub {
            ManifestCommand::Create(a) => remote::create_list(&store, &a),
            ManifestCommand::Push(a) => remote::push_list(&store, &a),
            ManifestCommand::Rm(a) => remote::remove_lists(&store, &a),
        },
        Command::Login(a) => remote::login(&a),
        Command::Logout(a) => remote::logout(&a),
        Command::Serve(a) => serve::run(store, a, mode, root_user),
        Command::Export(a) => transfer::export(&store, &a),
        Command::Analyze(a) => analyze::run(&store, &a),
        Command::System(sub) => match sub {
            SystemCommand::Df(a) => system::usage(&store, &a),
            SystemCommand::Prune(a) => system::prune(&store, &a, Kind::System),
        },
        Command::Builder(BuilderCommand::Prune(a)) => system::prune(&store, &a, Kind::Cache),
        Command::Image(sub) => match sub {
            ImageCommand::Build(a) => build::run(&store, *a),
            ImageCommand::Ls(a) => images::list(&store, &a),
            ImageCommand::History(a) => images::history(&store, &a),
            ImageCommand::Tag(a) => images::tag(&store, &a),
            ImageCommand::Rm(a) => images::remove(&store, &a),
            ImageCommand::Inspect(a) => images::inspect(&store, &a),
            ImageCommand::Import(a) => transfer::import(&store, &a),
            ImageCommand::Save(a) => transfer::save(&store, &a),
            ImageCommand::Load(a) => transfer::load(&store, &a),
            ImageCommand::Pull(a) => remote::pull(&store, &a),
            ImageCommand::Push(a) => remote::push(&store, &a),
            ImageCommand::Prune(a) => system::prune(&store, &a, Kind::Images),
        },
        Command::Verb(verb) => container::verb(&store, verb),
        Command::Container(command) => container::group(&store, command),
        Command::Volume(command) => container::volumes(&store, command),
    }
}
