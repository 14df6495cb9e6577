//! Findings for people: the source underlined.

use std::collections::BTreeMap;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kiln_check::{Cost, Finding, Severity};
use kiln_dockerfile::{ParseError, Span};
use kiln_engine::check::Checked;

use crate::units::human_size;

/// All findings, and a line that sums them up.
pub fn render(checked: &[Checked], colours: bool) -> String {
    let renderer = match colours && std::env::var_os("NO_COLOR").is_none() {
        true => Renderer::styled().decor_style(DecorStyle::Unicode),
        false => Renderer::plain(),
    };
    let mut out = String::new();
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, usize> = BTreeMap::new();
    let mut fixable = 0;
    for file in checked {
        let found = match &file.findings {
            Ok(found) => found,
            Err(e) => {
                *counts
                    .entry(std::cmp::Reverse(Severity::Error))
                    .or_default() += 1;
                out.push_str(&renderer.render(&[unreadable(file, e)]));
                out.push_str("\n\n");
                continue;
            }
        };
        for finding in found {
            *counts
                .entry(std::cmp::Reverse(finding.severity))
                .or_default() += 1;
            fixable += usize::from(finding.fix.is_some());
            out.push_str(&one(&renderer, file, finding));
            out.push_str("\n\n");
        }
    }
    out.push_str(&summary(&counts, fixable, checked.len()));
    out
}

fn unreadable<'c>(file: &'c Checked, e: &'c ParseError) -> Group<'c> {
    let source = Snippet::source(file.text.as_str())
        .path(file.name.as_str())
        .annotation(AnnotationKind::Primary.span(visible(&file.text, e.span)));
    let group = Level::ERROR
        .primary_title(e.message.as_str())
        .element(source);
    match &e.hint {
        Some(hint) => group.element(Level::HELP.message(hint.as_str())),
        None => group,
    }
}

fn one(renderer: &Renderer, file: &Checked, finding: &Finding) -> String {
    let (name, text) = super::file_of(file, finding);
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
        Severity::Style => Level::NOTE.with_name("style"),
    };
    let rule = finding.rule;
    let source = Snippet::source(text)
        .path(name.as_str())
        .annotation(AnnotationKind::Primary.span(visible(text, finding.span)));
    let cost = finding.cost.map(cost);
    let fix = finding
        .fix
        .as_ref()
        .map(|f| format!("--fix can do it: {}", f.title));
    let aliases: Vec<&str> = rule.hadolint.iter().chain(rule.buildkit).copied().collect();
    let more = match aliases.is_empty() {
        true => super::page(rule.id),
        false => format!("{} ({})", super::page(rule.id), aliases.join(", ")),
    };
    let mut group = level
        .primary_title(finding.message.as_str())
        .id(rule.id)
        .element(source);
    if let Some(cost) = &cost {
        group = group.element(Level::NOTE.message(cost.as_str()));
    }
    if let Some(fix) = &fix {
        group = group.element(Level::HELP.message(fix.as_str()));
    }
    group = group.element(Level::HELP.with_name("see").message(more.as_str()));
    renderer.render(&[group])
}

/// At most the first line of a stretch is underlined: a RUN of thirty lines needs no wall of marks.
fn visible(text: &str, span: Span) -> std::ops::Range<usize> {
    let range = span.range();
    let (start, end) = (range.start.min(text.len()), range.end.min(text.len()));
    let line = text.get(start..end).unwrap_or_default();
    let first = line.split(['\n', '\r']).next().unwrap_or_default();
    start..start + first.trim_end().len()
}

/// What a finding costs, in words.
pub fn cost(cost: Cost) -> String {
    match cost {
        Cost::Bytes(n) => format!("costs {}", human_size(n)),
        Cost::Seconds(s) => format!("costs {s:.1} seconds a build"),
        Cost::Misses(1) => "costs the cache of one step".to_owned(),
        Cost::Misses(n) => format!("costs the cache of {n} steps"),
    }
}

fn summary(
    counts: &BTreeMap<std::cmp::Reverse<Severity>, usize>,
    fixable: usize,
    files: usize,
) -> String {
    if counts.is_empty() {
        return "Check complete, no warnings found.\n".to_owned();
    }
    let many = |n: usize, word: &str| match n {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    let parts: Vec<String> = counts
        .iter()
        .map(|(severity, n)| match severity.0 {
            Severity::Error => many(*n, "error"),
            Severity::Warning => many(*n, "warning"),
            Severity::Info => many(*n, "remark"),
            Severity::Style if *n == 1 => "1 matter of style".to_owned(),
            Severity::Style => format!("{n} matters of style"),
        })
        .collect();
    let mut out = format!("Found {} in {}", parts.join(", "), many(files, "file"));
    if fixable > 0 {
        out.push_str(&format!("; --fix mends {fixable} of them"));
    }
    out.push_str(".\n");
    out
}
