//! `/_ping`, `/version`, `/info`, `/system/df`.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, PRAGMA};
use axum::response::IntoResponse;
use jiff::Timestamp;
use kiln_engine::containers;
use kiln_engine::containers::ContainerFilters;
use kiln_engine::filters::Filters;
use kiln_engine::images::list;
use kiln_oci::{Digest, Platform};
use kiln_runtime::Mode;
use kiln_runtime::monitor::Status;
use serde_json::{Value, json};

use crate::containers::summary;
use crate::error::ApiError;
use crate::images::summaries;
use crate::state::App;
use crate::stream::blocking;
use crate::version::{NEWEST, OLDEST, Version};
use crate::volumes;

/// `GET` and `HEAD /_ping`
pub async fn ping() -> impl IntoResponse {
    // Without it clients would try BuildKit's protocol.
    let builder = HeaderName::from_static("builder-version");
    let headers = [
        (builder, "1"),
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (PRAGMA, "no-cache"),
    ];
    (headers, "OK")
}

fn kernel() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

/// `GET /version`
pub async fn version(State(app): State<App>) -> Json<Value> {
    let Platform {
        os, architecture, ..
    } = Platform::host();
    let details = json!({
        "ApiVersion": NEWEST.to_string(),
        "MinAPIVersion": OLDEST.to_string(),
        "Arch": architecture,
        "Os": os,
        "KernelVersion": kernel(),
        "Experimental": "false",
    });
    Json(json!({
        "Platform": { "Name": "Kiln" },
        "Components": [{ "Name": "Engine", "Version": app.version, "Details": details }],
        "Version": app.version,
        "ApiVersion": NEWEST.to_string(),
        "MinAPIVersion": OLDEST.to_string(),
        "Os": os,
        "Arch": architecture,
        "KernelVersion": kernel(),
    }))
}

/// The value of a line of `/etc/os-release` or the like.
fn field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    Some(line.trim().trim_matches('"').to_owned())
}

/// What `info` says no to.
const NO: [&str; 11] = [
    "MemoryLimit",
    "SwapLimit",
    "CpuCfsPeriod",
    "CpuCfsQuota",
    "CPUShares",
    "CPUSet",
    "PidsLimit",
    "OomKillDisable",
    "Debug",
    "ExperimentalBuild",
    "LiveRestoreEnabled",
];
/// What there is none of.
const ZERO: [&str; 3] = ["NFd", "NGoroutines", "NEventsListener"];

/// `GET /info`
pub async fn info(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    blocking(move || {
        let root = app.store.root().display().to_string();
        let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal:");
        let memory: u64 = memory
            .and_then(|m| m.split_whitespace().next()?.parse().ok())
            .unwrap_or(0);
        let name = rustix::system::uname();
        let mut security = vec!["name=seccomp,profile=default"];
        if app.mode != Mode::Root {
            security.push("name=rootless");
        }
        let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let mut info = json!({
            "ID": Digest::of(format!("{machine}{root}").as_bytes()).hex(),
            "Images": app.store.usage()?.images,
            "Driver": "overlay2",
            "DriverStatus": [],
            "Plugins": {
                "Volume": ["local"],
                "Network": ["host", "null"],
                "Authorization": Value::Null,
                "Log": ["json-file"],
            },
            "IPv4Forwarding": true,
            "SystemTime": Timestamp::now().to_string(),
            "LoggingDriver": "json-file",
            "CgroupDriver": "none",
            "CgroupVersion": if v2 { "2" } else { "1" },
            "KernelVersion": kernel(),
            "OperatingSystem": field("/etc/os-release", "PRETTY_NAME=").unwrap_or_default(),
            "OSVersion": field("/etc/os-release", "VERSION_ID=").unwrap_or_default(),
            "OSType": "linux",
            "Architecture": name.machine().to_string_lossy(),
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {
                "InsecureRegistryCIDRs": ["127.0.0.0/8"],
                "IndexConfigs": {},
                "Mirrors": [],
            },
            "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
            "MemTotal": memory * 1024,
            "DockerRootDir": root,
            "HttpProxy": "",
            "HttpsProxy": "",
            "NoProxy": "",
            "Name": name.nodename().to_string_lossy(),
            "Labels": [],
            "ServerVersion": app.version,
            "Runtimes": { "kiln": { "path": "kiln" } },
            "DefaultRuntime": "kiln",
            "Swarm": { "LocalNodeState": "inactive", "ControlAvailable": false },
            "Isolation": "",
            "InitBinary": "",
            "ContainerdCommit": { "ID": "" },
            "RuncCommit": { "ID": "" },
            "InitCommit": { "ID": "" },
            "SecurityOptions": security,
            "Warnings": [],
        });
        for name in NO {
            info[name] = false.into();
        }
        for name in ZERO {
            info[name] = 0.into();
        }
        let (mut running, mut paused, mut stopped) = (0, 0, 0);
        let filters = ContainerFilters::default();
        for row in containers::list(&app.store, true, &filters, false)? {
            match row.container.state.status {
                Status::Running => running += 1,
                Status::Paused => paused += 1,
                Status::Created | Status::Exited => stopped += 1,
            }
        }
        info["Containers"] = (running + paused + stopped).into();
        info["ContainersRunning"] = running.into();
        info["ContainersPaused"] = paused.into();
        info["ContainersStopped"] = stopped.into();
        Ok(Json(info))
    })
    .await
}

/// `GET /system/df`
pub async fn usage(
    State(app): State<App>,
    Extension(version): Extension<Version>,
) -> Result<Json<Value>, ApiError> {
    blocking(move || {
        let usage = app.store.usage()?;
        let rows = list(&app.store, &Filters::default())?;
        let mut images = summaries(&app.store, rows, version)?;
        for image in &mut images {
            image["Containers"] = 0.into();
            image["SharedSize"] = 0.into();
        }
        let filters = ContainerFilters::default();
        let containers = containers::list(&app.store, true, &filters, true)?;
        let containers: Vec<Value> = containers.iter().map(summary).collect();
        let mut volumes = Vec::new();
        for volume in app.store.volumes()? {
            let mut shown = volumes::shown(&app.store, &volume);
            let users = app.store.volume_users(&volume.name)?.len();
            let size = kiln_engine::volumes::size(&app.store, &volume.name);
            shown["UsageData"] = json!({ "RefCount": users, "Size": size });
            volumes.push(shown);
        }
        let cache = usage.cache_bytes + usage.unused_bytes + usage.cache_dir_bytes;
        let layers = usage.image_bytes;
        Ok(Json(json!({
            "LayersSize": layers,
            "Images": images,
            "Containers": containers,
            "Volumes": volumes,
            "BuildCache": [{
                "ID": "cache",
                "Type": "regular",
                "Description": format!("{} records", usage.cache_records),
                "InUse": false,
                "Shared": false,
                "Size": cache,
                "UsageCount": 0,
            }],
            "BuilderSize": cache,
        })))
    })
    .await
}
