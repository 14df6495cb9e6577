//! Images in archives: `/images/get`, `/images/load`, `/images/create?fromSrc=`.

use std::io::BufReader;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use kiln_build::fetch::download;
use kiln_engine::images::find;
use kiln_engine::import::{Import, import as engine_import};
use kiln_engine::load::load_stream;
use kiln_engine::save::{Archive, save as engine_save};
use kiln_oci::Reference;
use kiln_store::Store;
use serde_json::json;

use crate::error::ApiError;
use crate::pull;
use crate::query::Params;
use crate::state::App;
use crate::stream::{Failure, Incoming, lines, tar};

/// How much is read at once.
const BUFFER: usize = 1 << 17;

/// `GET /images/get?names=`
pub async fn save_many(State(app): State<App>, params: Params) -> Result<Response, ApiError> {
    let names: Vec<String> = params
        .all("names")
        .flat_map(|v| v.split(','))
        .filter(|n| !n.is_empty())
        .map(String::from)
        .collect();
    if names.is_empty() {
        return Err(ApiError::invalid("names: which images?"));
    }
    save(app, names).await
}

/// Sends an archive of the images.
pub async fn save(app: App, names: Vec<String>) -> Result<Response, ApiError> {
    let worker = app.clone();
    tar(&app, move |out| {
        // While nothing is sent yet a name that isn't there can be told.
        let mut all = Vec::new();
        for name in &names {
            find(&worker.store, name)?;
            all.extend(with_tags(&worker.store, name)?);
        }
        Ok(engine_save(&worker.store, &all, Archive::Docker, out)?)
    })
    .await
}

/// Docker saves all tags of a repository that is named without one.
fn with_tags(store: &Store, name: &str) -> Result<Vec<String>, ApiError> {
    let whole = |r: &Reference| r.tag().is_none() && r.digest().is_none();
    if let Ok(reference) = Reference::parse(name)
        && whole(&reference)
    {
        let repository = reference.familiar_name();
        let tags = store.tags()?.into_iter().map(|(r, _)| r);
        let same = tags.filter(|r| r.familiar_name() == repository);
        let all: Vec<String> = same.map(|r| r.familiar()).collect();
        if !all.is_empty() {
            return Ok(all);
        }
    }
    Ok(vec![name.to_owned()])
}

/// `POST /images/load`
pub async fn load(
    State(app): State<App>,
    params: Params,
    body: Body,
) -> Result<Response, ApiError> {
    let platform = pull::platform(&params)?;
    let mut incoming = Incoming::new(body);
    let worker = app.clone();
    lines(&app, move |out, _| {
        let input = BufReader::with_capacity(BUFFER, &mut incoming);
        let loaded = load_stream(&worker.store, Box::new(input), &platform);
        incoming.drain();
        // Docker answers 200 and tells in the stream; its client shows the same.
        let loaded = loaded.map_err(|e| Failure {
            in_stream: true,
            ..Failure::from(e)
        })?;
        for image in loaded {
            let id = image.id.to_string();
            if image.names.is_empty() {
                out.text(&format!("Loaded image ID: {id}\n"));
            }
            for name in &image.names {
                let name = name.familiar();
                out.text(&format!("Loaded image: {name}\n"));
                worker.events.image("load", &id, &name);
            }
        }
        Ok(())
    })
    .await
}

/// `POST /images/create`: from a registry, or from a tar of files.
pub async fn create(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if params.get("fromImage").is_some() {
        return pull::pull(app, params, headers).await;
    }
    let source = params.get("fromSrc").map(String::from);
    let source = source.ok_or_else(|| ApiError::invalid("fromImage or fromSrc is needed"))?;
    let name = match (params.get("repo"), params.get("tag")) {
        (Some(repo), Some(tag)) => Some(Reference::parse(&format!("{repo}:{tag}"))?),
        (Some(repo), None) => Some(Reference::parse(repo)?),
        (None, _) => None,
    };
    let message = params.get("message").map(String::from);
    let what = Import {
        name,
        message: message.unwrap_or_else(|| format!("Imported from {source}")),
        platform: pull::platform(&params)?,
        source_date_epoch: None,
        changes: params.all("changes").map(String::from).collect(),
    };
    let web = source.starts_with("http://") || source.starts_with("https://");
    if source != "-" && !web {
        return Err(ApiError::invalid(format!(
            "fromSrc={source}: expected - or a URL"
        )));
    }
    let mut incoming = Incoming::new(body);
    let worker = app.clone();
    lines(&app, move |out, _| {
        let id = if web {
            let scratch = worker.store.scratch()?;
            let fetched = download(&source, scratch.path())?;
            let file = std::fs::File::open(&fetched.file);
            let file = file.map_err(|e| ApiError::internal(format!("{source}: {e}")))?;
            let input = BufReader::with_capacity(BUFFER, file);
            engine_import(&worker.store, Box::new(input), &what)?
        } else {
            let input = BufReader::with_capacity(BUFFER, &mut incoming);
            let done = engine_import(&worker.store, Box::new(input), &what);
            incoming.drain();
            done?
        };
        let id = id.to_string();
        out.send(&json!({ "status": id }));
        worker.events.image("import", &id, &id);
        Ok(())
    })
    .await
}
