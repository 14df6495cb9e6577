//! Labels: how they are called, and whether they keep to the project's schema.

use kiln_dockerfile::{Instruction, KeyValue, Kind, Span};

use super::label_values;
use super::stage_use::{in_force, results};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "label-key",
        summary: "Call labels in lower case, by parts with dots",
        severity: Severity::Style,
        hadolint: &["DL3048"],
        check: key,
        ..Rule::NEW
    },
    Rule {
        id: "label-missing",
        summary: "Give an image the labels that kiln.toml asks for",
        severity: Severity::Info,
        hadolint: &["DL3049"],
        check: missing,
        ..Rule::NEW
    },
    Rule {
        id: "label-superfluous",
        summary: "Give an image no labels beyond those in kiln.toml",
        severity: Severity::Info,
        hadolint: &["DL3050"],
        check: superfluous,
        ..Rule::NEW
    },
    Rule {
        id: "label-empty",
        summary: "Give the labels that kiln.toml asks for a value",
        hadolint: &["DL3051"],
        check: empty,
        ..Rule::NEW
    },
    Rule {
        id: "label-url",
        summary: "Write a URL where kiln.toml asks for one",
        hadolint: &["DL3052"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "url",
                "a URL, as https://example.com",
                label_values::url,
            )
        },
        ..Rule::NEW
    },
    Rule {
        id: "label-time",
        summary: "Write a time as RFC 3339 has it where kiln.toml asks for one",
        hadolint: &["DL3053"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "rfc3339",
                "a time, as 2024-05-01T12:00:00Z",
                label_values::time,
            )
        },
        ..Rule::NEW
    },
    Rule {
        id: "label-license",
        summary: "Name licenses as SPDX does where kiln.toml asks for one",
        hadolint: &["DL3054"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "spdx",
                "an SPDX license, as Apache-2.0",
                label_values::license,
            )
        },
        ..Rule::NEW
    },
    Rule {
        id: "label-git-hash",
        summary: "Write a commit's hash where kiln.toml asks for one",
        hadolint: &["DL3055"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "hash",
                "a commit's hash, of 40 or 7 digits",
                label_values::hash,
            )
        },
        ..Rule::NEW
    },
    Rule {
        id: "label-version",
        summary: "Write a semantic version where kiln.toml asks for one",
        hadolint: &["DL3056"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "semver",
                "a semantic version, as 1.2.3",
                label_values::version,
            )
        },
        ..Rule::NEW
    },
    Rule {
        id: "label-email",
        summary: "Write an e-mail address where kiln.toml asks for one",
        hadolint: &["DL3058"],
        check: |s, f| {
            of_kind(
                s,
                f,
                "email",
                "an e-mail address, as me@example.com",
                label_values::email,
            )
        },
        ..Rule::NEW
    },
];

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// A LABEL, or that of an ONBUILD.
fn pairs(instruction: &Instruction) -> &[KeyValue] {
    match &instruction.kind {
        Kind::Label(pairs) => pairs,
        Kind::OnBuild(inner) => pairs(inner),
        _ => &[],
    }
}

/// All labels with their places.
fn each(subject: &Subject, mut look: impl FnMut(&str, &str, Span)) {
    let escape = subject.file.directives.escape;
    for instruction in subject.instructions() {
        let labels = pairs(instruction);
        if labels.is_empty() {
            continue;
        }
        let inner = match &instruction.kind {
            Kind::OnBuild(inner) => inner,
            _ => instruction,
        };
        let words = inner.words(escape);
        for (n, pair) in labels.iter().enumerate() {
            let word = words.get(n).filter(|_| words.len() == labels.len());
            let span = word.map_or(inner.arguments_span(), |w| inner.word_span(w));
            look(unquoted(&pair.key), unquoted(&pair.value), span);
        }
    }
}

fn key(subject: &Subject, findings: &mut Findings) {
    each(subject, |key, _, span| {
        if let Some(fault) = fault(key) {
            findings.add(
                span,
                format!("{key} {fault}, which tools that read labels don't expect"),
            );
        }
    });
}

/// What is wrong with a label's name.
fn fault(key: &str) -> Option<&'static str> {
    const RESERVED: [&str; 3] = ["com.docker.", "io.docker.", "org.dockerproject."];
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if RESERVED.iter().any(|r| key.starts_with(r)) {
        return Some("is in a namespace that Docker keeps to itself");
    }
    if !key.chars().all(|c| plain(c) || ".-_/".contains(c)) {
        return Some("has other characters than a-z, 0-9, dots and dashes");
    }
    if !key.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("doesn't begin with a letter");
    }
    if !key.ends_with(plain) {
        return Some("doesn't end with a letter or digit");
    }
    (key.contains("..") || key.contains("--")).then_some("has two dots or dashes in a row")
}

fn missing(subject: &Subject, findings: &mut Findings) {
    for number in results(subject) {
        let Some(stage) = subject.stages.get(number) else {
            continue;
        };
        for (name, _) in subject.around.label_schema {
            let has = |i: &Instruction| pairs(i).iter().any(|p| unquoted(&p.key) == name);
            if in_force(subject, number, has).is_none() {
                findings.add(
                    stage.from.keyword_span(),
                    format!("the image has no label {name}, which kiln.toml asks for"),
                );
            }
        }
    }
}

fn superfluous(subject: &Subject, findings: &mut Findings) {
    if !subject.around.strict_labels {
        return;
    }
    let schema = subject.around.label_schema;
    each(subject, |key, _, span| {
        if schema.iter().all(|(name, _)| name != key) {
            findings.add(
                span,
                format!("kiln.toml knows no label {key}, and allows no others than it knows"),
            );
        }
    });
}

fn empty(subject: &Subject, findings: &mut Findings) {
    let schema = subject.around.label_schema;
    each(subject, |key, value, span| {
        if value.is_empty() && schema.iter().any(|(name, _)| name == key) {
            findings.add(span, format!("{key} is empty, and kiln.toml asks for it"));
        }
    });
}

/// Looks at the values of one kind; those with variables are known only when the image is built.
fn of_kind(
    subject: &Subject,
    findings: &mut Findings,
    kind: &str,
    expected: &str,
    good: fn(&str) -> bool,
) {
    let schema = subject.around.label_schema;
    each(subject, |key, value, span| {
        let asked = schema.iter().any(|(name, k)| name == key && k == kind);
        if asked && !value.is_empty() && !value.contains('$') && !good(value) {
            findings.add(
                span,
                format!("{key} is {value:?}, where kiln.toml asks for {expected}"),
            );
        }
    });
}
