//! Names of stages.

use kiln_dockerfile::{Flag, Instruction, Kind, Span};

use crate::finding::{Edit, Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "stage-name-casing",
        summary: "Write names of stages in small letters",
        severity: Severity::Style,
        buildkit: &["StageNameCasing"],
        fixes: true,
        check: stage_name_casing,
        ..Rule::NEW
    },
    Rule {
        id: "from-as-casing",
        summary: "Write AS in the case of its FROM",
        severity: Severity::Style,
        buildkit: &["FromAsCasing"],
        lesson: Some("instructions in upper case"),
        fixes: true,
        check: from_as_casing,
        ..Rule::NEW
    },
    Rule {
        id: "duplicate-stage-name",
        summary: "Give each stage a name of its own",
        severity: Severity::Error,
        hadolint: &["DL3024"],
        buildkit: &["DuplicateStageName"],
        check: duplicate_stage_name,
        ..Rule::NEW
    },
    Rule {
        id: "reserved-stage-name",
        summary: "Don't name a stage scratch or context",
        hadolint: &["DL3063"],
        buildkit: &["ReservedStageName"],
        check: reserved_stage_name,
        ..Rule::NEW
    },
];

/// Where the `AS` and the name stand.
fn as_and_name(subject: &Subject, stage: &Stage) -> Option<(Span, Span)> {
    let words = stage.from.words(subject.file.directives.escape);
    let (as_word, name) = (words.get(1)?, words.get(2)?);
    Some((stage.from.word_span(as_word), stage.from.word_span(name)))
}

fn named<'s, 'a>(subject: &'s Subject<'a>) -> impl Iterator<Item = (&'s Stage<'a>, &'a str, Span)> {
    let stages = subject.stages.iter();
    stages.filter_map(|s| Some((s, s.name?, as_and_name(subject, s)?.1)))
}

fn stage_name_casing(subject: &Subject, findings: &mut Findings) {
    for (stage, name, span) in named(subject) {
        let lower = name.to_ascii_lowercase();
        if lower == name {
            continue;
        }
        let mut edits = vec![Edit {
            range: span.range(),
            text: lower.clone(),
        }];
        for place in references(subject, stage) {
            if subject.file.source_of(place) != lower {
                edits.push(Edit {
                    range: place.range(),
                    text: lower.clone(),
                });
            }
        }
        findings
            .add(
                span,
                format!("the stage {name} has capitals: names of stages are alike in any case, and read best in small letters"),
            )
            .fix(Fix::edits(format!("name the stage {lower}"), edits));
    }
}

/// Where later instructions name a stage.
fn references(subject: &Subject, stage: &Stage) -> Vec<Span> {
    let escape = subject.file.directives.escape;
    let mut found = Vec::new();
    for later in subject.stages.iter().skip(stage.index + 1) {
        let is_it = |name: &str| {
            let hit = subject.stage_named(name, later.index);
            name.parse::<usize>().is_err() && hit.is_some_and(|s| s.index == stage.index)
        };
        if later.parent == Some(stage.index)
            && let Some(word) = later.from.words(escape).first()
        {
            found.push(later.from.word_span(word));
        }
        for instruction in subject.of_stage(later) {
            for flag in flags(instruction) {
                found.extend(flag_reference(subject, flag, &is_it));
            }
        }
    }
    found
}

fn flags(instruction: &Instruction) -> &[Flag] {
    match &instruction.kind {
        Kind::Copy(args) => &args.flags,
        Kind::Run { flags, .. } => flags,
        _ => &[],
    }
}

/// The name in `--from=name` or `--mount=…,from=name`.
fn flag_reference(subject: &Subject, flag: &Flag, is_it: &dyn Fn(&str) -> bool) -> Option<Span> {
    let value = flag.value.as_deref()?;
    let name = match flag.name.as_str() {
        "from" => value,
        "mount" => value.split(',').find_map(|f| f.strip_prefix("from="))?,
        _ => return None,
    };
    if !is_it(name) {
        return None;
    }
    // A flag that is quoted or goes over lines stays as it is: names are alike in any case.
    let source = subject.file.source_of(flag.span);
    let at = source.find(&format!("from={name}"))? + "from=".len();
    let start = flag.span.start.behind(source.get(..at)?);
    let one_line = flag.span.start.line == flag.span.end.line;
    one_line.then(|| Span::of(start, name))
}

fn from_as_casing(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        let Some((span, _)) = as_and_name(subject, stage) else {
            continue;
        };
        let (from, written) = (&stage.from.keyword, subject.file.source_of(span));
        let wanted = if *from == from.to_ascii_uppercase() {
            "AS"
        } else if *from == from.to_ascii_lowercase() {
            "as"
        } else {
            // What FROM is to be comes first.
            continue;
        };
        if written != wanted {
            findings
                .add(
                    span,
                    format!(
                        "{written} and {from} belong together, but are written in different case"
                    ),
                )
                .fix(Fix::replace(
                    format!("write {wanted}"),
                    span.range(),
                    wanted,
                ));
        }
    }
}

fn duplicate_stage_name(subject: &Subject, findings: &mut Findings) {
    let mut seen = std::collections::BTreeMap::new();
    for (stage, name, span) in named(subject) {
        let line = stage.from.span.start.line;
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), line) {
            findings.add(
                span,
                format!("line {first} has a stage named {name} too: who names it gets the last one before, which is easy to mistake"),
            );
        }
    }
}

fn reserved_stage_name(subject: &Subject, findings: &mut Findings) {
    for (_, name, span) in named(subject) {
        let meaning = match name.to_ascii_lowercase().as_str() {
            "scratch" => "the empty image",
            "context" => "the build context",
            _ => continue,
        };
        findings.add(
            span,
            format!("{name} already means {meaning}: a stage of that name can't be told from it"),
        );
    }
}
