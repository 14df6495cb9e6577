//! `/images/create` from a registry, and `/distribution`.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use kiln_engine::manifests::inspect;
use kiln_engine::pull::{pull as engine_pull, tags};
use kiln_oci::{Platform, Reference};
use serde_json::{Value, json};

use crate::auth;
use crate::error::ApiError;
use crate::progress::Parts;
use crate::query::Params;
use crate::state::App;
use crate::stream::{blocking, lines};

/// The platform that was asked for.
pub fn platform(params: &Params) -> Result<Platform, ApiError> {
    match params.get("platform") {
        // Newer clients send an object, older ones a text.
        Some(p) if p.starts_with('{') => {
            let value: Value =
                serde_json::from_str(p).map_err(|e| ApiError::invalid(format!("platform: {e}")))?;
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let short = format!(
                "{}/{}/{}",
                text("os"),
                text("architecture"),
                text("variant")
            );
            Ok(short.trim_end_matches('/').parse()?)
        }
        Some(p) => Ok(p.to_ascii_lowercase().parse()?),
        None => Ok(Platform::host()),
    }
}

/// `POST /images/create?fromImage=`
pub async fn pull(app: App, params: Params, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut name = Reference::parse(params.get("fromImage").unwrap_or_default())?;
    if let Some(tag) = params.get("tag") {
        let sign = if tag.contains(':') { '@' } else { ':' };
        name = Reference::parse(&format!("{}{sign}{tag}", name.familiar_name()))?;
    }
    let platform = platform(&params)?;
    let registries = auth::registry(&headers, name.registry())?;
    let worker = app.clone();
    lines(&app, move |out, _| {
        let names = if name.tag().is_none() && name.digest().is_none() {
            let of = |tag: &String| Reference::parse(&format!("{}:{tag}", name.familiar_name()));
            let all = tags(&registries, &name)?;
            all.iter().map(of).collect::<Result<Vec<_>, _>>()?
        } else {
            vec![name]
        };
        for name in names {
            let target = match name.digest() {
                Some(digest) => digest.to_string(),
                None => name.tag().unwrap_or("latest").to_owned(),
            };
            let status = format!("Pulling from {}", name.repository());
            let before = json!({ "status": status, "id": target });
            let parts = Parts::new(out, "Downloading", Some(before));
            let pulled = engine_pull(&worker.store, &registries, &name, &platform, &parts)?;
            parts.begin_all();
            out.send(&json!({ "status": format!("Digest: {}", pulled.digest) }));
            let what = match pulled.new {
                true => "Downloaded newer image",
                false => "Image is up to date",
            };
            let familiar = name.familiar();
            out.send(&json!({ "status": format!("Status: {what} for {familiar}") }));
            worker
                .events
                .image("pull", &familiar, &name.familiar_name());
        }
        Ok(())
    })
    .await
}

/// `GET /distribution/{name}/json`
pub async fn distribution(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let name = path.strip_suffix("/json");
    let name = name.ok_or_else(|| ApiError::not_found("page not found"))?;
    let name = Reference::parse(name)?.with_default_tag();
    let registries = auth::registry(&headers, name.registry())?;
    blocking(move || {
        let found = inspect(&registries, &name, &Platform::host())?;
        let platforms: Vec<Value> = match found["Index"]["manifests"].as_array() {
            Some(all) => all
                .iter()
                .filter_map(|m| m.get("platform"))
                .map(as_platform)
                .collect(),
            None => vec![as_platform(&found["Config"])],
        };
        Ok(Json(json!({
            "Descriptor": {
                "mediaType": found["MediaType"],
                "digest": found["Digest"],
                "size": found["Size"],
            },
            "Platforms": platforms,
        })))
    })
    .await
}

fn as_platform(value: &Value) -> Value {
    let mut out = json!({});
    for key in ["architecture", "os", "os.version", "os.features", "variant"] {
        if let Some(v) = value.get(key).filter(|v| !v.is_null()) {
            out[key] = v.clone();
        }
    }
    out
}
