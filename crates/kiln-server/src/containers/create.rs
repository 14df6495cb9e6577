//! `POST /containers/create`: docker's description of a container to Kiln's.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use kiln_engine::containers::{MountKind, MountSetting, Port, Request, Settings, create};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::query::Params;
use crate::state::App;
use crate::stream::blocking;

/// `POST /containers/create`
pub async fn post(
    State(app): State<App>,
    params: Params,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let wanted: Value = serde_json::from_slice(&body)
        .map_err(|e| ApiError::invalid(format!("the container's description: {e}")))?;
    let name = params.get("name").map(|n| n.trim_start_matches('/'));
    let request = request(&wanted, name)?;
    blocking(move || {
        let id = create(&app.store, &request)?;
        app.events.container("create", &id, &request.image);
        let made = json!({ "Id": id, "Warnings": [] });
        Ok((StatusCode::CREATED, Json(made)))
    })
    .await
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|t| !t.is_empty()).map(String::from)
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(String::from).collect()
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn request(c: &Value, name: Option<&str>) -> Result<Request, ApiError> {
    let host = &c["HostConfig"];
    refuse(host)?;
    let mut entrypoint = texts(&c["Entrypoint"]).into_iter();
    let first = entrypoint.next();
    let mut command: Vec<String> = entrypoint.collect();
    command.extend(texts(&c["Cmd"]));
    let (env, removed): (Vec<String>, Vec<String>) =
        texts(&c["Env"]).into_iter().partition(|e| e.contains('='));
    let labels: BTreeMap<String, String> = c["Labels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect();
    let health = match &c["Healthcheck"] {
        Value::Null => None,
        given => Some(
            serde_json::from_value(given.clone())
                .map_err(|e| ApiError::invalid(format!("Healthcheck: {e}")))?,
        ),
    };
    let keys = |v: &Value| -> Vec<String> {
        let keys = v.as_object().into_iter().flatten();
        keys.map(|(k, _)| k.clone()).collect()
    };
    Ok(Request {
        image: text(&c["Image"]).ok_or_else(|| ApiError::invalid("no image given"))?,
        name: name.map(String::from),
        command,
        entrypoint: first,
        env,
        env_removed: removed,
        cwd: text(&c["WorkingDir"]),
        user: text(&c["User"]),
        stop_signal: text(&c["StopSignal"]),
        labels,
        exposed: keys(&c["ExposedPorts"]),
        health,
        settings: Settings {
            hostname: text(&c["Hostname"]).unwrap_or_default(),
            tty: flag(&c["Tty"]),
            open_stdin: flag(&c["OpenStdin"]),
            stdin_once: flag(&c["StdinOnce"]),
            attach: (
                flag(&c["AttachStdin"]),
                flag(&c["AttachStdout"]),
                flag(&c["AttachStderr"]),
            ),
            auto_remove: flag(&host["AutoRemove"]),
            network: network(&host["NetworkMode"])?,
            hosts: texts(&host["ExtraHosts"])
                .iter()
                .map(|h| crate::build::host(h))
                .collect::<Result<_, _>>()?,
            ports: ports(&host["PortBindings"])?,
            mounts: mounts(c, host)?,
            read_only: flag(&host["ReadonlyRootfs"]),
            cap_add: texts(&host["CapAdd"]),
            cap_drop: texts(&host["CapDrop"]),
            memory: number(&host["Memory"]),
            nano_cpus: number(&host["NanoCpus"]),
            pids_limit: number(&host["PidsLimit"]),
            init: flag(&host["Init"]),
            stop_timeout: c["StopTimeout"].as_u64(),
            ..Settings::default()
        },
    })
}

/// What would be another container without it.
fn refuse(host: &Value) -> Result<(), ApiError> {
    let policy = &host["RestartPolicy"]["Name"];
    if text(policy).is_some_and(|p| p != "no") {
        return Err(ApiError::absent("a restart policy"));
    }
    if flag(&host["Privileged"]) {
        return Err(ApiError::absent("Privileged"));
    }
    for name in [
        "Devices",
        "DeviceRequests",
        "Links",
        "VolumesFrom",
        "SecurityOpt",
        "Ulimits",
        "Sysctls",
        "GroupAdd",
        "VolumeDriver",
        "UsernsMode",
        "UTSMode",
        "PidMode",
    ] {
        let given = match &host[name] {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        if given {
            return Err(ApiError::absent(name));
        }
    }
    match text(&host["IpcMode"]).as_deref() {
        None | Some("private" | "shareable" | "none") => Ok(()),
        Some(_) => Err(ApiError::absent("IpcMode")),
    }
}

fn network(mode: &Value) -> Result<String, ApiError> {
    match mode.as_str().unwrap_or_default() {
        "" | "default" | "bridge" => Ok("default".to_owned()),
        known @ ("host" | "none") => Ok(known.to_owned()),
        // Not 404: clients would take it for the image.
        other => Err(ApiError::invalid(format!("network {other} not found"))),
    }
}

/// `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`
fn ports(bindings: &Value) -> Result<Vec<Port>, ApiError> {
    let mut out = Vec::new();
    for (key, list) in bindings.as_object().into_iter().flatten() {
        let bad = || ApiError::invalid(format!("invalid port: {key}"));
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let container: u16 = port.parse().map_err(|_| bad())?;
        for binding in list.as_array().into_iter().flatten() {
            let host = match text(&binding["HostPort"]).as_deref() {
                None | Some("0") => container,
                Some(port) => port.parse().map_err(|_| bad())?,
            };
            out.push(Port {
                host_ip: text(&binding["HostIp"]).unwrap_or_default(),
                host,
                container,
                protocol: protocol.to_owned(),
            });
        }
    }
    Ok(out)
}

fn mounts(c: &Value, host: &Value) -> Result<Vec<MountSetting>, ApiError> {
    let mut out = Vec::new();
    for bind in texts(&host["Binds"]) {
        out.push(bound(&bind)?);
    }
    for m in host["Mounts"].as_array().into_iter().flatten() {
        let source = text(&m["Source"]).unwrap_or_default();
        let target = text(&m["Target"]).unwrap_or_default();
        let kind = match m["Type"].as_str().unwrap_or_default() {
            "bind" => MountKind::Bind,
            "volume" => MountKind::Volume,
            "tmpfs" => MountKind::Tmpfs,
            other => return Err(ApiError::absent(&format!("a mount of type {other:?}"))),
        };
        let mut setting = setting(kind, &source, &target)?;
        setting.read_only = flag(&m["ReadOnly"]);
        setting.no_copy = flag(&m["VolumeOptions"]["NoCopy"]);
        setting.make_source = flag(&m["BindOptions"]["CreateMountpoint"]);
        if let Some(size) = m["TmpfsOptions"]["SizeBytes"].as_u64() {
            setting.options.push(format!("size={size}"));
        }
        if let Some(mode) = m["TmpfsOptions"]["Mode"].as_u64() {
            setting.options.push(format!("mode={mode:o}"));
        }
        out.push(setting);
    }
    for (target, options) in host["Tmpfs"].as_object().into_iter().flatten() {
        let mut tmpfs = setting(MountKind::Tmpfs, "", target)?;
        let options = options.as_str().unwrap_or_default().split(',');
        tmpfs.options = options
            .filter(|o| !o.is_empty())
            .map(String::from)
            .collect();
        out.push(tmpfs);
    }
    // Volumes without a name, where nothing else is.
    for target in c["Volumes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k)
    {
        let volume = setting(MountKind::Volume, "", target)?;
        if out.iter().all(|m| m.target != volume.target) {
            out.push(volume);
        }
    }
    Ok(out)
}

fn setting(kind: MountKind, source: &str, target: &str) -> Result<MountSetting, ApiError> {
    let clean = kiln_build::clean_path(target);
    if !target.starts_with('/') || clean == "/" {
        let text = format!("invalid mount path: '{target}' must be absolute and not /");
        return Err(ApiError::invalid(text));
    }
    if kind == MountKind::Bind && !source.starts_with('/') {
        let text = format!("invalid mount path: '{source}' must be absolute");
        return Err(ApiError::invalid(text));
    }
    Ok(MountSetting {
        kind,
        source: source.to_owned(),
        target: clean,
        read_only: false,
        options: Vec::new(),
        no_copy: false,
        make_source: false,
        anonymous: false,
    })
}

/// `SOURCE:TARGET[:OPTIONS]`
fn bound(bind: &str) -> Result<MountSetting, ApiError> {
    let bad = || ApiError::invalid(format!("invalid volume specification: '{bind}'"));
    let parts: Vec<&str> = bind.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(bad()),
    };
    let mut m = match source.starts_with('/') {
        true => setting(MountKind::Bind, source, target)?,
        false => setting(MountKind::Volume, source, target)?,
    };
    m.make_source = m.kind == MountKind::Bind;
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => m.read_only = true,
            "nocopy" => m.no_copy = true,
            // All mounts are private; labels are for SELinux, which isn't used.
            "rw" | "z" | "Z" | "private" | "rprivate" => {}
            _ => return Err(bad()),
        }
    }
    Ok(m)
}
