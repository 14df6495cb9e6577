//! How the container starts.

use kiln_dockerfile::{Command, Instruction, Kind};

use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "entrypoint-without-cmd",
        summary: "Give an ENTRYPOINT its usual arguments by CMD",
        severity: Severity::Info,
        lesson: Some("ENTRYPOINT with CMD"),
        check: without_cmd,
        ..Rule::NEW
    },
    Rule {
        id: "entrypoint-ignores-cmd",
        summary: "Write an ENTRYPOINT that CMD adds to as a JSON array",
        lesson: Some("ENTRYPOINT with CMD"),
        check: ignores_cmd,
        ..Rule::NEW
    },
    Rule {
        id: "no-user",
        summary: "Let the container run as a user of its own",
        severity: Severity::Info,
        on: false,
        check: no_user,
        ..Rule::NEW
    },
];

/// The last instruction of a kind in the image's stages, with its stage; the nearest stage first.
fn last_of<'a>(
    subject: &Subject<'a>,
    wanted: impl Fn(&Kind) -> bool,
) -> Option<(usize, &'a Instruction)> {
    let last = subject.final_stage()?;
    subject.ancestry(last.index).into_iter().find_map(|s| {
        let stage = subject.stages.get(s)?;
        let mut all = subject.of_stage(stage).iter().rev();
        all.find(|i| wanted(&i.kind)).map(|i| (s, i))
    })
}

fn without_cmd(subject: &Subject, findings: &mut Findings) {
    let Some((stage, entrypoint)) = last_of(subject, |k| matches!(k, Kind::Entrypoint(_))) else {
        return;
    };
    // The shell form takes no arguments at all, and an ENTRYPOINT drops the base's CMD.
    let Kind::Entrypoint(Command::Exec(argv)) = &entrypoint.kind else {
        return;
    };
    let cmd = last_of(subject, |k| matches!(k, Kind::Cmd(_)));
    if argv.is_empty() || cmd.is_some_and(|(s, _)| s >= stage) {
        return;
    }
    findings.add(
        entrypoint.keyword_span(),
        "no CMD gives the usual arguments: what a user may want to replace belongs there, the program into ENTRYPOINT",
    );
}

fn ignores_cmd(subject: &Subject, findings: &mut Findings) {
    let entrypoint = last_of(subject, |k| matches!(k, Kind::Entrypoint(_)));
    let cmd = last_of(subject, |k| matches!(k, Kind::Cmd(_)));
    let (Some((at, entrypoint)), Some((stage, cmd))) = (entrypoint, cmd) else {
        return;
    };
    let Kind::Entrypoint(Command::Shell(text)) = &entrypoint.kind else {
        return;
    };
    let takes = ["$@", "$*", "$0", "$1", "${@", "${0", "${1"];
    if stage < at || takes.iter().any(|t| text.contains(t)) {
        return;
    }
    findings.add(
        cmd.keyword_span(),
        format!(
            "nothing reads this CMD: the ENTRYPOINT of line {} is in shell form, which takes no arguments",
            entrypoint.span.start.line
        ),
    );
}

fn no_user(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    if last_of(subject, |k| matches!(k, Kind::User(_))).is_some() {
        return;
    }
    let globals = super::scope::globals(subject);
    let image = super::scope::root_image(subject, &globals, last.index);
    let user = image
        .and_then(|i| subject.around.images.image(&i))
        .map(|f| f.user);
    if user.is_some_and(|u| !matches!(u.as_str(), "" | "0" | "root")) {
        return;
    }
    findings.add(
        last.from.keyword_span(),
        "no USER: the container runs as root, and what breaks out of it does too",
    );
}
