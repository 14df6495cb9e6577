//! Findings as annotations of GitHub Actions: workflow commands, one a line.

use kiln_check::Severity;
use kiln_engine::check::Checked;

/// All findings.
pub fn render(checked: &[Checked]) -> String {
    let mut out = String::new();
    for file in checked {
        match &file.findings {
            Ok(found) => {
                for f in found {
                    let command = match f.severity {
                        Severity::Error => "error",
                        Severity::Warning => "warning",
                        _ => "notice",
                    };
                    let (start, end) = (f.span.start, f.span.end);
                    let mut place = format!("line={},endLine={}", start.line, end.line);
                    if start.line == end.line {
                        place += &format!(",col={},endColumn={}", start.column, end.column);
                    }
                    let name = property(&super::file_of(file, f).0);
                    let (title, text) = (property(f.rule.id), data(&f.message));
                    out += &format!("::{command} file={name},{place},title={title}::{text}\n");
                }
            }
            Err(e) => {
                let (name, at) = (property(&file.name), e.span.start);
                let text = data(&e.message);
                out += &format!(
                    "::error file={name},line={},col={}::{text}\n",
                    at.line, at.column
                );
            }
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
