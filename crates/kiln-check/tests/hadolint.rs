//! Kiln's verdicts beside hadolint's, rule by rule.
//!
//! `hadolint/*.toml` has a table for each of hadolint's rules. `bad` are Dockerfiles that hadolint
//! finds fault with, `good` are those it passes. Where Kiln differs on purpose, the Dockerfile
//! stands under `only-hadolint` or `only-kiln`, and `docs/hadolint.md` says why; `refused` are those
//! that Kiln doesn't build at all. A text without FROM stands below one; with `onbuild = true` its
//! verdict holds for the instruction as a trigger, too. `config` is a `kiln.toml`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kiln_check::{Config, Rule, Surroundings, check, rule};
use kiln_dockerfile::parse;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
struct Cases {
    config: String,
    onbuild: bool,
    bad: Vec<String>,
    good: Vec<String>,
    only_hadolint: Vec<String>,
    only_kiln: Vec<String>,
    refused: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tables() -> BTreeMap<String, Cases> {
    let mut all = BTreeMap::new();
    let dir = root().join("crates/kiln-check/tests/hadolint");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let tables: BTreeMap<String, Cases> =
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (name, cases) in tables {
            assert!(all.insert(name.clone(), cases).is_none(), "{name} twice");
        }
    }
    all
}

/// The Dockerfile of a case: below a FROM where it has none.
fn whole(text: &str) -> String {
    match text.lines().any(|l| l.starts_with("FROM ")) {
        true => format!("{text}\n"),
        false => format!("FROM debian:12\n{text}\n"),
    }
}

/// What the rule alone says, and the error of a file that is no Dockerfile.
fn verdict(rule: &Rule, config: &Config, text: &str) -> Result<bool, String> {
    let file = parse(text.as_bytes()).map_err(|e| e.to_string())?;
    let around = Surroundings {
        trusted_registries: &config.trusted_registries,
        label_schema: &config.label_schema,
        strict_labels: config.strict_labels,
        ..Surroundings::NONE
    };
    Ok(!check(&file, &around, |r| r.id == rule.id).is_empty())
}

#[test]
fn kiln_finds_what_hadolint_finds() {
    let mut faults = Vec::new();
    for (name, cases) in tables() {
        let Some(rule) = rule(&name) else {
            let refused = cases.bad.is_empty() && !cases.refused.is_empty();
            assert!(refused, "no rule is called {name}");
            continue;
        };
        let config = Config::parse(&cases.config).unwrap();
        let expected = [
            (&cases.bad, true),
            (&cases.good, false),
            (&cases.only_hadolint, false),
            (&cases.only_kiln, true),
        ];
        for (texts, expected) in expected {
            for text in texts {
                let mut forms = vec![whole(text)];
                let alone = !text.contains("FROM ") && text.lines().all(|l| !l.ends_with('\\'));
                if cases.onbuild && alone && text.lines().count() == 1 {
                    forms.push(whole(&format!("ONBUILD {text}")));
                }
                for text in forms {
                    let got = verdict(rule, &config, &text);
                    if got != Ok(expected) {
                        faults.push(format!("{name}: {got:?}, expected {expected}:\n{text}"));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_hadolint_forbids_and_docker_refuses_is_refused() {
    for (name, cases) in tables() {
        for text in &cases.refused {
            assert!(parse(whole(text).as_bytes()).is_err(), "{name}: {text}");
        }
    }
}

/// Every rule of hadolint has its cases, and every difference its reason.
#[test]
fn differences_are_explained() {
    let page = std::fs::read_to_string(root().join("docs/hadolint.md")).unwrap();
    for (name, cases) in tables() {
        assert!(
            !cases.bad.is_empty() || !cases.refused.is_empty() || !cases.only_hadolint.is_empty(),
            "{name}"
        );
        if !cases.only_hadolint.is_empty() || !cases.only_kiln.is_empty() {
            assert!(page.contains(&format!("| {name} |")), "{name} differs");
        }
    }
}

#[test]
fn all_rules_of_hadolint_have_cases() {
    let known = tables();
    let gone = [3005, 3017, 3031, 3039];
    let numbers = (3000..=3067).filter(|n| !gone.contains(n));
    let numbers = [1001]
        .into_iter()
        .chain(numbers)
        .chain([4000, 4001, 4003, 4004, 4005, 4006]);
    for number in numbers {
        let name = format!("DL{number}");
        assert!(known.contains_key(&name), "{name}");
    }
}
