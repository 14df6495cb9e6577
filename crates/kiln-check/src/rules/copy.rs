//! What COPY takes, and where it puts it.

use std::collections::HashMap;

use kiln_dockerfile::{CopyArgs, CopySource, Instruction, Kind};

use super::stage_use::{copy_source, states};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::shell::Arg;
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "copied-archive-extracted",
        summary: "Let ADD extract an archive instead of copying it first",
        severity: Severity::Info,
        hadolint: &["DL3010"],
        lesson: Some("no leftovers"),
        check: archive,
        ..Rule::NEW
    },
    Rule {
        id: "copy-several-to-file",
        summary: "End the destination of several files with a slash",
        severity: Severity::Error,
        hadolint: &["DL3021"],
        fixes: true,
        check: several,
        ..Rule::NEW
    },
    Rule {
        id: "copy-from-unknown-stage",
        summary: "Copy from a stage that is there",
        hadolint: &["DL3022"],
        check: unknown_stage,
        ..Rule::NEW
    },
    Rule {
        id: "copy-from-own-stage",
        summary: "Copy from another stage than the one being built",
        severity: Severity::Error,
        hadolint: &["DL3023"],
        check: own_stage,
        ..Rule::NEW
    },
    Rule {
        id: "copy-without-workdir",
        summary: "Set WORKDIR before copying to a relative path",
        hadolint: &["DL3045"],
        check: without_workdir,
        ..Rule::NEW
    },
];

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

fn copy(instruction: &Instruction) -> Option<&CopyArgs> {
    match &instruction.kind {
        Kind::Copy(args) => Some(args),
        _ => None,
    }
}

/// The file's name, on either kind of system.
fn base(path: &str) -> &str {
    let path = unquoted(path);
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Whether ADD would extract it: tar archives, compressed in the ways that Docker knows.
fn is_archive(path: &str) -> bool {
    const ENDS: [&str; 12] = [
        ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tb2", ".tar.xz", ".txz",
        ".tar.zst", ".tzst", ".tar.Z",
    ];
    ENDS.iter().any(|e| unquoted(path).ends_with(e))
}

fn archive(subject: &Subject, findings: &mut Findings) {
    for stage in &subject.stages {
        let extracted = extracted(subject, stage);
        let numbered = stage.range.clone().zip(subject.of_stage(stage));
        for (n, instruction) in numbered {
            let Some(args) = copy(instruction).filter(|a| copy_source(a).is_none()) else {
                continue;
            };
            let names: Vec<&str> = match is_archive(&args.dest) {
                true => vec![base(&args.dest)],
                false => {
                    let paths = args.sources.iter().filter_map(|s| match s {
                        CopySource::Path(p) if is_archive(p) => Some(base(p)),
                        _ => None,
                    });
                    paths.collect()
                }
            };
            let later = |name: &&&str| extracted.get(**name).is_some_and(|last| *last > n);
            if let Some(name) = names.iter().find(later) {
                findings.add(
                    instruction.keyword_span(),
                    format!("{name} is copied into a layer of its own, and stays there when a later RUN extracts it: ADD extracts it at once"),
                );
            }
        }
    }
}

/// The files that the stage's scripts extract, and in which instruction last.
fn extracted<'s>(subject: &'s Subject, stage: &Stage) -> HashMap<&'s str, usize> {
    let mut found = HashMap::new();
    for (n, script) in subject.scripts_of(stage) {
        for tar in script.calls("tar") {
            let args = tar.args();
            // `tar xf a.tar` does without the dash.
            let letters = |a: &&Arg| a.text.chars().all(|c| c.is_ascii_alphabetic());
            let bundled = args.first().filter(letters);
            if tar.has_any_flag(&["x", "extract", "get"])
                || bundled.is_some_and(|a| a.text.contains('x'))
            {
                found.extend(args.iter().map(|a| (base(&a.text), n)));
            }
        }
    }
    found
}

fn several(subject: &Subject, findings: &mut Findings) {
    for instruction in subject.instructions() {
        let (Kind::Copy(args) | Kind::Add(args)) = &instruction.kind else {
            continue;
        };
        let dest = unquoted(&args.dest);
        let is_dir = dest.ends_with(['/', '\\']) || dest == "." || dest.ends_with("/.");
        let variable = dest
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains('$'));
        if args.sources.len() < 2 || is_dir || variable {
            continue;
        }
        let words = instruction.words(subject.file.directives.escape);
        let last = words.last().filter(|w| w.text == args.dest);
        let span = last.map_or(instruction.arguments_span(), |w| instruction.word_span(w));
        let name = instruction.name();
        let finding = findings.add(
            span,
            format!("several files can't all become {dest}, so {name} refuses them: a directory ends with a slash"),
        );
        if last.is_some() {
            let quote = usize::from(args.dest.ends_with(['"', '\'']));
            let at = span.range().end - quote;
            finding.fix(Fix::replace("end it with a slash", at..at, "/"));
        }
    }
}

fn unknown_stage(subject: &Subject, findings: &mut Findings) {
    each_from(subject, |stage, instruction, from| {
        // A stage's name has none of these: it is an image, or only known when it is built.
        if from.contains([':', '@', '/', '$']) || subject.stage_named(from, stage.index).is_some() {
            return;
        }
        if subject.stage_named(from, stage.index + 1).is_some() {
            return;
        }
        findings.add(
            from_span(instruction),
            format!("no stage above is called {from}, so an image or build context of that name is looked for: name a stage, or the image with its tag"),
        );
    });
}

fn own_stage(subject: &Subject, findings: &mut Findings) {
    each_from(subject, |stage, instruction, from| {
        let named = subject.stage_named(from, stage.index + 1);
        if named.is_some_and(|s| s.index == stage.index) {
            findings.add(
                from_span(instruction),
                format!("{from} is the stage that this COPY is in: it isn't built yet, so there is nothing to copy from it"),
            );
        }
    });
}

fn each_from(subject: &Subject, mut look: impl FnMut(&Stage, &Instruction, &str)) {
    for stage in &subject.stages {
        for instruction in subject.of_stage(stage) {
            if let Some(from) = copy(instruction).and_then(copy_source) {
                look(stage, instruction, unquoted(from));
            }
        }
    }
}

fn from_span(instruction: &Instruction) -> kiln_dockerfile::Span {
    let flags = copy(instruction).map(|a| a.flags.iter());
    let flag = flags.and_then(|mut f| f.find(|f| f.name == "from"));
    flag.map_or(instruction.keyword_span(), |f| f.span)
}

fn is_absolute(path: &str) -> bool {
    let mut chars = path.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('/' | '\\' | '$'), ..) => true,
        (Some(drive), Some(':'), Some('/' | '\\')) => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

fn without_workdir(subject: &Subject, findings: &mut Findings) {
    let known = |stage: &Stage| {
        let image = subject.around.images.image(stage.image);
        image.is_some_and(|i| !matches!(i.workdir.as_str(), "" | "/"))
    };
    let set = states(subject, known, |was, _, i| {
        was || matches!(inner(i), Kind::Workdir(_))
    });
    for (instruction, set) in subject.instructions().iter().zip(set) {
        let (Kind::Copy(args) | Kind::Add(args)) = inner(instruction) else {
            continue;
        };
        let dest = unquoted(&args.dest);
        if !set && !is_absolute(dest) {
            findings.add(
                instruction.keyword_span(),
                format!("{dest} is relative to a directory that only the base image knows, / unless it says otherwise: set WORKDIR first"),
            );
        }
    }
}

/// What it does, or lets the next build do.
fn inner(instruction: &Instruction) -> &Kind {
    match &instruction.kind {
        Kind::OnBuild(inner) => &inner.kind,
        kind => kind,
    }
}
