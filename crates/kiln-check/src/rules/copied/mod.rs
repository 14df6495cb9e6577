//! Files that are copied, and then changed by a RUN: the layer of the RUN has them again.

mod brought;
mod mode;
mod repair;

use kiln_dockerfile::Kind;

use crate::finding::{Cost, Findings};
use crate::rule::Rule;
use crate::shell::Command;
use crate::subject::{Stage, Subject};

use brought::{Brought, Share, brought, resolve, within, workdirs};

/// The rules of this module.
pub static RULES: &[Rule] = &[COPIED_THEN_CHANGED];

/// `COPY x /x`, `RUN chmod +x /x`.
const COPIED_THEN_CHANGED: Rule = Rule {
    id: "copied-then-changed",
    summary: "Set mode and owner where files are copied or made: a later chmod or chown stores them again",
    lesson: Some("no chmod that copies a file again"),
    fixes: true,
    check: changed,
    ..Rule::NEW
};

/// Nobody writes a stage with more by hand; of one with more, the last count.
const MAX_COPIES: usize = 500;

/// A stage as far as it has been read.
struct Seen {
    brought: Vec<Brought>,
    /// Files that a RUN made: its number and the path.
    made: Vec<(usize, String)>,
}

fn changed(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        let cwds = workdirs(subject, stage);
        let mut seen = Seen {
            brought: Vec::new(),
            made: Vec::new(),
        };
        let instructions = stage.range.clone().zip(subject.of_stage(stage));
        for ((n, instruction), cwd) in instructions.zip(&cwds) {
            match &instruction.kind {
                Kind::Copy(args) => seen.brought.extend(brought(subject, n, args, false, cwd)),
                Kind::Add(args) => seen.brought.extend(brought(subject, n, args, true, cwd)),
                Kind::Run { .. } => script(subject, stage, n, &cwds, &mut seen, findings),
                _ => {}
            }
            let more = seen.brought.len().saturating_sub(MAX_COPIES);
            if more > 0 {
                // All of a COPY or nothing of it.
                let oldest = seen.brought.get(more).map(|b| b.by);
                seen.brought.retain(|b| Some(b.by) >= oldest);
            }
            let more = seen.made.len().saturating_sub(MAX_COPIES);
            seen.made.drain(..more);
        }
    }
}

fn script(
    subject: &Subject,
    stage: &Stage,
    n: usize,
    cwds: &[String],
    seen: &mut Seen,
    findings: &mut Findings,
) {
    let Some(script) = subject.script(n) else {
        return;
    };
    let cwd = cwds.get(n - stage.range.start).map_or("?", String::as_str);
    let moved = |c: &Command| matches!(c.name(), "cd" | "pushd");
    let moves = script.commands.iter().any(moved);
    let place = |text: &str| match moves && !text.starts_with('/') {
        true => None,
        false => Some(resolve(cwd, text)),
    };
    let mut made = Vec::new();
    for command in &script.commands {
        for path in makes(command) {
            made.extend(place(path).map(|p| (n, p)));
        }
        if !matches!(command.program(), "chmod" | "chown" | "chgrp" | "mv") {
            continue;
        }
        let paths: Option<Vec<String>> = targets(command)
            .iter()
            .map(|a| place(&a.text).filter(|_| a.fixed && !a.text.contains(['*', '?', '['])))
            .collect();
        let Some(paths) = paths.filter(|p| !p.is_empty()) else {
            continue;
        };
        let deep = command.has_any_flag(&["R", "recursive"]) || command.program() == "mv";
        let hit = |at: &str| paths.iter().any(|p| within(p, at) || deep && within(at, p));
        let mut copies: Vec<&Brought> = Vec::new();
        let mut bytes = Some(0);
        for brought in &seen.brought {
            let shares = paths
                .iter()
                .map(|p| brought.share(subject.around.context, p, deep));
            for share in shares {
                let Share::Some(more) = share else {
                    continue;
                };
                // One file may be thought of in two places.
                if !copies.iter().any(|c| c.is_same_elsewhere(brought)) {
                    bytes = bytes.and_then(|b: u64| Some(b + more?));
                }
                copies.push(brought);
            }
        }
        let program = command.program();
        let span = script.span(command.range.clone());
        if let Some(first) = copies.first() {
            let by = subject.instructions().get(first.by).map(|i| i.name());
            let by = by.unwrap_or_default();
            let flag = match program {
                "chmod" => format!(": {by} --chmod sets the mode without a second copy"),
                "mv" => format!(": {by} it to its place"),
                _ => format!(": {by} --chown sets the owner without a second copy"),
            };
            let path = paths.first().map_or("", |p| p.trim_start_matches("?/"));
            let finding = findings.add(
                span,
                format!("{program} stores what {by} brought to {path} in a second layer{flag}"),
            );
            if let Some(bytes) = bytes.filter(|b| *b > 0) {
                finding.cost(Cost::Bytes(bytes));
            }
            if let Some(fix) = repair::fix(subject, stage, n, command, &paths, seen, cwds) {
                finding.fix(fix);
            }
        } else if let Some((_, path)) = seen.made.iter().find(|(_, p)| hit(p)) {
            findings.add(
                span,
                format!("{program} stores {path}, which an earlier RUN made, in a second layer: do it in that RUN"),
            );
        }
    }
    seen.made.append(&mut made);
}

/// The paths that a chmod, chown or mv names.
fn targets(command: &Command) -> Vec<&crate::shell::Arg> {
    let mut operands = command.operands();
    if operands.is_empty() {
        return operands;
    }
    match command.program() {
        "mv" => {
            operands.pop();
        }
        _ if command.has_flag("reference") => {}
        _ => {
            operands.remove(0);
        }
    }
    operands
}

/// The files that a command is told to write.
fn makes(command: &Command) -> Vec<&str> {
    let fixed =
        |text: &&str| !text.contains(['$', '*', '`']) && *text != "-" && !text.starts_with("/dev/");
    let mut found: Vec<&str> = command
        .writes
        .iter()
        .filter(|w| w.fixed)
        .map(|w| w.text.as_str())
        .collect();
    let output = match command.program() {
        "curl" => command
            .flag_value("o")
            .or_else(|| command.flag_value("output")),
        "wget" => command
            .flag_value("O")
            .or_else(|| command.flag_value("output-document")),
        "cp" | "mv" => command.operands().last().map(|a| a.text.as_str()),
        "git" if command.verb() == Some("clone") => {
            command.operands().get(2).map(|a| a.text.as_str())
        }
        "tar" => command
            .flag_value("C")
            .or_else(|| command.flag_value("directory")),
        _ => None,
    };
    found.extend(output);
    found.into_iter().filter(fixed).collect()
}

#[cfg(test)]
mod tests;
