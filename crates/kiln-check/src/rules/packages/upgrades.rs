//! Upgrades of all packages.

use super::{APK, APT_GET, Call, DNF, YUM, ZYPPER};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "package-upgrade",
        summary: "Take a newer base image instead of upgrading its packages",
        severity: Severity::Info,
        on: false,
        hadolint: &["DL3005", "DL3017", "DL3031", "DL3039"],
        check: upgrade,
        ..Rule::NEW
    },
    Rule {
        id: "zypper-dist-upgrade",
        summary: "Take a base image of the newer distribution instead of zypper dist-upgrade",
        hadolint: &["DL3035"],
        check: dist_upgrade,
        ..Rule::NEW
    },
];

fn upgrade(subject: &Subject, findings: &mut Findings) {
    let apt = ["upgrade", "dist-upgrade", "full-upgrade"];
    let rpm = [
        "update",
        "update-to",
        "upgrade",
        "upgrade-to",
        "upgrade-minimal",
    ];
    let mut found: Vec<Call> = Vec::new();
    found.extend(APT_GET.calls(subject).filter(|c| c.does(&apt)));
    found.extend(APK.calls(subject).filter(|c| c.does(&["upgrade"])));
    let rpms = YUM.calls(subject).chain(DNF.calls(subject));
    found.extend(rpms.filter(|c| c.does(&rpm)));
    // `dnf upgrade openssl` is about one package.
    for call in found.iter().filter(|c| c.operands.is_empty()) {
        let (tool, verb) = (call.command.program(), &call.verb.text);
        findings.add(
            call.script.span(call.verb.range.clone()),
            format!("{tool} {verb} stores newer packages on top of the base image's, which stay in its layers: a newer base image has them once"),
        );
    }
}

fn dist_upgrade(subject: &Subject, findings: &mut Findings) {
    let verbs = ["dist-upgrade", "dup"];
    for call in ZYPPER.calls(subject).filter(|c| c.does(&verbs)) {
        let verb = &call.verb.text;
        findings.add(
            call.script.span(call.verb.range.clone()),
            format!("zypper {verb} moves the image to another distribution release than the base image's tag says: start from that release"),
        );
    }
}
