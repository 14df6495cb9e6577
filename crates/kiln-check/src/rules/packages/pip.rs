//! Python's package manager.

use kiln_dockerfile::{Flag, Instruction, Kind};

use super::super::stage_use::states;
use super::{Call, all_commands};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::shell::Script;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "pip-cache",
    summary: "Keep pip's cache out of the image: --no-cache-dir",
    hadolint: &["DL3042"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: cache,
    ..Rule::NEW
}];

const WITH_VALUE: &[&str] = &[
    "-m",
    "-r",
    "--requirement",
    "-c",
    "--constraint",
    "-e",
    "--editable",
    "-t",
    "--target",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-b",
    "--build",
    "--abi",
    "--cache-dir",
    "--cert",
    "--client-cert",
    "--config-settings",
    "--global-option",
    "--group",
    "--implementation",
    "--install-option",
    "--log",
    "--no-binary",
    "--only-binary",
    "--platform",
    "--prefix",
    "--progress-bar",
    "--proxy",
    "--python-version",
    "--report",
    "--retries",
    "--root",
    "--root-user-action",
    "--src",
    "--timeout",
    "--trusted-host",
    "--upgrade-strategy",
    "--use-feature",
];

/// Calls of `pip`, `pip3`, `pip3.12`, `python -m pip`.
pub(super) fn calls<'s>(subject: &'s Subject) -> impl Iterator<Item = Call<'s>> {
    all_commands(subject).filter_map(|(n, script, command)| {
        let program = command.program();
        let version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
        let direct = program.strip_prefix("pip").is_some_and(version);
        let module = || {
            let args = command.args();
            let mut pairs = args.windows(2);
            program.strip_prefix("python").is_some_and(version)
                && pairs.any(|p| matches!(p, [m, pip] if m.text == "-m" && pip.text == "pip"))
        };
        (direct || module()).then(|| Call::of(n, script, command, WITH_VALUE))?
    })
}

fn cache(subject: &Subject, findings: &mut Findings) {
    let by_env = states(subject, |_| false, |was, _, i| by_env(i).unwrap_or(was));
    for call in calls(subject).filter(|c| c.does(&["install"])) {
        let flags = ["no-cache-dir", "cache-dir"];
        let set = call.command.assigned("PIP_NO_CACHE_DIR").map(is_true);
        let set = set.or_else(|| exported(&call));
        if call.command.has_any_flag(&flags)
            || set.unwrap_or(by_env.get(call.n) == Some(&true))
            || cleaned(call.script)
            || has_mount(subject.instructions().get(call.n), ".cache/pip")
        {
            continue;
        }
        let finding = findings.add(
            call.script.span(call.verb.range.clone()),
            "pip stores what it downloads in its cache, and the image keeps it for nothing: add --no-cache-dir, or mount a cache there",
        );
        call.offer(finding, call.verb, "--no-cache-dir");
    }
}

fn is_true(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']).to_ascii_lowercase();
    ["1", "true", "on", "yes", "y", "t"].contains(&value.as_str())
}

/// Whether the script sets the variable before the command, as far as it says.
fn exported(call: &Call) -> Option<bool> {
    let exports = call.script.calls("export");
    let exports = exports.filter(|e| e.range.start < call.command.range.start);
    let words = exports.flat_map(|e| e.args());
    let values = words.filter_map(|w| w.text.strip_prefix("PIP_NO_CACHE_DIR="));
    values.last().map(is_true)
}

/// Whether an ENV sets the variable, as far as this instruction says.
fn by_env(instruction: &Instruction) -> Option<bool> {
    let Kind::Env(pairs) = &instruction.kind else {
        return None;
    };
    let mut values = pairs.iter().filter(|p| p.key == "PIP_NO_CACHE_DIR");
    values.next_back().map(|p| is_true(&p.value))
}

/// Whether the script removes the cache itself.
fn cleaned(script: &Script) -> bool {
    let removes = |a: &crate::shell::Arg| a.text.trim_matches('"').contains(".cache");
    script.calls("rm").any(|c| c.args().iter().any(removes))
        || script.commands.iter().any(|c| {
            let words: Vec<&str> = c.words.iter().map(|w| w.text.as_str()).collect();
            c.program().starts_with("pip") && words.ends_with(&["cache", "purge"])
        })
}

/// Whether a RUN mounts a cache or a tmpfs at a path with this in it.
pub(crate) fn has_mount(instruction: Option<&Instruction>, part: &str) -> bool {
    let flags: &[Flag] = match instruction.map(|i| &i.kind) {
        Some(Kind::Run { flags, .. }) => flags,
        Some(Kind::OnBuild(inner)) => return has_mount(Some(inner), part),
        _ => return false,
    };
    let mounts = flags.iter().filter(|f| f.name == "mount");
    let mut values = mounts.filter_map(|f| f.value.as_deref());
    values.any(|value| {
        let mut fields = value.split(',').filter_map(|f| f.split_once('='));
        let kept = fields
            .clone()
            .any(|(k, v)| k == "type" && matches!(v, "cache" | "tmpfs"));
        kept && fields
            .any(|(k, v)| matches!(k, "target" | "dst" | "destination") && v.contains(part))
    })
}
