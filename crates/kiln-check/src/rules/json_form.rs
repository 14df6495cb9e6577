//! CMD and ENTRYPOINT for a shell.

use kiln_dockerfile::{Command as Form, Kind};
use shuck_ast::Command as Node;

use crate::finding::{Findings, Fix};
use crate::layout::{List, comments};
use crate::rule::Rule;
use crate::shell::{Dialect, Script};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[JSON_ARGS_RECOMMENDED];

/// `CMD app`.
const JSON_ARGS_RECOMMENDED: Rule = Rule {
    id: "json-args-recommended",
    summary: "Write CMD and ENTRYPOINT as JSON arrays",
    hadolint: &["DL3025"],
    buildkit: &["JSONArgsRecommended"],
    lesson: Some("ENTRYPOINT with CMD"),
    fixes: true,
    check: json_form,
    ..Rule::NEW
};

/// Commands of the shell's own, and words that are none.
const BUILTINS: [&str; 58] = [
    ".", ":", "[", "[[", "alias", "bg", "break", "builtin", "caller", "case", "cd", "command",
    "continue", "declare", "disown", "do", "done", "elif", "else", "enable", "esac", "eval",
    "exit", "export", "fg", "fi", "for", "function", "getopts", "hash", "help", "if", "jobs",
    "kill", "let", "local", "logout", "popd", "printf", "pushd", "pwd", "read", "readonly",
    "return", "set", "shift", "shopt", "source", "test", "then", "time", "times", "trap", "type",
    "ulimit", "umask", "unset", "wait",
];

/// Official images that have no ENTRYPOINT, or one that runs what it is given.
const WITHOUT_ENTRYPOINT: [&str; 22] = [
    "almalinux",
    "alpine",
    "amazonlinux",
    "archlinux",
    "buildpack-deps",
    "busybox",
    "centos",
    "debian",
    "eclipse-temurin",
    "elixir",
    "erlang",
    "fedora",
    "golang",
    "node",
    "openjdk",
    "oraclelinux",
    "perl",
    "php",
    "python",
    "rockylinux",
    "ruby",
    "rust",
];

fn json_form(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        if has_shell(subject, stage) {
            continue;
        }
        for (n, instruction) in stage.range.clone().zip(subject.of_stage(stage)) {
            let (Kind::Cmd(Form::Shell(text)) | Kind::Entrypoint(Form::Shell(text))) =
                &instruction.kind
            else {
                continue;
            };
            if text.trim().is_empty() {
                continue;
            }
            let name = instruction.name();
            let finding = findings.add(
                instruction.keyword_span(),
                format!(
                    "{name} starts a shell that starts the program: the shell gets the signals, so that docker stop waits and then kills"
                ),
            );
            let span = instruction.arguments_span();
            let comment = comments(subject.file, span.range()).next();
            if comment.is_some() || !stays_the_same(subject, stage, &instruction.kind) {
                continue;
            }
            let line = instruction.line.tail(instruction.body);
            let script = Script::of_line(line, subject.dialect(n));
            if let Some(json) = script.as_ref().and_then(words).and_then(|w| json(&w)) {
                finding.fix(Fix::replace("write a JSON array", span.range(), json));
            }
        }
    }
}

/// Whether the file chooses a shell: then its form is meant.
fn has_shell(subject: &Subject, stage: &Stage) -> bool {
    subject.ancestry(stage.index).iter().any(|s| {
        let stage = subject.stages.get(*s);
        let mut all = stage.iter().flat_map(|s| subject.of_stage(s));
        all.any(|i| matches!(i.kind, Kind::Shell(_)))
    })
}

/// Whether what is started is the same: a CMD in JSON is given to the ENTRYPOINT word by word, and
/// an ENTRYPOINT in JSON is given the CMD.
fn stays_the_same(subject: &Subject, stage: &Stage, kind: &Kind) -> bool {
    let has = |wanted: fn(&Kind) -> bool| {
        subject.ancestry(stage.index).iter().any(|s| {
            let stage = subject.stages.get(*s);
            let mut all = stage.iter().flat_map(|s| subject.of_stage(s));
            all.any(|i| wanted(&i.kind))
        })
    };
    match kind {
        Kind::Cmd(_) => {
            !has(|k| matches!(k, Kind::Entrypoint(_))) && has_no_entrypoint(subject, stage)
        }
        _ => !has(|k| matches!(k, Kind::Cmd(_))),
    }
}

/// Whether the image a stage comes from is known to start a CMD as it is.
fn has_no_entrypoint(subject: &Subject, stage: &Stage) -> bool {
    let root = subject.ancestry(stage.index).last().copied();
    let Some(root) = root.and_then(|r| subject.stages.get(r)) else {
        return false;
    };
    if let Some(image) = subject.around.images.image(root.image) {
        return !image.entrypoint;
    }
    let name = root.image.split('@').next().unwrap_or_default();
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let name = name.split(':').next().unwrap_or_default();
    WITHOUT_ENTRYPOINT.contains(&name) || name == "ubuntu"
}

/// The words of a script that is one command, the same each time.
fn words(script: &Script) -> Option<Vec<String>> {
    if script.dialect == Dialect::Unknown {
        return None;
    }
    let list = List::of(script)?;
    let [part] = list.parts.as_slice() else {
        return None;
    };
    let text = script.text();
    let whole = text.trim_end().len() == part.range.end && !list.beside;
    if !whole || !matches!(part.stmt.command, Node::Simple(_)) {
        return None;
    }
    if part.stmt.negated || !part.stmt.redirects.is_empty() {
        return None;
    }
    let command = script.commands.first()?;
    if !command.assignments.is_empty() {
        return None;
    }
    let mut args = command.words.as_slice();
    if command.name() == "exec" {
        args = args.get(1..)?;
    }
    let plain = |a: &crate::shell::Arg| {
        let raw = text.get(a.range.clone()).unwrap_or_default();
        let special = ['*', '?', '[', '{', '}', '~', '\\', '`', '$', '!'];
        a.fixed && !raw.contains(special)
    };
    let name = args.first()?;
    // A script without `#!` is started by a shell only.
    let script = name.text.ends_with("sh") && name.text.contains('.');
    let starts = !name.text.starts_with('-') && !name.text.contains('=') && !script;
    if !starts || BUILTINS.contains(&name.text.as_str()) || !args.iter().all(plain) {
        return None;
    }
    Some(args.iter().map(|a| a.text.clone()).collect())
}

fn json(words: &[String]) -> Option<String> {
    let texts = words.iter().map(serde_json::to_string);
    let texts: Vec<String> = texts.collect::<Result<_, _>>().ok()?;
    Some(format!("[{}]", texts.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Rule, Surroundings, fix};

    fn fixed(text: &str) -> String {
        let only = |r: &Rule| r.id == "json-args-recommended";
        fix(text, &Surroundings::NONE, only, |_, _| true).text
    }

    #[test]
    fn one_command_of_fixed_words() {
        for (form, want) in [
            ("CMD app", "CMD [\"app\"]"),
            ("CMD  exec app -v  ", "CMD  [\"app\", \"-v\"]  "),
            (
                "ENTRYPOINT app 'a b' \"c\"",
                "ENTRYPOINT [\"app\", \"a b\", \"c\"]",
            ),
            ("CMD app \\\n  --x \\\n  y", "CMD [\"app\", \"--x\", \"y\"]"),
            (
                "CMD ./app 'say \"x\"'",
                "CMD [\"./app\", \"say \\\"x\\\"\"]",
            ),
        ] {
            assert_eq!(
                fixed(&format!("FROM debian\n{form}\n")),
                format!("FROM debian\n{want}\n")
            );
        }
        for form in [
            "CMD app $X",
            "CMD a && b",
            "CMD a; ",
            "CMD a &",
            "CMD a > f",
            "CMD X=1 a",
            "CMD cd /x",
            "CMD a *.txt",
            "CMD a ~/x",
            "CMD a {b,c}",
            "CMD a | b",
            "CMD (a)",
            "CMD ! a",
            "CMD ./run.sh",
            "CMD a # b",
            "CMD a \\\n # why\n b",
            "ENTRYPOINT app\nCMD x",
            "ENTRYPOINT [\"app\"]\nCMD x",
            "SHELL [\"/bin/bash\", \"-c\"]\nCMD a",
        ] {
            let text = format!("FROM debian\n{form}\n");
            assert_eq!(fixed(&text), text);
        }
        assert_eq!(fixed("FROM own/image\nCMD a\n"), "FROM own/image\nCMD a\n");
        assert_eq!(
            fixed("FROM docker.io/library/python:3@sha256:00 AS x\nFROM x\nCMD a\n"),
            "FROM docker.io/library/python:3@sha256:00 AS x\nFROM x\nCMD [\"a\"]\n"
        );
    }
}
