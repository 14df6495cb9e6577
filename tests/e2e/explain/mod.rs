//! Why steps were not cached: one change at a time, and what is told of it.

mod files;
mod instructions;
mod kept;
mod mounts;
mod records;
mod variables;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Done, Kiln, Project, executed};

/// What a build told of its cache.
pub struct Told {
    done: Done,
    steps: Vec<Value>,
}

/// The text of a step without `[2/4]`.
fn text(step: &Value) -> &str {
    let name = step["name"].as_str().unwrap();
    name.split_once("] ").map_or(name, |(_, text)| text)
}

/// Builds and reads the explanation, which is the last line.
#[track_caller]
pub fn build(kiln: &Kiln, project: &Project, args: &[&str]) -> Told {
    let mut all = vec!["--explain=json"];
    all.extend(args);
    told(kiln.try_build(project.dir(), &all))
}

#[track_caller]
fn told(done: Done) -> Told {
    let err = done.err();
    let line = err.lines().find(|l| l.starts_with("{\"explanation\""));
    let line = line.unwrap_or_else(|| panic!("no explanation\n{}", done.report()));
    let value: Value = serde_json::from_str(line).unwrap();
    let steps = value["explanation"]["steps"].as_array().unwrap().clone();
    Told { done, steps }
}

impl Told {
    fn missed(&self) -> Vec<&Value> {
        let miss = |s: &&Value| s["verdict"] == "miss";
        self.steps.iter().filter(miss).collect()
    }

    #[track_caller]
    fn step(&self, wanted: &str) -> &Value {
        let found = self.steps.iter().find(|s| text(s) == wanted);
        found.unwrap_or_else(|| panic!("no step {wanted:?}\n{}", self.done.report()))
    }

    /// Follows the steps that took a step with them to the first one.
    fn root<'s>(&'s self, step: &'s Value) -> &'s Value {
        let cause = &step["cause"];
        let by = match cause["why"].as_str() {
            Some("parent") => &cause["step"],
            Some("files") => &cause["through"],
            _ => &Value::Null,
        };
        match self.steps.iter().find(|s| s["id"] == *by) {
            Some(by) => self.root(by),
            None => step,
        }
    }

    /// Nothing was carried out.
    #[track_caller]
    pub fn all_cached(&self) {
        let steps = self.steps.iter().filter(|s| s["verdict"] != "base");
        assert!(
            steps.count() > 0 && self.missed().is_empty(),
            "{}",
            self.done.report()
        );
        assert!(executed(&self.done).is_empty(), "{}", self.done.report());
    }

    /// One step missed for that cause, and took those others with it; what was carried out is what
    /// is explained.
    #[track_caller]
    pub fn because(&self, root: &str, cause: Value, victims: &[&str]) {
        let report = || format!("{}\n{}", self.done.report(), json!(self.missed()));
        let missed: BTreeSet<&str> = self.missed().into_iter().map(text).collect();
        let wanted: BTreeSet<&str> = victims.iter().copied().chain([root]).collect();
        assert_eq!(missed, wanted, "{}", report());
        if self.done.code == Some(0) {
            let ran: BTreeSet<String> = executed(&self.done).into_iter().collect();
            let ran: BTreeSet<&str> = ran.iter().map(String::as_str).collect();
            assert_eq!(ran, wanted, "{}", report());
        }
        holds(&self.step(root)["cause"], &cause, &report());
        for victim in victims {
            let led_by = text(self.root(self.step(victim)));
            assert_eq!(led_by, root, "{victim}\n{}", report());
        }
    }
}

/// Asserts that all that is wanted is there; more may be.
#[track_caller]
fn holds(found: &Value, wanted: &Value, report: &str) {
    match wanted {
        Value::Object(fields) => {
            for (key, value) in fields {
                holds(&found[key], value, report);
            }
        }
        _ => assert_eq!(found, wanted, "{report}"),
    }
}

/// One thing is another.
pub fn changed(what: &str, name: &str, old: impl Into<Value>, new: impl Into<Value>) -> Value {
    json!({ "why": "changed", "what": what, "name": name, "old": old.into(), "new": new.into() })
}

/// A file is another.
pub fn file(path: &str, what: &str) -> Value {
    json!({ "why": "files", "first": { "path": path, "what": what } })
}

/// A step that nobody has built before.
pub fn never() -> Value {
    json!({ "why": "never" })
}
