//! Ports.

use kiln_dockerfile::{Instruction, Kind, Span};

use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "expose-proto-casing",
        summary: "Write the protocol of an EXPOSE in small letters",
        severity: Severity::Style,
        buildkit: &["ExposeProtoCasing"],
        fixes: true,
        check: proto_casing,
        ..Rule::NEW
    },
    Rule {
        id: "expose-invalid-format",
        summary: "EXPOSE the container's port alone",
        buildkit: &["ExposeInvalidFormat"],
        fixes: true,
        check: invalid_format,
        ..Rule::NEW
    },
];

/// The words of each EXPOSE, with their places in its line.
fn ports<'a>(subject: &Subject<'a>) -> impl Iterator<Item = (&'a Instruction, String, usize)> {
    let escape = subject.file.directives.escape;
    let all = subject.instructions().iter().map(|i| match &i.kind {
        Kind::OnBuild(inner) => &**inner,
        _ => i,
    });
    let exposed = all.filter(|i| matches!(i.kind, Kind::Expose(_)));
    exposed.flat_map(move |i| {
        let words = i.words(escape).into_iter();
        words.map(move |w| (i, w.text, w.start))
    })
}

fn span(instruction: &Instruction, from: usize, len: usize) -> Span {
    instruction.line.span(from, from + len)
}

fn proto_casing(subject: &Subject, findings: &mut Findings) {
    for (instruction, word, at) in ports(subject) {
        let Some((port, proto)) = word.rsplit_once('/') else {
            continue;
        };
        let lower = proto.to_ascii_lowercase();
        if proto == lower || proto.contains('$') {
            continue;
        }
        let place = span(instruction, at + port.len() + 1, proto.len());
        findings
            .add(
                place,
                format!("the protocol of {word} is written {lower} everywhere else"),
            )
            .fix(Fix::replace(format!("write {lower}"), place.range(), lower));
    }
}

fn invalid_format(subject: &Subject, findings: &mut Findings) {
    for (instruction, word, at) in ports(subject) {
        if word.contains('$') {
            continue;
        }
        let Some((_, port)) = word.rsplit_once(':') else {
            continue;
        };
        let place = span(instruction, at, word.len());
        let finding = findings.add(
            place,
            format!("{word} names an address or a port of the host: EXPOSE has no say in that, `run -p` does"),
        );
        if !port.is_empty() {
            finding.fix(Fix::replace(format!("write {port}"), place.range(), port));
        }
    }
}
