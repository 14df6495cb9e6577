//! Names of images: `[registry/]repository[:tag][@digest]` (grammar and short forms of
//! distribution/reference).

use std::fmt;

use crate::{Digest, OciError};

const DOCKER_HUB: &str = "docker.io";
const OFFICIAL: &str = "library/";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A parsed name, completed as docker does: `busybox` is `docker.io/library/busybox`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses a name in its short or long form.
    pub fn parse(text: &str) -> Result<Reference, OciError> {
        let bad = |why| OciError::Reference {
            text: text.to_owned(),
            why,
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(digest.parse().map_err(|_| {
                    bad("what follows @ must be sha256: and 64 lower-case hexadecimal digits")
                })?),
            ),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let slash = rest.rfind('/').map_or(0, |i| i + 1);
        let (name, tag) = match rest[slash..].split_once(':') {
            Some((last, tag)) => (&rest[..slash + last.len()], Some(tag)),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(bad("the name is empty"));
        }
        if tag.is_some_and(|t| !is_tag(t)) {
            return Err(bad(
                "a tag has up to 128 letters, digits, _, . and -, and begins with none of the last two",
            ));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path),
            _ => (DOCKER_HUB, name),
        };
        let registry = match registry {
            "index.docker.io" => DOCKER_HUB,
            other => other,
        };
        if registry != DOCKER_HUB && !is_host(registry) {
            return Err(bad("the registry is no host name"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(bad("repository name must be lowercase"));
        }
        if !path.split('/').all(is_component) {
            return Err(bad(
                "a repository has lower-case letters and digits, separated by ., _, __, - or /",
            ));
        }
        if registry == DOCKER_HUB && name == path && is_hex64(path) {
            return Err(bad("64 hexadecimal digits are an image's id, not its name"));
        }
        let repository = if registry == DOCKER_HUB && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(bad("repository name must not be more than 255 characters"));
        }
        Ok(Reference {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(String::from),
            digest,
        })
    }

    /// The registry's host and port, `docker.io` where the name has none.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, complete: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if the name has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the name has one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same with the tag `latest` where it has neither tag nor digest.
    pub fn with_default_tag(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The repository with a digest in place of tag and digest.
    pub fn at_digest(&self, digest: &Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(*digest),
            ..self.clone()
        }
    }

    /// The long form, `docker.io/library/busybox:latest`.
    pub fn canonical(&self) -> String {
        self.with_name(&format!("{}/{}", self.registry, self.repository))
    }

    /// The form that people write, `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.with_name(&self.familiar_name())
    }

    /// The registry and repository as people write them, without tag and digest.
    pub fn familiar_name(&self) -> String {
        if self.registry != DOCKER_HUB {
            return format!("{}/{}", self.registry, self.repository);
        }
        match self.repository.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') && !is_hex64(short) => short.to_owned(),
            _ if self.repository.split('/').next().is_some_and(is_registry) => {
                format!("{}/{}", self.registry, self.repository)
            }
            _ => self.repository.clone(),
        }
    }

    fn with_name(&self, name: &str) -> String {
        let mut out = name.to_owned();
        if let Some(tag) = &self.tag {
            out = format!("{out}:{tag}");
        }
        if let Some(digest) = &self.digest {
            out = format!("{out}@{digest}");
        }
        out
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

fn is_hex64(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the part before the first slash is a registry rather than a user's name.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    }
    host.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if !ends.iter().all(|b| b.is_some_and(|b| alnum(*b))) {
        return false;
    }
    text.split(|c: char| c.is_ascii() && alnum(c as u8))
        .all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_and_long_forms() {
        let digest = Digest::of(b"x");
        for (text, familiar, canonical) in [
            ("busybox", "busybox", "docker.io/library/busybox"),
            ("a/b:1", "a/b:1", "docker.io/a/b:1"),
            ("docker.io/library/a", "a", "docker.io/library/a"),
            ("index.docker.io/a/b", "a/b", "docker.io/a/b"),
            ("localhost/a", "localhost/a", "localhost/a"),
            (
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
            ),
            ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
            ("ghcr.io/A-b", "", ""),
            (
                "quay.io/a__b/c-d.e",
                "quay.io/a__b/c-d.e",
                "quay.io/a__b/c-d.e",
            ),
        ] {
            match Reference::parse(text) {
                Ok(r) => {
                    assert_eq!(r.familiar(), familiar);
                    assert_eq!(r.canonical(), canonical);
                }
                Err(e) => assert!(familiar.is_empty(), "{e}"),
            }
        }
        let r = Reference::parse(&format!("a:t@{digest}")).unwrap();
        assert_eq!((r.tag(), r.digest()), (Some("t"), Some(&digest)));
        assert_eq!(r.clone().with_default_tag(), r);
        let r = Reference::parse("a").unwrap().with_default_tag();
        assert_eq!(r.to_string(), "a:latest");
    }

    #[test]
    fn refused() {
        let long = "a/".repeat(130) + "a";
        for bad in [
            "",
            ":",
            "a:",
            "a:-x",
            "A",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "_a",
            "a@sha256:1",
            "a b",
            "../a",
            "a:x/y:z",
            "http://a/b",
            "-a/b",
            "a.b-/c",
            &long,
            &"a".repeat(64).replace('a', "f"),
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_stable(text in "\\PC{0,60}|[a-z0-9.:/@_-]{0,40}") {
            if let Ok(r) = Reference::parse(&text) {
                prop_assert_eq!(&Reference::parse(&r.familiar()).unwrap(), &r);
                prop_assert_eq!(&Reference::parse(&r.canonical()).unwrap(), &r);
            }
        }
    }
}
