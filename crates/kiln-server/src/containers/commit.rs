//! `POST /commit`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_engine::containers::{Commit, commit};
use kiln_oci::Reference;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::blocking;

/// `POST /commit`
pub async fn post(
    State(app): State<App>,
    params: Params,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let container = params.get("container").map(String::from);
    let container = container.ok_or_else(|| ApiError::invalid("container: which?"))?;
    let name = match (params.get("repo"), params.get("tag")) {
        (Some(repo), Some(tag)) => Some(Reference::parse(&format!("{repo}:{tag}"))?),
        (Some(repo), None) => Some(Reference::parse(repo)?),
        (None, _) => None,
    };
    let changes = params.all("changes").flat_map(str::lines);
    let what = Commit {
        name,
        author: params.get("author").map(String::from),
        message: params.get("comment").map(String::from),
        changes: changes
            .filter(|c| !c.is_empty())
            .map(String::from)
            .collect(),
        pause: params.flag_or_yes("pause"),
        source_date_epoch: None,
    };
    blocking(move || {
        let id = commit(&app.store, &container, &what)?.to_string();
        if let Some(name) = &what.name {
            let name = name.clone().with_default_tag().familiar();
            app.events.image("tag", &id, &name);
        }
        app.events.container("commit", &container, "");
        Ok((StatusCode::CREATED, Json(json!({ "Id": id }))))
    })
    .await
}
