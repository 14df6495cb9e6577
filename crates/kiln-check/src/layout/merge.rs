//! Several RUNs made one, where one shell does what several did.

use std::collections::HashSet;
use std::ops::Range;

use kiln_dockerfile::{Flag, Instruction, Kind};
use shuck_ast::{Command as Node, CompoundCommand};

use crate::finding::Edit;
use crate::layout::{Join, List, Style, comments};
use crate::pragma::ignores;
use crate::shell::{Command, Script};
use crate::subject::Subject;

/// A RUN that may be put behind another one, joined by `&&`.
#[derive(Debug)]
pub struct Whole {
    /// Its arguments' place in the source.
    range: Range<usize>,
    /// Whether it needs a shell of its own: it leaves something behind in it that the next one
    /// must not see, or `&&` would bind another way.
    wrap: bool,
    /// Programs it runs in the outer shell that another RUN may have replaced.
    programs: Vec<String>,
}

/// What changes the shell itself.
const SHELL_STATE: [&str; 37] = [
    ".",
    "alias",
    "bg",
    "builtin",
    "cd",
    "chdir",
    "declare",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "fg",
    "getopts",
    "hash",
    "jobs",
    "let",
    "local",
    "mapfile",
    "popd",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "times",
    "trap",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// What leaves a process behind, which the end of a RUN ends.
const DAEMONS: [&str; 8] = [
    "service",
    "systemctl",
    "invoke-rc.d",
    "start-stop-daemon",
    "nohup",
    "setsid",
    "daemonize",
    "supervisord",
];

/// Text that tells of what each RUN gets anew, or of the shell itself being replaced.
const EACH_RUN: [&str; 10] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/hostname",
    "/bin/sh",
    "/bin/bash",
    "/bin/ash",
    "/bin/dash",
    "BASH_ENV",
    "daemon",
    "/etc/init.d",
];

/// Programs that no RUN puts another version of elsewhere, so that a shell may remember their place.
const STEADY: [&str; 52] = [
    "[",
    "adduser",
    "addgroup",
    "apk",
    "apt",
    "apt-get",
    "apt-key",
    "apt-mark",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "curl",
    "cut",
    "date",
    "debconf-set-selections",
    "dnf",
    "dpkg",
    "echo",
    "false",
    "find",
    "git",
    "grep",
    "groupadd",
    "gzip",
    "head",
    "install",
    "ldconfig",
    "ln",
    "ls",
    "microdnf",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "rmdir",
    "sed",
    "sleep",
    "sort",
    "tail",
    "tar",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "unzip",
    "useradd",
    "wget",
    "yum",
    "zypper",
];

impl Whole {
    /// The `n`th instruction, if it can be merged with neighbours at all.
    pub fn of(subject: &Subject, n: usize) -> Option<Whole> {
        let instruction = subject.instructions().get(n)?;
        let Kind::Run {
            flags, heredocs, ..
        } = &instruction.kind
        else {
            return None;
        };
        // A comment that silences a rule for this RUN must not do so for another.
        let before = n.checked_sub(1).and_then(|m| subject.instructions().get(m));
        let from = before.map_or(0, |i| i.span.range().end);
        let mut own = comments(subject.file, from..instruction.span.range().end);
        if own.any(ignores) {
            return None;
        }
        if !heredocs.is_empty() || !flags.iter().all(may_repeat) || !plain_shell(subject, n) {
            return None;
        }
        let script = subject.script(n).filter(|s| s.editable())?;
        let list = List::of(script)?;
        let text = script.text();
        let refused = |c: &Command| {
            let sets = c.name() == "set" && (c.has_flag("e") || c.args().iter().any(errexit));
            sets || DAEMONS.contains(&c.program())
        };
        let behind = text.get(list.end()..)?;
        if list.has_background()
            || !matches!(behind.trim(), "" | ";")
            || text.contains("<<")
            || EACH_RUN.iter().any(|t| text.contains(t))
            || names_device(text)
            || script.commands.iter().any(refused)
        {
            return None;
        }
        let outer = script.commands.iter().filter(|c| c.setting.depth == 0);
        Some(Whole {
            range: instruction.arguments_span().range(),
            wrap: !behind.trim().is_empty() || !list.is_chain() || touches_shell(script, &list),
            programs: outer
                .map(|c| c.name().to_owned())
                .filter(|p| !p.contains('/') && !STEADY.contains(&p.as_str()))
                .collect(),
        })
    }
}

fn errexit(arg: &crate::shell::Arg) -> bool {
    arg.text == "errexit"
}

/// Whether a mount gives two commands what it gives two RUNs.
fn may_repeat(flag: &Flag) -> bool {
    let value = flag.value.as_deref().unwrap_or_default();
    if flag.name != "mount" {
        return true;
    }
    let has = |wanted: &str| value.split(',').any(|p| p.trim() == wanted);
    // What is written to a bind mount or a tmpfs is gone at the end of a RUN.
    !has("type=tmpfs")
        && !["rw", "readwrite", "rw=true", "readwrite=true"]
            .iter()
            .any(|w| has(w))
}

/// Whether text names a device other than the usual ones: `/dev/shm` is new in each RUN.
fn names_device(text: &str) -> bool {
    let usual = [
        "null", "zero", "stdout", "stderr", "stdin", "random", "urandom", "tty",
    ];
    text.match_indices("/dev/").any(|(at, found)| {
        let rest = text.get(at + found.len()..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        !usual.contains(&name)
    })
}

/// Whether the shell of an instruction only takes a command: `-e` means another thing left of `&&`,
/// and login shells read files that a RUN may have changed.
fn plain_shell(subject: &Subject, n: usize) -> bool {
    let Some(stage) = subject.stages.iter().find(|s| s.range.contains(&n)) else {
        return false;
    };
    for number in subject.ancestry(stage.index) {
        let Some(stage) = subject.stages.get(number) else {
            return false;
        };
        let range = stage.range.start..stage.range.end.min(n.max(stage.range.start));
        let before = subject.instructions().get(range).unwrap_or_default();
        let shell = before.iter().rev().find_map(|i| match &i.kind {
            Kind::Shell(argv) => Some(argv),
            _ => None,
        });
        if let Some(argv) = shell {
            let words: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
            return matches!(
                words.as_slice(),
                ["-c"] | ["-o", "pipefail", "-c"] | ["-x", "-c"]
            );
        }
    }
    true
}

/// Whether a script leaves anything behind in the shell that runs it.
fn touches_shell(script: &Script, list: &List) -> bool {
    let text = script.text();
    let changes = |c: &Command| {
        c.words.is_empty() && !c.setting.substituted
            || SHELL_STATE.contains(&c.name())
            || c.name() == "command"
    };
    let compound = list.parts.iter().any(|p| {
        let loops = |c: &CompoundCommand| {
            use CompoundCommand::{If, Subshell, While};
            !matches!(c, If(_) | Subshell(_) | While(_))
        };
        match &p.stmt.command {
            Node::Compound(c) => loops(c),
            Node::Function(_) | Node::AnonymousFunction(_) | Node::Decl(_) => true,
            _ => false,
        }
    });
    let nested = text.contains(" for ") || text.contains("() ") || text.contains("(){");
    compound
        || nested
        || text.contains("((")
        || assigns(text)
        || script.commands.iter().any(changes)
}

/// Whether an expansion gives a variable its value: `${name:=value}`.
fn assigns(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let name = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        name.starts_with('=') || name.starts_with(":=")
    })
}

/// The edits that make one RUN of several that follow one another; comments between them stay
/// where they are. Nothing where that is not the same.
pub fn merge(subject: &Subject, runs: &[usize]) -> Option<Vec<Edit>> {
    let mut wholes = Vec::new();
    for n in runs {
        wholes.push(Whole::of(subject, *n)?);
    }
    let styles = runs.iter().map(|n| {
        let script = subject.script(*n)?;
        Some(Style::of(subject, *n, script, &List::of(script)?))
    });
    let styles: Vec<Style> = styles.collect::<Option<_>>()?;
    let mut style = styles.first()?.clone();
    // What starts with one command takes after the first that has several.
    if let Some(spread) = styles
        .iter()
        .zip(runs)
        .find(|(_, n)| several_lines(subject, **n))
    {
        style = spread.0.clone();
    }
    let mut later: HashSet<String> = HashSet::new();
    for whole in wholes.iter_mut().rev() {
        // A shell remembers where it found a program; the next one looks again.
        whole.wrap |= whole.programs.iter().any(|p| later.contains(p));
        later.extend(whole.programs.drain(..));
    }
    let mut edits = Vec::new();
    let source = subject.file.source.as_str();
    let open = |w: &Whole| match (w.wrap, source.get(w.range.start..w.range.start + 1)) {
        (true, Some("(")) => "( ",
        (true, _) => "(",
        _ => "",
    };
    let close = |w: &Whole| if w.wrap { ")" } else { "" };
    let insert = |at: usize, text: &str| Edit {
        range: at..at,
        text: text.to_owned(),
    };
    let first = wholes.first()?;
    if first.wrap {
        edits.push(insert(first.range.start, open(first)));
    }
    for pair in wholes.windows(2) {
        let [a, b] = pair else { continue };
        let range = a.range.end..b.range.start;
        let text = between(subject, range.clone(), &style, (close(a), open(b)));
        edits.push(Edit { range, text });
    }
    let last = wholes.last()?;
    if last.wrap {
        edits.push(insert(last.range.end, close(last)));
    }
    Some(edits)
}

/// Whether an instruction has commands on several lines.
fn several_lines(subject: &Subject, n: usize) -> bool {
    let Some(script) = subject.script(n) else {
        return false;
    };
    let Some(list) = List::of(script) else {
        return false;
    };
    let line = |at: &Range<usize>| script.span(at.clone()).start.line;
    let mut lines = list.parts.iter().filter(|p| p.join == Some(Join::And));
    let first = list.parts.first().map(|p| line(&p.range));
    lines.any(|p| Some(line(&p.range)) != first)
}

/// What joins two RUNs, the comments between them on lines of their own.
fn between(
    subject: &Subject,
    range: Range<usize>,
    style: &Style,
    (close, open): (&str, &str),
) -> String {
    let Style {
        indent,
        newline,
        escape,
        ..
    } = style;
    let mut text = match style.leading {
        true => format!("{close} {escape}{newline}"),
        false => format!("{close} && {escape}{newline}"),
    };
    for comment in comments(subject.file, range) {
        text.push_str(indent);
        text.push_str(comment.trim_end());
        text.push_str(newline);
    }
    text.push_str(indent);
    if style.leading {
        text.push_str("&& ");
    }
    text.push_str(open);
    text
}

/// Whether two RUNs have the same flags.
pub fn same_flags(a: &Instruction, b: &Instruction) -> bool {
    let flags = |i: &Instruction| match &i.kind {
        Kind::Run { flags, .. } => {
            let mut all: Vec<_> = flags
                .iter()
                .map(|f| (f.name.clone(), f.value.clone()))
                .collect();
            all.sort();
            all
        }
        _ => Vec::new(),
    };
    flags(a) == flags(b)
}
