//! Commands, flags and variables that bash has and `sh` has not.

use shuck_ast::{Command, SimpleCommand};

use super::bash_syntax::posix;
use super::look::Tree;
use super::names::{set, used};
use super::shells::{Shell, shell};
use super::variables::environment;
use crate::finding::Findings;
use crate::rule::Rule;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    SH_BUILTIN,
    SH_ECHO_FLAGS,
    SH_PIPEFAIL,
    SH_SOURCE,
    SH_TEST_OPERATORS,
    SH_VARIABLE,
];

/// `source x`
const SH_SOURCE: Rule = Rule {
    id: "sh-source",
    summary: "Read a script in with . in sh: source is bash's",
    hadolint: &["SC3046"],
    check: source,
    ..Rule::NEW
};

fn source(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("source")) {
        tree.simple(|command| {
            if tree.raw(command.name.span) == "source" {
                findings.add(
                    tree.span(command.name.span),
                    "sh has no source and looks for a program with this name",
                );
            }
        });
    }
}

/// `echo -e x`
const SH_ECHO_FLAGS: Rule = Rule {
    id: "sh-echo-flags",
    summary: "Print with printf in sh: echo -e is bash's",
    hadolint: &["SC3037"],
    check: echo_flags,
    ..Rule::NEW
};

fn echo_flags(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("echo -")) {
        tree.simple(|command| {
            let flag = command.args.first();
            let Some(flag) = flag.filter(|_| tree.raw(command.name.span) == "echo") else {
                return;
            };
            // `-n` alone works in each shell of an image.
            let raw = tree.raw(flag.span);
            if matches!(raw, "-e" | "-E" | "-ne" | "-en" | "-nE" | "-En") {
                findings.add(
                    tree.span(flag.span),
                    format!("Debian's sh prints {raw} as part of the text"),
                );
            }
        });
    }
}

/// `set -o pipefail`
const SH_PIPEFAIL: Rule = Rule {
    id: "sh-pipefail",
    summary: "Set pipefail in bash: not each sh has it",
    hadolint: &["SC3040"],
    check: pipefail,
    ..Rule::NEW
};

fn pipefail(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("pipefail")) {
        tree.simple(|command| {
            if tree.raw(command.name.span) != "set" {
                return;
            }
            let option = command
                .args
                .iter()
                .find(|w| tree.raw(w.span) == "pipefail");
            if let Some(option) = option {
                findings.add(
                    tree.span(option.span),
                    "the sh of Debian and Ubuntu refuses pipefail before dash 0.5.13, and the build stops here",
                );
            }
        });
    }
}

/// `[ a == b ]`
const SH_TEST_OPERATORS: Rule = Rule {
    id: "sh-test-operators",
    summary: "Compare with = in sh: == is bash's",
    hadolint: &["SC3014", "SC3015", "SC3016"],
    check: test_operators,
    ..Rule::NEW
};

fn test_operators(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false) {
        tree.simple(|command| {
            let args = match (tree.name(command).as_str(), command.args.as_slice()) {
                ("[", [args @ .., _]) => args,
                ("test", args) => args,
                _ => return,
            };
            for (n, word) in args.iter().enumerate() {
                let raw = tree.raw(word.span);
                let instead = match raw {
                    "==" if n > 0 => "= compares texts",
                    "=~" if n > 0 => "grep or case compare with patterns",
                    "-v" if n == 0 && args.len() == 2 => "[ -n \"${x+set}\" ] asks for a variable",
                    _ => continue,
                };
                findings.add(
                    tree.span(word.span),
                    format!("Debian's sh has no {raw}: the test fails with an error; {instead}"),
                );
            }
        });
    }
}

/// Commands of bash, and whether busybox has them.
const BUILTINS: [(&str, bool); 17] = [
    ("declare", false),
    ("typeset", false),
    ("shopt", false),
    ("pushd", false),
    ("popd", false),
    ("dirs", false),
    ("mapfile", false),
    ("readarray", false),
    ("let", true),
    ("compgen", false),
    ("complete", false),
    ("disown", false),
    ("enable", false),
    ("builtin", false),
    ("caller", false),
    ("bind", false),
    ("coproc", false),
];

/// `declare x`
const SH_BUILTIN: Rule = Rule {
    id: "sh-builtin",
    summary: "Use commands that sh has",
    hadolint: &["SC2039", "SC3039", "SC3044", "SC3045", "SC3047"],
    check: builtin,
    ..Rule::NEW
};

fn builtin(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true) {
        let ash = shell(subject, &tree) == Shell::Ash;
        tree.statements(|stmt| match &stmt.command {
            Command::Simple(c) => simple(&tree, c, ash, findings),
            Command::Decl(d) if matches!(d.variant.as_str(), "declare" | "typeset") => {
                let name = &d.variant;
                findings.add(tree.span(d.variant_span), format!("sh has no {name}"));
            }
            _ => {}
        });
    }
}

fn simple(tree: &Tree, command: &SimpleCommand, ash: bool, findings: &mut Findings) {
    let name = tree.raw(command.name.span);
    let known = BUILTINS.iter().find(|(n, _)| *n == name);
    if known.is_some_and(|(_, in_ash)| !(ash && *in_ash)) {
        findings.add(tree.span(command.name.span), format!("sh has no {name}"));
    }
    for word in &command.args {
        let raw = tree.raw(word.span);
        let wrong = match name {
            "read" => matches!(
                raw,
                "-a" | "-d" | "-n" | "-N" | "-s" | "-t" | "-u" | "-i" | "-e"
            ),
            "trap" => matches!(raw, "ERR" | "DEBUG" | "RETURN"),
            _ => false,
        };
        if wrong && !(ash && name == "read") {
            findings.add(tree.span(word.span), format!("{name} has no {raw} in sh"));
        }
    }
}

/// Variables that bash sets, and whether busybox does.
const VARIABLES: [(&str, bool); 15] = [
    ("RANDOM", true),
    ("HOSTNAME", true),
    ("SECONDS", false),
    ("EPOCHSECONDS", true),
    ("UID", false),
    ("EUID", false),
    ("OSTYPE", false),
    ("HOSTTYPE", false),
    ("MACHTYPE", false),
    ("BASH_VERSION", false),
    ("BASH_SOURCE", false),
    ("BASHPID", false),
    ("FUNCNAME", false),
    ("PIPESTATUS", false),
    ("SRANDOM", false),
];

/// `$RANDOM`
const SH_VARIABLE: Rule = Rule {
    id: "sh-variable",
    summary: "Use variables that sh sets",
    hadolint: &["SC3028"],
    check: variable,
    ..Rule::NEW
};

fn variable(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true).filter(|t| t.has("$")) {
        let ash = shell(subject, &tree) == Shell::Ash;
        used(&tree, |name, span| {
            let known = VARIABLES.iter().find(|(n, _)| *n == name);
            // A build sets HOSTNAME in the environment.
            if known.is_none_or(|(n, in_ash)| (ash && *in_ash) || *n == "HOSTNAME") {
                return;
            }
            let own = set(&tree).is_none_or(|own| own.contains(name));
            if !own && !environment(subject, tree.n).contains(name) {
                findings.add(
                    tree.span(span),
                    format!("sh doesn't set {name}: there is nothing here"),
                );
            }
        });
    }
}
