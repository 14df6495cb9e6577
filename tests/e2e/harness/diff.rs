//! What differs between an image of kiln's and one of docker's, in words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Image, Tree};

/// The keys of `config` that both must agree on.
const CONFIG_KEYS: [&str; 13] = [
    "ArgsEscaped",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// Differences of the files, one a line: `path: /x: …`.
pub fn compare_trees(kiln: &Tree, docker: &Tree) -> Vec<String> {
    let paths: BTreeSet<&str> = kiln.paths().chain(docker.paths()).collect();
    let mut out = Vec::new();
    for path in paths {
        let mut note = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                out.push(format!("path: /{path}: {what} {ours}, docker has {theirs}"));
            }
        };
        let (a, b) = match (kiln.get(path), docker.get(path)) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => {
                let there = |i: bool| if i { "present" } else { "absent" }.to_owned();
                note("is", there(a.is_some()), there(b.is_some()));
                continue;
            }
        };
        note("type", format!("{:?}", a.kind), format!("{:?}", b.kind));
        note("mode", format!("{:o}", a.mode), format!("{:o}", b.mode));
        note(
            "owner",
            format!("{}:{}", a.uid, a.gid),
            format!("{}:{}", b.uid, b.gid),
        );
        note("link", a.link.clone(), b.link.clone());
        note(
            "device",
            format!("{:?}", a.device),
            format!("{:?}", b.device),
        );
        note(
            "hard links",
            format!("{:?}", kiln.hard_links(path)),
            format!("{:?}", docker.hard_links(path)),
        );
        let shown = |x: &std::collections::BTreeMap<String, Vec<u8>>| format!("{x:?}");
        note("attributes", shown(&a.xattrs), shown(&b.xattrs));
        if a.content != b.content {
            note("content", excerpt(&a.content), excerpt(&b.content));
        }
    }
    out
}

/// The size and the beginning of a file.
fn excerpt(content: &[u8]) -> String {
    let head = String::from_utf8_lossy(&content[..content.len().min(200)]).into_owned();
    format!("{} bytes {head:?}", content.len())
}

/// Differences of the configs: `config: Cmd: …`.
pub fn compare_configs(kiln: &Image, docker: &Image) -> Vec<String> {
    let mut out = Vec::new();
    let mut note = |key: &str, a: &Value, b: &Value| {
        // Nothing, null and the empty text are the same to every reader.
        let same = |v: &Value| match v {
            Value::String(s) if s.is_empty() => Value::Null,
            Value::Bool(false) => Value::Null,
            other => other.clone(),
        };
        let (a, b) = (same(a), same(b));
        if a != b {
            out.push(format!("config: {key}: {a}, docker has {b}"));
        }
    };
    for key in CONFIG_KEYS {
        note(
            key,
            &kiln.config["config"][key],
            &docker.config["config"][key],
        );
    }
    for key in ["os", "architecture", "variant", "author"] {
        note(key, &kiln.config[key], &docker.config[key]);
    }
    out
}

/// Differences of the histories: `history: …`.
pub fn compare_histories(kiln: &Image, docker: &Image) -> Vec<String> {
    let flags = |image: &Image| -> Vec<(bool, String)> {
        let entries = image.config["history"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        entries
            .iter()
            .map(|h| {
                let by = h["created_by"].as_str().unwrap_or_default().to_owned();
                (h["empty_layer"].as_bool().unwrap_or(false), by)
            })
            .collect()
    };
    let (a, b) = (flags(kiln), flags(docker));
    let mut out = Vec::new();
    if a.len() != b.len() {
        let list = |h: &[(bool, String)]| -> String {
            h.iter()
                .map(|(e, by)| format!("\n      {e} {by}"))
                .collect()
        };
        out.push(format!(
            "history: {} entries, docker has {}:{}\n    docker:{}",
            a.len(),
            b.len(),
            list(&a),
            list(&b)
        ));
    }
    for (n, (ours, theirs)) in a.iter().zip(&b).enumerate() {
        if ours.0 != theirs.0 {
            out.push(format!(
                "history: {n} ({}): empty_layer {}, docker has {}",
                ours.1, ours.0, theirs.0
            ));
        }
    }
    out
}
