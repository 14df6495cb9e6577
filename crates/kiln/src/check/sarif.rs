//! Findings as SARIF 2.1.0, which code-scanning services read.

use anyhow::Result;
use kiln_check::{Finding, Place, RULES, Severity};
use kiln_dockerfile::{Pos, Span};
use kiln_engine::check::Checked;
use serde_json::{Value, json};

/// All findings as one log.
pub fn render(checked: &[Checked]) -> Result<String> {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|r| {
            json!({
                "id": r.id,
                "shortDescription": {"text": r.summary},
                "helpUri": super::page(r.id),
                "defaultConfiguration": {"level": level(r.severity), "enabled": r.on},
                "properties": {"tags": r.hadolint.iter().chain(r.buildkit).collect::<Vec<_>>()},
            })
        })
        .collect();
    let mut results = Vec::new();
    let mut broken = Vec::new();
    for file in checked {
        match &file.findings {
            Ok(found) => results.extend(found.iter().map(|f| result(file, f))),
            Err(e) => broken.push(json!({
                "level": "error",
                "message": {"text": e.message},
                "locations": [location(&file.name, e.span)],
            })),
        }
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kiln",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": broken.is_empty(),
                "toolExecutionNotifications": broken,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info | Severity::Style => "note",
    }
}

fn result(file: &Checked, f: &Finding) -> Value {
    let name = super::file_of(file, f).0;
    let mut out = json!({
        "ruleId": f.rule.id,
        "ruleIndex": RULES.iter().position(|r| r.id == f.rule.id),
        "level": level(f.severity),
        "message": {"text": f.message},
        "locations": [location(&name, f.span)],
    });
    let edits = f.fix.iter().flat_map(|x| &x.edits);
    let replacements: Vec<Value> = edits
        .map(|e| {
            json!({
                "deletedRegion": {"byteOffset": e.range.start, "byteLength": e.range.len()},
                "insertedContent": {"text": e.text},
            })
        })
        .collect();
    if let (Some(fix), false, Place::Dockerfile) = (&f.fix, replacements.is_empty(), f.place) {
        out["fixes"] = json!([{
            "description": {"text": fix.title},
            "artifactChanges": [{
                "artifactLocation": {"uri": uri(&name)},
                "replacements": replacements,
            }],
        }]);
    }
    out
}

fn location(name: &str, span: Span) -> Value {
    let Span { start, end } = span;
    let column = |p: Pos| p.column.max(1);
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(name)},
        "region": {
            "startLine": start.line.max(1),
            "startColumn": column(start),
            "endLine": end.line.max(1),
            "endColumn": column(end),
        },
    }})
}

/// A relative path as a URI reference.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            b if b.is_ascii_alphanumeric() => out.push(b as char),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
