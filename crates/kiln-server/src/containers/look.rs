//! List, inspect, logs, changes.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use kiln_engine::containers::{Change, ContainerRow, MountKind, diff, find, inspect, list};
use kiln_engine::filters::point;
use kiln_runtime::Stream;
use kiln_runtime::monitor::{LogEntry, LogReader, Status};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::life;
use crate::error::ApiError;
use crate::hijack::Output;
use crate::query::Params;
use crate::state::App;
use crate::stream::{self, blocking};

/// How often a log that is followed is looked at.
const TICK: Duration = Duration::from_millis(20);
const RAW: &str = "application/vnd.docker.multiplexed-stream";

/// `GET /containers/json`
pub async fn all(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    let filters = life::filters(&params)?;
    let limit = params.get("limit").and_then(|n| n.parse::<usize>().ok());
    let limit = limit.filter(|n| *n > 0);
    blocking(move || {
        let every = params.flag("all") || limit.is_some();
        let mut rows = list(&app.store, every, &filters, params.flag("size"))?;
        rows.truncate(limit.unwrap_or(usize::MAX));
        Ok(Json(rows.iter().map(summary).collect()))
    })
    .await
}

/// A container as lists show it.
pub fn summary(row: &ContainerRow) -> Value {
    let c = &row.container;
    let settings = &c.settings;
    let state = match c.state.status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "exited",
    };
    let ports = settings.ports.iter().map(|p| {
        json!({
            "IP": if p.host_ip.is_empty() { "0.0.0.0" } else { &p.host_ip },
            "PrivatePort": p.container,
            "PublicPort": p.host,
            "Type": p.protocol,
        })
    });
    let mounts = settings.mounts.iter().map(|m| {
        let name = if m.kind == MountKind::Volume {
            &m.source
        } else {
            ""
        };
        json!({
            "Type": m.kind,
            "Name": name,
            "Source": m.source,
            "Destination": m.target,
            "RW": !m.read_only,
        })
    });
    let created = c.record.created.parse::<Timestamp>();
    let mut out = json!({
        "Id": c.record.id,
        "Names": [format!("/{}", c.record.name)],
        "Image": settings.image,
        "ImageID": c.record.image.to_string(),
        "Command": command(&settings.argv()),
        "Created": created.map_or(0, Timestamp::as_second),
        "Ports": ports.collect::<Vec<_>>(),
        "Labels": settings.labels,
        "State": state,
        "Status": status(row),
        "HostConfig": { "NetworkMode": settings.network },
        "NetworkSettings": { "Networks": {} },
        "Mounts": mounts.collect::<Vec<_>>(),
    });
    if let Some((own, whole)) = row.size {
        out["SizeRw"] = own.into();
        out["SizeRootFs"] = whole.into();
    }
    out
}

/// The command as docker writes it: words with blanks quoted.
fn command(argv: &[String]) -> String {
    let quoted = argv.iter().map(|a| match a.contains([' ', '\t', '\n']) {
        true => format!("'{a}'"),
        false => a.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn status(row: &ContainerRow) -> String {
    let state = &row.container.state;
    let since = |time: &str| match time.parse::<Timestamp>() {
        Ok(t) => span(Timestamp::now().as_second() - t.as_second()),
        Err(_) => "a while".to_owned(),
    };
    let health = match &state.health {
        Some(h) if h.status == "starting" => " (health: starting)".to_owned(),
        Some(h) if h.status != "none" => format!(" ({})", h.status),
        _ => String::new(),
    };
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => format!("Up {}{health}", since(&state.started_at)),
        Status::Paused => format!("Up {} (Paused)", since(&state.started_at)),
        Status::Exited => {
            format!(
                "Exited ({}) {} ago",
                state.exit_code,
                since(&state.finished_at)
            )
        }
    }
}

/// A time as people say it.
fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match (seconds, minutes, hours) {
        (..1, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 168),
        (.., ..17520) => format!("{} months", hours / 720),
        _ => format!("{} years", hours / 8760),
    }
}

/// `GET /containers/{id}/json`
pub async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    blocking(move || Ok(Json(inspect(&app.store, &name, params.flag("size"))?))).await
}

/// `GET /containers/{id}/changes`
pub async fn changes(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    blocking(move || {
        let found = diff(&app.store, &name)?.into_iter().map(|(change, path)| {
            let kind = match change {
                Change::Changed => 0,
                Change::Added => 1,
                Change::Deleted => 2,
            };
            json!({ "Path": path.display().to_string(), "Kind": kind })
        });
        Ok(Json(found.collect()))
    })
    .await
}

/// What of a log is wanted.
struct Wanted {
    stdout: bool,
    stderr: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    tail: Option<usize>,
    follow: bool,
}

impl Wanted {
    fn passes(&self, entry: &LogEntry) -> bool {
        let at: Option<Timestamp> = entry.time.parse().ok();
        let stream = if entry.stream == "stderr" {
            self.stderr
        } else {
            self.stdout
        };
        stream
            && self.since.is_none_or(|t| at >= Some(t))
            && self.until.is_none_or(|t| at <= Some(t))
    }

    fn show(&self, entry: &LogEntry, out: &Output) -> bool {
        let text = match self.timestamps {
            true => format!("{} {}", entry.time, entry.log),
            false => entry.log.clone(),
        };
        let stream = match entry.stream.as_str() {
            "stderr" => Stream::Stderr,
            _ => Stream::Stdout,
        };
        out.send(stream, text.as_bytes())
    }
}

/// `GET /containers/{id}/logs`
pub async fn logs(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let time = |name: &str| -> Result<Option<Timestamp>, ApiError> {
        let text = params.get(name).filter(|t| *t != "0");
        let bad = |t: &str| ApiError::invalid(format!("{name}={t}: not a time"));
        // Seconds may have a fraction.
        let whole = |t: &str| point(t).or_else(|| point(t.split('.').next()?));
        text.map(|t| whole(t).ok_or_else(|| bad(t))).transpose()
    };
    let wanted = Wanted {
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
        timestamps: params.flag("timestamps"),
        since: time("since")?,
        until: time("until")?,
        tail: params.get("tail").and_then(|t| t.parse().ok()),
        follow: params.flag("follow"),
    };
    if !wanted.stdout && !wanted.stderr {
        let text = "Bad parameters: you must choose at least one stream";
        return Err(ApiError::invalid(text));
    }
    let worker = app.clone();
    let (id, tty) = blocking(move || {
        let container = find(&worker.store, &name)?;
        Ok((container.record.id.clone(), container.settings.tty))
    })
    .await?;
    let (sender, receiver) = mpsc::channel(16);
    let worker = app.clone();
    std::thread::spawn(move || {
        let out = Output::new(sender, tty);
        // What breaks off here is seen as the end.
        let _ = read(&worker, &id, &wanted, &out);
    });
    Ok(stream::raw(&app, RAW, receiver))
}

/// Sends what a container has written so far.
pub fn past(app: &App, id: &str, out: &Output) {
    let wanted = Wanted {
        stdout: true,
        stderr: true,
        timestamps: false,
        since: None,
        until: None,
        tail: None,
        follow: false,
    };
    let _ = read(app, id, &wanted, out);
}

fn read(app: &App, id: &str, wanted: &Wanted, out: &Output) -> std::io::Result<()> {
    let mut reader = LogReader::open(&app.store.container_dir(id))?;
    let mut last = VecDeque::new();
    while let Some(entry) = reader.next_entry()? {
        if !wanted.passes(&entry) {
            continue;
        }
        match wanted.tail {
            None => {
                if !wanted.show(&entry, out) {
                    return Ok(());
                }
            }
            Some(0) => {}
            Some(n) => {
                if last.len() == n {
                    last.pop_front();
                }
                last.push_back(entry);
            }
        }
    }
    for entry in &last {
        wanted.show(entry, out);
    }
    while wanted.follow && !out.is_closed() {
        // Looked at first: what is written before its end is then read.
        let runs = app.store.container_locked(id).unwrap_or(false);
        while let Some(entry) = reader.next_entry()? {
            if wanted.passes(&entry) && !wanted.show(&entry, out) {
                return Ok(());
            }
        }
        if !runs || wanted.until.is_some_and(|t| Timestamp::now() > t) {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (86_400, "24 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }
}
