//! What refers to something that isn't there yet, or can't be: instructions before FROM, variables
//! in their own ENV, ports beyond the last.

use std::collections::{HashMap, HashSet};

use kiln_dockerfile::{KeyValue, Kind};

use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

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
    let mut ends: Vec<HashSet<&str>> = Vec::with_capacity(subject.stages.len());
    for stage in &subject.stages {
        let inherited = stage.parent.and_then(|p| ends.get(p));
        let mut envs = inherited.cloned().unwrap_or_default();
        // An ARG is gone with its stage.
        let mut args: HashSet<&str> = HashSet::new();
        for instruction in subject.of_stage(stage) {
            match &instruction.kind {
                Kind::Arg(declared) => args.extend(declared.iter().map(|a| a.key.as_str())),
                Kind::Env(pairs) => {
                    let known = |name: &str| envs.contains(name) || args.contains(name);
                    if let Some((at, name)) = early_use(pairs, known) {
                        let words = instruction.words(escape);
                        let word = words.get(at).filter(|_| words.len() == pairs.len());
                        let span =
                            word.map_or(instruction.arguments_span(), |w| instruction.word_span(w));
                        findings.add(
                            span,
                            format!("{name} is set by this same ENV, whose values are made before it: here it is empty still, so use it in an ENV of its own"),
                        );
                    }
                    envs.extend(pairs.iter().map(|p| p.key.as_str()));
                }
                _ => {}
            }
        }
        ends.push(envs);
    }
}

/// The first pair whose value uses a variable that another pair sets and that isn't known yet.
fn early_use(pairs: &[KeyValue], known: impl Fn(&str) -> bool) -> Option<(usize, &str)> {
    let mut set: HashMap<&str, Vec<usize>> = HashMap::new();
    for (n, pair) in pairs.iter().enumerate() {
        set.entry(&pair.key).or_default().push(n);
    }
    let mut all = pairs.iter().enumerate();
    all.find_map(|(at, pair)| {
        let by_another = |name: &&str| {
            let by = set.get(name).and_then(|by| by.iter().find(|n| **n != at));
            by.is_some() && !known(name)
        };
        let name = variables(&pair.value).find(by_another)?;
        Some((at, name))
    })
}

/// The names in `$name` and `${name…}`.
fn variables(value: &str) -> impl Iterator<Item = &str> {
    value.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
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
