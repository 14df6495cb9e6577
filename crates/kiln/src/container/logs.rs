//! `logs`.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kiln_engine::containers::find;
use kiln_engine::filters::point;
use kiln_runtime::monitor::{LogEntry, LogReader};
use kiln_store::Store;

use super::args::LogsArgs;

/// How often a log that is followed is looked at.
const TICK: Duration = Duration::from_millis(20);

/// `kiln logs`
pub fn run(store: &Store, a: &LogsArgs) -> Result<()> {
    let container = find(store, &a.container)?;
    let id = &container.record.id;
    let time = |text: &Option<String>| -> Result<Option<Timestamp>> {
        match text {
            Some(text) => Ok(Some(point(text).with_context(|| {
                format!("invalid value {text:?}: it takes a time, or how long ago (10m)")
            })?)),
            None => Ok(None),
        }
    };
    let (since, until) = (time(&a.since)?, time(&a.until)?);
    let tail = match a.tail.as_str() {
        "all" => None,
        text => match text.parse::<i64>() {
            Ok(n) => usize::try_from(n).ok(),
            Err(_) => bail!("invalid value {text:?} for --tail: it takes a number or all"),
        },
    };
    let wanted = |entry: &LogEntry| {
        let at: Option<Timestamp> = entry.time.parse().ok();
        since.is_none_or(|t| at >= Some(t)) && until.is_none_or(|t| at <= Some(t))
    };
    let dir = store.container_dir(id);
    let mut reader = LogReader::open(&dir).context("opening the log")?;
    let mut last = VecDeque::new();
    while let Some(entry) = reader.next_entry().context("reading the log")? {
        if !wanted(&entry) {
            continue;
        }
        match tail {
            None => show(&entry, a.timestamps)?,
            Some(0) => {}
            Some(n) => {
                if last.len() == n {
                    last.pop_front();
                }
                last.push_back(entry);
            }
        }
    }
    for entry in last {
        show(&entry, a.timestamps)?;
    }
    if !a.follow {
        return Ok(());
    }
    loop {
        // Looked at first: what is written before its end is then read.
        let runs = store.container_locked(id)?;
        while let Some(entry) = reader.next_entry().context("reading the log")? {
            if wanted(&entry) {
                show(&entry, a.timestamps)?;
            }
        }
        if !runs || until.is_some_and(|t| Timestamp::now() > t) {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
}

fn show(entry: &LogEntry, timestamps: bool) -> Result<()> {
    let text = match timestamps {
        true => format!("{} {}", entry.time, entry.log),
        false => entry.log.clone(),
    };
    match entry.stream.as_str() {
        "stderr" => std::io::stderr().write_all(text.as_bytes()),
        _ => std::io::stdout().write_all(text.as_bytes()),
    }
    .context("writing the log")
}
