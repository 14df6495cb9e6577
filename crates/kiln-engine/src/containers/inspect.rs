//! `inspect` of containers, docker's fields.

use kiln_runtime::monitor::Status;
use kiln_store::Store;
use serde_json::{Map, Value, json};

use super::Failure;
use super::list::{size_of, status_word};
use super::live::{Container, find};
use super::settings::MountKind;

/// Docker's time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// All there is to know of a container.
pub fn inspect(store: &Store, name: &str, size: bool) -> Result<Value, Failure> {
    let c = find(store, name)?;
    let settings = &c.settings;
    let argv = settings.argv();
    let (path, args) = match argv.split_first() {
        Some((path, args)) => (path.clone(), args.to_vec()),
        None => (String::new(), Vec::new()),
    };
    let dir = c.dir(store);
    let or_never = |time: &str| {
        if time.is_empty() {
            NEVER.to_owned()
        } else {
            time.to_owned()
        }
    };
    let state = &c.state;
    let mut shown = json!({
        "Status": status_word(state.status),
        "Running": c.is_running(),
        "Paused": state.status == Status::Paused,
        "Restarting": false,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": or_never(&state.started_at),
        "FinishedAt": or_never(&state.finished_at),
    });
    if let Some(health) = &state.health {
        shown["Health"] = json!({
            "Status": health.status,
            "FailingStreak": health.failing_streak,
            "Log": health.log,
        });
    }
    let mut out = json!({
        "Id": c.record.id,
        "Created": c.record.created,
        "Path": path,
        "Args": args,
        "State": shown,
        "Image": c.record.image.to_string(),
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": dir.join("log"),
        "Name": format!("/{}", c.record.name),
        "RestartCount": 0,
        "Driver": "overlay",
        "Platform": settings.config.os,
        "HostConfig": host_config(&c),
        "GraphDriver": { "Name": "overlay", "Data": { "UpperDir": dir.join("rw") } },
        "Mounts": mounts(store, &c),
        "Config": config(&c),
        "NetworkSettings": { "Ports": ports(&c), "Networks": {} },
    });
    if size {
        let (own, whole) = size_of(store, &c)?;
        out["SizeRw"] = own.into();
        out["SizeRootFs"] = whole.into();
    }
    Ok(out)
}

fn config(c: &Container) -> Value {
    let settings = &c.settings;
    let mut config = serde_json::to_value(&settings.config.config).unwrap_or_default();
    let (stdin, stdout, stderr) = settings.attach;
    let more = json!({
        "Hostname": settings.hostname,
        "Domainname": "",
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "Tty": settings.tty,
        "OpenStdin": settings.open_stdin,
        "StdinOnce": settings.stdin_once,
        "Image": settings.image,
    });
    if let (Value::Object(to), Value::Object(from)) = (&mut config, more) {
        to.extend(from);
        // Docker shows these whether there are any or not.
        for (key, empty) in [
            ("User", json!("")),
            ("Env", json!([])),
            ("Cmd", Value::Null),
            ("Entrypoint", Value::Null),
            ("Volumes", Value::Null),
            ("WorkingDir", json!("")),
            ("OnBuild", Value::Null),
            ("Labels", json!({})),
        ] {
            to.entry(key).or_insert(empty);
        }
        if let Some(timeout) = settings.stop_timeout {
            to.insert("StopTimeout".into(), timeout.into());
        }
    }
    config
}

fn host_config(c: &Container) -> Value {
    let settings = &c.settings;
    let binds: Vec<String> = settings
        .mounts
        .iter()
        .filter(|m| m.kind == MountKind::Bind || (m.kind == MountKind::Volume && !m.anonymous))
        .map(|m| {
            let ro = if m.read_only { ":ro" } else { "" };
            format!("{}:{}{ro}", m.source, m.target)
        })
        .collect();
    let hosts: Vec<String> = settings
        .hosts
        .iter()
        .map(|(name, address)| format!("{name}:{address}"))
        .collect();
    json!({
        "Binds": binds,
        "LogConfig": { "Type": "json-file", "Config": {} },
        "NetworkMode": settings.network,
        "PortBindings": ports(c),
        "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
        "AutoRemove": settings.auto_remove,
        "CapAdd": settings.cap_add,
        "CapDrop": settings.cap_drop,
        "ExtraHosts": hosts,
        "Privileged": false,
        "ReadonlyRootfs": settings.read_only,
        "Init": settings.init,
        "Memory": settings.memory,
        "NanoCpus": settings.nano_cpus,
        "PidsLimit": settings.pids_limit,
    })
}

fn mounts(store: &Store, c: &Container) -> Vec<Value> {
    c.settings
        .mounts
        .iter()
        .map(|m| {
            let mode = if m.read_only { "ro" } else { "" };
            let mut out = json!({
                "Type": m.kind,
                "Source": m.source,
                "Destination": m.target,
                "Mode": mode,
                "RW": !m.read_only,
                "Propagation": if m.kind == MountKind::Bind { "rprivate" } else { "" },
            });
            if m.kind == MountKind::Volume {
                out["Name"] = m.source.clone().into();
                out["Driver"] = "local".into();
                out["Source"] = json!(store.volume_dir(&m.source));
            }
            out
        })
        .collect()
}

fn ports(c: &Container) -> Value {
    let mut out = Map::new();
    for port in &c.settings.ports {
        let key = format!("{}/{}", port.container, port.protocol);
        let binding = json!({ "HostIp": port.host_ip, "HostPort": port.host.to_string() });
        if let Value::Array(list) = out.entry(key).or_insert_with(|| json!([])) {
            list.push(binding);
        }
    }
    Value::Object(out)
}
