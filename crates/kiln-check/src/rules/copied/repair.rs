//! chmod and chown of a RUN made flags of the COPY.

use kiln_dockerfile::{Instruction, Kind};

use crate::finding::{Edit, Fix};
use crate::layout::{List, remove};
use crate::shell::{Command, Script};
use crate::subject::{Stage, Subject};

use super::brought::{Brought, File, resolve, within};
use super::{Seen, mode};

/// Programs that don't look at a file that their arguments don't name.
const BLIND: [&str; 22] = [
    "addgroup", "adduser", "apk", "apt", "apt-get", "chgrp", "chmod", "chown", "curl", "dnf",
    "echo", "export", "groupadd", "microdnf", "mkdir", "rm", "set", "touch", "true", "useradd",
    "wget", "yum",
];

/// Directories that each image with a shell has.
const THERE: [&str; 8] = [
    "/", "/bin", "/etc", "/home", "/root", "/tmp", "/usr/bin", "/var",
];

/// A fix for a command that changes exactly the files of one COPY, so that its result is known.
pub(super) fn fix(
    subject: &Subject,
    stage: &Stage,
    n: usize,
    command: &Command,
    paths: &[String],
    seen: &Seen,
    cwds: &[String],
) -> Option<Fix> {
    let script = subject.script(n)?;
    let list = List::of(script)?;
    let part = list.parts.iter().position(|p| p.range == command.range)?;
    let (by, files) = exactly(seen, paths)?;
    let copy = subject.instructions().get(by)?;
    let known = [
        "R",
        "recursive",
        "v",
        "f",
        "c",
        "verbose",
        "changes",
        "silent",
        "quiet",
    ];
    let plain = |a: &crate::shell::Arg| {
        let name = a.text.trim_start_matches('-');
        known.contains(&name)
            || !a.text.starts_with("--") && name.chars().all(|c| "Rvfc".contains(c))
    };
    if !command.assignments.is_empty() || command.via.is_some() || !command.flags().all(plain) {
        return None;
    }
    let value = command
        .operands()
        .first()
        .filter(|a| a.fixed)
        .map(|a| a.text.as_str())?;
    let (flag, value, named) = match command.program() {
        "chmod" => ("chmod", new_mode(value, &files)?, false),
        "chown" => {
            let (owner, named) = new_owner(value)?;
            let plain = |f: &File| f.mode & 0o6000 == 0;
            let above = |p: &String| {
                p.rsplit_once('/')
                    .map(|(d, _)| if d.is_empty() { "/" } else { d }.to_owned())
            };
            let before = cwds.get(..by - stage.range.start)?;
            let there = |d: &String| THERE.contains(&d.as_str()) || before.contains(d) && d != "?";
            // A directory made on the way would get the owner as well.
            if !files.iter().all(plain)
                || !paths.iter().all(|p| above(p).is_some_and(|d| there(&d)))
            {
                return None;
            }
            ("chown", owner, named)
        }
        _ => return None,
    };
    if flags(copy).iter().any(|f| f == flag) || !unseen(subject, (by, n), paths, cwds, stage, named)
    {
        return None;
    }
    let first = script
        .commands
        .iter()
        .filter(|c| c.range.end <= command.range.start);
    let cwd = cwds.get(n - stage.range.start)?;
    for earlier in first {
        if named || !blind(earlier, paths, cwd) {
            return None;
        }
    }
    let gone = remove(subject, n, part)?;
    let at = copy.arguments_span().range().start;
    let put = Edit {
        range: at..at,
        text: format!("--{flag}={value} "),
    };
    let name = copy.name();
    Some(Fix::edits(
        format!("use {name} --{flag}={value}"),
        vec![put, gone],
    ))
}

/// The COPY that brought exactly these files, and nothing else.
fn exactly(seen: &Seen, paths: &[String]) -> Option<(usize, Vec<File>)> {
    let by = paths.iter().map(|p| {
        let mut hits = seen
            .brought
            .iter()
            .rev()
            .filter(|b| within(p, &b.path) || within(&b.path, p));
        hits.next().map(|b| b.by)
    });
    let by: Vec<usize> = by.collect::<Option<_>>()?;
    let first = *by.first()?;
    let own: Vec<&Brought> = seen.brought.iter().filter(|b| b.by == first).collect();
    let later = seen.brought.iter().filter(|b| b.by > first);
    let overlaps = |b: &Brought| {
        paths
            .iter()
            .any(|p| within(p, &b.path) || within(&b.path, p))
    };
    if by.iter().any(|b| *b != first) || later.into_iter().any(overlaps) {
        return None;
    }
    let file = |p: &String| own.iter().find(|b| b.path == *p).and_then(|b| b.file);
    let files: Vec<File> = paths.iter().map(file).collect::<Option<_>>()?;
    // A file without a directory is in two places, for nobody knows what the destination is.
    let mut matched = own.iter().filter(|b| paths.contains(&b.path)).count();
    let sources = match own.as_slice() {
        [a, b] if b.path.starts_with(&format!("{}/", a.path)) => {
            let name = b.path.rsplit('/').next().unwrap_or_default();
            let last = a.path.rsplit('/').next().unwrap_or_default();
            // `/entrypoint.sh` and `/usr/bin/entrypoint` are none; `/usr/local/bin` may be.
            let stem = name.split('.').next().unwrap_or(name);
            let likely = a.inline || name == last || stem == last || last.contains('.');
            if paths.contains(&a.path) && !likely {
                return None;
            }
            matched = matched.min(1);
            1
        }
        all => all.len(),
    };
    (matched == sources && paths.len() == sources).then_some((first, files))
}

fn flags(copy: &Instruction) -> Vec<String> {
    match &copy.kind {
        Kind::Copy(args) | Kind::Add(args) => args.flags.iter().map(|f| f.name.clone()).collect(),
        _ => Vec::new(),
    }
}

fn new_mode(text: &str, files: &[File]) -> Option<String> {
    let modes = files.iter().map(|f| mode::changed(text, f.mode));
    let modes: Vec<u32> = modes.collect::<Option<_>>()?;
    let first = *modes.first()?;
    modes
        .iter()
        .all(|m| *m == first)
        .then(|| format!("{first:o}"))
}

/// The flag's value, and whether it has names in it.
fn new_owner(text: &str) -> Option<(String, bool)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, group),
        // chown leaves the group, which is root.
        None => (text, "0"),
    };
    let plain = |s: &str| {
        let mut chars = s.chars();
        chars
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    (plain(user) && plain(group))
        .then(|| (format!("{user}:{group}"), !number(user) || !number(group)))
}

/// Whether nothing between a COPY and a RUN can tell what mode or owner the files have.
fn unseen(
    subject: &Subject,
    (from, to): (usize, usize),
    paths: &[String],
    cwds: &[String],
    stage: &Stage,
    named: bool,
) -> bool {
    let between = (from + 1..to).zip(subject.instructions().get(from + 1..to).unwrap_or_default());
    for (n, instruction) in between {
        let cwd = cwds.get(n - stage.range.start).map_or("?", String::as_str);
        let fine = match &instruction.kind {
            Kind::Run { .. } => {
                let all = |s: &Script| s.commands.iter().all(|c| blind(c, paths, cwd));
                !named && subject.script(n).is_some_and(all)
            }
            Kind::Copy(args) | Kind::Add(args) => !args.dest.contains('$'),
            Kind::Volume(_) | Kind::OnBuild(_) => false,
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    true
}

/// Whether a command doesn't look at any of the files.
fn blind(command: &Command, paths: &[String], cwd: &str) -> bool {
    let names = |text: &str| {
        let at = resolve(cwd, text);
        text.contains(['$', '*', '?', '[', '~']) && !text.starts_with("/var/")
            || paths.iter().any(|p| within(p, &at) || within(&at, p))
    };
    // A word such as `install` is no path, but `/` and `.` are.
    let looks = |a: &crate::shell::Arg| {
        (a.text.contains('/') || a.text == ".") && names(&a.text)
            || paths.contains(&resolve(cwd, &a.text))
    };
    BLIND.contains(&command.program()) && !command.args().iter().chain(&command.writes).any(looks)
}
