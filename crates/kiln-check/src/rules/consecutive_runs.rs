//! RUNs that follow one another.

use kiln_dockerfile::Kind;

use crate::finding::{Findings, Fix};
use crate::layout::{Whole, merge, same_flags};
use crate::rule::{Rule, Severity};
use crate::shell::{Command, Script};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[CONSECUTIVE_RUNS];

/// `RUN a`, `RUN b`.
const CONSECUTIVE_RUNS: Rule = Rule {
    id: "consecutive-runs",
    summary: "Join consecutive RUNs, so that there is one layer and what the first leaves the last can delete",
    severity: Severity::Info,
    hadolint: &["DL3059"],
    lesson: Some("few layers"),
    fixes: true,
    check: consecutive,
    ..Rule::NEW
};

/// Who joins more commands than this has chosen the RUNs with care.
const FEW: usize = 1;

fn consecutive(subject: &Subject, findings: &mut Findings) {
    let mut at = 0;
    while at < subject.instructions().len() {
        let group = group(subject, at);
        at += group.len().max(1);
        // Of a group, those next to each other that can be merged.
        let mut rest = group.as_slice();
        while let Some(first) = rest.first() {
            let fits = |n: &usize| Whole::of(subject, *n).is_some();
            let run = rest.iter().take_while(|n| fits(n)).count().max(1);
            let together = rest.get(..run).unwrap_or_default();
            let mut edits = merge(subject, together).filter(|_| run > 1);
            for n in together.iter().filter(|n| Some(*n) != group.first()) {
                let Some(instruction) = subject.instructions().get(*n) else {
                    continue;
                };
                let finding = findings.add(
                    instruction.keyword_span(),
                    "this RUN makes a layer of its own: joined to the one before with &&, it adds none, and can take away what that one leaves",
                );
                // The first takes them all, so that all come out of one round.
                if n != first
                    && let Some(edits) = edits.take()
                {
                    finding.fix(Fix::edits(format!("join {run} RUNs"), edits));
                }
            }
            rest = rest.get(run..).unwrap_or_default();
        }
    }
}

/// The RUNs from the `n`th instruction on that are one group.
fn group(subject: &Subject, n: usize) -> Vec<usize> {
    let instructions = subject.instructions();
    let mut group: Vec<usize> = Vec::new();
    for (m, instruction) in instructions.iter().enumerate().skip(n) {
        let fits = matches!(instruction.kind, Kind::Run { .. })
            && few(subject, m)
            && group
                .last()
                .and_then(|l| instructions.get(*l))
                .is_none_or(|before| same_flags(before, instruction));
        if !fits {
            break;
        }
        group.push(m);
    }
    group
}

/// Whether an instruction has few commands; those that only delete, or say how the others run,
/// don't count.
fn few(subject: &Subject, n: usize) -> bool {
    let works = |c: &&Command| c.via.is_none() && !c.words.is_empty() && !is_by_the_way(c);
    let count = |s: &Script| s.commands.iter().filter(works).count();
    subject.script(n).is_none_or(|s| count(s) <= FEW)
}

fn is_by_the_way(command: &Command) -> bool {
    const DELETE: [&str; 8] = [
        "autoclean",
        "autoremove",
        "clean",
        "clear-cache",
        "del",
        "erase",
        "purge",
        "remove",
    ];
    match command.program() {
        "rm" | "cd" | "set" | "export" | "umask" | "true" | ":" | "exit" => true,
        "apt-get" | "apt" | "apk" | "dnf" | "microdnf" | "yum" | "zypper" | "composer" => {
            command.verb().is_some_and(|v| DELETE.contains(&v))
        }
        "npm" | "yarn" => command.verb() == Some("cache"),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Rule, Surroundings, check};
    use kiln_dockerfile::parse;

    fn found(runs: &str) -> usize {
        let text = format!("FROM a\n{runs}\n");
        let only = |r: &Rule| r.id == "consecutive-runs";
        check(&parse(text.as_bytes()).unwrap(), &Surroundings::NONE, only).len()
    }

    #[test]
    fn which_runs_are_a_group() {
        for (runs, want) in [
            ("RUN a\nRUN b", 1),
            ("RUN a\n# c\n\nRUN b\nRUN c", 2),
            ("RUN a && b\nRUN c\nRUN d", 1),
            ("RUN cd x && a\nRUN b || true", 1),
            (
                "RUN a\nRUN apt-get purge -y b && apt-get autoremove -y && rm -rf c",
                1,
            ),
            (
                "RUN --mount=type=secret,id=a a\nRUN --mount=type=secret,id=a b",
                1,
            ),
            ("RUN a", 0),
            ("RUN a\nWORKDIR /\nRUN b", 0),
            ("RUN a\nFROM b\nRUN b", 0),
            ("RUN a\nONBUILD RUN b", 0),
            ("RUN a && b\nRUN c", 0),
            ("RUN a\nRUN b; c", 0),
            ("RUN a && b\nRUN a && b", 0),
            ("RUN --mount=type=secret,id=a a\nRUN b", 0),
            ("RUN --network=none a\nRUN --network=host b", 0),
        ] {
            assert_eq!(found(runs), want, "{runs}");
        }
    }
}
