//! Start, stop and what lies between.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kiln_engine::containers as engine;
use kiln_engine::containers::{ContainerFilters, find, signal_number};
use kiln_runtime::monitor::Attach;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::{blocking, lines_at_once};

/// How often it is looked whether a container that others started has ended.
const TICK: Duration = Duration::from_millis(50);
/// How long its code may come after a container is gone: others tell it than remove it.
const LATE: Duration = Duration::from_secs(2);
/// How long a container may take to be gone after its end.
const GOING: Duration = Duration::from_secs(20);

/// `POST /containers/{id}/start`
pub async fn start(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || begin(&app, &name)).await
}

fn begin(app: &App, name: &str) -> Result<StatusCode, ApiError> {
    let container = find(&app.store, name)?;
    let id = container.record.id.clone();
    if container.is_running() {
        return Ok(StatusCode::NOT_MODIFIED);
    }
    let mut waiting = app.live.take_attaching(&id).into_iter();
    let first = waiting.next();
    let attach = first.as_ref().map(|(a, _)| a.clone());
    let started = engine::start(&app.store, &id, attach, None).inspect_err(|f| {
        // Whoever waits for it waits no longer.
        app.live.ended(&id, f.code.into());
        if container.settings.auto_remove {
            let _ = engine::remove(&app.store, &id, true, true);
        }
    });
    let Some(connection) = started? else {
        return Ok(StatusCode::NOT_MODIFIED);
    };
    let connection = Arc::new(connection);
    app.live.follow(&id, &connection);
    app.events
        .container("start", &id, &container.settings.image);
    for (attach, sender) in waiting {
        let other = container.connect(&app.store);
        if let Ok(other) = other
            && other.attach(&attach).is_ok()
        {
            let _ = sender.send(Arc::new(other));
        }
    }
    match first {
        // Whoever is attached hears of the end.
        Some((_, sender)) if sender.send(connection.clone()).is_ok() => {}
        Some(_) => drain(app.clone(), id, connection),
        None => {
            let app = app.clone();
            std::thread::spawn(move || {
                let code = connection.wait().unwrap_or(137);
                app.live.ended(&id, code);
                app.events.container("die", &id, "");
            });
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Reads on where nobody is attached any more, until the end.
fn drain(app: App, id: String, connection: Arc<kiln_runtime::monitor::Connection>) {
    std::thread::spawn(move || {
        super::attach::pump(&app, &id, &connection, &mut |_, _| {});
    });
}

/// `POST /containers/{id}/wait`: answers at once, and tells the code at the end.
pub async fn wait(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let condition = params.get("condition").unwrap_or("not-running").to_owned();
    if !matches!(condition.as_str(), "not-running" | "next-exit" | "removed") {
        return Err(ApiError::invalid(format!(
            "invalid condition: {condition:?}"
        )));
    }
    let worker = app.clone();
    let id = blocking(move || Ok(find(&worker.store, &name)?.record.id)).await?;
    let ends = app.live.await_end(&id);
    let worker = app.clone();
    Ok(lines_at_once(&app, move |out| {
        let store = &worker.store;
        let mut ran = false;
        let code = loop {
            if condition == "not-running" || ran {
                match find(store, &id) {
                    Ok(c) if !c.is_running() => break c.state.exit_code,
                    Ok(_) => {}
                    Err(_) => break ends.recv_timeout(LATE).unwrap_or(0),
                }
            }
            match ends.recv_timeout(TICK) {
                Ok(code) => break code,
                Err(RecvTimeoutError::Disconnected) => break 0,
                Err(RecvTimeoutError::Timeout) if out.is_closed() => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match find(store, &id) {
                // Somebody else started it.
                Ok(c) => ran |= c.is_running() && !worker.live.follows(&id),
                Err(_) => break ends.recv_timeout(LATE).unwrap_or(0),
            }
        };
        let began = Instant::now();
        while condition == "removed" && began.elapsed() < GOING && find(store, &id).is_ok() {
            std::thread::sleep(TICK / 5);
        }
        out.send(&json!({ "StatusCode": code }));
    }))
}

/// `POST /containers/{id}/stop`
pub async fn stop(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let timeout = seconds(&params)?;
    blocking(move || {
        let container = find(&app.store, &name)?;
        if !container.is_running() {
            return Ok(StatusCode::NOT_MODIFIED);
        }
        engine::stop(&app.store, &name, timeout)?;
        app.events
            .container("stop", &container.record.id, &container.settings.image);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn seconds(params: &Params) -> Result<Option<i64>, ApiError> {
    let bad = |t: &str| ApiError::invalid(format!("t={t}: not a number of seconds"));
    let parse = |t: &str| t.parse().map_err(|_| bad(t));
    params.get("t").map(parse).transpose()
}

/// `POST /containers/{id}/restart`
pub async fn restart(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let timeout = seconds(&params)?;
    blocking(move || {
        engine::stop(&app.store, &name, timeout)?;
        begin(&app, &name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /containers/{id}/kill`
pub async fn kill(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let signal = params.get("signal").unwrap_or("KILL").to_owned();
    let invalid = || ApiError::invalid(format!("Invalid signal: {signal}"));
    let number = signal_number(&signal).ok_or_else(invalid)?;
    blocking(move || {
        engine::kill(&app.store, &name, number)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /containers/{id}/pause`
pub async fn pause(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        engine::pause(&app.store, &name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /containers/{id}/unpause`
pub async fn unpause(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        engine::unpause(&app.store, &name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /containers/{id}/rename`
pub async fn rename(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let new = params.get("name").map(String::from);
    let new = new.ok_or_else(|| ApiError::invalid("name: which?"))?;
    blocking(move || {
        engine::rename(&app.store, &name, &new)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `DELETE /containers/{id}`
pub async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    if params.flag("link") {
        return Err(ApiError::absent("links"));
    }
    blocking(move || {
        let container = find(&app.store, &name)?;
        engine::remove(&app.store, &name, params.flag("force"), params.flag("v"))?;
        app.events
            .container("destroy", &container.record.id, &container.settings.image);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /containers/prune`
pub async fn prune(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    let filters = filters(&params)?;
    blocking(move || {
        let gone = engine::prune(&app.store, &filters)?;
        Ok(Json(
            json!({ "ContainersDeleted": gone, "SpaceReclaimed": 0 }),
        ))
    })
    .await
}

/// Filters of containers.
pub fn filters(params: &Params) -> Result<ContainerFilters, ApiError> {
    let mut filters = ContainerFilters::default();
    for (name, value) in params.filters()? {
        let added = filters.add(&format!("{name}={value}"));
        added.map_err(|e| ApiError::invalid(e.to_string()))?;
    }
    Ok(filters)
}

/// `POST /containers/{id}/resize`
pub async fn resize(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let size = |name| params.get(name).and_then(|n| n.parse::<u16>().ok());
    let (Some(rows), Some(columns)) = (size("h"), size("w")) else {
        return Err(ApiError::invalid("h and w: numbers of lines and columns"));
    };
    blocking(move || {
        let id = find(&app.store, &name)?.record.id;
        if let Some(connection) = app.live.connection(&id) {
            let _ = connection.size(rows, columns);
        }
        Ok(StatusCode::OK)
    })
    .await
}

/// What a client wants to be attached to.
pub fn wanted(params: &Params, open_stdin: bool) -> Attach {
    Attach {
        stdin: params.flag("stdin") && open_stdin,
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
    }
}
