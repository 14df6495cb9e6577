//! What a later layer hides but doesn't take back.

use std::collections::BTreeMap;

use kiln_dockerfile::{CopyArgs, CopySource, Instruction, Kind, glob_match};

use super::taken::clean;
use super::text::size;
use crate::finding::{Cost, Findings};
use crate::rule::Rule;
use crate::shell::{Command, Script};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "removed-in-later-layer",
        summary: "Remove a file in the instruction that made it",
        lesson: Some("no leftovers"),
        check: removed_later,
        ..Rule::NEW
    },
    Rule {
        id: "archive-left-in-layer",
        summary: "Download and unpack an archive in one RUN",
        lesson: Some("no leftovers"),
        check: archive_left,
        ..Rule::NEW
    },
    Rule {
        id: "change-after-volume",
        summary: "Fill a directory before it becomes a VOLUME",
        check: after_volume,
        ..Rule::NEW
    },
];

/// The stages whose layers the image has.
fn shipped<'s, 'a>(subject: &'s Subject<'a>) -> impl Iterator<Item = &'s Stage<'a>> {
    let last = subject.final_stage().map(|s| s.index);
    let stages = last.map(|s| subject.ancestry(s)).unwrap_or_default();
    stages
        .into_iter()
        .rev()
        .filter_map(|s| subject.stages.get(s))
}

/// A path in the image, where it is known: below WORKDIR if it is relative.
fn absolute(path: &str, workdir: Option<&str>) -> Option<String> {
    let path = path.trim_matches(['"', '\'']);
    if path.contains('$') || path.is_empty() {
        return None;
    }
    let joined = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", workdir?),
    };
    if joined.split('/').any(|p| p == "..") {
        return None;
    }
    let slash = if path.ends_with('/') { "/" } else { "" };
    Some(match clean(&joined).as_str() {
        "." => "/".to_owned(),
        path => format!("/{path}{slash}"),
    })
}

/// Of more files at once none is kept in mind, so that a file's length costs no more than time.
const MOST: usize = 200;

/// A file that an instruction made.
struct Made {
    line: u32,
    by: &'static str,
    instruction: usize,
    bytes: Option<u64>,
}

/// Goes through the image's instructions with the WORKDIR in force.
fn each<'a>(subject: &Subject<'a>, mut see: impl FnMut(usize, &'a Instruction, Option<&str>)) {
    let mut ends: Option<Option<String>> = None;
    for stage in shipped(subject) {
        // A base image's own is the same for all of them, whatever it is.
        let mut workdir = match (&ends, stage.image) {
            (Some(end), _) => end.clone(),
            (None, "scratch") => Some("/".to_owned()),
            (None, _) => Some("/…".to_owned()),
        };
        for (n, instruction) in stage.range.clone().zip(subject.of_stage(stage)) {
            if let Kind::Workdir(path) = &instruction.kind {
                workdir = absolute(path, workdir.as_deref());
            }
            see(n, instruction, workdir.as_deref());
        }
        ends = Some(workdir);
    }
}

fn is_archive(name: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip",
    ];
    ENDINGS.iter().any(|e| name.ends_with(e))
}

/// The files a COPY or ADD makes, with their sizes where they are known.
fn copied(
    subject: &Subject,
    args: &CopyArgs,
    add: bool,
    workdir: Option<&str>,
) -> Vec<(String, Option<u64>)> {
    let Some(dest) = absolute(&args.dest, workdir) else {
        return Vec::new();
    };
    let from = args.flags.iter().any(|f| f.name == "from");
    let unpack = args
        .flags
        .iter()
        .any(|f| f.name == "unpack" || f.name == "parents");
    let mut found = Vec::new();
    for source in &args.sources {
        let path = match source {
            CopySource::Path(path) => path.as_str(),
            CopySource::Heredoc(doc) => doc.name.as_str(),
        };
        let remote = path.contains("://");
        let name = path.split(['?', '#']).next().unwrap_or(path);
        let name = name
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        // An archive of the context is unpacked by ADD.
        let unpacked = add && !remote && is_archive(name);
        if unpack || unpacked || path.contains(['*', '?', '[', '$']) && !remote {
            continue;
        }
        let context = subject.around.context.filter(|_| !from && !remote);
        let at = clean(path);
        let known = context.and_then(|c| c.files.iter().find(|f| f.path == at));
        if known.is_some_and(|f| f.dir) {
            continue;
        }
        let target = match dest.ends_with('/') || args.dest == "." {
            true => format!("{}/{name}", dest.trim_end_matches('/')),
            false => dest.clone(),
        };
        found.push((target, known.map(|f| f.bytes)));
    }
    found
}

/// Whether relative paths of a command are below the WORKDIR: nothing before it went elsewhere.
fn at_workdir(script: &Script, command: &Command) -> bool {
    let before = script.commands.iter();
    !before
        .take_while(|c| c.range.start < command.range.start)
        .any(|c| matches!(c.name(), "cd" | "pushd"))
}

/// The files that a command downloads or writes.
fn written(command: &Command) -> Vec<&str> {
    let basename = |url: &'_ str| -> Option<usize> { url.rfind('/').map(|n| n + 1) };
    let mut found: Vec<&str> = command
        .writes
        .iter()
        .filter(|w| w.fixed)
        .map(|w| w.text.as_str())
        .collect();
    let url = command
        .args()
        .iter()
        .find(|a| a.fixed && a.text.contains("://"));
    let of_url = url.and_then(|u| u.text.get(basename(&u.text)?..));
    match command.program() {
        "curl" => {
            found.extend(command.flag_value("o").or(command.flag_value("output")));
            if command.has_any_flag(&["O", "remote-name"]) {
                found.extend(of_url);
            }
        }
        "wget" => match command
            .flag_value("O")
            .or(command.flag_value("output-document"))
        {
            Some(path) => found.push(path),
            None if command.has_any_flag(&["P", "directory-prefix"]) => {}
            None => found.extend(of_url),
        },
        _ => {}
    }
    found.retain(|p| *p != "-" && !p.starts_with("/dev/"));
    found
}

fn removed_later(subject: &Subject, findings: &mut Findings) {
    let mut made: BTreeMap<String, Made> = BTreeMap::new();
    each(subject, |n, instruction, workdir| {
        let line = instruction.span.start.line;
        let copy = match &instruction.kind {
            Kind::Copy(args) => Some((args, "COPY")),
            Kind::Add(args) => Some((args, "ADD")),
            _ => None,
        };
        if let Some((args, by)) = copy {
            let room = MOST.saturating_sub(made.len());
            for (path, bytes) in copied(subject, args, by == "ADD", workdir)
                .into_iter()
                .take(room)
            {
                made.insert(
                    path,
                    Made {
                        line,
                        by,
                        instruction: n,
                        bytes,
                    },
                );
            }
        }
        let Some(script) = subject.script(n) else {
            return;
        };
        for command in &script.commands {
            let base = workdir.filter(|_| at_workdir(script, command));
            for path in written(command) {
                if let Some(path) = absolute(path, base).filter(|_| made.len() < MOST) {
                    let entry = Made {
                        line,
                        by: "RUN",
                        instruction: n,
                        bytes: None,
                    };
                    made.entry(path).or_insert(entry);
                }
            }
            if command.program() != "rm" {
                continue;
            }
            for operand in command.operands() {
                let Some(target) = absolute(&operand.text, base) else {
                    continue;
                };
                let hit = made
                    .iter()
                    .find(|(p, m)| m.instruction < n && removes(&target, p));
                let Some((path, file)) = hit else {
                    made.retain(|p, _| !removes(&target, p));
                    continue;
                };
                let bytes = file
                    .bytes
                    .map(|b| format!(" ({})", size(b)))
                    .unwrap_or_default();
                let finding = findings.add(
                    script.span(operand.range.clone()),
                    format!("{path} stays in the layer of the {} in line {}{bytes}: removing it here only hides it", file.by, file.line),
                );
                if let Some(bytes) = file.bytes {
                    finding.cost(Cost::Bytes(bytes));
                }
                made.retain(|p, _| !removes(&target, p));
            }
        }
    });
}

/// Whether `rm target` removes a path.
fn removes(target: &str, path: &str) -> bool {
    let target = target.trim_end_matches('/');
    let below = path
        .strip_prefix(target)
        .is_some_and(|r| r.is_empty() || r.starts_with('/'));
    let pattern = target.contains(['*', '?', '[']);
    !target.is_empty() && (below || (pattern && glob_match(target, path).unwrap_or(false)))
}

fn archive_left(subject: &Subject, findings: &mut Findings) {
    let mut added: Vec<(String, &Instruction, bool)> = Vec::new();
    let mut unpacked: Vec<(usize, u32)> = Vec::new();
    each(subject, |n, instruction, workdir| {
        if let Kind::Add(args) = &instruction.kind {
            let remote = args
                .sources
                .iter()
                .any(|s| matches!(s, CopySource::Path(p) if p.contains("://")));
            let files = copied(subject, args, true, workdir);
            let archives = files.into_iter().filter(|(p, _)| remote && is_archive(p));
            let room = MOST.saturating_sub(added.len());
            added.extend(archives.take(room).map(|(p, _)| (p, instruction, false)));
        }
        let Some(script) = subject.script(n) else {
            return;
        };
        for command in &script.commands {
            let base = workdir.filter(|_| at_workdir(script, command));
            let program = command.program();
            let unpacks = matches!(
                program,
                "tar" | "unzip" | "bsdtar" | "gunzip" | "unxz" | "7z"
            );
            if added.is_empty() || !(unpacks || program == "rm") {
                continue;
            }
            let args = command.args().iter().map(|a| a.text.as_str());
            let args = args.map(|t| t.rsplit_once('=').map_or(t, |(_, v)| v));
            let targets: Vec<String> = args.filter_map(|t| absolute(t, base)).collect();
            for (at, (path, _, removed)) in added.iter_mut().enumerate() {
                let hit = targets.iter().any(|t| removes(t, path));
                if hit && unpacks && !unpacked.iter().any(|(n, _)| *n == at) {
                    unpacked.push((at, instruction.span.start.line));
                }
                // Another rule has a word for that.
                *removed |= hit && program == "rm";
            }
        }
    });
    for (at, line) in unpacked {
        let Some((path, instruction, false)) = added.get(at) else {
            continue;
        };
        findings.add(
            instruction.arguments_span(),
            format!("{path} stays in the image beside what line {line} unpacks from it: download and unpack it in one RUN, or use ADD --unpack"),
        );
    }
}

fn after_volume(subject: &Subject, findings: &mut Findings) {
    let mut volumes: Vec<(String, u32)> = Vec::new();
    each(subject, |n, instruction, workdir| {
        if let Kind::Volume(paths) = &instruction.kind {
            let line = instruction.span.start.line;
            let paths = paths.iter().filter_map(|p| absolute(p, workdir));
            let paths = paths.map(|p| (p.trim_end_matches('/').to_owned(), line));
            let room = MOST.saturating_sub(volumes.len());
            volumes.extend(paths.filter(|(p, _)| !p.is_empty()).take(room));
            return;
        }
        let within = |path: &str| {
            let mut all = volumes.iter();
            all.find(|(v, _)| {
                path.strip_prefix(v.as_str())
                    .is_some_and(|r| r.is_empty() || r.starts_with('/'))
            })
        };
        let told = |volume: &(String, u32)| {
            format!(
                "{} is a VOLUME since line {}: some builders drop what is changed there afterwards",
                volume.0, volume.1
            )
        };
        match &instruction.kind {
            Kind::Copy(args) | Kind::Add(args) => {
                if let Some(volume) = absolute(&args.dest, workdir).as_deref().and_then(within) {
                    findings.add(instruction.arguments_span(), told(volume));
                }
            }
            _ => {}
        }
        let Some(script) = subject.script(n).filter(|_| !volumes.is_empty()) else {
            return;
        };
        for command in &script.commands {
            let base = workdir.filter(|_| at_workdir(script, command));
            let changes = matches!(
                command.program(),
                "chown"
                    | "chmod"
                    | "chgrp"
                    | "mkdir"
                    | "touch"
                    | "cp"
                    | "mv"
                    | "rm"
                    | "tee"
                    | "ln"
                    | "install"
                    | "rsync"
            );
            let args = command.operands().into_iter().filter(|_| changes);
            let hit = args.chain(&command.writes).find_map(|a| {
                let path = absolute(&a.text, base).filter(|_| a.fixed)?;
                within(&path).map(|v| (a, v))
            });
            if let Some((arg, volume)) = hit {
                findings.add(script.span(arg.range.clone()), told(volume));
                return;
            }
        }
    });
}
