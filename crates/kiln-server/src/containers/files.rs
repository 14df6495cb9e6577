//! `/containers/{id}/archive` and `/export`: files out of a container and into one, as tars.

use std::os::unix::ffi::OsStrExt;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use kiln_engine::containers::{copy_from, copy_into, export as engine_export, find, stat};
use kiln_tree::Kind;
use serde_json::json;

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::{Incoming, blocking, tar};

/// Go's bits for kinds of files.
const DIRECTORY: u64 = 1 << 31;
const SYMLINK: u64 = 1 << 27;
const DEVICE: u64 = 1 << 26;
const PIPE: u64 = 1 << 25;
const SOCKET: u64 = 1 << 24;
const CHARACTER: u64 = 1 << 21;

fn path_of(params: &Params) -> Result<String, ApiError> {
    let path = params.get("path").map(String::from);
    path.ok_or_else(|| ApiError::invalid("path: which file?"))
}

/// `X-Docker-Container-Path-Stat`
fn described(app: &App, name: &str, path: &str) -> Result<(HeaderName, HeaderValue), ApiError> {
    let (base, meta, link) = stat(&app.store, name, path)?;
    let kind = match meta.kind {
        Kind::File => 0,
        Kind::Dir => DIRECTORY,
        Kind::Symlink => SYMLINK,
        Kind::Char => DEVICE | CHARACTER,
        Kind::Block => DEVICE,
        Kind::Fifo => PIPE,
        Kind::Socket => SOCKET,
    };
    let time = Timestamp::new(meta.mtime.0, 0).unwrap_or_default();
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let text = json!({
        "name": lossy(base.as_bytes()),
        "size": meta.size,
        "mode": kind | u64::from(meta.mode & 0o777),
        "mtime": time.to_string(),
        "linkTarget": link.map(|l| lossy(l.as_bytes())).unwrap_or_default(),
    });
    let value = HeaderValue::try_from(BASE64_STANDARD.encode(text.to_string()));
    let value = value.map_err(|e| ApiError::internal(e.to_string()))?;
    let header = HeaderName::from_static("x-docker-container-path-stat");
    Ok((header, value))
}

/// `HEAD /containers/{id}/archive`
pub async fn head(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let path = path_of(&params)?;
    let described = blocking(move || described(&app, &name, &path)).await?;
    Ok([described].into_response())
}

/// `GET /containers/{id}/archive`
pub async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let path = path_of(&params)?;
    let worker = app.clone();
    let (asked, of) = (path.clone(), name.clone());
    let described = blocking(move || described(&worker, &of, &asked)).await?;
    let worker = app.clone();
    let body = tar(&app, move |mut out| {
        let store = &worker.store;
        Ok(copy_from(store, &name, &path, None, false, true, &mut out)?)
    })
    .await?;
    Ok(([described], body).into_response())
}

/// `PUT /containers/{id}/archive`
pub async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let path = path_of(&params)?;
    let mut incoming = Incoming::new(body);
    blocking(move || {
        let store = &app.store;
        let done = copy_into(store, None, &name, &path, false, true, &mut incoming);
        incoming.drain();
        done?;
        Ok(StatusCode::OK)
    })
    .await
}

/// `GET /containers/{id}/export`
pub async fn export(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let worker = app.clone();
    tar(&app, move |out| {
        let container = find(&worker.store, &name)?;
        Ok(engine_export(&worker.store, &container.record, out)?)
    })
    .await
}
