//! Archives that are downloaded and unpacked, and stay.

use crate::finding::{Findings, Fix};
use crate::layout::append;
use crate::rule::{Rule, Severity};
use crate::shell::{Arg, Command, Script};
use crate::subject::Subject;

use super::{certain, is_on_build, kept, targets};

/// The rules of this module.
pub static RULES: &[Rule] = &[DOWNLOADED_ARCHIVE];

/// `curl -O x.tgz && tar xf x.tgz`.
const DOWNLOADED_ARCHIVE: Rule = Rule {
    id: "downloaded-archive",
    summary: "Delete a downloaded archive in the RUN that unpacks it",
    severity: Severity::Info,
    lesson: Some("no leftovers"),
    fixes: true,
    check: downloaded,
    ..Rule::NEW
};

/// A file that a command writes, as written where it can be deleted by that name.
struct Download {
    path: String,
    fixed: bool,
}

fn value<'c>(command: &'c Command, letter: &str, long: &str) -> Option<&'c Arg> {
    let text = command
        .flag_value(letter)
        .or_else(|| command.flag_value(long))?;
    let hit = command.args().iter().find(|a| a.text == text);
    hit.or_else(|| command.args().iter().find(|a| a.text.ends_with(text)))
}

fn of_url(url: &Arg) -> Option<Download> {
    let path = url.text.split(['?', '#']).next()?;
    let name = path.rsplit('/').next().filter(|n| !n.is_empty())?;
    Some(Download {
        path: name.to_owned(),
        fixed: url.fixed && path.contains("://"),
    })
}

fn download(command: &Command) -> Option<Download> {
    let as_named = |a: &Arg| Download {
        path: a.text.clone(),
        fixed: a.fixed,
    };
    let url = || command.args().iter().find(|a| a.text.contains("://"));
    let named = match command.program() {
        "wget" => match value(command, "O", "output-document") {
            Some(file) => Some(as_named(file)),
            None if command.has_any_flag(&["P", "directory-prefix", "i"]) => None,
            None => url().and_then(of_url),
        },
        "curl" => match value(command, "o", "output") {
            Some(file) => Some(as_named(file)),
            None if command.has_any_flag(&["O", "remote-name"]) => url().and_then(of_url),
            None => command.writes.first().map(as_named),
        },
        _ => None,
    };
    named.filter(|d| d.path != "-" && !d.path.starts_with("/dev/"))
}

fn unpacks(command: &Command, path: &str) -> bool {
    let names = |a: &Arg| a.text == path || a.text.trim_start_matches("./") == path;
    let tar = command.program() == "tar"
        && command.args().first().is_some_and(|a| a.text.contains('x'))
        || command.has_any_flag(&["extract", "x"]);
    let program = match command.program() {
        "tar" | "bsdtar" => tar,
        "unzip" => !command.has_flag("l"),
        "dpkg" => command.has_any_flag(&["i", "install"]),
        "apt" | "apt-get" | "yum" | "dnf" | "rpm" | "apk" => true,
        _ => false,
    };
    program
        && command
            .args()
            .iter()
            .any(|a| names(a) || a.text.ends_with(path) && a.text.contains('='))
}

fn downloaded(subject: &Subject, findings: &mut Findings) {
    for (n, script) in kept(subject) {
        for command in &script.commands {
            let Some(file) = download(command) else {
                continue;
            };
            let after = |c: &&Command| c.range.start > command.range.start;
            let mut later = script.commands.iter().filter(after);
            let Some(unpack) = later.find(|c| unpacks(c, &file.path)) else {
                continue;
            };
            if is_gone(script, &file.path) || inside_a_mount(subject, n, &file.path) {
                continue;
            }
            let path = &file.path;
            let finding = findings.add(
                script.span(command.range.clone()),
                format!(
                    "{path} stays in the layer after {} has unpacked it",
                    unpack.program()
                ),
            );
            let name = path.rsplit('/').next().unwrap_or(path);
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~".contains(c);
            let moves = |c: &Command| matches!(c.name(), "cd" | "pushd" | "popd");
            let safe = file.fixed
                && path.chars().all(plain)
                && certain(command)
                && certain(unpack)
                && !script.commands.iter().any(moves)
                && !named_elsewhere(subject, n, name)
                && !is_on_build(subject, n);
            if !safe {
                continue;
            }
            if let Some(edit) = append(subject, n, &format!("rm {path}")) {
                finding.fix(Fix::edits(format!("delete {path}"), vec![edit]));
            }
        }
    }
}

/// Whether a script deletes or moves a file, or its directory, by whatever name.
fn is_gone(script: &Script, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let dir = path
        .strip_suffix(name)
        .unwrap_or_default()
        .trim_end_matches('/');
    let covers = |a: &Arg| {
        let text = a.text.trim_end_matches(['*', '/']);
        a.text.contains(name)
            || a.text.contains(['*', '?', '$'])
            || !text.is_empty() && dir.starts_with(text)
            || a.text == "."
    };
    script.commands.iter().any(|c| {
        matches!(c.program(), "rm" | "mv" | "find" | "unlink" | "shred")
            && c.args().iter().any(covers)
    })
}

fn inside_a_mount(subject: &Subject, n: usize, path: &str) -> bool {
    targets(subject, n).any(|t| path.starts_with(t) || !path.starts_with('/'))
}

/// Whether another instruction, or a later part of the Dockerfile, may use the file.
fn named_elsewhere(subject: &Subject, n: usize, name: &str) -> bool {
    let mut others = subject.instructions().iter().enumerate();
    others.any(|(m, i)| m != n && subject.file.source_of(i.span).contains(name))
}
