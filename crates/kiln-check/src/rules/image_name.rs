//! Names of images, taken apart.

/// An image's name as a FROM has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageName<'a> {
    /// Without `docker.io/` and `library/`: `debian`, `ghcr.io/x/y`.
    pub repository: &'a str,
    /// Behind the colon.
    pub tag: Option<&'a str>,
    /// Behind the `@`.
    pub digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    /// Takes a name apart, valid or not.
    pub fn of(name: &'a str) -> ImageName<'a> {
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let hub = ["docker.io/", "index.docker.io/"];
        let short = hub.iter().find_map(|h| path.strip_prefix(h));
        let short = short.unwrap_or(path);
        ImageName {
            repository: short.strip_prefix("library/").unwrap_or(short),
            tag,
            digest,
        }
    }

    /// Whether the tag has one of the parts, taken apart at `-`.
    pub fn tag_has(&self, parts: &[&str]) -> bool {
        let tag = self.tag.unwrap_or_default();
        tag.split(['-', '_', '.'])
            .any(|p| parts.iter().any(|q| p.starts_with(q)))
    }
}

/// Whether a registry would take the name: a repository in lower case, a tag, a digest.
pub(super) fn is_valid(name: &str) -> bool {
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    let good_digest = digest.is_none_or(|d| {
        d.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty() && hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit())
        })
    });
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good_tag = tag.is_none_or(|t| {
        t.len() <= 128
            && t.starts_with(word)
            && t.chars().all(|c| word(c) || matches!(c, '.' | '-'))
    });
    let mut parts: Vec<&str> = path.split('/').collect();
    let is_host =
        |h: &str| h == "localhost" || h.contains(['.', ':']) || h.contains(char::is_uppercase);
    if parts.len() > 1 && parts.first().is_some_and(|h| is_host(h)) {
        let host = parts.remove(0);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if !host.chars().all(fits) {
            return false;
        }
    }
    good_digest && good_tag && parts.iter().all(|p| is_component(p))
}

/// `a-z0-9` with `.`, `_`, `__` and dashes between.
fn is_component(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = part.split(plain).filter(|s| !s.is_empty());
    part.starts_with(plain)
        && part.ends_with(plain)
        && separators
            .into_iter()
            .all(|s| matches!(s, "." | "_" | "__") || s.chars().all(|c| c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let name = ImageName::of("docker.io/library/debian:12@sha256:aa");
        assert_eq!(name.repository, "debian");
        assert_eq!((name.tag, name.digest), (Some("12"), Some("sha256:aa")));
        let name = ImageName::of("localhost:5000/a/b");
        assert_eq!((name.repository, name.tag), ("localhost:5000/a/b", None));
    }

    #[test]
    fn validity() {
        for good in [
            "debian",
            "a/b:1",
            "localhost:5000/a",
            "GHCR.io/a",
            "a__b",
            "a--b:v1.2_x",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "", "a:", "Debian", "a//b", "-a", "a___b", "a b", "a@x", ":1", "a..b",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
