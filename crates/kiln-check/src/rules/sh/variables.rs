//! Variables that have no value.

use std::collections::HashSet;

use kiln_dockerfile::Kind;

use super::assignments::is_name;
use super::look::trees;
use super::names::{set, used};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[UNASSIGNED_VARIABLE];

/// `echo $x`
const UNASSIGNED_VARIABLE: Rule = Rule {
    id: "unassigned-variable",
    summary: "Use variables that have a value",
    hadolint: &["SC2154"],
    check: unassigned,
    ..Rule::NEW
};

/// Names that a build may set without a word in the Dockerfile.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];

fn unassigned(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$")) {
        let instruction = subject.instructions().get(tree.n);
        // A trigger runs in a build of which nothing is known.
        if instruction.is_some_and(|i| matches!(i.kind, Kind::OnBuild(_))) {
            continue;
        }
        let Some(own) = set(&tree) else {
            continue;
        };
        let mut around: Option<HashSet<String>> = None;
        used(&tree, |name, span| {
            // Names in capitals are for the environment, which the base image may set.
            let local = name.chars().any(|c| c.is_ascii_lowercase());
            if !local || !is_name(name) || own.contains(name) || PROXIES.contains(&name) {
                return;
            }
            let around = around.get_or_insert_with(|| environment(subject, tree.n));
            if !around.contains(name) {
                findings.add(
                    tree.span(span),
                    format!("{name} has no value: neither this script nor an ARG or ENV before it sets it"),
                );
            }
        });
    }
}

/// The names that ARG, ENV, a mount or the base image set for an instruction.
pub fn environment(subject: &Subject, n: usize) -> HashSet<String> {
    let mut names = HashSet::new();
    let Some(stage) = subject.stages.iter().find(|s| s.range.contains(&n)) else {
        return names;
    };
    for (depth, index) in subject.ancestry(stage.index).into_iter().enumerate() {
        let Some(stage) = subject.stages.get(index) else {
            continue;
        };
        if let Some(image) = subject.around.images.image(stage.image) {
            let keys = image.env.iter().filter_map(|e| e.split('=').next());
            names.extend(keys.map(str::to_owned));
        }
        let end = if depth == 0 { n } else { stage.range.end };
        let instructions = subject.instructions().get(stage.range.start..end);
        for instruction in instructions.unwrap_or_default() {
            match &instruction.kind {
                Kind::Arg(args) => names.extend(args.iter().map(|a| a.key.clone())),
                Kind::Env(pairs) => names.extend(pairs.iter().map(|p| p.key.clone())),
                _ => {}
            }
        }
    }
    if let Some(Kind::Run { flags, .. }) = subject.instructions().get(n).map(|i| &i.kind) {
        let values = flags.iter().filter_map(|f| f.value.as_deref());
        let parts = values.flat_map(|v| v.split(','));
        names.extend(
            parts
                .filter_map(|p| p.strip_prefix("env="))
                .map(str::to_owned),
        );
    }
    names
}
