//! Base images.

use super::image_name::ImageName;
use super::scope::{base_image, globals, root_image};
use super::text::{list, size};
use crate::finding::{Cost, Findings};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "large-base-image",
        summary: "Build on the small variant of a base image",
        severity: Severity::Info,
        lesson: Some("small base image with a tag"),
        check: large,
        ..Rule::NEW
    },
    Rule {
        id: "several-base-images",
        summary: "Build the images of a project on one base image",
        severity: Severity::Info,
        lesson: Some("small base image with a tag"),
        check: several,
        ..Rule::NEW
    },
    Rule {
        id: "base-without-digest",
        summary: "Pin base images by digest",
        severity: Severity::Info,
        on: false,
        check: without_digest,
        ..Rule::NEW
    },
];

/// An image with a small variant (compilers aside, which have a rule of their own): about how many MB each takes, unpacked.
struct Variant {
    repository: &'static str,
    large: u32,
    /// What the small one's tag has.
    small: &'static str,
    small_mb: u32,
}

const fn variant(
    repository: &'static str,
    large: u32,
    small: &'static str,
    small_mb: u32,
) -> Variant {
    Variant {
        repository,
        large,
        small,
        small_mb,
    }
}

const VARIANTS: [Variant; 13] = [
    variant("debian", 120, "slim", 75),
    variant("python", 1020, "slim", 130),
    variant("node", 1100, "slim", 220),
    variant("ruby", 1000, "slim", 220),
    variant("perl", 900, "slim", 150),
    variant("php", 500, "alpine", 85),
    variant("postgres", 440, "alpine", 250),
    variant("nginx", 190, "alpine", 50),
    variant("httpd", 150, "alpine", 60),
    variant("redis", 120, "alpine", 40),
    variant("eclipse-temurin", 450, "jre", 270),
    variant("openjdk", 470, "slim", 400),
    variant("amazoncorretto", 450, "alpine", 300),
];

/// Parts of tags that say: already small.
const SMALL: [&str; 9] = [
    "slim",
    "alpine",
    "jre",
    "distroless",
    "minimal",
    "busybox",
    "musl",
    "windowsservercore",
    "nanoserver",
];

/// The tag of the small variant: `3.12-bookworm` → `3.12-slim-bookworm`.
fn small_tag(tag: Option<&str>, small: &str) -> String {
    const SUITES: [&str; 6] = ["trixie", "bookworm", "bullseye", "buster", "noble", "jammy"];
    match tag {
        None | Some("latest") => small.to_owned(),
        Some(tag) if small == "jre" => format!("{}-jre", tag.trim_end_matches("-jdk")),
        Some(tag) => match tag.rsplit_once('-').filter(|(_, s)| SUITES.contains(s)) {
            Some((version, _)) if small == "alpine" => format!("{version}-alpine"),
            Some((version, suite)) => format!("{version}-{small}-{suite}"),
            None => format!("{tag}-{small}"),
        },
    }
}

fn large(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    let globals = globals(subject);
    let Some(root) = subject
        .ancestry(last.index)
        .pop()
        .and_then(|r| subject.stages.get(r))
    else {
        return;
    };
    let Some(image) = base_image(subject, &globals, root) else {
        return;
    };
    let name = ImageName::of(&image);
    let variant = VARIANTS.iter().find(|v| v.repository == name.repository);
    let Some(variant) = variant.filter(|_| !name.tag_has(&SMALL)) else {
        return;
    };
    if name.digest.is_some() && name.tag.is_none() {
        return;
    }
    let small = format!("{}:{}", name.repository, small_tag(name.tag, variant.small));
    let known = |name: &str| subject.around.images.image(name).map(|i| i.bytes);
    let (bytes, small_bytes) = (known(&image), known(&small));
    let now = bytes.map_or(format!("about {} MB", variant.large), size);
    let then = small_bytes.map_or(format!("about {} MB", variant.small_mb), size);
    let words = root.from.words(subject.file.directives.escape);
    let span = words
        .first()
        .map_or(root.from.arguments_span(), |w| root.from.word_span(w));
    let finding = findings.add(
        span,
        format!("{image} takes {now}, {small} {then}: each pull and each scan has the difference"),
    );
    if let (Some(bytes), Some(small)) = (bytes, small_bytes) {
        finding.cost(Cost::Bytes(bytes.saturating_sub(small)));
    }
}

fn several(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    let globals = globals(subject);
    let Some(image) = root_image(subject, &globals, last.index) else {
        return;
    };
    let other = subject.around.others.iter().filter(|(_, other)| {
        *other != image && other != "scratch" && !other.contains('$') && !other.is_empty()
    });
    let other: Vec<String> = other
        .map(|(path, other)| format!("{path} on {other}"))
        .collect();
    if other.is_empty() {
        return;
    }
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    findings.add(
        last.from.arguments_span(),
        format!(
            "this image is built on {image}, but {}: images on one base share its layers",
            list(&other)
        ),
    );
}

fn without_digest(subject: &Subject, findings: &mut Findings) {
    let globals = globals(subject);
    for stage in &subject.stages {
        let Some(image) = base_image(subject, &globals, stage) else {
            continue;
        };
        if ImageName::of(&image).digest.is_none() {
            let words = stage.from.words(subject.file.directives.escape);
            let span = words
                .first()
                .map_or(stage.from.arguments_span(), |w| stage.from.word_span(w));
            findings.add(
                span,
                format!("{image} may be another image tomorrow: only a digest (@sha256:…) names one for good"),
            );
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kiln_dockerfile::parse;

    use super::*;
    use crate::subject::{ImageFacts, Images, Surroundings};

    #[test]
    fn tags_of_small_variants() {
        for (tag, small, want) in [
            (None, "slim", "slim"),
            (Some("latest"), "alpine", "alpine"),
            (Some("3.12"), "slim", "3.12-slim"),
            (Some("3.12-bookworm"), "slim", "3.12-slim-bookworm"),
            (Some("1.24-bookworm"), "alpine", "1.24-alpine"),
            (Some("21-jdk"), "jre", "21-jre"),
            (Some("bookworm"), "slim", "bookworm-slim"),
        ] {
            assert_eq!(small_tag(tag, small), want);
        }
    }

    struct Sizes;

    impl Images for Sizes {
        fn image(&self, name: &str) -> Option<ImageFacts> {
            let bytes = match name {
                "debian:12" => 117_000_000,
                "debian:12-slim" => 75_000_000,
                _ => return None,
            };
            Some(ImageFacts {
                bytes,
                ..ImageFacts::default()
            })
        }
    }

    #[test]
    fn what_is_measured_and_what_others_use() {
        let file = parse(b"FROM debian:12\n").unwrap();
        let others = [
            ("a/Dockerfile".to_owned(), "alpine:3".to_owned()),
            ("b/Dockerfile".to_owned(), "debian:12".to_owned()),
        ];
        let around = Surroundings {
            images: &Sizes,
            others: &others,
            ..Surroundings::NONE
        };
        let found = crate::check(&file, &around, |r| r.id == "large-base-image");
        assert_eq!(found[0].cost, Some(Cost::Bytes(42_000_000)));
        assert!(found[0].message.contains("117.0 MB"));
        let found = crate::check(&file, &around, |r| r.id == "several-base-images");
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("a/Dockerfile on alpine:3"));
        assert!(!found[0].message.contains("b/Dockerfile"));
    }
}
