//! What COPY names.

use kiln_dockerfile::{CopyArgs, CopySource, Ignore, Instruction, Kind, PieceKind, Span};

use super::taken::from_context;
use crate::finding::{Edit, Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "copy-ignored-file",
        summary: "Copy no file that the ignore file keeps out",
        severity: Severity::Error,
        buildkit: &["CopyIgnoredFile"],
        lesson: Some(".dockerignore"),
        check: ignored,
        ..Rule::NEW
    },
    Rule {
        id: "copy-of-whole-stage",
        summary: "Copy what a stage made, not all that is in it",
        hadolint: &["DL3067"],
        lesson: Some("multi-stage builds"),
        check: whole_stage,
        ..Rule::NEW
    },
    Rule {
        id: "mergeable-copies",
        summary: "Copy with one COPY what goes to one directory",
        severity: Severity::Info,
        lesson: Some("few layers"),
        fixes: true,
        check: mergeable,
        ..Rule::NEW
    },
];

fn ignored(subject: &Subject, findings: &mut Findings) {
    let Some(context) = subject.around.context else {
        return;
    };
    let Some((name, text)) = &context.ignore else {
        return;
    };
    let Ok(ignore) = Ignore::parse(text) else {
        return;
    };
    for copy in from_context(subject) {
        for (path, written) in copy.sources() {
            let pattern = path.contains(['*', '?', '[']);
            if path == "." || pattern || !ignore.excluded(&path) || ignore.may_include_below(&path)
            {
                continue;
            }
            let line = ignore.deciding_line(&path).map(|(line, _)| line);
            let line = line.map(|l| format!(" in line {l}")).unwrap_or_default();
            let verb = if copy.add { "ADD" } else { "COPY" };
            findings.add(
                copy.span_of(subject.file.directives.escape, written),
                format!("{verb} can't see {path}: {name} keeps it out{line}"),
            );
        }
    }
}

fn whole_stage(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        // Onto nothing, it is meant: that makes one layer of a whole system.
        if stage.image == "scratch" {
            continue;
        }
        for instruction in subject.of_stage(stage) {
            let Kind::Copy(args) = &instruction.kind else {
                continue;
            };
            let from = args.flags.iter().find(|f| f.name == "from");
            let from = from.and_then(|f| f.value.as_deref());
            let Some(from) = from.filter(|f| subject.stage_named(f, stage.index).is_some()) else {
                continue;
            };
            let all = args
                .sources
                .iter()
                .any(|s| matches!(s, CopySource::Path(p) if matches!(p.trim_matches(['"', '\'']), "/" | "/.")));
            if all {
                findings.add(
                    instruction.arguments_span(),
                    format!("this takes the whole file system of {from}, its compilers and caches included, in a layer on top of another system: name what is needed"),
                );
            }
        }
    }
}

/// The flags, as far as they matter, and the directory.
fn target(args: &CopyArgs) -> (Vec<(&str, Option<&str>)>, &str) {
    let mut flags: Vec<_> = args
        .flags
        .iter()
        .map(|f| (f.name.as_str(), f.value.as_deref()))
        .collect();
    flags.sort_unstable();
    (flags, &args.dest)
}

fn mergeable(subject: &Subject, findings: &mut Findings) {
    let all = subject.instructions();
    let mut n = 0;
    while let Some(first) = all.get(n) {
        let Some(args) = simple_copy(first) else {
            n += 1;
            continue;
        };
        let mut group = vec![first];
        while let Some(next) = all.get(n + group.len())
            && simple_copy(next).is_some_and(|a| target(a) == target(args))
            && group
                .last()
                .is_some_and(|last| adjacent(subject, last, next))
        {
            group.push(next);
        }
        n += group.len();
        let Some((last, heads)) = group.split_last().filter(|(_, h)| !h.is_empty()) else {
            continue;
        };
        let lines = format!("{} COPYs in a row go to {}", group.len(), args.dest);
        let finding = findings.add(
            first.keyword_span(),
            format!("{lines}: each makes a layer, one COPY with all sources makes one"),
        );
        if let Some(edit) = merge(subject, heads, last) {
            finding.fix(Fix::edits("copy with one COPY", vec![edit]));
        }
    }
}

/// A COPY of paths to what is a directory for sure.
fn simple_copy(instruction: &Instruction) -> Option<&CopyArgs> {
    let Kind::Copy(args) = &instruction.kind else {
        return None;
    };
    let directory = args.dest.ends_with('/') || matches!(args.dest.as_str(), "." | "./");
    let paths = args
        .sources
        .iter()
        .all(|s| matches!(s, CopySource::Path(_)));
    let json = instruction.arguments().starts_with('[');
    let one_line = instruction.span.start.line == instruction.span.end.line;
    let exclude = args.flags.iter().any(|f| f.name == "exclude");
    (directory && paths && !json && one_line && !exclude).then_some(args)
}

/// Whether only a line end is between two instructions.
fn adjacent(subject: &Subject, a: &Instruction, b: &Instruction) -> bool {
    let range = a.span.range().end..b.span.range().start;
    let first = subject
        .file
        .pieces
        .partition_point(|p| p.span.range().start < range.start);
    let between = subject.file.pieces.get(first..).unwrap_or_default();
    let mut between = between
        .iter()
        .take_while(|p| p.span.range().start < range.end);
    let mut ends = 0;
    between.all(|p| {
        ends += usize::from(p.kind == PieceKind::LineEnd);
        matches!(
            p.kind,
            PieceKind::LineEnd | PieceKind::Space | PieceKind::Text
        ) && ends <= 1
    })
}

/// The first COPY with the sources of all, in place of all of them.
fn merge(subject: &Subject, heads: &[&Instruction], last: &Instruction) -> Option<Edit> {
    let first = heads.first()?;
    let mut text = subject
        .file
        .source
        .get(first.span.range().start..first.line.span(first.body, first.body).range().start)?
        .to_owned();
    for instruction in heads.iter().copied().chain([last]) {
        let words = instruction.words(subject.file.directives.escape);
        let (dest, sources) = words.split_last()?;
        for source in sources {
            text.push_str(&source.text);
            text.push(' ');
        }
        if std::ptr::eq(instruction, last) {
            text.push_str(&dest.text);
        }
    }
    let span = Span {
        start: first.span.start,
        end: last.span.end,
    };
    Some(Edit {
        range: span.range(),
        text,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fix::fix;
    use crate::subject::Surroundings;

    #[test]
    fn only_what_is_alike_and_together() {
        for same in [
            "FROM a\nCOPY a /x\nCOPY b /x\n",
            "FROM a\nCOPY a /x/\n# b\nCOPY b /x/\n",
            "FROM a\nCOPY a /x/\n\nCOPY b /x/\n",
            "FROM a\nCOPY --chown=1 a /x/\nCOPY b /x/\n",
            "FROM a\nCOPY a /x/\nRUN y\nCOPY b /x/\n",
            "FROM a\nCOPY a ./\nADD b ./\n",
        ] {
            let wanted = |r: &crate::Rule| r.id == "mergeable-copies";
            let found = fix(same, &Surroundings::NONE, wanted, |_, _| true);
            assert_eq!(found.text, same);
            assert!(found.done.is_empty(), "{same}");
        }
    }
}
