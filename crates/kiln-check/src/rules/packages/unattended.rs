//! Package managers that would ask, where nobody answers.

use super::{APT_GET, Call, DNF, Manager, YUM, ZYPPER};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "apt-get-asks",
        summary: "Call apt-get install with -y: nobody answers its question",
        hadolint: &["DL3014"],
        fixes: true,
        check: apt,
        ..Rule::NEW
    },
    Rule {
        id: "yum-asks",
        summary: "Call yum install with -y: nobody answers its question",
        hadolint: &["DL3030"],
        fixes: true,
        check: yum,
        ..Rule::NEW
    },
    Rule {
        id: "zypper-asks",
        summary: "Call zypper with -n: nobody answers its questions",
        hadolint: &["DL3034"],
        fixes: true,
        check: zypper,
        ..Rule::NEW
    },
    Rule {
        id: "dnf-asks",
        summary: "Call dnf install with -y: nobody answers its question",
        hadolint: &["DL3038"],
        fixes: true,
        check: dnf,
        ..Rule::NEW
    },
];

fn apt(subject: &Subject, findings: &mut Findings) {
    let verbs = [
        "install",
        "build-dep",
        "remove",
        "purge",
        "upgrade",
        "dist-upgrade",
        "full-upgrade",
    ];
    for call in APT_GET.calls(subject).filter(|c| c.does(&verbs)) {
        if !quiet(&call) && !call.has("y", &["yes", "assume-yes"]) {
            report(&call, findings);
        }
    }
}

/// Two levels of quiet mean yes.
fn quiet(call: &Call) -> bool {
    let words = call.command.args().iter().map(|a| a.text.as_str());
    let long = words.clone().filter(|w| *w == "--quiet").count();
    call.letters('q') + long >= 2
        || words.clone().any(|w| w == "-q=2" || w == "--quiet=2")
        || words.clone().any(|w| {
            let value = w.split_once("Assume-Yes=").map(|(_, v)| v);
            value.is_some_and(|v| matches!(v, "true" | "1" | "yes"))
        })
}

fn yum(subject: &Subject, findings: &mut Findings) {
    rpm(&YUM, subject, findings);
}

fn dnf(subject: &Subject, findings: &mut Findings) {
    rpm(&DNF, subject, findings);
}

fn rpm(manager: &Manager, subject: &Subject, findings: &mut Findings) {
    let verbs = [
        "install",
        "groupinstall",
        "localinstall",
        "reinstall",
        "remove",
        "erase",
        "update",
        "upgrade",
    ];
    for call in manager.calls(subject) {
        let second = call.operands.first().map(|a| a.text.as_str());
        let grouped = call.does(&["module", "group"]) && second == Some("install");
        if (grouped || call.does(&verbs)) && !call.has("y", &["assumeyes", "assumeno"]) {
            report(&call, findings);
        }
    }
}

fn report(call: &Call, findings: &mut Findings) {
    // `yes | apt-get install x`
    if call.command.setting.piped_from {
        return;
    }
    let (tool, verb) = (call.command.program(), &call.verb.text);
    let finding = findings.add(
        call.script.span(call.verb.range.clone()),
        format!("{tool} {verb} asks before it goes on and nobody answers, so the build stops there: add -y"),
    );
    call.offer(finding, call.verb, "-y");
}

fn zypper(subject: &Subject, findings: &mut Findings) {
    let verbs = [
        "install",
        "in",
        "remove",
        "rm",
        "source-install",
        "si",
        "patch",
        "update",
        "up",
        "dist-upgrade",
        "dup",
    ];
    for call in ZYPPER.calls(subject).filter(|c| c.does(&verbs)) {
        let silent = call.has("yn", &["non-interactive", "no-confirm"]);
        if silent || call.command.setting.piped_from {
            continue;
        }
        let verb = &call.verb.text;
        let finding = findings.add(
            call.script.span(call.verb.range.clone()),
            format!("zypper {verb} asks before it goes on and nobody answers, so the build stops there: call zypper with -n"),
        );
        if let Some(name) = call.command.words.first() {
            call.offer(finding, name, "-n");
        }
    }
}
