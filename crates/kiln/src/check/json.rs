//! Findings for programs: the shape is described in `docs/check.md`.

use anyhow::Result;
use kiln_check::{Cost, Finding};
use kiln_dockerfile::{Pos, Span};
use kiln_engine::check::Checked;
use serde_json::{Value, json};

/// All findings as one document.
pub fn render(checked: &[Checked]) -> Result<String> {
    let files: Vec<Value> = checked.iter().map(file).collect();
    let document = json!({"version": 1, "files": files});
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn file(checked: &Checked) -> Value {
    match &checked.findings {
        Ok(found) => {
            let found: Vec<Value> = found.iter().map(|f| finding(checked, f)).collect();
            json!({"path": checked.name, "findings": found})
        }
        Err(e) => json!({
            "path": checked.name,
            "findings": [],
            "error": {"message": e.message, "hint": e.hint, "span": span(e.span)},
        }),
    }
}

fn finding(checked: &Checked, f: &Finding) -> Value {
    let mut out = json!({
        "rule": f.rule.id,
        "aliases": f.rule.hadolint.iter().chain(f.rule.buildkit).collect::<Vec<_>>(),
        "severity": f.severity,
        "message": f.message,
        "file": super::file_of(checked, f).0,
        "span": span(f.span),
        "page": super::page(f.rule.id),
    });
    match f.cost {
        Some(Cost::Bytes(n)) => out["cost"] = json!({"bytes": n}),
        Some(Cost::Seconds(s)) => out["cost"] = json!({"seconds": s}),
        Some(Cost::Misses(n)) => out["cost"] = json!({"misses": n}),
        None => {}
    }
    if let Some(fix) = &f.fix {
        let edits = fix
            .edits
            .iter()
            .map(|e| json!({"start": e.range.start, "end": e.range.end, "text": e.text}));
        out["fix"] = json!({"title": fix.title, "edits": edits.collect::<Vec<_>>()});
        if let Some(text) = &fix.ignore_file {
            out["fix"]["ignoreFile"] = json!(text);
        }
    }
    out
}

fn span(span: Span) -> Value {
    let pos = |p: Pos| json!({"line": p.line, "column": p.column, "offset": p.offset});
    json!({"start": pos(span.start), "end": pos(span.end)})
}
