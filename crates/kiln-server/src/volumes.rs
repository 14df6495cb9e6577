//! `/volumes`

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kiln_engine::volumes as engine;
use kiln_engine::volumes::VolumeFilters;
use kiln_store::{Store, Volume};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::blocking;

/// A volume as docker shows it.
pub fn shown(store: &Store, volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": store.volume_dir(&volume.name),
        "CreatedAt": volume.created,
        "Labels": volume.labels,
        "Options": Value::Null,
        "Scope": "local",
    })
}

/// `GET /volumes`
pub async fn list(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    let mut filters = VolumeFilters::default();
    for (name, value) in params.filters()? {
        let added = filters.add(&format!("{name}={value}"));
        added.map_err(|e| ApiError::invalid(e.to_string()))?;
    }
    blocking(move || {
        let found = engine::list(&app.store, &filters)?;
        let volumes: Vec<Value> = found.iter().map(|v| shown(&app.store, v)).collect();
        Ok(Json(json!({ "Volumes": volumes, "Warnings": Value::Null })))
    })
    .await
}

fn find(store: &Store, name: &str) -> Result<Value, ApiError> {
    let volume = store.volume(name)?;
    let missing = || ApiError::not_found(format!("get {name}: no such volume"));
    volume.map(|v| shown(store, &v)).ok_or_else(missing)
}

/// `GET /volumes/{name}`
pub async fn inspect(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    blocking(move || Ok(Json(find(&app.store, &name)?))).await
}

/// `POST /volumes/create`
pub async fn create(
    State(app): State<App>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let wanted: Value = serde_json::from_slice(&body)
        .map_err(|e| ApiError::invalid(format!("the volume's description: {e}")))?;
    let text = |name: &str| wanted[name].as_str().filter(|t| !t.is_empty());
    if text("Driver").is_some_and(|d| d != "local") {
        return Err(ApiError::absent("a volume driver other than local"));
    }
    if wanted["DriverOpts"]
        .as_object()
        .is_some_and(|o| !o.is_empty())
    {
        return Err(ApiError::absent("options of a volume's driver"));
    }
    let labels: BTreeMap<String, String> = wanted["Labels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect();
    let name = text("Name").map(String::from);
    blocking(move || {
        let name = engine::create(&app.store, name.as_deref(), labels)?;
        Ok((StatusCode::CREATED, Json(find(&app.store, &name)?)))
    })
    .await
}

/// `DELETE /volumes/{name}`
pub async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        match app.store.volume_remove(&name) {
            Err(kiln_store::StoreError::NoVolume { .. }) if params.flag("force") => {}
            other => other?,
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// `POST /volumes/prune`
pub async fn prune(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    let mut all = false;
    for (name, value) in params.filters()? {
        match name.as_str() {
            "all" => all = matches!(value.as_str(), "1" | "true"),
            _ => return Err(ApiError::absent(&format!("pruning volumes by {name}"))),
        }
    }
    blocking(move || {
        let (gone, bytes) = engine::prune(&app.store, all)?;
        app.events.pruned("volume", bytes);
        Ok(Json(
            json!({ "VolumesDeleted": gone, "SpaceReclaimed": bytes }),
        ))
    })
    .await
}
