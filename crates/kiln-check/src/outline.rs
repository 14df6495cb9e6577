//! What a Dockerfile takes: its targets, and the arguments, secrets and agents of one of them
//! (`--call outline` and `--call targets` of docker).

use kiln_dockerfile::{
    Dockerfile, Env, Flag, Instruction, Kind, Mount, PieceKind, mount_from, parse_mount,
};
use serde::Serialize;

use crate::subject::{Subject, Surroundings};

/// A stage that can be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name; its number where it has none.
    pub name: String,
    /// What its comment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The image or stage it is based on, as written.
    pub base: String,
    /// The one that is built when none is named.
    pub default: bool,
    /// The line of its FROM.
    pub line: u32,
}

/// A build argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its default, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What its comment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The line of its ARG.
    pub line: u32,
}

/// A secret, or an agent of ssh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handed {
    /// Its id.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The line of the RUN that takes it first.
    pub line: u32,
}

/// What a target takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The target's name.
    pub name: String,
    /// What its comment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Arguments of the stages that it needs, and those before the first FROM.
    pub args: Vec<Argument>,
    /// Secrets.
    pub secrets: Vec<Handed>,
    /// Agents of ssh.
    pub ssh: Vec<Handed>,
}

/// All stages, in order.
pub fn targets(file: &Dockerfile) -> Vec<Target> {
    let subject = Subject::new(file, &Surroundings::NONE);
    let last = subject.stages.len().saturating_sub(1);
    let target = |stage: &crate::subject::Stage| Target {
        name: stage
            .name
            .map_or_else(|| stage.index.to_string(), String::from),
        description: stage.name.and_then(|n| description(file, stage.from, n)),
        base: stage.image.to_owned(),
        default: stage.index == last,
        line: stage.from.span.start.line,
    };
    subject.stages.iter().map(target).collect()
}

/// What a target takes; the last stage when none is named. Nothing where there is no such stage.
pub fn outline(file: &Dockerfile, target: Option<&str>) -> Option<Outline> {
    let subject = Subject::new(file, &Surroundings::NONE);
    let stage = match target {
        Some(name) => subject.stage_named(name, subject.stages.len())?,
        None => subject.final_stage()?,
    };
    let mut out = Outline {
        name: stage
            .name
            .map_or_else(|| stage.index.to_string(), String::from),
        description: stage.name.and_then(|n| description(file, stage.from, n)),
        ..Outline::default()
    };
    let first = subject.stages.first().map_or(0, |s| s.range.start);
    let before = file.instructions.get(..first).unwrap_or_default();
    let needed = needed(&subject, stage.index);
    let stages = subject.stages.iter().filter(|s| needed.contains(&s.index));
    let inside = stages.flat_map(|s| subject.of_stage(s));
    for instruction in before.iter().chain(inside) {
        out.take(file, instruction);
    }
    Some(out)
}

/// The stages a stage needs, itself included.
fn needed(subject: &Subject, stage: usize) -> Vec<usize> {
    let mut found = vec![stage];
    let mut next = 0;
    while let Some(stage) = found.get(next).and_then(|n| subject.stages.get(*n)) {
        next += 1;
        let mut names: Vec<usize> = stage.parent.into_iter().collect();
        for instruction in subject.of_stage(stage) {
            let from = from_flags(instruction, subject.file.directives.escape);
            let named = from.filter_map(|f| subject.stage_named(&f, stage.index));
            names.extend(named.map(|s| s.index));
        }
        for name in names {
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// What an instruction's `--from` and the `from=` of its mounts name.
fn from_flags(instruction: &Instruction, escape: char) -> impl Iterator<Item = String> {
    let flags = match &instruction.kind {
        Kind::Copy(c) | Kind::Add(c) => c.flags.as_slice(),
        Kind::Run { flags, .. } => flags.as_slice(),
        _ => &[],
    };
    flags.iter().filter_map(move |f| match f.name.as_str() {
        "from" => f.value.clone(),
        "mount" => mount_from(f, escape),
        _ => None,
    })
}

/// No variable has a value: ids with variables are shown without them.
struct Unset;

impl Env for Unset {
    fn get(&self, _: &str) -> Option<String> {
        None
    }
}

impl Outline {
    fn take(&mut self, file: &Dockerfile, instruction: &Instruction) {
        let line = instruction.span.start.line;
        match &instruction.kind {
            Kind::Arg(declared) => {
                for arg in declared {
                    let said = description(file, instruction, &arg.key);
                    let new = Argument {
                        name: arg.key.clone(),
                        value: arg.value.clone(),
                        description: said,
                        line,
                    };
                    match self.args.iter_mut().find(|a| a.name == arg.key) {
                        // A stage that declares an argument anew inherits its value.
                        Some(known) => {
                            known.value = new.value.or(known.value.take());
                            known.description = new.description.or(known.description.take());
                        }
                        None => self.args.push(new),
                    }
                }
            }
            Kind::Run { flags, .. } => {
                for mount in flags.iter().filter(|f| f.name == "mount") {
                    self.mount(mount, file.directives.escape, line);
                }
            }
            _ => {}
        }
    }

    fn mount(&mut self, flag: &Flag, escape: char, line: u32) {
        let (list, name, required) = match parse_mount(flag, escape, &Unset) {
            Ok(Mount::Secret(m)) => (&mut self.secrets, m.id, m.required),
            Ok(Mount::Ssh(m)) => (&mut self.ssh, m.id, m.required),
            _ => return,
        };
        match list.iter_mut().find(|h| h.name == name) {
            Some(known) => known.required |= required,
            None => list.push(Handed {
                name,
                required,
                line,
            }),
        }
    }
}

/// What the comment right above an instruction says of a name: `# name what it is`.
pub(crate) fn description(
    file: &Dockerfile,
    instruction: &Instruction,
    name: &str,
) -> Option<String> {
    let line = instruction.span.start.line.checked_sub(1)?;
    let comment = file
        .pieces
        .iter()
        .find(|p| p.kind == PieceKind::Comment && p.span.start.line == line)?;
    let text = file.source_of(comment.span).trim_start_matches('#').trim();
    let rest = text
        .get(..name.len())
        .filter(|n| n.eq_ignore_ascii_case(name));
    rest?;
    let said = text.get(name.len()..)?;
    let said = said.strip_prefix(char::is_whitespace)?.trim();
    (!said.is_empty()).then(|| said.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kiln_dockerfile::parse;

    const TEXT: &str = "\
# VERSION of the base
ARG VERSION=12
FROM debian:$VERSION AS deps
# TOKEN tells who we are
ARG TOKEN
RUN --mount=type=secret,id=npm,required --mount=type=ssh make
FROM scratch AS other
ARG UNSEEN
# app is what we ship
FROM debian AS app
ARG VERSION
COPY --from=deps /a /a
RUN --mount=type=secret,target=/run/key true
";

    #[test]
    fn outlines() {
        let file = parse(TEXT.as_bytes()).unwrap();
        let all = targets(&file);
        let names: Vec<_> = all.iter().map(|t| (t.name.as_str(), t.default)).collect();
        assert_eq!(names, [("deps", false), ("other", false), ("app", true)]);
        assert_eq!(all[2].description.as_deref(), Some("is what we ship"));
        let out = outline(&file, None).unwrap();
        let args: Vec<_> = out.args.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(args, ["VERSION", "TOKEN"]);
        assert_eq!(out.args[0].value.as_deref(), Some("12"));
        assert_eq!(out.args[0].description.as_deref(), Some("of the base"));
        let secrets: Vec<_> = out
            .secrets
            .iter()
            .map(|s| (s.name.as_str(), s.required))
            .collect();
        assert_eq!(secrets, [("npm", true), ("key", false)]);
        assert_eq!(out.ssh[0].name, "default");
        assert!(outline(&file, Some("nope")).is_none());
        assert_eq!(outline(&file, Some("OTHER")).unwrap().args.len(), 2);
    }
}
