//! Ruby's package manager.

use super::super::stage_use::states;
use super::{Call, all_commands};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "gem-documentation",
    summary: "Install gems without their documentation: --no-document",
    severity: Severity::Info,
    lesson: Some("no leftovers"),
    fixes: true,
    check: documentation,
    ..Rule::NEW
}];

/// Flags that take no value; others may take the next word.
const ALONE: [&str; 22] = [
    "-N",
    "--no-document",
    "-f",
    "--force",
    "-V",
    "--verbose",
    "-q",
    "--quiet",
    "--silent",
    "-l",
    "--local",
    "-r",
    "--remote",
    "-b",
    "--both",
    "--pre",
    "--prerelease",
    "--conservative",
    "--user-install",
    "--no-user-install",
    "--minimal-deps",
    "--development",
];

/// Calls of `gem install`.
pub(super) fn installs<'s>(subject: &'s Subject) -> impl Iterator<Item = Call<'s>> {
    let gem = all_commands(subject).filter(|(.., c)| c.program() == "gem");
    gem.filter_map(|(n, script, command)| {
        let mut call = Call::of(n, script, command, &[])?;
        call.does(&["install", "i"]).then_some(())?;
        call.operands.clear();
        let mut value_next = false;
        // Behind a `--` stand arguments of the gem's own build.
        let args = command.args().iter().take_while(|a| a.text != "--");
        for arg in args.filter(|a| a.range != call.verb.range) {
            let flag = arg.text.starts_with('-');
            if !flag && !value_next {
                call.operands.push(arg);
            }
            value_next = flag && !arg.text.contains('=') && !ALONE.contains(&arg.text.as_str());
        }
        Some(call)
    })
}

fn documentation(subject: &Subject, findings: &mut Findings) {
    let mentions = |n: usize| {
        let script = subject.script(n);
        script.is_some_and(|s| s.text().contains("gemrc"))
    };
    let configured = states(subject, is_ruby, |was, n, _| was || mentions(n));
    for call in installs(subject) {
        let flags = ["no-document", "document", "no-ri", "no-rdoc"];
        if call.has("N", &flags) || configured.get(call.n) == Some(&true) || mentions(call.n) {
            continue;
        }
        let finding = findings.add(
            call.script.span(call.verb.range.clone()),
            "gem install makes and stores documentation that nobody reads in a container: add --no-document",
        );
        call.offer(finding, call.verb, "--no-document");
    }
}

/// The official Ruby images switch documentation off.
fn is_ruby(stage: &Stage) -> bool {
    let name = stage.image.rsplit('/').next().unwrap_or_default();
    name.starts_with('$') || name.split([':', '@']).next() == Some("ruby")
}
