//! One JSON object a line, in the form of BuildKit's `SolveStatus` (`docker build --progress
//! rawjson`).

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use kiln_build::{Event, Progress};
use kiln_oci::Digest;
use serde_json::{Value, json};

use super::Screen;

/// Writes each event as it comes.
#[derive(Default)]
pub struct RawJson {
    /// Names and starts of the steps under way.
    steps: Mutex<HashMap<usize, (String, String)>>,
}

/// BuildKit calls a step by a digest; here it is one of its number.
fn vertex(id: usize) -> String {
    Digest::of(id.to_string().as_bytes()).to_string()
}

impl RawJson {
    fn end(&self, id: usize, cached: bool, error: &str) {
        let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
        let Some((name, started)) = steps.remove(&id) else {
            return;
        };
        let mut value = json!({
            "digest": vertex(id),
            "name": name,
            "started": started,
            "completed": Timestamp::now().to_string(),
        });
        if cached {
            value["cached"] = true.into();
        }
        if !error.is_empty() {
            value["error"] = error.into();
        }
        print(&json!({ "vertexes": [value] }));
    }
}

fn print(value: &Value) {
    eprintln!("{value}");
}

impl Progress for RawJson {
    fn event(&self, event: Event) {
        match event {
            Event::Planned { .. } | Event::Explained(_) => {}
            Event::Started { id, name } => {
                let started = Timestamp::now().to_string();
                print(&json!({ "vertexes": [
                    { "digest": vertex(id), "name": name, "started": started }
                ]}));
                let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
                steps.insert(id, (name, started));
            }
            Event::Output { id, stderr, data } => print(&json!({ "logs": [{
                "vertex": vertex(id),
                "stream": if stderr { 2 } else { 1 },
                "data": BASE64_STANDARD.encode(data),
                "timestamp": Timestamp::now().to_string(),
            }]})),
            Event::Done { id, cached, .. } => self.end(id, cached, ""),
            Event::Failed { id, message } => self.end(id, false, &message),
            Event::Instructions(_) | Event::Instruction { .. } => {}
            Event::Warning(text) => print(&json!({ "warnings": [
                { "level": 1, "short": BASE64_STANDARD.encode(text) }
            ]})),
        }
    }
}

impl Screen for RawJson {
    fn exported(&self, id: &str, names: &[String]) {
        let now = Timestamp::now().to_string();
        let name = "exporting to image";
        let digest = Digest::of(name.as_bytes()).to_string();
        let status = |text: String| {
            json!({ "id": text, "vertex": digest, "current": 0, "timestamp": now,
                "started": now, "completed": now })
        };
        let statuses: Vec<Value> = std::iter::once(format!("writing image {id}"))
            .chain(names.iter().map(|n| format!("naming to {n}")))
            .map(status)
            .collect();
        print(&json!({
            "vertexes": [{ "digest": digest, "name": name, "started": now, "completed": now }],
            "statuses": statuses,
        }));
    }
}
