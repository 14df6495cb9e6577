//! `check --rules` and `check --explain`: what rules there are, and their pages.

use anyhow::{Context as _, Result};
use kiln_check::{RULES, rule};
use serde_json::json;

use crate::args::CheckFormat;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// All rules.
pub fn list(format: CheckFormat) -> Result<()> {
    if format == CheckFormat::Json {
        let rules: Vec<_> = RULES
            .iter()
            .map(|r| {
                json!({
                    "id": r.id, "summary": r.summary, "severity": r.severity, "on": r.on,
                    "hadolint": r.hadolint, "buildkit": r.buildkit, "fixes": r.fixes,
                    "lesson": r.lesson, "page": super::page(r.id),
                })
            })
            .collect();
        return super::print(&(serde_json::to_string_pretty(&rules)? + "\n"));
    }
    let width = RULES.iter().map(|r| r.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for r in RULES.iter() {
        let state = match r.on {
            true => super::severity(r.severity),
            false => "off",
        };
        let fix = if r.fixes { "fix" } else { "" };
        out += &format!("{:width$}  {state:7}  {fix:3}  {}\n", r.id, r.summary);
    }
    super::print(&out)
}

/// A rule's page.
pub fn explain(name: &str) -> Result<()> {
    let known = rule(name)
        .with_context(|| format!("there is no rule {name:?}; `kiln check --rules` lists them"))?;
    let page = PAGES.iter().find(|(id, _)| *id == known.id);
    let (_, text) = page.with_context(|| format!("{name} has no page"))?;
    super::print(text)
}
