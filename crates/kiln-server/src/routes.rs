//! Which path leads where.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::routing::{any, delete, get, post};
use serde_json::json;

use crate::error::ApiError;
use crate::state::App;
use crate::{auth, build, containers, events, images, networks, pull, system, transfer, volumes};

/// The largest body that is no tar: 1 MiB.
const MAX_JSON: usize = 1 << 20;

/// All routes, without the version before them.
pub fn routes(app: App) -> Router {
    Router::new()
        .route("/_ping", get(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/events", get(events::events))
        .route("/system/df", get(system::usage))
        .route("/auth", post(auth::check))
        .route("/build", post(build::build))
        .route("/build/cancel", post(build::cancel))
        .route("/build/prune", post(build::prune))
        .route("/images/json", get(images::list))
        .route("/images/search", get(images::search))
        .route("/images/get", get(transfer::save_many))
        .route("/images/load", post(transfer::load))
        .route("/images/create", post(transfer::create))
        .route("/images/prune", post(images::prune))
        .route(
            "/images/{*path}",
            get(images::get)
                .post(images::post)
                .merge(delete(images::remove)),
        )
        .route("/distribution/{*path}", get(pull::distribution))
        .route("/networks", get(networks::list))
        .route("/networks/{id}", get(networks::inspect))
        .route("/volumes", get(volumes::list))
        .route("/volumes/create", post(volumes::create))
        .route("/volumes/prune", post(volumes::prune))
        .route(
            "/volumes/{name}",
            get(volumes::inspect).delete(volumes::remove),
        )
        .merge(containers::routes())
        .merge(absent())
        .fallback(async || ApiError::not_found("page not found"))
        .method_not_allowed_fallback(async || ApiError::not_found("page not found"))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .with_state(app)
}

/// What there is none of: lists are empty, a name isn't found, and nothing can be made.
fn absent() -> Router<App> {
    let mut routes = Router::new();
    for what in ["swarm", "nodes", "services", "tasks", "secrets", "configs"] {
        routes = routes
            .route(&format!("/{what}"), any(async || ApiError::no_swarm()))
            .route(
                &format!("/{what}/{{*path}}"),
                any(async || ApiError::no_swarm()),
            );
    }
    routes
        .route(
            "/networks/create",
            post(async || ApiError::absent("making networks")),
        )
        .route("/plugins", get(async || axum::Json(json!([]))))
        .route(
            "/plugins/{*path}",
            any(async |Path(path): Path<String>| {
                let name = path.trim_end_matches("/json").to_owned();
                ApiError::not_found(format!("plugin {name:?} not found"))
            }),
        )
        .route(
            "/session",
            any(async || ApiError::absent("BuildKit's protocol")),
        )
        .route(
            "/grpc",
            any(async || ApiError::absent("BuildKit's protocol")),
        )
}
