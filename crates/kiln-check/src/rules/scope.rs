//! Variables: which are known where.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use kiln_dockerfile::{Env, Instruction, Kind, Span, expand_word};

use crate::subject::{Stage, Subject};

/// Variables with their values; one that is declared may have none.
pub(super) type Vars = BTreeMap<String, Option<String>>;

/// What a FROM knows without an ARG.
pub(super) const PLATFORM_ARGS: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// Looks variables up, and remembers those that weren't there.
pub(super) struct Lookup<'v> {
    vars: &'v Vars,
    used: RefCell<BTreeSet<String>>,
}

impl<'v> Lookup<'v> {
    pub fn new(vars: &'v Vars) -> Lookup<'v> {
        Lookup {
            vars,
            used: RefCell::default(),
        }
    }

    /// All names that were asked for.
    pub fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    /// The names that were asked for and are not declared.
    pub fn missing(&self) -> Vec<String> {
        let used = self.used.borrow();
        let missing = used.iter().filter(|n| !self.vars.contains_key(*n));
        missing.cloned().collect()
    }
}

impl Env for Lookup<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.used.borrow_mut().insert(name.to_owned());
        self.vars.get(name).cloned().flatten()
    }
}

/// The ARGs before the first FROM, with their defaults.
pub(super) fn globals(subject: &Subject) -> Vars {
    let escape = subject.file.directives.escape;
    let end = subject.stages.first().map_or(0, |s| s.range.start);
    let mut vars = Vars::new();
    for instruction in subject.instructions().iter().take(end) {
        let Kind::Arg(declared) = &instruction.kind else {
            continue;
        };
        for arg in declared {
            let value = arg.value.as_ref();
            let value = value.and_then(|v| expand_word(v, escape, &Lookup::new(&vars)).ok());
            vars.insert(arg.key.clone(), value);
        }
    }
    vars
}

/// The image a stage is based on, with the defaults of the ARGs; nothing where a variable has none,
/// where it is another stage, and for `scratch`.
pub(super) fn base_image(subject: &Subject, vars: &Vars, stage: &Stage) -> Option<String> {
    if stage.parent.is_some() {
        return None;
    }
    let lookup = Lookup::new(vars);
    let name = expand_word(stage.image, subject.file.directives.escape, &lookup).ok()?;
    let known = |n: &String| vars.get(n).is_some_and(Option::is_some);
    let is_stage = subject.stage_named(&name, stage.index).is_some();
    let named = lookup.used().iter().all(known) && name != "scratch" && !name.is_empty();
    (named && !is_stage).then_some(name)
}

/// The image at the root of a stage, over the stages it is based on.
pub(super) fn root_image(subject: &Subject, vars: &Vars, stage: usize) -> Option<String> {
    let root = subject.ancestry(stage).pop()?;
    base_image(subject, vars, subject.stages.get(root)?)
}

/// Where an instruction uses a variable.
pub(super) fn variable_span(instruction: &Instruction, name: &str) -> Span {
    let text = &instruction.line.text;
    let from = instruction.start;
    for (at, _) in text.get(from..).unwrap_or_default().match_indices('$') {
        let at = from + at;
        let rest = text.get(at + 1..).unwrap_or_default();
        let (brace, rest) = match rest.strip_prefix('{') {
            Some(rest) => (1, rest),
            None => (0, rest),
        };
        let Some(after) = rest.strip_prefix(name) else {
            continue;
        };
        if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let close = usize::from(brace == 1 && after.starts_with('}'));
        return instruction
            .line
            .span(at, at + 1 + brace + name.len() + close);
    }
    instruction.arguments_span()
}
