//! apk's index.

use crate::finding::{Edit, Findings, Fix};
use crate::layout::append;
use crate::rule::{Rule, Severity};
use crate::shell::{Command, Script};
use crate::subject::Subject;

use super::{below_any, deletes, is_on_build, kept, mounted, opaque};

/// The rules of this module.
pub static RULES: &[Rule] = &[APK_CACHE];

/// `apk add` without `--no-cache`.
const APK_CACHE: Rule = Rule {
    id: "apk-no-cache",
    summary: "Install with apk add --no-cache, so that no package index stays in the layer",
    severity: Severity::Info,
    hadolint: &["DL3019"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: apk_cache,
    ..Rule::NEW
};

fn verb(command: &Command) -> Option<&str> {
    const WITH_VALUE: [&str; 8] = [
        "-t",
        "--virtual",
        "-X",
        "--repository",
        "-p",
        "--root",
        "--repositories-file",
        "--wait",
    ];
    let operands = command.operands_besides(&WITH_VALUE);
    operands.first().map(|a| a.text.as_str())
}

/// Whether a command installs with an index that is there, or may.
fn needs_index(command: &Command) -> bool {
    let apk = command.program() == "apk" && verb(command) != Some("update");
    apk && !command.has_flag("no-cache") || opaque(command)
}

fn apk_cache(subject: &Subject, findings: &mut Findings) {
    let reads = |s: &Script| s.commands.iter().any(needs_index);
    let needed = below_any(subject, |s| s.is_none_or(reads));
    for (n, script) in kept(subject) {
        let cleaned = script
            .commands
            .iter()
            .rfind(|c| deletes(c, &["/var/cache/apk", "/var/cache/*", "/etc/apk/cache"]));
        let mount = mounted(subject, n, "/var/cache/apk") || mounted(subject, n, "/etc/apk/cache");
        for command in script.calls("apk").filter(|_| !mount) {
            let left = command.range.start;
            if cleaned.is_some_and(|c| c.range.start > left) || command.has_flag("no-cache") {
                continue;
            }
            match verb(command) {
                Some("add") => add(script, command, findings),
                Some("update") => {
                    let needed = needed.get(n) != Some(&false);
                    update(subject, n, script, (command, needed), findings);
                }
                _ => {}
            }
        }
    }
}

fn add(script: &Script, command: &Command, findings: &mut Findings) {
    let span = script.span(command.range.clone());
    let finding = findings.add(
        span,
        "apk add without --no-cache leaves the package index in the layer",
    );
    let word = command.args().iter().find(|a| a.text == "add");
    if let Some(word) = word.filter(|w| script.editable() && w.fixed) {
        let at = script.span(word.range.clone()).range().end;
        let edit = Edit {
            range: at..at,
            text: " --no-cache".to_owned(),
        };
        finding.fix(Fix::edits("add --no-cache", vec![edit]));
    }
}

fn update(
    subject: &Subject,
    n: usize,
    script: &Script,
    (command, needed): (&Command, bool),
    findings: &mut Findings,
) {
    let finding = findings.add(
        script.span(command.range.clone()),
        "apk update leaves the package index in the layer, and apk add --no-cache needs none",
    );
    // Who installs without the index must not have it taken away.
    let sudo = command.via.as_deref() == Some("sudo");
    let own = script
        .calls("apk")
        .any(|c| verb(c) == Some("add") && needs_index(c));
    if needed || own || sudo || is_on_build(subject, n) {
        return;
    }
    if let Some(edit) = append(subject, n, "rm -rf /var/cache/apk/*") {
        finding.fix(Fix::edits("delete apk's index", vec![edit]));
    }
}
