//! Which stages others use.

use kiln_dockerfile::{CopyArgs, Instruction, Kind, Span, mount_from};

use crate::subject::{Stage, Subject};

/// The stages whose files or configuration no later stage takes: each may be an image, and the
/// last one is.
pub(super) fn results(subject: &Subject) -> Vec<usize> {
    let escape = subject.file.directives.escape;
    let mut used = vec![false; subject.stages.len()];
    for stage in &subject.stages {
        let mut mark = |n: Option<usize>| {
            if let Some(place) = n.and_then(|n| used.get_mut(n)) {
                *place = true;
            }
        };
        mark(stage.parent);
        let instructions = subject.of_stage(stage).iter();
        for (name, _) in instructions.flat_map(|i| sources(i, escape)) {
            mark(subject.stage_named(&name, stage.index).map(|s| s.index));
        }
    }
    let last = subject.stages.len().saturating_sub(1);
    let all = 0..subject.stages.len();
    all.filter(|n| *n == last || used.get(*n) == Some(&false))
        .collect()
}

/// The stages and images whose files an instruction takes, and the flags that name them.
pub(super) fn sources(instruction: &Instruction, escape: char) -> Vec<(String, Span)> {
    let unquoted = |name: &str| name.trim_matches(['"', '\'']).to_owned();
    match &instruction.kind {
        Kind::Copy(args) => {
            let froms = args.flags.iter().filter(|f| f.name == "from");
            froms
                .filter_map(|f| Some((unquoted(f.value.as_deref()?), f.span)))
                .collect()
        }
        Kind::Run { flags, .. } => {
            let mounts = flags.iter().filter(|f| f.name == "mount");
            mounts
                .filter_map(|f| Some((mount_from(f, escape)?, f.span)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The value of a COPY's `--from`.
pub(super) fn copy_source(args: &CopyArgs) -> Option<&str> {
    let mut flags = args.flags.iter();
    flags.find(|f| f.name == "from")?.value.as_deref()
}

/// The last instruction that `wanted` takes, of a stage or of the nearest one it is based on.
pub(super) fn in_force<'s>(
    subject: &'s Subject,
    stage: usize,
    wanted: impl Fn(&Instruction) -> bool,
) -> Option<&'s Instruction> {
    let ancestry = subject.ancestry(stage);
    let mut stages = ancestry.iter().filter_map(|s| subject.stages.get(*s));
    stages.find_map(|s| subject.of_stage(s).iter().rev().find(|i| wanted(i)))
}

/// What holds before each instruction: a stage begins with what the one it is based on ends with,
/// or with what `begin` says of its FROM.
pub(super) fn states<T: Copy + Default>(
    subject: &Subject,
    begin: impl Fn(&Stage) -> T,
    step: impl Fn(T, usize, &Instruction) -> T,
) -> Vec<T> {
    let mut before = vec![T::default(); subject.instructions().len()];
    let mut ends: Vec<T> = Vec::with_capacity(subject.stages.len());
    for stage in &subject.stages {
        let inherited = stage.parent.and_then(|p| ends.get(p));
        let mut now = inherited.copied().unwrap_or_else(|| begin(stage));
        for (n, instruction) in stage.range.clone().zip(subject.of_stage(stage)) {
            if let Some(place) = before.get_mut(n) {
                *place = now;
            }
            now = step(now, n, instruction);
        }
        ends.push(now);
    }
    before
}
