//! `/images`: list, look at, name, remove.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use kiln_engine::images as engine;
use kiln_engine::images::Removed;
use kiln_engine::prune::{Scope, prune as engine_prune};
use kiln_oci::Reference;
use kiln_store::Store;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::push;
use crate::query::{Params, image_filters};
use crate::state::App;
use crate::stream::blocking;
use crate::transfer;
use crate::version::Version;

fn page_not_found() -> ApiError {
    ApiError::not_found("page not found")
}

/// `GET /images/{name}/…`; a name may have slashes.
pub async fn get(
    State(app): State<App>,
    Extension(version): Extension<Version>,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    let (name, what) = path.rsplit_once('/').ok_or_else(page_not_found)?;
    let name = name.to_owned();
    match what {
        "json" => blocking(move || inspect(&app.store, &name, version)).await,
        "history" => blocking(move || history(&app.store, &name)).await,
        "get" => return transfer::save(app, vec![name]).await,
        "attestations" => Err(ApiError::absent("attestations")),
        _ => Err(page_not_found()),
    }
    .map(|value| Json(value).into_response())
}

/// `POST /images/{name}/…`
pub async fn post(
    State(app): State<App>,
    Path(path): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (name, what) = path.rsplit_once('/').ok_or_else(page_not_found)?;
    match what {
        "tag" => tag(app, name.to_owned(), params).await,
        "push" => push::push(app, name, params, headers).await,
        _ => Err(page_not_found()),
    }
}

/// Seconds since 1970.
fn seconds(time: &str) -> i64 {
    time.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

/// `GET /images/json`
pub async fn list(
    State(app): State<App>,
    Extension(version): Extension<Version>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let mut pairs = params.filters()?;
    // Before 1.25 there was a parameter of its own.
    pairs.extend(params.get("filter").map(|f| ("reference".into(), f.into())));
    blocking(move || {
        let filters = image_filters(&pairs, |_, _| false)?;
        let rows = engine::list(&app.store, &filters)?;
        Ok(Json(summaries(&app.store, rows, version)?.into()))
    })
    .await
}

/// One object an image, with all of its names that passed.
pub fn summaries(
    store: &Store,
    rows: Vec<engine::ImageRow>,
    version: Version,
) -> Result<Vec<Value>, ApiError> {
    let mut order = Vec::new();
    let mut tags: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for row in rows {
        let known = tags.entry(row.id).or_insert_with(|| {
            order.push((row.id, row.created.clone(), row.size));
            Vec::new()
        });
        if let (Some(repository), Some(tag)) = (row.repository, row.tag) {
            known.push(format!("{repository}:{tag}"));
        }
    }
    let mut out = Vec::new();
    for (id, created, size) in order {
        let (_, config) = engine::find(store, &id.to_string())?;
        let digests: Vec<String> = store
            .repo_digests_of(&id)?
            .iter()
            .map(Reference::familiar)
            .collect();
        let mut names = tags.remove(&id).unwrap_or_default();
        let mut value = json!({
            "Id": id.to_string(),
            "ParentId": "",
            "RepoDigests": digests,
            "Created": seconds(&created),
            "Size": size,
            "SharedSize": -1,
            "Containers": -1,
            "Labels": match config.config.labels.is_empty() {
                true => Value::Null,
                false => json!(config.config.labels),
            },
        });
        if version < Version(1, 43) && names.is_empty() && digests.is_empty() {
            names.push("<none>:<none>".to_owned());
            value["RepoDigests"] = json!(["<none>@<none>"]);
        }
        if version < Version(1, 44) {
            value["VirtualSize"] = size.into();
        }
        value["RepoTags"] = names.into();
        out.push(value);
    }
    Ok(out)
}

fn inspect(store: &Store, name: &str, version: Version) -> Result<Value, ApiError> {
    let mut value = engine::inspect(store, name)?;
    value["DockerVersion"] = "".into();
    value["GraphDriver"] = json!({ "Name": "overlay2", "Data": Value::Null });
    if version < Version(1, 44) {
        value["VirtualSize"] = value["Size"].clone();
        value["Container"] = "".into();
        value["ContainerConfig"] = Value::Null;
    }
    let record = store.image(&store.resolve(name)?)?;
    let time = record.map(|r| r.stored_at).unwrap_or_default();
    value["Metadata"] = json!({ "LastTagTime": time });
    if value["Created"].is_null() {
        value["Created"] = "".into();
    }
    Ok(value)
}

fn history(store: &Store, name: &str) -> Result<Value, ApiError> {
    let rows = engine::history(store, name)?;
    let rows = rows.into_iter().map(|row| {
        let (id, tags) = match row.id {
            None => ("<missing>".to_owned(), Value::Null),
            Some(id) => {
                let tags = store.tags_of(&id)?;
                let mut tags: Vec<String> = tags.iter().map(Reference::familiar).collect();
                tags.sort();
                (
                    id.to_string(),
                    if tags.is_empty() {
                        Value::Null
                    } else {
                        tags.into()
                    },
                )
            }
        };
        Ok(json!({
            "Id": id,
            "Created": seconds(&row.created),
            "CreatedBy": row.created_by,
            "Tags": tags,
            "Size": row.size,
            "Comment": row.comment,
        }))
    });
    rows.collect::<Result<Vec<_>, ApiError>>().map(Value::from)
}

async fn tag(app: App, name: String, params: Params) -> Result<Response, ApiError> {
    let repository = params.get("repo");
    let repository = repository.ok_or_else(|| ApiError::invalid("repo: which name?"))?;
    let target = match params.get("tag") {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    };
    blocking(move || {
        engine::tag(&app.store, &name, &target)?;
        let id = app.store.resolve(&target)?;
        app.events.image("tag", &id.to_string(), &target);
        Ok(StatusCode::CREATED.into_response())
    })
    .await
}

fn removed(app: &App, removed: &[Removed]) -> Vec<Value> {
    removed
        .iter()
        .map(|r| match r {
            Removed::Untagged(name) => {
                app.events.image("untag", name, name);
                json!({ "Untagged": name })
            }
            Removed::Deleted(id) => {
                let id = id.to_string();
                app.events.image("delete", &id, &id);
                json!({ "Deleted": id })
            }
        })
        .collect()
}

/// `DELETE /images/{name}`
pub async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    blocking(move || {
        let done = engine::remove(&app.store, &name, params.flag("force"))?;
        Ok(Json(removed(&app, &done).into()))
    })
    .await
}

/// `POST /images/prune`
pub async fn prune(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    let pairs = params.filters()?;
    blocking(move || {
        let mut all = false;
        let filters = image_filters(&pairs, |name, value| {
            let dangling = name == "dangling";
            all |= dangling && matches!(value, "false" | "0");
            dangling
        })?;
        let scope = Scope {
            dangling: true,
            all_images: all,
            cache: false,
            containers: false,
        };
        let pruned = engine_prune(&app.store, scope, &filters)?;
        let gone = removed(&app, &pruned.removed);
        app.events.pruned("image", pruned.bytes);
        Ok(Json(json!({
            "ImagesDeleted": if gone.is_empty() { Value::Null } else { gone.into() },
            "SpaceReclaimed": pruned.bytes,
        })))
    })
    .await
}

/// `GET /images/search`
pub async fn search() -> ApiError {
    ApiError::absent("searching Docker Hub")
}
