//! `/build`: the classic builder's protocol.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use kiln_build::{Built, Progress};
use kiln_engine::build::{Request, build as engine_build};
use kiln_engine::filters::Filters;
use kiln_engine::prune::{Scope, prune as engine_prune};
use kiln_engine::pull::BaseImages;
use kiln_engine::{BuildError, Kind};
use kiln_oci::{Platform, Reference};
use kiln_runtime::{Cancel, Network};
use serde_json::{Value, json};

use crate::auth;
use crate::classic::{Classic, Held, Sink};
use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::{Failure, Incoming, Lines, blocking, lines};

/// What the client wants to see of a build.
struct Shown {
    quiet: bool,
    remove: bool,
    force_remove: bool,
}

/// `POST /build`
pub async fn build(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request = request(&params)?;
    let registries = auth::registries(&headers)?;
    let shown = Shown {
        quiet: params.flag("q"),
        remove: params.flag_or_yes("rm"),
        force_remove: params.flag("forcerm"),
    };
    let id = params.get("buildid").map(String::from);
    let permit = app.builds.clone().acquire_owned().await;
    let permit = permit.map_err(|e| ApiError::internal(e.to_string()))?;
    let mut context = Incoming::new(body);
    let worker = app.clone();
    lines(&app, move |out, cancel| {
        let _permit = permit;
        let _named = id.map(|id| worker.name_build(&id, cancel));
        let store = &worker.store;
        let run = |progress: &dyn Progress| {
            let bases = BaseImages {
                store,
                registries: &registries,
                progress,
            };
            engine_build(store, &request, &mut context, &bases, progress, cancel)
        };
        let result = show(out, &shown, &request, cancel, run);
        context.drain();
        let built = result?;
        for name in names(&request) {
            worker.events.image("tag", &built.id.to_string(), &name);
        }
        Ok(())
    })
    .await
}

fn names(request: &Request) -> Vec<String> {
    let names = request.tags.iter();
    names
        .map(|t| t.clone().with_default_tag().familiar())
        .collect()
}

/// Runs a build and shows it.
fn show(
    out: &Lines,
    shown: &Shown,
    request: &Request,
    cancel: &Cancel,
    run: impl FnOnce(&dyn Progress) -> Result<Built, BuildError>,
) -> Result<Built, Failure> {
    let held = Held::default();
    let sink: &dyn Sink = if shown.quiet { &held } else { out };
    let classic = Classic::new(sink, shown.remove);
    let result = run(&classic);
    match &result {
        Ok(built) if shown.quiet => out.text(&format!("{}\n", built.id)),
        Ok(built) => classic.finish(built, &names(request)),
        Err(_) if cancel.is_cancelled() && out.is_closed() => {}
        Err(_) => {
            classic.failed(shown.force_remove);
            held.take().iter().for_each(|m| out.send(m));
        }
    }
    result.map_err(|e| failure(e, &classic))
}

/// What docker says where a command fails; Kiln's own words for all else.
fn failure(e: BuildError, classic: &Classic) -> Failure {
    match e.kind {
        Kind::Command(code) => Failure {
            error: ApiError::internal(format!(
                "The command '{}' returned a non-zero code: {code}",
                classic.failed_command()
            )),
            code: Some(code.into()),
            in_stream: true,
        },
        _ => e.into(),
    }
}

fn request(params: &Params) -> Result<Request, ApiError> {
    refuse(params)?;
    let tags = params.all("t").filter(|t| !t.is_empty());
    let hosts = params.all("extrahosts").filter(|h| !h.is_empty());
    Ok(Request {
        context: match params.get("remote") {
            Some(url) => remote(url)?,
            None => "-".to_owned(),
        },
        file: params.get("dockerfile").map(String::from),
        tags: tags.map(Reference::parse).collect::<Result<_, _>>()?,
        target: params.get("target").map(String::from),
        build_args: params.map("buildargs")?,
        labels: params.map("labels")?,
        pull: params.flag("pull"),
        no_cache: params.flag("nocache"),
        no_cache_filter: Vec::new(),
        platform: match params.get("platform") {
            Some(p) => p.to_ascii_lowercase().parse()?,
            None => Platform::host(),
        },
        network: match params.get("networkmode").unwrap_or("default") {
            "default" | "bridge" | "host" => Network::Host,
            "none" => Network::None,
            other => {
                return Err(ApiError::invalid(format!(
                    "networkmode={other}: expected default, host or none"
                )));
            }
        },
        add_hosts: hosts.map(host).collect::<Result<_, _>>()?,
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        source_date_epoch: None,
    })
}

/// Says no to what would be something else without it.
fn refuse(params: &Params) -> Result<(), ApiError> {
    if params.get("version") == Some("2") {
        return Err(ApiError::absent(
            "BuildKit's protocol (set DOCKER_BUILDKIT=0 for the classic builder)",
        ));
    }
    if params.flag("squash") {
        return Err(ApiError::absent("squash"));
    }
    let given = |name| {
        params
            .get(name)
            .is_some_and(|v| !matches!(v, "null" | "[]" | "{}"))
    };
    for name in ["outputs", "securityopt", "session"] {
        if given(name) {
            return Err(ApiError::absent(name));
        }
    }
    Ok(())
}

/// The URL of a context: never a path of this machine.
fn remote(url: &str) -> Result<String, ApiError> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    if (web || kiln_build::fetch::parse_git(url).is_some()) && !std::path::Path::new(url).exists() {
        return Ok(url.to_owned());
    }
    Err(ApiError::invalid(format!(
        "remote={url}: expected the URL of a git repository, a tar or a Dockerfile"
    )))
}

/// `NAME:ADDRESS`
pub fn host(text: &str) -> Result<(String, String), ApiError> {
    let bad = || ApiError::invalid(format!("bad format for add-host: {text:?}"));
    let (name, address) = text.split_once(':').ok_or_else(bad)?;
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let address: std::net::IpAddr = match bare {
        "host-gateway" => std::net::Ipv4Addr::LOCALHOST.into(),
        other => other.parse().map_err(|_| bad())?,
    };
    Ok((name.to_owned(), address.to_string()))
}

/// `POST /build/cancel`
pub async fn cancel(State(app): State<App>, params: Params) -> Result<(), ApiError> {
    let id = params.get("id");
    app.cancel_build(id.ok_or_else(|| ApiError::invalid("id: which build?"))?);
    Ok(())
}

/// `POST /build/prune`
pub async fn prune(State(app): State<App>, params: Params) -> Result<Json<Value>, ApiError> {
    if params
        .get("filters")
        .is_some_and(|f| f != "{}" && f != "null")
    {
        return Err(ApiError::absent("pruning a part of the build cache"));
    }
    blocking(move || {
        let scope = Scope {
            dangling: false,
            all_images: false,
            cache: true,
            containers: false,
        };
        let pruned = engine_prune(&app.store, scope, &Filters::default())?;
        app.events.pruned("builder", pruned.bytes);
        Ok(Json(json!({
            "CachesDeleted": Value::Null,
            "SpaceReclaimed": pruned.bytes,
        })))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_urls() {
        for good in [
            "https://a/b.tar",
            "git@a:b",
            "github.com/a/b",
            "https://a/b.git#c:d",
        ] {
            assert!(remote(good).is_ok(), "{good}");
        }
        for bad in ["/etc", "etc", "file:///etc", "../x", ""] {
            assert!(remote(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts() {
        let own = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(host("a:1.2.3.4").ok(), own("a", "1.2.3.4"));
        assert_eq!(host("a:[::1]").ok(), own("a", "::1"));
        assert!(host("a").is_err() && host("a:b").is_err());
    }
}
