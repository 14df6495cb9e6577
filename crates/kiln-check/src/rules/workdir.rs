//! Where instructions work.

use kiln_dockerfile::{Instruction, Kind};

use super::scope::{Vars, base_image, globals};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "workdir-relative-path",
    summary: "Begin with an absolute WORKDIR",
    severity: Severity::Error,
    hadolint: &["DL3000"],
    buildkit: &["WorkdirRelativePath"],
    fixes: true,
    check: relative,
    ..Rule::NEW
}];

fn relative(subject: &Subject, findings: &mut Findings) {
    let globals = globals(subject);
    let mut set = vec![false; subject.stages.len()];
    let mut stage: Option<&Stage> = None;
    let mut now = false;
    for instruction in subject.instructions() {
        if let Kind::From { .. } = instruction.kind {
            if let Some(slot) = stage.and_then(|s| set.get_mut(s.index)) {
                *slot = now;
            }
            stage = subject.stages.get(stage.map_or(0, |s| s.index + 1));
            let parent = stage.and_then(|s| s.parent);
            now = parent.and_then(|p| set.get(p)).is_some_and(|s| *s);
        }
        let (inner, own) = match &instruction.kind {
            Kind::OnBuild(inner) => (&**inner, false),
            _ => (instruction, true),
        };
        let Kind::Workdir(path) = &inner.kind else {
            continue;
        };
        match plain(path) {
            Path::Absolute => now |= own,
            // Where it leads can't be seen here.
            Path::Unknown => now |= own,
            Path::Relative if now && own => {}
            Path::Relative => {
                let base = stage
                    .filter(|_| own)
                    .and_then(|s| base_workdir(subject, &globals, s));
                report(inner, path, base, findings);
            }
        }
    }
}

fn report(instruction: &Instruction, path: &str, base: Option<String>, findings: &mut Findings) {
    let span = instruction.arguments_span();
    let finding = findings.add(
        span,
        format!("{path} is below whatever directory the base image works in: another base, another place"),
    );
    let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let up = path.split('/').any(|p| p == "..");
    if let Some(base) = base.filter(|b| b.chars().all(simple))
        && path.chars().all(simple)
        && !up
    {
        let path = path.strip_prefix("./").unwrap_or(path);
        let whole = format!("{}/{path}", base.trim_end_matches('/'));
        finding.fix(Fix::replace(format!("write {whole}"), span.range(), whole));
    }
}

enum Path {
    Absolute,
    Relative,
    Unknown,
}

fn plain(path: &str) -> Path {
    let path = path.trim_matches(['"', '\'']);
    let mut chars = path.chars();
    let (first, second) = (chars.next(), chars.next());
    let drive = first.is_some_and(|c| c.is_ascii_alphabetic()) && second == Some(':');
    match first {
        Some('/' | '\\') => Path::Absolute,
        _ if drive => Path::Absolute,
        Some('$') => Path::Unknown,
        _ => Path::Relative,
    }
}

/// The directory a stage begins in, where that is known.
fn base_workdir(subject: &Subject, globals: &Vars, stage: &Stage) -> Option<String> {
    if stage.image == "scratch" {
        return Some("/".to_owned());
    }
    let image = base_image(subject, globals, stage)?;
    let facts = subject.around.images.image(&image)?;
    Some(match facts.workdir.as_str() {
        "" => "/".to_owned(),
        path => path.to_owned(),
    })
}
