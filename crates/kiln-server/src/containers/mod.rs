//! `/containers`, `/commit`, `/exec`.

mod attach;
mod commit;
mod create;
mod exec;
mod files;
mod life;
mod look;

pub use look::summary;

use axum::Router;
use axum::extract::Path;
use axum::routing::{any, delete, get, post};

use crate::error::ApiError;
use crate::state::App;

/// The routes of containers.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/containers/json", get(look::all))
        .route("/containers/create", post(create::post))
        .route("/containers/prune", post(life::prune))
        .route("/containers/{id}", delete(life::remove))
        .route("/containers/{id}/json", get(look::one))
        .route("/containers/{id}/logs", get(look::logs))
        .route("/containers/{id}/changes", get(look::changes))
        .route(
            "/containers/{id}/archive",
            get(files::get).head(files::head).put(files::put),
        )
        .route("/containers/{id}/export", get(files::export))
        .route("/containers/{id}/attach", post(attach::post))
        .route("/containers/{id}/start", post(life::start))
        .route("/containers/{id}/wait", post(life::wait))
        .route("/containers/{id}/stop", post(life::stop))
        .route("/containers/{id}/restart", post(life::restart))
        .route("/containers/{id}/kill", post(life::kill))
        .route("/containers/{id}/pause", post(life::pause))
        .route("/containers/{id}/unpause", post(life::unpause))
        .route("/containers/{id}/rename", post(life::rename))
        .route("/containers/{id}/resize", post(life::resize))
        .route("/containers/{id}/exec", post(exec::create))
        .route(
            "/containers/{id}/{what}",
            any(async |Path((_, what)): Path<(String, String)>| {
                ApiError::absent(&format!("{what} of containers"))
            }),
        )
        .route("/exec/{id}/start", post(exec::start))
        .route("/exec/{id}/resize", post(exec::resize))
        .route("/exec/{id}/json", get(exec::inspect))
        .route("/commit", post(commit::post))
}
