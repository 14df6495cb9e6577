//! Which stages others use.

use kiln_dockerfile::{CopyArgs, Instruction, Kind};

use crate::subject::Subject;

/// The stages whose files or configuration no later stage takes: each may be an image, and the
/// last one is.
pub(super) fn results(subject: &Subject) -> Vec<usize> {
    let mut used = vec![false; subject.stages.len()];
    for stage in &subject.stages {
        let mut mark = |n: Option<usize>| {
            if let Some(place) = n.and_then(|n| used.get_mut(n)) {
                *place = true;
            }
        };
        mark(stage.parent);
        for name in subject.of_stage(stage).iter().flat_map(sources) {
            mark(subject.stage_named(name, stage.index).map(|s| s.index));
        }
    }
    let last = subject.stages.len().saturating_sub(1);
    let all = 0..subject.stages.len();
    all.filter(|n| *n == last || used.get(*n) == Some(&false))
        .collect()
}

/// The stages and images whose files an instruction takes.
pub(super) fn sources(instruction: &Instruction) -> Vec<&str> {
    match &instruction.kind {
        Kind::Copy(args) => copy_source(args).into_iter().collect(),
        Kind::Run { flags, .. } => flags
            .iter()
            .filter(|f| f.name == "mount")
            .filter_map(|f| f.value.as_deref())
            .flat_map(|v| v.split(',').filter_map(|f| f.strip_prefix("from=")))
            .collect(),
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
