//! Debian's package managers.

use super::super::stage_use::states;
use super::{APT_GET, Call, Manager};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "apt-get-recommends",
        summary: "Install only what is asked for: --no-install-recommends",
        severity: Severity::Info,
        hadolint: &["DL3015"],
        fixes: true,
        check: recommends,
        ..Rule::NEW
    },
    Rule {
        id: "apt-in-script",
        summary: "Call apt-get or apt-cache in scripts: apt is for people",
        hadolint: &["DL3027"],
        fixes: true,
        check: apt,
        ..Rule::NEW
    },
];

fn recommends(subject: &Subject, findings: &mut Findings) {
    let mentions = |n: usize| {
        let script = subject.script(n);
        script.is_some_and(|s| s.text().contains("Install-Recommends"))
    };
    // A script up to here may configure apt, in this stage or in those below it.
    let configured = states(subject, |_| false, |was, n, _| was || mentions(n));
    for call in APT_GET.calls(subject).filter(|c| c.does(&["install"])) {
        let said = ["no-install-recommends", "install-recommends"];
        let mut words = call.command.args().iter();
        let by_option = words.any(|w| w.text.contains("APT::Install-Recommends="));
        if by_option
            || call.command.has_any_flag(&said)
            || configured.get(call.n) == Some(&true)
            || mentions(call.n)
        {
            continue;
        }
        let finding = findings.add(
            call.script.span(call.verb.range.clone()),
            "apt-get installs the packages that others recommend as well, which costs space and nobody asked for: add --no-install-recommends",
        );
        call.offer(finding, call.verb, "--no-install-recommends");
    }
}

const APT: Manager = Manager {
    programs: &["apt"],
    with_value: APT_GET.with_value,
};

fn apt(subject: &Subject, findings: &mut Findings) {
    for call in APT.calls(subject) {
        let Some(name) = call.command.words.first() else {
            continue;
        };
        let better = replacement(&call);
        let finding = findings.add(
            call.script.span(name.range.clone()),
            format!(
                "apt's options and output may change from release to release, and it warns of that itself: call {}",
                better.unwrap_or("apt-get or apt-cache")
            ),
        );
        if let Some(better) = better
            && name.text == "apt"
            && call.script.editable()
        {
            let range = call.script.span(name.range.clone()).range();
            finding.fix(Fix::replace(format!("call {better}"), range, better));
        }
    }
}

/// The command that does the same, where one is sure to.
fn replacement(call: &Call) -> Option<&'static str> {
    const FLAGS: [&str; 16] = [
        "yes",
        "assume-yes",
        "quiet",
        "no-install-recommends",
        "install-recommends",
        "no-install-suggests",
        "fix-broken",
        "fix-missing",
        "allow-downgrades",
        "allow-change-held-packages",
        "allow-unauthenticated",
        "reinstall",
        "purge",
        "target-release",
        "default-release",
        "option",
    ];
    let known = call
        .command
        .flags()
        .all(|flag| match flag.text.strip_prefix("--") {
            Some(long) => FLAGS.contains(&long.split('=').next().unwrap_or(long)),
            None => flag
                .text
                .chars()
                .nth(1)
                .is_some_and(|c| "yqftmo".contains(c)),
        });
    // apt takes patterns where apt-get takes regular expressions.
    let plain = call.operands.iter().all(|a| {
        let name = a.text.split('=').next().unwrap_or_default();
        a.fixed && !name.contains(['*', '?', '[', '~', '^'])
    });
    match call.verb.text.as_str() {
        "install" | "remove" | "purge" | "autoremove" | "update" if known && plain => {
            Some("apt-get")
        }
        _ => None,
    }
}
