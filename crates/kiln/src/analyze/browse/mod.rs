//! `analyze --browse`: the layers and their files in the terminal.

mod draw;
mod keys;
mod rows;
mod state;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kiln_analyze::Analysis;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGTERM};

use state::State;

/// How long a signal may wait.
const TICK: Duration = Duration::from_millis(200);

/// Says so at once where there is nothing to browse in.
pub fn check_terminal() -> Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!(
            "--browse needs a terminal; without it, or with --html FILE, the report is written out"
        );
    }
    Ok(())
}

/// Shows an image until the user leaves.
pub fn browse(analysis: &Analysis) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    // It also has the terminal restored by a panic.
    let mut terminal = ratatui::try_init().context("preparing the terminal")?;
    let result = show(&mut terminal, &mut State::new(analysis), &ended);
    ratatui::try_restore().context("restoring the terminal")?;
    result
}

fn show(terminal: &mut DefaultTerminal, state: &mut State<'_>, ended: &AtomicBool) -> Result<()> {
    const WHAT: &str = "writing to the terminal";
    terminal
        .draw(|frame| draw::draw(frame, state))
        .context(WHAT)?;
    while !state.done && !ended.load(Ordering::Relaxed) {
        if !event::poll(TICK).context("reading the terminal")? {
            continue;
        }
        match event::read().context("reading the terminal")? {
            Event::Key(key) if key.kind != KeyEventKind::Release => state.key(key),
            Event::Resize(..) => {}
            _ => continue,
        }
        terminal
            .draw(|frame| draw::draw(frame, state))
            .context(WHAT)?;
    }
    Ok(())
}
