//! Pipes whose first commands may fail unseen.

use kiln_dockerfile::{Instruction, Kind};

use super::stage_use::states;
use crate::finding::Findings;
use crate::rule::Rule;
use crate::shell::{Command, Script};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "missing-pipefail",
    summary: "Let a pipe fail with any of its commands: -o pipefail",
    hadolint: &["DL4006"],
    check: pipefail,
    ..Rule::NEW
}];

fn pipefail(subject: &Subject, findings: &mut Findings) {
    // Stages have it from those they are based on.
    let by_shell = states(subject, |_| false, |was, _, i| by_shell(i).unwrap_or(was));
    for (n, script) in subject.scripts() {
        let piped = |c: &&Command| c.setting.piped_to || c.setting.piped_from;
        let Some(command) = script.commands.iter().find(piped) else {
            continue;
        };
        if by_shell.get(n) == Some(&true) || by_set(script, command) {
            continue;
        }
        let name = command.program();
        let message = match command.setting.piped_to {
            true => format!(
                "if {name} fails here, the RUN succeeds all the same, as only a pipe's last command counts: set -o pipefail, by SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"] or in the script"
            ),
            false => "only this pipe's last command counts, so the RUN succeeds though an earlier one fails: set -o pipefail, by SHELL or in the script".to_owned(),
        };
        findings.add(script.span(command.range.clone()), message);
    }
}

/// Whether a SHELL sets it, as far as this instruction says.
fn by_shell(instruction: &Instruction) -> Option<bool> {
    let Kind::Shell(argv) = &instruction.kind else {
        return None;
    };
    let mut pairs = argv.windows(2);
    Some(pairs.any(|p| matches!(p, [flag, option] if ends_in_o(flag) && option == "pipefail")))
}

/// `-o`, `-eo`, `-euxo`
fn ends_in_o(flag: &str) -> bool {
    flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('o')
}

/// Whether the script sets it before the pipe.
fn by_set(script: &Script, pipe: &Command) -> bool {
    let sets = script.calls("set");
    let mut before = sets.filter(|c| c.range.start < pipe.range.start);
    before.any(|c| {
        c.args().windows(2).any(
            |p| matches!(p, [flag, option] if ends_in_o(&flag.text) && option.text == "pipefail"),
        )
    })
}
