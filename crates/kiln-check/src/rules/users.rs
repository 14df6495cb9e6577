//! The user an image runs as, and its health.

use std::collections::HashSet;

use kiln_dockerfile::{Instruction, Kind};

use super::stage_use::{in_force, results};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "root-user",
        summary: "Let the last USER be another than root",
        hadolint: &["DL3002"],
        check: root,
        ..Rule::NEW
    },
    Rule {
        id: "user-by-name",
        summary: "Name the user by number, which every host can check",
        severity: Severity::Info,
        hadolint: &["DL3066"],
        check: by_name,
        ..Rule::NEW
    },
    Rule {
        id: "missing-healthcheck",
        summary: "Say how the container's health is checked",
        severity: Severity::Info,
        on: false,
        hadolint: &["DL3057"],
        check: healthcheck,
        ..Rule::NEW
    },
];

/// The USER that each resulting image ends with, once each.
fn last_users<'s>(subject: &'s Subject) -> Vec<(&'s Instruction, &'s str)> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for stage in results(subject) {
        let user = in_force(subject, stage, |i| matches!(i.kind, Kind::User(_)));
        if let Some(instruction) = user
            && let Kind::User(text) = &instruction.kind
            && seen.insert(instruction.span.start.offset)
        {
            let user = text.trim().trim_matches(['"', '\'']);
            found.push((instruction, user.split(':').next().unwrap_or(user)));
        }
    }
    found
}

fn root(subject: &Subject, findings: &mut Findings) {
    for (instruction, user) in last_users(subject) {
        if matches!(user, "root" | "0") {
            findings.add(
                instruction.arguments_span(),
                "the image's processes run as root, who is root on the host as well if one of them breaks out: end with a USER that has no rights",
            );
        }
    }
}

fn by_name(subject: &Subject, findings: &mut Findings) {
    for (instruction, user) in last_users(subject) {
        let number = user.chars().all(|c| c.is_ascii_digit());
        if !number && !user.contains('$') {
            findings.add(
                instruction.arguments_span(),
                format!("only the image's own files tell who {user} is, so a host can't tell that it isn't root (Kubernetes' runAsNonRoot refuses it): name the user's number"),
            );
        }
    }
}

fn healthcheck(subject: &Subject, findings: &mut Findings) {
    for number in results(subject) {
        let said = in_force(subject, number, |i| matches!(i.kind, Kind::Healthcheck(_)));
        let root = subject.ancestry(number).last().copied();
        let root = root.and_then(|n| subject.stages.get(n));
        let image = root.and_then(|s| subject.around.images.image(s.image));
        let inherited = image.is_some_and(|i| i.healthcheck);
        if let (None, false, Some(stage)) = (said, inherited, subject.stages.get(number)) {
            findings.add(
                stage.from.keyword_span(),
                "nothing tells whether a container of this image works, only that its process runs: add a HEALTHCHECK, or HEALTHCHECK NONE",
            );
        }
    }
}
