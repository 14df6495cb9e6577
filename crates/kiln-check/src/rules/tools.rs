//! Programs that don't belong in a RUN, or not that way.

use std::collections::HashSet;

use super::packages::{APK, APT_GET, DNF, YUM, ZYPPER, all_commands};
use super::stage_use::states;
use crate::finding::{Finding, Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::shell::{Arg, Command, Script};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "pointless-command",
        summary: "Run no programs that need a running system or a person",
        severity: Severity::Info,
        hadolint: &["DL3001"],
        check: pointless,
        ..Rule::NEW
    },
    Rule {
        id: "cd-in-run",
        summary: "Change the directory by WORKDIR",
        hadolint: &["DL3003"],
        check: cd,
        ..Rule::NEW
    },
    Rule {
        id: "sudo-in-run",
        summary: "Become another user by USER, not by sudo",
        severity: Severity::Error,
        hadolint: &["DL3004"],
        check: sudo,
        ..Rule::NEW
    },
    Rule {
        id: "useradd-sparse-log",
        summary: "Call useradd with -l where the UID is high",
        hadolint: &["DL3046"],
        lesson: Some("no leftovers"),
        fixes: true,
        check: useradd,
        ..Rule::NEW
    },
    Rule {
        id: "wget-progress",
        summary: "Keep wget's progress bar out of the build's log",
        severity: Severity::Info,
        hadolint: &["DL3047"],
        fixes: true,
        check: wget,
        ..Rule::NEW
    },
    Rule {
        id: "wget-and-curl",
        summary: "Use either wget or curl in a stage",
        hadolint: &["DL4001"],
        check: wget_and_curl,
        ..Rule::NEW
    },
    Rule {
        id: "shell-replaced",
        summary: "Choose the shell by SHELL, not by replacing /bin/sh",
        hadolint: &["DL4005"],
        check: shell_replaced,
        ..Rule::NEW
    },
];

const POINTLESS: [&str; 16] = [
    "emacs", "free", "halt", "htop", "ifconfig", "kill", "mount", "nano", "poweroff", "ps",
    "reboot", "service", "shutdown", "ssh", "top", "vim",
];

fn pointless(subject: &Subject, findings: &mut Findings) {
    for (_, script, command) in all_commands(subject) {
        let program = command.program();
        if POINTLESS.contains(&program) {
            at_name(
                findings,
                script,
                command,
                format!(
                    "{program} has nothing to work on in a build: no service runs there, no terminal is there, and only files are kept"
                ),
            );
        }
    }
}

fn cd(subject: &Subject, findings: &mut Findings) {
    for (_, script, command) in all_commands(subject).filter(|(.., c)| c.name() == "cd") {
        at_name(
            findings,
            script,
            command,
            "cd lasts until the end of this RUN only, and the rest of it depends on it: WORKDIR says the directory for all that follows".to_owned(),
        );
    }
}

fn sudo(subject: &Subject, findings: &mut Findings) {
    for (_, script, command) in all_commands(subject).filter(|(.., c)| c.program() == "sudo") {
        at_name(
            findings,
            script,
            command,
            "sudo brings a program with root's rights into the image and passes signals and terminals on in its own way: switch by USER, or by gosu in an entrypoint".to_owned(),
        );
    }
}

/// Points at a command's name.
fn at_name<'f>(
    findings: &'f mut Findings,
    script: &Script,
    command: &Command,
    message: String,
) -> Option<&'f mut Finding> {
    let name: &Arg = command.words.first()?;
    Some(findings.add(script.span(name.range.clone()), message))
}

/// Writes a flag behind a command's name.
fn add_flag(finding: &mut Finding, script: &Script, command: &Command, flag: &str) {
    if let (true, Some(name)) = (script.editable(), command.words.first()) {
        let at = script.span(name.range.clone()).range().end;
        let text = format!(" {flag}");
        finding.fix(Fix::replace(format!("add {flag}"), at..at, text));
    }
}

fn useradd(subject: &Subject, findings: &mut Findings) {
    for (_, script, command) in all_commands(subject).filter(|(.., c)| c.program() == "useradd") {
        let uid = command
            .flag_value("u")
            .or_else(|| command.flag_value("uid"));
        let high = uid.is_some_and(|u| u.len() > 5 && u.chars().all(|c| c.is_ascii_digit()));
        if !high || command.has_any_flag(&["l", "no-log-init"]) {
            continue;
        }
        let uid = uid.unwrap_or_default();
        let message = format!(
            "useradd gives UID {uid} a place in the login logs, which are indexed by UID: the file becomes gigabytes of zeros that a layer stores; add -l"
        );
        if let Some(finding) = at_name(findings, script, command, message) {
            add_flag(finding, script, command, "-l");
        }
    }
}

fn wget(subject: &Subject, findings: &mut Findings) {
    let installs = wget_installs(subject);
    let installed = states(subject, |_| false, |was, n, _| was || installs.contains(&n));
    for (n, script, command) in all_commands(subject).filter(|(.., c)| c.program() == "wget") {
        let long = [
            "progress",
            "quiet",
            "no-verbose",
            "output-file",
            "append-output",
        ];
        let mut short = command.flags().filter(|f| !f.text.starts_with("--"));
        let quiet = short.any(|f| f.text == "-nv" || ends_quiet(&f.text));
        if quiet || command.has_any_flag(&long) || command.has_flag("version") {
            continue;
        }
        let message =
            "wget draws its progress bar into the log, line by line where there is no terminal: add --progress=dot:giga, or -q for none"
                .to_owned();
        if let Some(finding) = at_name(findings, script, command, message)
            && (installs.contains(&n) || installed.get(n) == Some(&true))
        {
            add_flag(finding, script, command, "--progress=dot:giga");
        }
    }
}

/// Whether letters have a `q`, an `o` or an `a`, before one that takes the rest for its value.
fn ends_quiet(flag: &str) -> bool {
    for c in flag.chars().skip(1) {
        match c {
            'q' | 'o' | 'a' => return true,
            'O' | 'P' | 'U' | 'e' | 't' | 'T' | 'w' | 'i' | 'B' => return false,
            _ => {}
        }
    }
    false
}

/// Numbers of the instructions that install the package: not BusyBox's, which has fewer flags.
fn wget_installs(subject: &Subject) -> HashSet<usize> {
    let managers = [&APT_GET, &APK, &YUM, &DNF, &ZYPPER].into_iter();
    let calls = managers.flat_map(|m| m.calls(subject));
    let name = |a: &&Arg| a.text.split(['=', '~']).next() == Some("wget");
    calls
        .filter(|c| c.does(&["install", "add", "in"]) && c.operands.iter().any(name))
        .map(|c| c.n)
        .collect()
}

fn wget_and_curl(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        let mut seen: Vec<&str> = Vec::new();
        for (_, script) in subject.scripts_of(stage) {
            let fetch = |c: &&Command| matches!(c.program(), "wget" | "curl");
            let here: Vec<&Command> = script.commands.iter().filter(fetch).collect();
            for program in here.iter().map(|c| c.program()) {
                if !seen.contains(&program) {
                    seen.push(program);
                }
            }
            if let ([first, second, ..], Some(last)) = (seen.as_slice(), here.last()) {
                at_name(
                    findings,
                    script,
                    last,
                    format!(
                        "this stage fetches with both {first} and {second}: one of them does, and the other need not be in the image"
                    ),
                );
            }
        }
    }
}

fn shell_replaced(subject: &Subject, findings: &mut Findings) {
    for (_, script, command) in all_commands(subject).filter(|(.., c)| c.program() == "ln") {
        if let Some(link) = command.args().iter().find(|a| a.text == "/bin/sh") {
            findings.add(
                script.span(link.range.clone()),
                "this replaces the shell that the distribution's own scripts are written for: SHELL chooses the one that RUN uses",
            );
        }
    }
}
