//! Variables and platforms in FROM.

use kiln_dockerfile::{Span, expand_word, nearest};

use super::image_name::is_valid;
use super::scope::{Lookup, PLATFORM_ARGS, Vars, globals, variable_span};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "undefined-arg-in-from",
        summary: "Declare an ARG before the first FROM for each variable of a FROM",
        buildkit: &["UndefinedArgInFrom"],
        check: undefined_arg,
        ..Rule::NEW
    },
    Rule {
        id: "invalid-default-arg-in-from",
        summary: "Give an ARG in FROM a default that makes a valid image name",
        buildkit: &["InvalidDefaultArgInFrom"],
        check: invalid_default,
        ..Rule::NEW
    },
    Rule {
        id: "from-platform-flag-const-disallowed",
        summary: "Don't fix the platform of a FROM",
        hadolint: &["DL3029"],
        buildkit: &["FromPlatformFlagConstDisallowed"],
        check: const_platform,
        ..Rule::NEW
    },
    Rule {
        id: "redundant-target-platform",
        summary: "Leave out --platform=$TARGETPLATFORM: it is the default",
        severity: Severity::Style,
        hadolint: &["DL3065"],
        buildkit: &["RedundantTargetPlatform"],
        fixes: true,
        check: redundant_platform,
        ..Rule::NEW
    },
];

fn undefined_arg(subject: &Subject, findings: &mut Findings) {
    let vars = globals(subject);
    let mut known: Vec<&str> = vars.keys().map(String::as_str).collect();
    known.extend(PLATFORM_ARGS);
    for stage in &subject.stages {
        let lookup = Lookup::new(&vars);
        for word in [Some(stage.image), stage.platform].into_iter().flatten() {
            let _ = expand_word(word, subject.file.directives.escape, &lookup);
        }
        for name in lookup.missing() {
            if PLATFORM_ARGS.contains(&name.as_str()) {
                continue;
            }
            let hint = match nearest(&name, &known) {
                Some(near) => format!(": did you mean {near}?"),
                None => format!(": write ARG {name} before the first FROM"),
            };
            findings.add(
                variable_span(stage.from, &name),
                format!("no ARG declares {name}, so that it is empty here{hint}"),
            );
        }
    }
}

fn invalid_default(subject: &Subject, findings: &mut Findings) {
    let vars = globals(subject);
    for stage in &subject.stages {
        let lookup = Lookup::new(&vars);
        let escape = subject.file.directives.escape;
        let Ok(name) = expand_word(stage.image, escape, &lookup) else {
            continue;
        };
        let used = lookup.used();
        // Names without an ARG are the registry's to judge, those of unknown ARGs another rule's.
        let mut declared = used.iter().filter(|n| vars.contains_key(*n));
        let Some(arg) = declared.next() else {
            continue;
        };
        if !lookup.missing().is_empty() && used.len() == lookup.missing().len() {
            continue;
        }
        if is_valid(&name) || subject.stage_named(&name, stage.index).is_some() {
            continue;
        }
        findings.add(
            image_span(subject, stage),
            format!("without --build-arg the image's name is {name:?}, which is none: give ARG {arg} a default that fits"),
        );
    }
}

fn image_span(subject: &Subject, stage: &Stage) -> Span {
    let words = stage.from.words(subject.file.directives.escape);
    match words.first() {
        Some(word) => stage.from.word_span(word),
        None => stage.from.arguments_span(),
    }
}

/// Where `--platform=…` stands, from the keyword's end to the image.
fn platform_flag(stage: &Stage) -> Option<(Span, usize)> {
    let line = &stage.from.line;
    let at = stage.from.start + line.text.get(stage.from.start..)?.find("--platform=")?;
    let tail = line.text.get(at..stage.from.body)?;
    let flag = tail.trim_end();
    Some((line.span(at, at + flag.len()), at))
}

fn const_platform(subject: &Subject, findings: &mut Findings) {
    let none = Vars::new();
    for stage in &subject.stages {
        let (Some(platform), Some((span, _))) = (stage.platform, platform_flag(stage)) else {
            continue;
        };
        let lookup = Lookup::new(&none);
        let Ok(value) = expand_word(platform, subject.file.directives.escape, &lookup) else {
            continue;
        };
        if !lookup.used().is_empty() || value.is_empty() {
            continue;
        }
        let name = stage.name.unwrap_or_default().to_ascii_lowercase();
        // A stage that is named after its platform means it.
        let mut parts = value.split('/').take(2).filter(|p| !p.is_empty());
        if parts.any(|p| name.contains(&p.to_ascii_lowercase())) {
            continue;
        }
        findings.add(
            span,
            format!("this stage is for {value} whatever platform is asked for: leave the flag out, use $BUILDPLATFORM, or name the stage after the platform"),
        );
    }
}

fn redundant_platform(subject: &Subject, findings: &mut Findings) {
    let vars = globals(subject);
    for stage in &subject.stages {
        let (Some(platform), Some((span, at))) = (stage.platform, platform_flag(stage)) else {
            continue;
        };
        let plain = matches!(platform, "$TARGETPLATFORM" | "${TARGETPLATFORM}");
        if !plain || vars.get("TARGETPLATFORM").is_some_and(Option::is_some) {
            continue;
        }
        let finding = findings.add(
            span,
            format!("{platform} is the platform of a FROM anyway: the flag says nothing"),
        );
        let range = stage.from.line.span(at, stage.from.body);
        if range.start.line == range.end.line {
            finding.fix(Fix::replace("leave --platform out", range.range(), ""));
        }
    }
}
