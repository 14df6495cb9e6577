//! `/images/{name}/push`

use axum::http::HeaderMap;
use axum::response::Response;
use kiln_engine::BuildError;
use kiln_engine::push::{Packing, push as engine_push};
use kiln_oci::Reference;
use serde_json::json;

use crate::auth;
use crate::error::ApiError;
use crate::progress::Parts;
use crate::query::Params;
use crate::state::App;
use crate::stream::{Failure, lines};

/// Pushes one tag, or all that the repository has here.
pub async fn push(
    app: App,
    name: &str,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = Reference::parse(name)?;
    if name.digest().is_some() {
        return Err(ApiError::invalid("cannot push a digest reference"));
    }
    if params.get("platform").is_some() {
        return Err(ApiError::absent("pushing one platform of an image"));
    }
    let tag = params.get("tag").or(name.tag());
    let wanted = match tag {
        Some(tag) => Some(Reference::parse(&format!(
            "{}:{tag}",
            name.familiar_name()
        ))?),
        None => None,
    };
    let registries = auth::registry(&headers, name.registry())?;
    let worker = app.clone();
    lines(&app, move |out, _| {
        let repository = format!("{}/{}", name.registry(), name.repository());
        let status = format!("The push refers to repository [{repository}]");
        out.send(&json!({ "status": status }));
        let known = worker.store.tags()?.into_iter().map(|(r, _)| r);
        let own: Vec<Reference> = known
            .filter(|r| r.familiar_name() == name.familiar_name())
            .filter(|r| wanted.as_ref().is_none_or(|w| w.tag() == r.tag()))
            .collect();
        if own.is_empty() {
            let text = format!(
                "An image does not exist locally with the tag: {}",
                name.familiar_name()
            );
            return Err(ApiError::not_found(text).into());
        }
        for name in own {
            let parts = Parts::new(out, "Pushing", None);
            let packing = Packing::default();
            let pushed = engine_push(&worker.store, &registries, &name, packing, &parts);
            let pushed = pushed.map_err(|e: BuildError| Failure::from(e))?;
            let tag = name.tag().unwrap_or_default();
            let (digest, size) = (pushed.manifest.digest.to_string(), pushed.manifest.size);
            let status = format!("{tag}: digest: {digest} size: {size}");
            out.send(&json!({ "status": status }));
            let aux = json!({ "Tag": tag, "Digest": digest, "Size": size });
            out.send(&json!({ "progressDetail": {}, "aux": aux }));
            worker
                .events
                .image("push", &name.familiar(), &name.familiar_name());
        }
        Ok(())
    })
    .await
}
