//! Packages whose version isn't said.

use super::{
    APK, APT_GET, Call, DNF, Manager, YUM, ZYPPER, all_commands, names, pinned, pip, ruby,
};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::shell::Arg;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "unpinned-apt-package",
        summary: "Say which version apt-get installs",
        hadolint: &["DL3008"],
        check: apt,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-pip-package",
        summary: "Say which version pip installs",
        hadolint: &["DL3013"],
        check: pip_packages,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-npm-package",
        summary: "Say which version npm installs",
        hadolint: &["DL3016"],
        check: npm,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-apk-package",
        summary: "Say which version apk installs",
        hadolint: &["DL3018"],
        check: apk,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-gem",
        summary: "Say which version gem installs",
        hadolint: &["DL3028"],
        check: gem,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-yum-package",
        summary: "Say which version yum installs",
        hadolint: &["DL3033"],
        check: yum,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-zypper-package",
        summary: "Say which version zypper installs",
        hadolint: &["DL3037"],
        check: zypper,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-dnf-package",
        summary: "Say which version dnf installs",
        hadolint: &["DL3041"],
        check: dnf,
        ..Rule::NEW
    },
    Rule {
        id: "unpinned-go-package",
        summary: "Say which version go installs",
        hadolint: &["DL3062"],
        check: go,
        ..Rule::NEW
    },
];

const NPM: Manager = Manager {
    programs: &["npm"],
    with_value: &[
        "--loglevel",
        "--registry",
        "--prefix",
        "-C",
        "--workspace",
        "-w",
        "--cache",
        "--userconfig",
        "--omit",
        "--include",
        "--tag",
    ],
};

const GO: Manager = Manager {
    programs: &["go"],
    with_value: &[
        "-C",
        "-o",
        "-p",
        "-tags",
        "-ldflags",
        "-gcflags",
        "-asmflags",
        "-mod",
        "-modfile",
        "-exec",
        "-buildmode",
        "-pkgdir",
        "-toolexec",
        "-overlay",
    ],
};

fn apt(subject: &Subject, findings: &mut Findings) {
    for call in APT_GET.calls(subject).filter(|c| c.does(&["install"])) {
        report(&call, &call.operands, pinned::apt, "=", findings);
    }
}

fn apk(subject: &Subject, findings: &mut Findings) {
    for call in APK.calls(subject).filter(|c| c.does(&["add"])) {
        report(&call, &call.operands, pinned::apk, "=", findings);
    }
}

fn zypper(subject: &Subject, findings: &mut Findings) {
    for call in ZYPPER.calls(subject).filter(|c| c.does(&["install", "in"])) {
        let kind = call.command.flag_value("type");
        let kind = kind.or_else(|| call.command.flag_value("t"));
        if kind.is_none_or(|k| k == "package") {
            report(&call, &call.operands, pinned::zypper, "=", findings);
        }
    }
}

fn yum(subject: &Subject, findings: &mut Findings) {
    rpm(&YUM, subject, findings);
}

fn dnf(subject: &Subject, findings: &mut Findings) {
    rpm(&DNF, subject, findings);
}

fn rpm(manager: &Manager, subject: &Subject, findings: &mut Findings) {
    for call in manager.calls(subject) {
        if call.does(&["install"]) {
            report(&call, &call.operands, pinned::rpm, "-", findings);
        } else if let ("module", Some((first, modules))) =
            (call.verb.text.as_str(), call.operands.split_first())
            && first.text == "install"
        {
            report(&call, modules, pinned::module, ":", findings);
        }
    }
}

fn pip_packages(subject: &Subject, findings: &mut Findings) {
    for call in pip::calls(subject).filter(|c| c.does(&["install"])) {
        let listed = ["requirement", "constraint", "group"];
        if !call.has("rc", &listed) {
            report(&call, &call.operands, pinned::pip, "==", findings);
        }
    }
}

fn npm(subject: &Subject, findings: &mut Findings) {
    let verbs = ["install", "i", "in", "add"];
    for call in NPM.calls(subject).filter(|c| c.does(&verbs)) {
        report(&call, &call.operands, pinned::npm, "@", findings);
    }
}

fn gem(subject: &Subject, findings: &mut Findings) {
    for call in ruby::installs(subject) {
        if !call.has("v", &["version"]) {
            report(&call, &call.operands, pinned::gem, ":", findings);
        }
    }
}

fn go(subject: &Subject, findings: &mut Findings) {
    for (n, script, command) in all_commands(subject).filter(|(.., c)| c.program() == "go") {
        let Some(call) = Call::of(n, script, command, GO.with_value) else {
            continue;
        };
        let packages = match call.verb.text.as_str() {
            "install" | "get" => call.operands.as_slice(),
            // What follows are the program's arguments.
            "run" => call.operands.get(..1).unwrap_or_default(),
            _ => continue,
        };
        report(&call, packages, pinned::go, "@", findings);
    }
}

/// One finding for all packages of a command; those a variable names may have a version.
fn report(
    call: &Call,
    packages: &[&Arg],
    pinned: fn(&str) -> bool,
    sign: &str,
    findings: &mut Findings,
) {
    let loose = packages.iter().copied();
    let loose: Vec<&Arg> = loose.filter(|a| a.fixed && !pinned(&a.text)).collect();
    let Some(first) = loose.first() else {
        return;
    };
    let tool = call.command.program();
    let (what, bare) = (names(&loose), first.text.split('@').next());
    let name = bare.filter(|b| !b.is_empty()).unwrap_or(&first.text);
    findings.add(
        call.script.span(first.range.clone()),
        format!(
            "{tool} takes the version of {what} that is newest when the image is built, so the same Dockerfile gives another image later: name one, as in {name}{sign}<version>"
        ),
    );
}
