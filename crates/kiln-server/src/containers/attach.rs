//! `POST /containers/{id}/attach`

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use kiln_engine::containers::find;
use kiln_runtime::Stream;
use kiln_runtime::monitor::{Connection, Piece};

use super::{life, look};
use crate::error::ApiError;
use crate::hijack::{Ends, hijack};
use crate::query::Params;
use crate::state::App;
use crate::stream::blocking;

/// How often it is looked whether a client still waits for a container to start.
const TICK: Duration = Duration::from_millis(200);

/// What to read from: now, or when the container starts.
enum Source {
    Now(Arc<Connection>),
    Later(Receiver<Arc<Connection>>),
}

/// `POST /containers/{id}/attach`
pub async fn post(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
    request: Request,
) -> Result<Response, ApiError> {
    if !params.flag("stream") {
        return Err(ApiError::invalid(
            "stream=1 is needed; what was is told by logs",
        ));
    }
    let logs = params.flag("logs");
    let worker = app.clone();
    let (id, tty, stdin, source) = blocking(move || {
        let container = find(&worker.store, &name)?;
        let settings = &container.settings;
        let attach = life::wanted(&params, settings.open_stdin);
        let id = container.record.id.clone();
        let source = if container.is_running() {
            let connection = container.connect(&worker.store)?;
            let attached = connection.attach(&attach);
            attached.map_err(|e| ApiError::internal(e.to_string()))?;
            let connection = Arc::new(connection);
            worker.live.note_connection(&id, &connection);
            Source::Now(connection)
        } else {
            Source::Later(worker.live.attach_later(&id, attach.clone()))
        };
        Ok((id, settings.tty, attach.stdin, source))
    })
    .await?;
    let worker = app.clone();
    Ok(hijack(&app, request, tty, move |ends| {
        if logs {
            look::past(&worker, &id, &ends.output);
        }
        serve(&worker, &id, stdin, source, ends);
    }))
}

fn serve(app: &App, id: &str, stdin: bool, source: Source, ends: Ends) {
    let Ends { mut input, output } = ends;
    let connection = match source {
        Source::Now(connection) => connection,
        Source::Later(starts) => loop {
            match starts.recv_timeout(TICK) {
                Ok(connection) => break connection,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if output.is_closed() => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        },
    };
    if stdin {
        let connection = connection.clone();
        std::thread::spawn(move || {
            while let Some(bytes) = input.blocking_recv() {
                if connection.input(&bytes).is_err() {
                    return;
                }
            }
            let _ = connection.input_end();
        });
    }
    pump(app, id, &connection, &mut |from, bytes| {
        // A client that is gone is no reason to stop reading: the end is told here.
        let _ = output.send(from, bytes);
    });
}

/// Passes output on until the container ends, and tells of that.
pub fn pump(app: &App, id: &str, connection: &Connection, out: &mut dyn FnMut(Stream, &[u8])) {
    let code = loop {
        match connection.piece() {
            Ok(Piece::Output(from, bytes)) => out(from, &bytes),
            Ok(Piece::Exited(code)) => break code,
            Ok(Piece::Gone) | Err(_) => break 137,
        }
    };
    app.live.ended(id, code);
}
