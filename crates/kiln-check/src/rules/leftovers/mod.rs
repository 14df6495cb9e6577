//! What package managers and downloads leave in the layer that made it: a later layer can hide it,
//! but not take it out.

mod apk;
mod apt;
mod archive;
mod cleaners;
mod tools;

use kiln_dockerfile::{Instruction, Kind};

use crate::shell::{Command, Script};
use crate::subject::Subject;

pub use apk::RULES as APK;
pub use apt::RULES as APT;
pub use archive::RULES as ARCHIVE;
pub use cleaners::RULES as CLEANERS;
pub use tools::RULES as TOOLS;

/// The scripts whose layers are in the final image, and those of ONBUILD, which are in another.
fn kept<'s>(subject: &'s Subject) -> impl Iterator<Item = (usize, &'s Script)> {
    let last = subject.final_stage().map(|s| subject.ancestry(s.index));
    let last = last.unwrap_or_default();
    let ranges: Vec<_> = last
        .iter()
        .filter_map(|s| subject.stages.get(*s))
        .map(|s| s.range.clone())
        .collect();
    subject
        .scripts()
        .filter(move |(n, _)| ranges.iter().any(|r| r.contains(n)) || is_on_build(subject, *n))
}

fn is_on_build(subject: &Subject, n: usize) -> bool {
    let kind = subject.instructions().get(n).map(|i| &i.kind);
    matches!(kind, Some(Kind::OnBuild(_)))
}

/// The RUN of an instruction, which may be an ONBUILD's.
fn run_of(instruction: &Instruction) -> &Instruction {
    match &instruction.kind {
        Kind::OnBuild(inner) => inner,
        _ => instruction,
    }
}

/// Whether a directory is a mount of the `n`th instruction's, so that nothing of it is in the layer.
fn mounted(subject: &Subject, n: usize, dir: &str) -> bool {
    targets(subject, n).any(|t| {
        let rest = dir.strip_prefix(t.trim_end_matches('/'));
        rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
    })
}

/// Where caches and tmpfs of the `n`th instruction are mounted.
fn targets<'s>(subject: &'s Subject, n: usize) -> impl Iterator<Item = &'s str> {
    let flags = match subject.instructions().get(n).map(|i| &run_of(i).kind) {
        Some(Kind::Run { flags, .. }) => flags.as_slice(),
        _ => &[],
    };
    let mounts = flags.iter().filter(|f| f.name == "mount");
    mounts.filter_map(|f| {
        let value = f.value.as_deref().unwrap_or_default();
        let value = value.trim_matches(['"', '\'']);
        let mut parts = value.split(',').filter_map(|p| p.trim().split_once('='));
        let of_kind = |(k, v): &(&str, &str)| *k == "type" && matches!(*v, "cache" | "tmpfs");
        let is_target = |(k, _): &(&str, &str)| matches!(*k, "target" | "dst" | "destination");
        let kept = parts.clone().any(|p| of_kind(&p));
        parts.find(is_target).filter(|_| kept).map(|(_, v)| v)
    })
}

/// For each instruction, whether any RUN on top of its layer is one of those wanted: those behind it
/// in its stage, and in the stages based on that. A script that isn't known is `None`.
fn below_any(subject: &Subject, wanted: impl Fn(Option<&Script>) -> bool) -> Vec<bool> {
    let mut below = vec![false; subject.instructions().len()];
    let mut based = vec![false; subject.stages.len()];
    // A stage comes behind the one it is based on.
    for stage in subject.stages.iter().rev() {
        let mut above = based.get(stage.index).copied().unwrap_or_default();
        let own = stage.range.clone().zip(subject.of_stage(stage));
        for (n, instruction) in own.rev() {
            if let Some(slot) = below.get_mut(n) {
                *slot = above;
            }
            let runs = matches!(run_of(instruction).kind, Kind::Run { .. });
            above = above || runs && wanted(subject.script(n));
        }
        if let Some(parent) = stage.parent.and_then(|p| based.get_mut(p)) {
            *parent |= above;
        }
    }
    below
}

/// Whether a command runs what nobody knows: a file of the project's, or what it is given.
fn opaque(command: &Command) -> bool {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", ".", "source", "eval"];
    const BIN: [&str; 7] = [
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "",
    ];
    let Some(name) = command.words.first() else {
        return false;
    };
    let dir = name.text.rsplit_once('/').map_or("", |(dir, _)| dir);
    !name.fixed || SHELLS.contains(&command.program()) || !BIN.contains(&dir)
}

/// Whether a command runs each time, in the script's own shell, as the RUN's user.
fn certain(command: &Command) -> bool {
    let setting = &command.setting;
    setting.depth == 0 && !setting.conditional && command.via.as_deref() != Some("sudo")
}

/// Whether a script takes packages away, so that a program may be gone at its end.
fn uninstalls(script: &Script) -> bool {
    const VERBS: [&str; 7] = [
        "remove",
        "purge",
        "autoremove",
        "auto-remove",
        "del",
        "erase",
        "uninstall",
    ];
    let has = |c: &Command| c.args().iter().any(|a| VERBS.contains(&a.text.as_str()));
    script.commands.iter().any(has)
}

/// Whether a command deletes what is at a path, or in it: one that begins with any of the texts.
fn deletes(command: &Command, paths: &[&str]) -> bool {
    let mut args = command.args().iter();
    matches!(command.program(), "rm" | "find" | "rmdir")
        && args.any(|a| paths.iter().any(|p| a.text.starts_with(p)))
}
