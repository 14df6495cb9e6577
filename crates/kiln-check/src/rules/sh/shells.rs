//! What program runs a script: `sh` is not the same in all images.

use kiln_dockerfile::Kind;

use super::look::Tree;
use crate::shell::Dialect;
use crate::subject::Subject;

/// A shell, by what it takes beyond POSIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Debian's `dash`, or an `sh` of which nothing is known.
    Sh,
    /// Busybox' `ash`, which knows some of bash's words.
    Ash,
    /// `bash`, also where it goes by the name `sh`.
    Bash,
    /// `zsh`, `ksh`, and the like.
    Other,
}

/// Images whose `sh` is bash.
const WITH_BASH: [&str; 15] = [
    "fedora",
    "centos",
    "rocky",
    "alma",
    "redhat",
    "rhel",
    "ubi",
    "oracle",
    "amazon",
    "suse",
    "archlinux",
    "nixos",
    "bash",
    "mageia",
    "photon",
];

/// Images whose `sh` is busybox.
const WITH_ASH: [&str; 3] = ["alpine", "busybox", "wolfi"];

/// The shell of a script.
pub fn shell(subject: &Subject, tree: &Tree) -> Shell {
    let named = named(subject, tree);
    match tree.script.dialect {
        Dialect::Posix if named.ends_with("dash") => Shell::Sh,
        Dialect::Posix if named.ends_with("ash") || named.ends_with("busybox") => Shell::Ash,
        Dialect::Posix => of_image(subject, tree.n),
        Dialect::Bash if named.contains("zsh") || named.contains("ksh") => Shell::Other,
        Dialect::Bash => Shell::Bash,
        Dialect::Unknown => Shell::Other,
    }
}

/// The program's name: the script's own first line says it, or its instruction, or a SHELL.
fn named(subject: &Subject, tree: &Tree) -> String {
    if let Some(rest) = tree.script.text().strip_prefix("#!") {
        let line = rest.lines().next().unwrap_or_default();
        return line
            .split_whitespace()
            .rfind(|w| !w.starts_with('-'))
            .unwrap_or_default()
            .to_owned();
    }
    let instruction = subject.instructions().get(tree.n);
    if let Some(Kind::Run {
        command: kiln_dockerfile::Command::Exec(argv),
        ..
    }) = instruction.map(|i| &i.kind)
    {
        return argv.first().cloned().unwrap_or_default();
    }
    let argv = subject.shell_argv(tree.n);
    argv.and_then(|a| a.first()).cloned().unwrap_or_default()
}

fn of_image(subject: &Subject, n: usize) -> Shell {
    let Some(stage) = subject.stages.iter().find(|s| s.range.contains(&n)) else {
        return Shell::Sh;
    };
    let root = subject.ancestry(stage.index).into_iter().next_back();
    let Some(root) = root.and_then(|s| subject.stages.get(s)) else {
        return Shell::Sh;
    };
    let mut image = root.image.to_ascii_lowercase();
    if image.contains('$') {
        // Whatever the build arguments before the first FROM may put in.
        let first = subject.stages.first().map_or(0, |s| s.range.start);
        for instruction in subject.instructions().iter().take(first) {
            if let Kind::Arg(args) = &instruction.kind {
                for value in args.iter().filter_map(|a| a.value.as_ref()) {
                    image.push(' ');
                    image.push_str(&value.to_ascii_lowercase());
                }
            }
        }
    }
    if WITH_ASH.iter().any(|w| image.contains(w)) {
        Shell::Ash
    } else if WITH_BASH.iter().any(|w| image.contains(w)) {
        Shell::Bash
    } else {
        Shell::Sh
    }
}
