//! The names of base images: their tags and registries.

use kiln_dockerfile::Span;

use super::stage_use::sources;
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "untagged-base-image",
        summary: "Name a base image's tag",
        hadolint: &["DL3006"],
        lesson: Some("small tagged base image"),
        check: untagged,
        ..Rule::NEW
    },
    Rule {
        id: "latest-base-image",
        summary: "Name a base image's version, not latest",
        hadolint: &["DL3007"],
        lesson: Some("small tagged base image"),
        check: latest,
        ..Rule::NEW
    },
    Rule {
        id: "untrusted-registry",
        summary: "Take images from the trusted registries only",
        severity: Severity::Error,
        hadolint: &["DL3026"],
        check: untrusted,
        ..Rule::NEW
    },
];

/// The tag; nothing for an image that is named by its digest.
enum Tag<'a> {
    Missing,
    Is(&'a str),
    Digest,
}

fn tag(image: &str) -> Tag<'_> {
    if image.contains('@') {
        return Tag::Digest;
    }
    match image.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => Tag::Is(tag),
        _ => Tag::Missing,
    }
}

/// Stages that are based on images whose names are known.
fn bases<'s>(subject: &'s Subject) -> impl Iterator<Item = (&'s str, Span)> {
    let own = subject.stages.iter().filter(|s| s.parent.is_none());
    let named = own.filter(|s| s.image != "scratch" && !s.image.contains('$'));
    named.map(|s| (s.image, image_span(subject, s)))
}

fn image_span(subject: &Subject, stage: &Stage) -> Span {
    let words = stage.from.words(subject.file.directives.escape);
    let word = words.first();
    word.map_or(stage.from.arguments_span(), |w| stage.from.word_span(w))
}

fn untagged(subject: &Subject, findings: &mut Findings) {
    for (image, span) in bases(subject) {
        if let Tag::Missing = tag(image) {
            findings.add(
                span,
                format!("{image} without a tag is {image}:latest, another image with each release: name the one you built and tested with"),
            );
        }
    }
}

fn latest(subject: &Subject, findings: &mut Findings) {
    for (image, span) in bases(subject) {
        if let Tag::Is("latest") = tag(image) {
            let name = image.strip_suffix(":latest").unwrap_or(image);
            findings.add(
                span,
                format!("latest is another image with each release of {name}: name the one you built and tested with"),
            );
        }
    }
}

fn untrusted(subject: &Subject, findings: &mut Findings) {
    let trusted = subject.around.trusted_registries;
    if trusted.is_empty() {
        return;
    }
    let escape = subject.file.directives.escape;
    let refused = |image: &str| {
        let registry = registry(image);
        let known = image != "scratch" && !registry.contains('$');
        let mut names = match registry {
            "docker.io" => vec!["docker.io", "hub.docker.com"],
            other => vec![other],
        }
        .into_iter();
        known && !names.any(|name| trusted.iter().any(|t| matches(t, name)))
    };
    let mut say = |span: Span, image: &str| {
        let registry = registry(image);
        findings.add(
            span,
            format!(
                "{image} comes from {registry}, which isn't among the trusted registries ({})",
                trusted.join(", ")
            ),
        );
    };
    for stage in &subject.stages {
        if stage.parent.is_none() && refused(stage.image) {
            say(image_span(subject, stage), stage.image);
        }
        for instruction in subject.of_stage(stage) {
            for (image, span) in sources(instruction, escape) {
                let number = image.parse::<usize>().is_ok();
                let stage = subject.stage_named(&image, stage.index);
                if !number && stage.is_none() && !image.is_empty() && refused(&image) {
                    say(span, &image);
                }
            }
        }
    }
}

/// The registry's host; Docker Hub's where the name has none.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host == "localhost" || host.contains(['.', ':', '$']) => host,
        _ => "docker.io",
    }
}

/// `*` at either end stands for anything.
fn matches(pattern: &str, registry: &str) -> bool {
    if let Some(end) = pattern.strip_prefix('*') {
        return registry.ends_with(end);
    }
    match pattern.strip_suffix('*') {
        Some(start) => registry.starts_with(start),
        None => registry == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_taken_apart() {
        assert!(matches!(tag("localhost:5000/a"), Tag::Missing));
        assert!(matches!(tag("localhost:5000/a:b"), Tag::Is("b")));
        assert!(matches!(tag("a@sha256:0"), Tag::Digest));
        assert_eq!(registry("a/b"), "docker.io");
        assert_eq!(registry("localhost/b"), "localhost");
        assert!(matches("*.x.com", "a.x.com") && !matches("*.x.com", "x.com"));
        assert!(matches("a*", "ab") && matches("*", "b") && !matches("a", "ab"));
    }
}
