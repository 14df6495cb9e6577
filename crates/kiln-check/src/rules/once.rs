//! Instructions of which only the last counts, and one that isn't used any more.

use kiln_dockerfile::{Instruction, Kind};

use super::text::whole_lines;
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "multiple-instructions-disallowed",
        summary: "Write CMD, ENTRYPOINT and HEALTHCHECK once a stage",
        hadolint: &["DL3012", "DL4003", "DL4004"],
        buildkit: &["MultipleInstructionsDisallowed"],
        fixes: true,
        check: multiple,
        ..Rule::NEW
    },
    Rule {
        id: "maintainer-deprecated",
        summary: "Name the author in a label, not by MAINTAINER",
        severity: Severity::Error,
        hadolint: &["DL4000"],
        buildkit: &["MaintainerDeprecated"],
        fixes: true,
        check: maintainer,
        ..Rule::NEW
    },
];

fn multiple(subject: &Subject, findings: &mut Findings) {
    let mut last: [Option<&Instruction>; 3] = [None; 3];
    for instruction in subject.instructions() {
        let slot = match &instruction.kind {
            Kind::From { .. } => {
                last = [None; 3];
                continue;
            }
            Kind::Cmd(_) => 0,
            Kind::Entrypoint(_) => 1,
            Kind::Healthcheck(_) => 2,
            _ => continue,
        };
        let Some(before) = last.get_mut(slot).and_then(|l| l.replace(instruction)) else {
            continue;
        };
        let (name, line) = (before.name(), instruction.span.start.line);
        let lines = whole_lines(&subject.file.source, before.span.range());
        findings
            .add(
                before.keyword_span(),
                format!("this {name} does nothing: a stage has one, and that of line {line} takes its place"),
            )
            .fix(Fix::replace(
                format!("remove the {name} that does nothing"),
                lines,
                "",
            ));
    }
}

fn maintainer(subject: &Subject, findings: &mut Findings) {
    let escape = subject.file.directives.escape;
    for instruction in subject.instructions() {
        let Kind::Maintainer(name) = &instruction.kind else {
            continue;
        };
        let finding = findings.add(
            instruction.keyword_span(),
            "MAINTAINER is deprecated: a label says the same, and any tool can read it",
        );
        let mut quoted = String::new();
        for c in name.chars() {
            if matches!(c, '"' | '$') || c == escape {
                quoted.push(escape);
            }
            quoted.push(c);
        }
        let label = format!("LABEL org.opencontainers.image.authors=\"{quoted}\"");
        let span = instruction.span;
        if span.start.line == span.end.line {
            finding.fix(Fix::replace("write a label", span.range(), label));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fix::fix;
    use crate::subject::Surroundings;

    fn fixed(text: &str) -> String {
        let wanted = |r: &crate::Rule| r.id.starts_with("m");
        fix(text, &Surroundings::NONE, wanted, |_, _| true).text
    }

    #[test]
    fn fixes_keep_the_rest() {
        assert_eq!(
            fixed("FROM a\r\nCMD a \\\r\n  # c\r\n  b\r\n# d\r\nCMD b\r\nCMD c"),
            "FROM a\r\n# d\r\nCMD c"
        );
        assert_eq!(
            fixed("FROM a\nMAINTAINER \"A\" $b \\ <c@d>\n"),
            "FROM a\nLABEL org.opencontainers.image.authors=\"\\\"A\\\" \\$b \\\\ <c@d>\"\n"
        );
        assert_eq!(
            fixed("FROM a\nHEALTHCHECK NONE\nONBUILD CMD x\nCMD y\n"),
            "FROM a\nHEALTHCHECK NONE\nONBUILD CMD x\nCMD y\n"
        );
    }
}
