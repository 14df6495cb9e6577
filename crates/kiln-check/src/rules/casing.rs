//! How instructions are written.

use kiln_dockerfile::{Instruction, Kind};

use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[LOWER_CASE_INSTRUCTION];

/// `run` → `RUN`.
const LOWER_CASE_INSTRUCTION: Rule = Rule {
    id: "lower-case-instruction",
    summary: "Write instructions in capitals",
    severity: Severity::Style,
    buildkit: &["ConsistentInstructionCasing"],
    lesson: Some("instructions in upper case"),
    fixes: true,
    check: lower_case,
    ..Rule::NEW
};

fn lower_case(subject: &Subject, findings: &mut Findings) {
    for instruction in subject.instructions() {
        let inner = match &instruction.kind {
            Kind::OnBuild(inner) => Some(&**inner),
            _ => None,
        };
        for i in [Some(instruction), inner].into_iter().flatten() {
            one(i, findings);
        }
    }
}

fn one(instruction: &Instruction, findings: &mut Findings) {
    let name = instruction.name();
    if instruction.keyword == name {
        return;
    }
    let span = instruction.keyword_span();
    let written = &instruction.keyword;
    findings
        .add(
            span,
            format!("{written} is written {name} by convention, so that instructions stand out from their arguments"),
        )
        .fix(Fix::replace(format!("write {name}"), span.range(), name));
}
