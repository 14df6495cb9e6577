//! apt's package lists and archives.

use crate::finding::{Findings, Fix};
use crate::layout::append;
use crate::rule::{Rule, Severity};
use crate::shell::{Command, Script};
use crate::subject::Subject;

use super::{below_any, deletes, is_on_build, kept, mounted, opaque};

/// The rules of this module.
pub static RULES: &[Rule] = &[LISTS, ARCHIVES];

const LISTS_DIR: &str = "/var/lib/apt/lists";

/// `apt-get update` without a clean-up.
const LISTS: Rule = Rule {
    id: "apt-get-lists",
    summary: "Delete apt's package lists in the RUN that fetched them",
    severity: Severity::Info,
    hadolint: &["DL3009"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: lists,
    ..Rule::NEW
};

/// `.deb` files that are kept.
const ARCHIVES: Rule = Rule {
    id: "apt-archives",
    summary: "Delete downloaded .deb files in the RUN that installed them",
    severity: Severity::Info,
    lesson: Some("no leftovers"),
    fixes: true,
    check: archives,
    ..Rule::NEW
};

fn is_apt(command: &Command) -> bool {
    matches!(command.program(), "apt-get" | "apt" | "aptitude")
}

fn updates(command: &Command) -> bool {
    is_apt(command) && verb(command) == Some("update")
}

fn verb(command: &Command) -> Option<&str> {
    const WITH_VALUE: [&str; 9] = [
        "-o",
        "-c",
        "-t",
        "-a",
        "-P",
        "--option",
        "--config-file",
        "--target-release",
        "--default-release",
    ];
    let operands = command.operands_besides(&WITH_VALUE);
    operands.first().map(|a| a.text.as_str())
}

fn lists(subject: &Subject, findings: &mut Findings) {
    let needed = below_any(subject, |s| s.is_none_or(reads_lists));
    for (n, script) in kept(subject) {
        let Some(update) = script.commands.iter().rfind(|c| updates(c)) else {
            continue;
        };
        let cleans = |c: &Command| {
            let braces = "/var/lib/{apt";
            deletes(c, &["/var/lib/apt", braces]) || is_apt(c) && verb(c) == Some("distclean")
        };
        let mut later = script.commands.iter();
        if later.any(|c| c.range.start > update.range.start && cleans(c))
            || mounted(subject, n, LISTS_DIR)
        {
            continue;
        }
        let finding = findings.add(
            script.span(update.range.clone()),
            format!(
                "{} update leaves its package lists in the layer, where a later RUN can't free their space",
                update.program()
            ),
        );
        let alone = is_on_build(subject, n) || update.via.as_deref() == Some("sudo");
        if alone || needed.get(n) != Some(&false) {
            continue;
        }
        if let Some(edit) = append(subject, n, "rm -rf /var/lib/apt/lists/*") {
            finding.fix(Fix::edits("delete apt's lists", vec![edit]));
        }
    }
}

/// Whether a script reads lists that were there before, or may.
fn reads_lists(script: &Script) -> bool {
    const READ: [&str; 17] = [
        "install",
        "reinstall",
        "upgrade",
        "dist-upgrade",
        "full-upgrade",
        "safe-upgrade",
        "build-dep",
        "source",
        "download",
        "satisfy",
        "search",
        "show",
        "list",
        "policy",
        "dselect-upgrade",
        "changelog",
        "check",
    ];
    for command in &script.commands {
        if updates(command) {
            return false;
        }
        let reads = is_apt(command) && verb(command).is_none_or(|v| READ.contains(&v));
        let other = matches!(
            command.program(),
            "apt-cache" | "apt-file" | "gdebi" | "tasksel" | "apt-show-versions" | "apt-rdepends"
        );
        if reads || other || opaque(command) {
            return true;
        }
    }
    false
}

fn archives(subject: &Subject, findings: &mut Findings) {
    let all: Vec<_> = kept(subject).collect();
    let keeps = |c: &Command| {
        let named = |t: &str| c.args().iter().any(|a| a.text.contains(t));
        c.program() == "rm" && named("apt.conf.d/docker-clean")
            || named("Keep-Downloaded-Packages \"true\"")
    };
    let Some((from, _)) = all.iter().find(|(_, s)| s.commands.iter().any(keeps)) else {
        return;
    };
    let cached = |c: &Command| is_apt(c) && c.has_any_flag(&["no-download"]);
    let reads = |s: &Script| s.commands.iter().any(|c| cached(c) || opaque(c));
    let needed = below_any(subject, |s| s.is_none_or(reads));
    for (n, script) in &all {
        let installs = |c: &&Command| {
            is_apt(c) && matches!(verb(c), Some("install" | "upgrade" | "dist-upgrade"))
        };
        let Some(install) = script.commands.iter().rfind(installs).filter(|_| n >= from) else {
            continue;
        };
        let cleans = |c: &Command| {
            let whole = is_apt(c) && matches!(verb(c), Some("clean" | "distclean"));
            whole || deletes(c, &["/var/cache/apt", "/var/cache"])
        };
        let mut later = script.commands.iter();
        if later.any(|c| c.range.start > install.range.start && cleans(c))
            || mounted(subject, *n, "/var/cache/apt")
        {
            continue;
        }
        let finding = findings.add(
            script.span(install.range.clone()),
            "with docker-clean gone, apt keeps each .deb it installs in /var/cache/apt, and so does the layer",
        );
        let sudo = install.via.as_deref() == Some("sudo");
        if sudo || needed.get(*n) != Some(&false) || is_on_build(subject, *n) {
            continue;
        }
        if let Some(edit) = append(subject, *n, "apt-get clean") {
            finding.fix(Fix::edits("delete apt's archives", vec![edit]));
        }
    }
}
