//! Applies fixes until none is left.

use kiln_dockerfile::parse;

use crate::check::check;
use crate::finding::{Edit, Finding, Fix};
use crate::rule::Rule;
use crate::subject::Surroundings;

/// A file that needs more rounds than this would never come to rest.
const MAX_ROUNDS: usize = 50;

/// What fixing made of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The Dockerfile's new text.
    pub text: String,
    /// The text of an ignore file to make.
    pub ignore_file: Option<String>,
    /// What was done, in order: the rule's id, and the fix's title.
    pub done: Vec<(&'static str, String)>,
}

/// Applies the fixes of a file's findings, looks again, and so on. `keep` tells which findings
/// count: it sees the text that they were found in.
pub fn fix(
    text: &str,
    around: &Surroundings,
    wanted: impl Fn(&Rule) -> bool,
    keep: impl Fn(&str, &Finding) -> bool,
) -> Fixed {
    fix_with(text, |text| {
        let file = parse(text.as_bytes()).ok()?;
        let mut found = check(&file, around, &wanted);
        found.retain(|f| keep(text, f));
        Some(found)
    })
}

/// Applies fixes until `find` finds none that can be applied; it gives nothing for a text that is no
/// Dockerfile.
pub(crate) fn fix_with(text: &str, find: impl Fn(&str) -> Option<Vec<Finding>>) -> Fixed {
    let mut fixed = Fixed {
        text: text.to_owned(),
        ..Fixed::default()
    };
    for _ in 0..MAX_ROUNDS {
        let Some(findings) = find(&fixed.text) else {
            break;
        };
        let fixes = findings
            .iter()
            .filter_map(|f| f.fix.as_ref().map(|x| (f.rule.id, x)));
        let fixes: Vec<_> = fixes.collect();
        for (id, fix) in &fixes {
            if let Some(ignore) = &fix.ignore_file
                && fixed.ignore_file.is_none()
            {
                fixed.ignore_file = Some(ignore.clone());
                fixed.done.push((id, fix.title.clone()));
            }
        }
        let edits: Vec<_> = fixes.iter().filter(|(_, f)| !f.edits.is_empty()).collect();
        let Some((next, applied)) = round(&fixed.text, &edits) else {
            break;
        };
        fixed.text = next;
        fixed.done.extend(applied);
    }
    fixed
}

type Named<'f> = (&'static str, &'f Fix);
type Round = (String, Vec<(&'static str, String)>);

/// Applies those fixes that don't touch each other, and that leave a file that can be read.
fn round(text: &str, fixes: &[&Named]) -> Option<Round> {
    let mut taken: Vec<Edit> = Vec::new();
    let mut done = Vec::new();
    let mut result = None;
    for (id, fix) in fixes {
        if fix.edits.iter().any(|e| taken.iter().any(|t| touch(e, t))) {
            continue;
        }
        let mut edits = taken.clone();
        edits.extend(fix.edits.iter().cloned());
        let Some(next) = apply(text, &edits) else {
            continue;
        };
        if next == text || parse(next.as_bytes()).is_err() {
            continue;
        }
        taken = edits;
        done.push((*id, fix.title.clone()));
        result = Some(next);
    }
    result.map(|text| (text, done))
}

fn touch(a: &Edit, b: &Edit) -> bool {
    a.range.start <= b.range.end && b.range.start <= a.range.end
}

/// The text with all edits made; nothing where they overlap or lie outside.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        if edit.range.start < at {
            return None;
        }
        out.push_str(text.get(at..edit.range.start)?);
        out.push_str(&edit.text);
        at = edit.range.end.max(edit.range.start);
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn edits_in_any_order() {
        let edit = |a, b, t: &str| Edit {
            range: a..b,
            text: t.to_owned(),
        };
        let text = "hello world";
        let edits = [edit(6, 11, "there"), edit(0, 1, "H"), edit(5, 5, ",")];
        assert_eq!(apply(text, &edits).unwrap(), "Hello, there");
        assert_eq!(apply(text, &[edit(0, 3, ""), edit(2, 4, "")]), None);
        assert_eq!(apply(text, &[edit(0, 30, "")]), None);
    }
}
