//! Which rules count and how much: `kiln.toml`.
//!
//! ```toml
//! [check]
//! fail-on = "warning"
//! trusted-registries = ["registry.example.com"]
//! strict-labels = false
//! exclude = ["vendor"]
//!
//! [check.rules]
//! missing-healthcheck = "on"
//! DL3008 = "off"
//! root-user = "error"
//!
//! [check.labels]
//! "org.opencontainers.image.source" = "url"
//! ```

use std::collections::BTreeMap;

use kiln_dockerfile::nearest;
use serde::Deserialize;

use crate::rule::{Rule, Severity};
use crate::rules::{RULES, rule};

/// From which severity on findings make a check fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Findings of this severity or a worse one.
    At(Severity),
    /// None do.
    Never,
}

impl FailOn {
    /// `error`, `warning`, `info`, `style`, `never`.
    pub fn parse(text: &str) -> Option<FailOn> {
        Some(match text {
            "error" => FailOn::At(Severity::Error),
            "warning" => FailOn::At(Severity::Warning),
            "info" => FailOn::At(Severity::Info),
            "style" => FailOn::At(Severity::Style),
            "never" | "none" => FailOn::Never,
            _ => return None,
        })
    }

    /// Whether a finding of this severity fails.
    pub fn fails(self, severity: Severity) -> bool {
        matches!(self, FailOn::At(least) if severity >= least)
    }
}

/// What is said of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    on: Option<bool>,
    severity: Option<Severity>,
}

/// What a project asks of its Dockerfiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// When a check fails.
    pub fail_on: FailOn,
    /// The registries images may come from; empty for any.
    pub trusted_registries: Vec<String>,
    /// Labels an image must have, with the kinds of their values.
    pub label_schema: Vec<(String, String)>,
    /// Whether other labels are refused.
    pub strict_labels: bool,
    /// Directories and files that a search for Dockerfiles passes over.
    pub exclude: Vec<String>,
    rules: BTreeMap<&'static str, Said>,
    only: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            fail_on: FailOn::At(Severity::Warning),
            trusted_registries: Vec::new(),
            label_schema: Vec::new(),
            strict_labels: false,
            exclude: Vec::new(),
            rules: BTreeMap::new(),
            only: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    check: Check,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Check {
    fail_on: Option<String>,
    #[serde(default)]
    trusted_registries: Vec<String>,
    #[serde(default)]
    strict_labels: bool,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    rules: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

const LABEL_KINDS: [&str; 8] = [
    "text", "url", "semver", "hash", "spdx", "email", "rfc3339", "rawtext",
];

impl Config {
    /// Reads the text of a `kiln.toml`. The error is one sentence, with its line where it has one.
    pub fn parse(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|s| text.get(..s.start));
            let line = before.map(|b| b.matches('\n').count() + 1);
            let message = e.message().trim_end();
            match line {
                Some(line) => format!("line {line}: {message}"),
                None => message.to_owned(),
            }
        })?;
        let check = file.check;
        let mut config = Config {
            trusted_registries: check.trusted_registries,
            strict_labels: check.strict_labels,
            exclude: check.exclude,
            ..Config::default()
        };
        if let Some(text) = check.fail_on {
            config.fail_on = FailOn::parse(&text).ok_or_else(|| {
                format!("fail-on = {text:?}: expected error, warning, info, style or never")
            })?;
        }
        for (name, kind) in check.labels {
            if !LABEL_KINDS.contains(&kind.as_str()) {
                let known = LABEL_KINDS.join(", ");
                return Err(format!(
                    "label {name:?} = {kind:?}: expected one of {known}"
                ));
            }
            config.label_schema.push((name, kind));
        }
        for (name, value) in &check.rules {
            config.set(name, value)?;
        }
        Ok(config)
    }

    /// Says something of a rule: `on`, `off` or a severity.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let rule = known(name)?;
        let said = self.rules.entry(rule.id).or_default();
        match value {
            "on" => said.on = Some(true),
            "off" | "ignore" => said.on = Some(false),
            other => match FailOn::parse(other) {
                Some(FailOn::At(severity)) => {
                    said.on = Some(true);
                    said.severity = Some(severity);
                }
                _ => {
                    return Err(format!(
                        "rule {name} = {value:?}: expected on, off, error, warning, info or style"
                    ));
                }
            },
        }
        Ok(())
    }

    /// Switches all rules off that aren't named.
    pub fn only(&mut self, names: &[String]) -> Result<(), String> {
        for name in names {
            self.set(name, "on")?;
        }
        self.only = true;
        Ok(())
    }

    /// Whether a rule counts.
    pub fn wants(&self, rule: &Rule) -> bool {
        let said = self.rules.get(rule.id).and_then(|s| s.on);
        said.unwrap_or(rule.on && !self.only)
    }

    /// How bad a finding of the rule is.
    pub fn severity(&self, rule: &Rule) -> Severity {
        let said = self.rules.get(rule.id).and_then(|s| s.severity);
        said.unwrap_or(rule.severity)
    }
}

fn known(name: &str) -> Result<&'static Rule, String> {
    rule(name).ok_or_else(|| {
        let names: Vec<&str> = RULES
            .iter()
            .flat_map(|r| [r.id].into_iter().chain(r.hadolint.iter().copied()))
            .chain(RULES.iter().flat_map(|r| r.buildkit.iter().copied()))
            .collect();
        match nearest(name, &names) {
            Some(near) => format!("there is no rule {name:?}; did you mean {near}?"),
            None => format!("there is no rule {name:?}; `kiln check --rules` lists them"),
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_called_by_any_of_their_names() {
        let config = Config::parse(
            "[check]\nfail-on = \"error\"\n[check.rules]\nConsistentInstructionCasing = \"off\"\n",
        )
        .unwrap();
        let casing = rule("lower-case-instruction").unwrap();
        assert!(!config.wants(casing));
        assert!(!config.fail_on.fails(Severity::Warning));
        let mut config = Config::default();
        config.set("lower-case-instruction", "error").unwrap();
        assert_eq!(config.severity(casing), Severity::Error);
        assert!(Config::default().wants(casing));
    }

    #[test]
    fn mistakes_are_told_with_the_nearest_name() {
        let error = |t: &str| Config::parse(t).unwrap_err();
        let e = error("[check.rules]\nlower-case-instructions = \"off\"\n");
        assert!(e.contains("did you mean lower-case-instruction?"), "{e}");
        assert!(error("[check]\nfail-on = \"bad\"\n").contains("expected error, warning"));
        assert!(error("[check]\nfial-on = \"error\"\n").starts_with("line 2: "));
        assert!(error("[check.labels]\na = \"b\"\n").contains("expected one of text"));
        assert!(error("x\n").starts_with("line 1: "));
    }
}
