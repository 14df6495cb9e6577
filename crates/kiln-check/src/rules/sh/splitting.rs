//! Values that the shell splits into words and takes for patterns.

use shuck_ast::{Command, SimpleCommand, StmtSeq, Word, WordPart};

use super::look::{Tree, trees, variable};
use super::names::Values;
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    LOOP_OVER_LS,
    UNQUOTED_ARGUMENTS,
    UNQUOTED_SUBSTITUTION,
    UNQUOTED_VARIABLE,
];

/// Programs that are given lists of packages or of words: what is split there is meant to be.
const TAKE_LISTS: [&str; 34] = [
    "apt-get",
    "apt",
    "apt-mark",
    "apk",
    "yum",
    "dnf",
    "microdnf",
    "tdnf",
    "zypper",
    "pacman",
    "pip",
    "pip3",
    "npm",
    "yarn",
    "pnpm",
    "gem",
    "go",
    "pecl",
    "conda",
    "mamba",
    "micromamba",
    "cargo",
    "rpm",
    "dpkg",
    "docker-php-ext-install",
    "docker-php-ext-enable",
    "docker-php-ext-configure",
    "brew",
    "set",
    "eval",
    "exec",
    "composer",
    "opkg",
    "emerge",
];

/// Whether a word that is nothing but an expansion may be a list here.
fn takes_lists(tree: &Tree, command: &SimpleCommand) -> bool {
    let name = tree.name(command);
    let program = name.rsplit('/').next().unwrap_or_default();
    // What runs another command hands the list on.
    let wraps = matches!(
        program,
        "sudo" | "xargs" | "env" | "time" | "timeout" | "nice"
    );
    TAKE_LISTS.contains(&program)
        || wraps
        || name.is_empty()
        || program.starts_with("python")
        || program.starts_with("pip")
}

/// Arguments of commands, with whether a list may be meant there.
fn arguments(tree: &Tree, mut look: impl FnMut(&Word, bool)) {
    tree.simple(|command| {
        let lists = takes_lists(tree, command);
        for word in &command.args {
            look(word, lists && word.parts.len() == 1);
        }
    });
}

/// `rm $x`
const UNQUOTED_VARIABLE: Rule = Rule {
    id: "unquoted-variable",
    summary: "Quote variables whose value isn't known",
    severity: Severity::Info,
    hadolint: &["SC2086"],
    check: unquoted_variable,
    ..Rule::NEW
};

fn unquoted_variable(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$")) {
        let values = Values::of(&tree);
        arguments(&tree, |word, list| {
            for part in word.parts.iter().filter(|_| !list) {
                if let Some(name) = variable(&part.kind)
                    && values.unknown(name)
                {
                    findings.add(
                        tree.span(part.span),
                        format!("the value of {name} comes from a command: without quotes spaces split it and patterns in it match files"),
                    );
                }
            }
        });
    }
}

/// `rm $(x)`
const UNQUOTED_SUBSTITUTION: Rule = Rule {
    id: "unquoted-substitution",
    summary: "Quote what a command puts into another's arguments",
    hadolint: &["SC2046"],
    check: unquoted_substitution,
    ..Rule::NEW
};

fn unquoted_substitution(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$(") || t.has("`")) {
        arguments(&tree, |word, list| {
            for part in word.parts.iter().filter(|_| !list) {
                if let WordPart::CommandSubstitution { body, .. } = &part.kind
                    && !one_word(&tree, body)
                {
                    findings.add(
                        tree.span(part.span),
                        "without quotes the command's output is split at spaces, and patterns in it match files",
                    );
                }
            }
        });
    }
}

/// Whether commands print one word, by what is known of them; or many words that are meant to be.
pub fn one_word(tree: &Tree, body: &StmtSeq) -> bool {
    let [stmt] = body.as_slice() else {
        return body.is_empty();
    };
    let command = match &stmt.command {
        Command::Simple(command) => command,
        // `$(test … && echo --flag)` is a flag or nothing, which only works without quotes.
        Command::Binary(b) => {
            return matches!(&b.right.command, Command::Simple(c) if tree.name(c) == "echo");
        }
        _ => return false,
    };
    let name = tree.name(command);
    let args: Option<Vec<String>> = command.args.iter().map(|a| tree.fixed(a)).collect();
    let args = args.unwrap_or_else(|| vec![" ".to_owned()]);
    let only = |flags: &[&str]| args.iter().all(|a| flags.contains(&a.as_str()));
    match name.rsplit('/').next().unwrap_or_default() {
        "nproc" | "arch" | "whoami" | "getconf" | "mktemp" | "hostname" | "dpkg-architecture" => {
            true
        }
        // Many words, and meant.
        "seq" | "pgrep" => true,
        "uname" => only(&["-m", "-r", "-s", "-n", "-p"]),
        "id" => args
            .first()
            .is_some_and(|a| matches!(a.as_str(), "-u" | "-g" | "-un" | "-gn")),
        "dpkg" => only(&["--print-architecture"]),
        "rpm" => args
            .first()
            .is_some_and(|a| matches!(a.as_str(), "-E" | "--eval")),
        "lsb_release" => only(&[
            "-c", "-s", "-cs", "-sc", "-rs", "-sr", "-is", "-si", "-r", "-i",
        ]),
        "date" => args
            .iter()
            .any(|a| a.starts_with('+') && !a.contains([' ', 'c', 'x'])),
        _ => false,
    }
}

/// `rm $@`
const UNQUOTED_ARGUMENTS: Rule = Rule {
    id: "unquoted-arguments",
    summary: "Hand arguments on as \"$@\"",
    severity: Severity::Error,
    hadolint: &["SC2048", "SC2068"],
    check: unquoted_arguments,
    ..Rule::NEW
};

fn unquoted_arguments(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$@") || t.has("$*") || t.has("[@]")) {
        tree.simple(|command| {
            for part in command.args.iter().flat_map(|w| &w.parts) {
                let raw = tree.raw(part.span);
                let array = matches!(
                    &part.kind,
                    WordPart::Parameter(_) | WordPart::ArrayAccess(_)
                ) && raw.ends_with("[@]}")
                    && !raw.starts_with("${#")
                    && !raw.starts_with("${!");
                if matches!(raw, "$@" | "$*" | "${@}" | "${*}") || array {
                    findings.add(
                        tree.span(part.span),
                        format!("without quotes the arguments in {raw} are split again at spaces"),
                    );
                }
            }
        });
    }
}

/// `for f in $(ls)`
const LOOP_OVER_LS: Rule = Rule {
    id: "loop-over-ls",
    summary: "Loop over a pattern, not over the output of ls",
    severity: Severity::Error,
    hadolint: &["SC2045"],
    check: loop_over_ls,
    ..Rule::NEW
};

fn loop_over_ls(subject: &Subject, findings: &mut Findings) {
    use shuck_ast::CompoundCommand::For;
    for tree in trees(subject).filter(|t| t.has("ls")) {
        tree.statements(|stmt| {
            let Command::Compound(For(c)) = &stmt.command else {
                return;
            };
            for part in c.words.iter().flatten().flat_map(|w| &w.parts) {
                if let WordPart::CommandSubstitution { body, .. } = &part.kind
                    && let [only] = body.as_slice()
                    && let Command::Simple(inner) = &only.command
                    && tree.name(inner) == "ls"
                {
                    findings.add(
                        tree.span(part.span),
                        "names with spaces come out of ls as several words: a pattern gives each file whole",
                    );
                }
            }
        });
    }
}
