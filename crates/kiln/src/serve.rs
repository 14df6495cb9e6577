//! `serve`: an engine for docker's clients.

use std::io::IsTerminal;

use anyhow::{Context as _, Result};
use kiln_runtime::Mode;
use kiln_server::{Settings, default_address, serve};
use kiln_store::Store;
use tracing_subscriber::filter::LevelFilter;

use crate::args::ServeArgs;

/// `kiln serve`
pub fn run(store: Store, a: ServeArgs, mode: Mode, root: bool) -> Result<()> {
    let level = match a.debug {
        true => LevelFilter::DEBUG,
        false => LevelFilter::INFO,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let address = a.host.or_else(|| default_address(root)).context(
        "XDG_RUNTIME_DIR is not set, so there is no place for the socket; name one: -H unix:///PATH",
    )?;
    serve(
        store,
        Settings {
            address,
            group: a.group,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode,
        },
    )?;
    Ok(())
}
