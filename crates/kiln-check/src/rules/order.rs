//! What refers to something that isn't there yet, or can't be: instructions before FROM, variables
//! in their own ENV, ports beyond the last.

use kiln_dockerfile::{KeyValue, Kind};

use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "instruction-before-from",
        summary: "Begin with FROM, or with ARG for its variables",
        severity: Severity::Error,
        hadolint: &["DL3061"],
        check: before_from,
        ..Rule::NEW
    },
    Rule {
        id: "env-refers-to-itself",
        summary: "Set a variable in one ENV, and use it from the next on",
        severity: Severity::Error,
        hadolint: &["DL3044"],
        check: own_env,
        ..Rule::NEW
    },
    Rule {
        id: "port-out-of-range",
        summary: "Expose ports up to 65535",
        severity: Severity::Error,
        hadolint: &["DL3011"],
        check: port,
        ..Rule::NEW
    },
];

fn before_from(subject: &Subject, findings: &mut Findings) {
    for instruction in subject.instructions() {
        match &instruction.kind {
            Kind::From { .. } => return,
            Kind::Arg(_) => {}
            _ => {
                let name = instruction.name();
                findings.add(
                    instruction.keyword_span(),
                    format!("{name} stands before the first FROM, where there is no image yet that it could change: the build refuses it"),
                );
            }
        }
    }
}

fn own_env(subject: &Subject, findings: &mut Findings) {
    let escape = subject.file.directives.escape;
    for stage in &subject.stages {
        for (n, instruction) in stage.range.clone().zip(subject.of_stage(stage)) {
            let Kind::Env(pairs) = &instruction.kind else {
                continue;
            };
            let Some((at, name)) = early_use(pairs, |name| known(subject, stage, n, name)) else {
                continue;
            };
            let words = instruction.words(escape);
            let word = words.get(at).filter(|_| words.len() == pairs.len());
            let span = word.map_or(instruction.arguments_span(), |w| instruction.word_span(w));
            findings.add(
                span,
                format!("{name} is set by this same ENV, whose values are made before it: here it is empty still, so use it in an ENV of its own"),
            );
        }
    }
}

/// The first pair whose value uses a variable that another pair sets and that isn't known yet.
fn early_use(pairs: &[KeyValue], known: impl Fn(&str) -> bool) -> Option<(usize, &str)> {
    let uses = |at: usize, pair: &KeyValue| {
        let others = pairs.iter().enumerate().filter(|(other, _)| *other != at);
        let mut used = others.filter(|(_, other)| mentions(&pair.value, &other.key));
        used.find(|(_, other)| !known(&other.key))
            .map(|(_, o)| o.key.as_str())
    };
    let mut all = pairs.iter().enumerate();
    all.find_map(|(at, pair)| uses(at, pair).map(|name| (at, name)))
}

/// `$name` or `${name…}`, not a longer name.
fn mentions(value: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    value.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let behind = rest.strip_prefix(name);
        behind.is_some_and(|b| !b.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// Whether a variable is set before the `n`th instruction, here or in a stage below.
fn known(subject: &Subject, stage: &Stage, n: usize, name: &str) -> bool {
    subject.ancestry(stage.index).iter().any(|number| {
        let Some(below) = subject.stages.get(*number) else {
            return false;
        };
        let before = below.range.clone().zip(subject.of_stage(below));
        before
            .take_while(|(m, _)| *m < n)
            .any(|(_, i)| match &i.kind {
                Kind::Env(pairs) => pairs.iter().any(|p| p.key == name),
                // An ARG is gone with its stage.
                Kind::Arg(args) => below.index == stage.index && args.iter().any(|a| a.key == name),
                _ => false,
            })
    })
}

fn port(subject: &Subject, findings: &mut Findings) {
    let escape = subject.file.directives.escape;
    for instruction in subject.instructions() {
        if !matches!(instruction.kind, Kind::Expose(_)) {
            continue;
        }
        for word in instruction.words(escape) {
            let ports = word.text.split('/').next().unwrap_or_default();
            let ports = ports
                .trim_matches(['"', '\''])
                .rsplit(':')
                .next()
                .unwrap_or_default();
            let number = |p: &str| p.parse::<u64>().ok();
            if let Some(port) = ports.split('-').filter_map(number).find(|p| *p > 65535) {
                findings.add(
                    instruction.word_span(&word),
                    format!("there is no port {port}: they end at 65535"),
                );
            }
        }
    }
}
