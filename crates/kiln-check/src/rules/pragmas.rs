//! Comments that switch rules off.

use kiln_dockerfile::PieceKind;

use crate::finding::Findings;
use crate::pragma::ignores;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "inline-ignore",
    summary: "Switch rules off in kiln.toml, not in comments",
    severity: Severity::Info,
    on: false,
    hadolint: &["DL1001"],
    check: inline_ignore,
    ..Rule::NEW
}];

fn inline_ignore(subject: &Subject, findings: &mut Findings) {
    let pieces = subject.file.pieces.iter();
    for piece in pieces.filter(|p| p.kind == PieceKind::Comment) {
        if ignores(subject.file.source_of(piece.span)) {
            findings.add(
                piece.span,
                "this comment switches a rule off for one place, where a review of kiln.toml doesn't see it",
            );
        }
    }
}
