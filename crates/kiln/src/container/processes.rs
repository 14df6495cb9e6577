//! `top` and `stats`.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use kiln_engine::containers::{self, Container, ContainerFilters, find};
use kiln_runtime::Usage;
use kiln_store::Store;

use super::args::{StatsArgs, TopArgs};
use crate::format::{Column, print_rows};
use crate::units::human_size;

/// `kiln top`: what the host's `ps` says of the container's processes.
pub fn top(store: &Store, a: &TopArgs) -> Result<()> {
    let Some((name, options)) = a.container.split_first() else {
        bail!("a container is needed");
    };
    let container = find(store, name)?;
    if !container.is_running() {
        bail!("Container {} is not running", container.record.id);
    }
    let processes = container.connect(store)?.processes()?;
    let usual = ["-ef".to_owned()];
    let options = if options.is_empty() {
        &usual[..]
    } else {
        options
    };
    let done = std::process::Command::new("ps")
        .args(options)
        .output()
        .context("running ps, which `top` needs (package procps)")?;
    if !done.status.success() {
        bail!("ps: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    let text = String::from_utf8_lossy(&done.stdout);
    let mut lines = text.lines();
    let Some(head) = lines.next() else {
        return Ok(());
    };
    let names: Vec<&str> = head.split_whitespace().collect();
    let Some(column) = names.iter().position(|n| *n == "PID") else {
        bail!("Couldn't find PID field in ps output");
    };
    let mut rows = vec![names.clone()];
    for line in lines {
        let fields: Vec<&str> = line.splitn_fields(names.len());
        let pid = fields.get(column).and_then(|f| f.parse::<i32>().ok());
        if pid.is_some_and(|pid| processes.contains(&pid)) {
            rows.push(fields);
        }
    }
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|f| f.len()).max();
    let widths: Vec<usize> = (0..names.len())
        .map(|c| width(c).unwrap_or(0).max(17) + 3)
        .collect();
    let mut out = std::io::stdout().lock();
    for row in &rows {
        let mut line = String::new();
        for (c, field) in row.iter().enumerate() {
            match c + 1 == names.len() {
                true => line.push_str(field),
                false => line.push_str(&format!("{field:<width$}", width = widths[c])),
            }
        }
        writeln!(out, "{}", crate::format::harmless(&line)).context("writing the result")?;
    }
    Ok(())
}

/// Splitting into so many fields, of which the last has all the rest.
trait Fields {
    fn splitn_fields(&self, count: usize) -> Vec<&str>;
}

impl Fields for str {
    fn splitn_fields(&self, count: usize) -> Vec<&str> {
        let mut out = Vec::new();
        let mut rest = self.trim_start();
        while out.len() + 1 < count {
            let Some((field, after)) = rest.split_once(char::is_whitespace) else {
                break;
            };
            out.push(field);
            rest = after.trim_start();
        }
        out.push(rest.trim_end());
        out
    }
}

/// `kiln stats`
pub fn stats(store: &Store, a: &StatsArgs) -> Result<()> {
    let chosen = || -> Result<Vec<Container>> {
        if a.containers.is_empty() {
            let all = containers::list(store, a.all, &ContainerFilters::default(), false)?;
            return Ok(all.into_iter().map(|row| row.container).collect());
        }
        a.containers
            .iter()
            .map(|name| Ok(find(store, name)?))
            .collect()
    };
    let usage = |c: &Container| -> Option<(Instant, Usage)> {
        let monitor = c.connect(store).ok().filter(|_| c.is_running())?;
        Some((Instant::now(), monitor.usage().ok()?))
    };
    let mut before: HashMap<String, (Instant, Usage)> = chosen()?
        .iter()
        .filter_map(|c| Some((c.record.id.clone(), usage(c)?)))
        .collect();
    let terminal = std::io::stdout().is_terminal();
    loop {
        std::thread::sleep(Duration::from_millis(if a.no_stream { 200 } else { 1000 }));
        let mut rows = Vec::new();
        let mut now = HashMap::new();
        for c in chosen()? {
            let current = usage(&c);
            let share = match (&current, before.get(&c.record.id)) {
                (Some((at, new)), Some((then, old))) => {
                    let passed = at.duration_since(*then).as_nanos().max(1) as f64;
                    new.cpu.saturating_sub(old.cpu) as f64 * 100.0 / passed
                }
                _ => 0.0,
            };
            rows.push(cells(
                &c,
                current.map_or_else(Usage::default, |(_, u)| u),
                share,
                a,
            ));
            if let Some(current) = current {
                now.insert(c.record.id.clone(), current);
            }
        }
        before = now;
        if terminal && !a.no_stream {
            print!("\x1b[2J\x1b[H");
        }
        const COLUMNS: [Column; 8] = [
            ("ID", "CONTAINER ID"),
            ("Name", "NAME"),
            ("CPUPerc", "CPU %"),
            ("MemUsage", "MEM USAGE / LIMIT"),
            ("MemPerc", "MEM %"),
            ("NetIO", "NET I/O"),
            ("BlockIO", "BLOCK I/O"),
            ("PIDs", "PIDS"),
        ];
        print_rows(&rows, &COLUMNS, &COLUMNS, a.format.as_deref())?;
        if a.no_stream {
            return Ok(());
        }
    }
}

fn cells(c: &Container, u: Usage, share: f64, a: &StatsArgs) -> HashMap<&'static str, String> {
    let limit = match u.memory_limit {
        0 => memory_of_host(),
        limit => limit,
    };
    let percent = u.memory as f64 * 100.0 / limit.max(1) as f64;
    let pair = |(a, b): (u64, u64)| format!("{} / {}", human_size(a), human_size(b));
    HashMap::from([
        (
            "ID",
            if a.no_trunc {
                c.record.id.clone()
            } else {
                c.short_id().to_owned()
            },
        ),
        ("Container", c.short_id().to_owned()),
        ("Name", c.record.name.clone()),
        ("CPUPerc", format!("{share:.2}%")),
        (
            "MemUsage",
            format!("{} / {}", binary_size(u.memory), binary_size(limit)),
        ),
        ("MemPerc", format!("{percent:.2}%")),
        ("NetIO", pair(u.network)),
        ("BlockIO", pair(u.disk)),
        ("PIDs", u.pids.to_string()),
    ])
}

/// `1.5MiB`
fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    let text = match size {
        s if s >= 100.0 => format!("{s:.1}"),
        s if s >= 10.0 => format!("{s:.2}"),
        s => format!("{s:.3}"),
    };
    format!(
        "{}{}",
        text.trim_end_matches('0').trim_end_matches('.'),
        UNITS[unit]
    )
}

fn memory_of_host() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|t| t.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
