//! Blank lines and comments.

use kiln_dockerfile::{Instruction, Kind, PieceKind, Span};

use super::text::whole_lines;
use crate::finding::{Edit, Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "no-empty-continuation",
        summary: "Leave no empty line inside an instruction",
        buildkit: &["NoEmptyContinuation"],
        fixes: true,
        check: empty_continuation,
        ..Rule::NEW
    },
    Rule {
        id: "invalid-definition-description",
        summary: "Begin the comment above a FROM or ARG with the name it describes",
        severity: Severity::Info,
        on: false,
        buildkit: &["InvalidDefinitionDescription"],
        check: description,
        ..Rule::NEW
    },
];

fn empty_continuation(subject: &Subject, findings: &mut Findings) {
    let source = &subject.file.source;
    for instruction in subject.instructions() {
        let blank = blank_lines(subject, instruction);
        let Some(first) = blank.first() else {
            continue;
        };
        let remove = |at: &Span| Edit {
            range: whole_lines(source, at.range()),
            text: String::new(),
        };
        // Neighbours go as one.
        let mut edits: Vec<Edit> = Vec::new();
        for edit in blank.iter().map(remove) {
            match edits.last_mut() {
                Some(last) if last.range.end == edit.range.start => {
                    last.range.end = edit.range.end;
                }
                _ => edits.push(edit),
            }
        }
        findings
            .add(
                *first,
                format!(
                    "an empty line inside {}: builders will stop to take that, as it hides where the instruction ends",
                    instruction.name()
                ),
            )
            .fix(Fix::edits("remove the empty lines", edits));
    }
}

/// The blank lines before an instruction's last line; here-documents come behind it.
fn blank_lines(subject: &Subject, instruction: &Instruction) -> Vec<Span> {
    let range = instruction.span.range();
    let pieces = &subject.file.pieces;
    let first = pieces.partition_point(|p| p.span.range().start < range.start);
    let mut found = Vec::new();
    let (mut empty, mut more) = (false, false);
    for piece in pieces.get(first..).unwrap_or_default() {
        if piece.span.range().start >= range.end {
            break;
        }
        match piece.kind {
            PieceKind::Space => {}
            PieceKind::Continuation => more = true,
            PieceKind::Comment => empty = false,
            PieceKind::LineEnd if !more => break,
            PieceKind::LineEnd => {
                if empty {
                    found.push(Span::at(piece.span.start));
                }
                empty = true;
            }
            _ => (empty, more) = (false, false),
        }
    }
    found
}

fn description(subject: &Subject, findings: &mut Findings) {
    for instruction in subject.instructions() {
        let names: Vec<&str> = match &instruction.kind {
            Kind::From {
                name: Some(name), ..
            } => vec![name.as_str()],
            Kind::Arg(declared) => declared.iter().map(|d| d.key.as_str()).collect(),
            _ => continue,
        };
        let Some(comment) = comment_above(subject, instruction) else {
            continue;
        };
        let text = comment.trim_start_matches('#').trim();
        let first = text.split(' ').next().unwrap_or_default();
        let machine = ["hadolint ", "kiln ", "check=", "syntax=", "escape="];
        if text.is_empty() || names.contains(&first) || machine.iter().any(|m| text.starts_with(m))
        {
            continue;
        }
        let example = match names.as_slice() {
            [one] => one,
            _ => "NAME",
        };
        findings.add(
            instruction.keyword_span(),
            format!(
                "the comment above is shown as the description of {}: begin it with `# {example} …`, or put an empty line between",
                names.join(", ")
            ),
        );
    }
}

/// The comment on the line above.
fn comment_above<'s>(subject: &'s Subject, instruction: &Instruction) -> Option<&'s str> {
    let at = instruction.span.range().start;
    let pieces = &subject.file.pieces;
    let end = pieces.partition_point(|p| p.span.range().start < at);
    let mut before = pieces.get(..end)?.iter().rev();
    let last = before.find(|p| p.kind != PieceKind::Space)?;
    if last.kind != PieceKind::LineEnd {
        return None;
    }
    let comment = before.next().filter(|p| p.kind == PieceKind::Comment)?;
    Some(subject.file.source_of(comment.span))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fix::fix;
    use crate::subject::Surroundings;

    fn fixed(text: &str) -> String {
        let wanted = |r: &crate::Rule| r.id == "no-empty-continuation";
        fix(text, &Surroundings::NONE, wanted, |_, _| true).text
    }

    #[test]
    fn empty_lines_go_and_here_documents_stay() {
        assert_eq!(
            fixed("FROM a\r\nRUN x \\\r\n\r\n \r\n# c\r\n\r\n  && y\r\n\r\nRUN z\r\n"),
            "FROM a\r\nRUN x \\\r\n# c\r\n  && y\r\n\r\nRUN z\r\n"
        );
        for same in [
            "FROM a\nRUN <<E\n\nx\n\nE\n",
            "FROM a\nRUN x \\\n y\n\n\nRUN z\n",
            "FROM a\nRUN x \\\n\n",
        ] {
            assert_eq!(fixed(same), same);
        }
        assert_eq!(
            fixed("FROM a\nRUN x \\\n\n <<E\n\n\nE\n"),
            "FROM a\nRUN x \\\n <<E\n\n\nE\n"
        );
    }
}
