//! `/exec`: more processes in a running container.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use kiln_engine::containers::{ExecRequest, exec, find};
use kiln_oci::Digest;
use kiln_runtime::Stream;
use kiln_runtime::monitor::{Piece, Started};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::hijack::{Ends, Output, hijack};
use crate::live::Exec;
use crate::query::Params;
use crate::state::App;
use crate::stream::blocking;

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("No such exec instance: {id}"))
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    match body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(body).map_err(|e| ApiError::invalid(e.to_string())),
    }
}

/// `POST /containers/{id}/exec`
pub async fn create(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let wanted = parse(&body)?;
    if wanted["Privileged"] == true {
        return Err(ApiError::absent("Privileged"));
    }
    let texts = |name: &str| -> Vec<String> {
        let all = wanted[name].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(String::from).collect()
    };
    let text = |name: &str| {
        let text = wanted[name].as_str().filter(|t| !t.is_empty());
        text.map(String::from)
    };
    let request = ExecRequest {
        argv: texts("Cmd"),
        env: texts("Env"),
        cwd: text("WorkingDir"),
        user: text("User"),
        tty: wanted["Tty"] == true,
        size: None,
        detach: false,
    };
    if request.argv.is_empty() {
        return Err(ApiError::invalid("No exec command specified"));
    }
    let stdin = wanted["AttachStdin"] == true;
    blocking(move || {
        let container = find(&app.store, &name)?;
        if !container.is_running() {
            let id = &container.record.id;
            return Err(ApiError::conflict(format!("Container {id} is not running")));
        }
        let now = jiff::Timestamp::now().to_string();
        let seed = format!("{}{now}{:?}", container.record.id, request.argv);
        let id = Digest::of(seed.as_bytes()).hex();
        let exec = Exec {
            container: container.record.id,
            request,
            stdin,
            ..Exec::default()
        };
        app.live.put_exec(&id, exec);
        Ok((StatusCode::CREATED, Json(json!({ "Id": id }))))
    })
    .await
}

/// `GET /exec/{id}/json`
pub async fn inspect(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let exec = app.live.exec(&id).ok_or_else(|| missing(&id))?;
    let (entry, arguments) = match exec.request.argv.split_first() {
        Some((first, rest)) => (first.clone(), rest.to_vec()),
        None => (String::new(), Vec::new()),
    };
    Ok(Json(json!({
        "ID": id,
        "ContainerID": exec.container,
        "Running": exec.started && exec.code.is_none(),
        "ExitCode": exec.code,
        "Pid": 0,
        "OpenStdin": exec.stdin,
        "OpenStdout": true,
        "OpenStderr": true,
        "CanRemove": false,
        "DetachKeys": "",
        "ProcessConfig": {
            "tty": exec.request.tty,
            "entrypoint": entry,
            "arguments": arguments,
            "privileged": false,
            "user": exec.request.user,
        },
    })))
}

/// `POST /exec/{id}/resize`
pub async fn resize(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let exec = app.live.exec(&id).ok_or_else(|| missing(&id))?;
    let size = |name| params.get(name).and_then(|n| n.parse::<u16>().ok());
    if let (Some(terminal), Some(rows), Some(columns)) = (exec.terminal, size("h"), size("w")) {
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let _ = rustix::termios::tcsetwinsize(&*terminal, size);
    }
    Ok(StatusCode::OK)
}

/// `POST /exec/{id}/start`
pub async fn start(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, 1 << 16).collect().await;
    let body = body
        .map_err(|e| ApiError::invalid(e.to_string()))?
        .to_bytes();
    let request = Request::from_parts(parts, axum::body::Body::empty());
    let detach = parse(&body)?["Detach"] == true;
    let exec_ = app.live.exec(&id).ok_or_else(|| missing(&id))?;
    if exec_.started {
        return Err(ApiError::conflict(format!("exec {id} has already run")));
    }
    let tty = exec_.request.tty;
    let worker = app.clone();
    if detach {
        blocking(move || begin(&worker, &id, exec_, true)).await?;
        return Ok(StatusCode::OK.into_response());
    }
    Ok(hijack(&app, request, tty, move |ends| {
        // Whoever sees the stream's end asks for the code at once.
        let _open = ends.output.clone();
        let code = match begin(&worker, &id, exec_, false) {
            Ok(process) => process.serve(ends),
            Err(e) => {
                // Docker tells this, too, where output goes.
                ends.output
                    .send(Stream::Stdout, format!("{}\r\n", e.message).as_bytes());
                if e.message.contains("not found") {
                    127
                } else {
                    126
                }
            }
        };
        worker.live.change_exec(&id, |e| e.code = Some(code));
    }))
}

/// A process that was started, and our ends of what it is connected to.
struct Running {
    started: Started,
    stdin: Option<OwnedFd>,
    outputs: Vec<(Stream, OwnedFd)>,
}

fn begin(app: &App, id: &str, e: Exec, detach: bool) -> Result<Running, ApiError> {
    let broken = |e: &dyn std::fmt::Display| ApiError::internal(format!("a pipe: {e}"));
    let mut request = e.request.clone();
    request.detach = detach;
    app.live.change_exec(id, |e| e.started = true);
    let begun = || -> Result<Running, ApiError> {
        if request.tty {
            let started = exec(&app.store, &e.container, &request, &[])?;
            let mut running = Running {
                started,
                stdin: None,
                outputs: Vec::new(),
            };
            if let Some(terminal) = running.started.terminal.take() {
                let copy = || terminal.try_clone().map_err(|e| broken(&e));
                running.outputs.push((Stream::Stdout, copy()?));
                running.stdin = match e.stdin {
                    true => Some(copy()?),
                    false => None,
                };
                let terminal = Arc::new(terminal);
                app.live.change_exec(id, |e| e.terminal = Some(terminal));
            }
            return Ok(running);
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| broken(&e));
        let ((their_in, stdin), (out, their_out), (err, their_err)) = (pipe()?, pipe()?, pipe()?);
        let fds = [their_in.as_fd(), their_out.as_fd(), their_err.as_fd()];
        let started = exec(&app.store, &e.container, &request, &fds)?;
        Ok(Running {
            started,
            stdin: e.stdin.then_some(stdin),
            outputs: vec![(Stream::Stdout, out), (Stream::Stderr, err)],
        })
    };
    begun().inspect_err(|_| app.live.change_exec(id, |e| e.code = Some(126)))
}

impl Running {
    /// Passes input and output on until the process ends; gives its code.
    fn serve(self, ends: Ends) -> i32 {
        let Ends { mut input, output } = ends;
        if let Some(stdin) = self.stdin {
            let mut to = File::from(stdin);
            std::thread::spawn(move || {
                while let Some(bytes) = input.blocking_recv() {
                    if to.write_all(&bytes).is_err() {
                        return;
                    }
                }
            });
        }
        relay(&self.started, &self.outputs, &output)
    }
}

fn relay(started: &Started, outputs: &[(Stream, OwnedFd)], to: &Output) -> i32 {
    for (_, fd) in outputs {
        let _ = rustix::io::ioctl_fionbio(fd, true);
    }
    let mut open = vec![true; outputs.len()];
    loop {
        let which: Vec<usize> = (0..outputs.len()).filter(|n| open[*n]).collect();
        let connection = started.connection.fd();
        let mut fds = vec![PollFd::from_borrowed_fd(connection, PollFlags::IN)];
        fds.extend(
            which
                .iter()
                .map(|n| PollFd::new(&outputs[*n].1, PollFlags::IN)),
        );
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return 137,
        }
        let ended = !fds[0].revents().is_empty();
        let ready: Vec<usize> = which
            .iter()
            .zip(&fds[1..])
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(n, _)| *n)
            .collect();
        drop(fds);
        for n in ready {
            open[n] = pass(&outputs[n], to, false);
        }
        if ended {
            match started.connection.piece() {
                Ok(Piece::Exited(code)) => {
                    for output in outputs {
                        pass(output, to, true);
                    }
                    return code;
                }
                Ok(Piece::Output(..)) => {}
                // The container has ended, and all in it.
                Ok(Piece::Gone) | Err(_) => return 137,
            }
        }
    }
}

/// Passes on what there is; `false` at the end.
fn pass((from, fd): &(Stream, OwnedFd), to: &Output, all: bool) -> bool {
    let mut buffer = [0; 32 * 1024];
    loop {
        match rustix::io::read(fd, &mut buffer) {
            Ok(0) => return false,
            Ok(n) => {
                // Where nobody listens any more the process still goes on.
                let _ = to.send(*from, &buffer[..n]);
                if !all {
                    return true;
                }
            }
            Err(Errno::AGAIN) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
