//! `.dockerignore` (moby/patternmatcher's rules): the last pattern that matches wins.

use crate::pattern::Pattern;
use crate::span::{ParseError, Pos, Span};

/// A parsed ignore file.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    line: u32,
    shown: String,
    include: bool,
    text: String,
    pattern: Pattern,
    prefix: String,
    literal: bool,
}

impl Rule {
    fn hits(&self, path: &str) -> bool {
        if self.literal {
            return self.prefix == path;
        }
        path.starts_with(&self.prefix) && self.pattern.matches(path)
    }

    /// A pattern that matches a directory matches all below it.
    fn hits_or_parent(&self, path: &str) -> bool {
        self.hits(path)
            || path
                .match_indices('/')
                .any(|(i, _)| path.get(..i).is_some_and(|p| self.hits(p)))
    }
}

/// Go's `filepath.Clean` for slash paths.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

impl Ignore {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<Ignore, ParseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        let mut next = Pos::START;
        for raw in text.lines() {
            let at = next;
            next.line += 1;
            next.offset += raw.len() as u32 + 1;
            if raw.starts_with('#') {
                continue;
            }
            let shown = raw.trim();
            if shown.is_empty() {
                continue;
            }
            let error = |message: String| ParseError {
                span: Span::of(at, raw),
                message,
                hint: None,
            };
            let (include, body) = match shown.strip_prefix('!') {
                Some(b) => (true, b.trim()),
                None => (false, shown),
            };
            if body.is_empty() {
                return Err(error("illegal exclusion pattern: \"!\"".to_owned()));
            }
            let mut cleaned = clean(body);
            if cleaned.len() > 1 && cleaned.starts_with('/') {
                cleaned.remove(0);
            }
            let pattern =
                Pattern::path(&cleaned, true).map_err(|e| error(format!("{e}: {shown}")))?;
            rules.push(Rule {
                line: at.line,
                shown: shown.to_owned(),
                include,
                prefix: pattern.literal_prefix(),
                literal: pattern.is_literal(),
                pattern,
                text: cleaned,
            });
        }
        Ok(Ignore { rules })
    }

    /// True when nothing is excluded.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a path (slashes, relative, no leading slash) is kept out.
    pub fn excluded(&self, path: &str) -> bool {
        let mut out = false;
        for rule in &self.rules {
            // Only a rule that would change the verdict needs a look.
            if rule.include == out && rule.hits_or_parent(path) {
                out = !rule.include;
            }
        }
        out
    }

    /// Line and text of the pattern that decides about a path.
    pub fn deciding_line(&self, path: &str) -> Option<(u32, &str)> {
        self.rules
            .iter()
            .rev()
            .find(|r| r.hits_or_parent(path))
            .map(|r| (r.line, r.shown.as_str()))
    }

    /// Whether a later `!` pattern could bring back something below an excluded directory.
    pub fn may_include_below(&self, dir: &str) -> bool {
        let below = format!("{dir}/");
        self.rules.iter().filter(|r| r.include).any(|r| {
            r.text.starts_with("**")
                || r.prefix.starts_with(&below)
                || (!r.literal && below.starts_with(&r.prefix))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn out(patterns: &str, path: &str) -> bool {
        Ignore::parse(patterns).unwrap().excluded(path)
    }

    /// Cases of moby/patternmatcher's tests.
    #[test]
    fn moby_cases() {
        for (p, path, want) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("**/*.txt", "file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "aze", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("*/file", "file", false),
            ("/foo", "foo", true),
            ("foo/../bar", "bar", true),
            ("docs", "docs/a/b", true),
            ("docs\n!docs/README.md", "docs/README.md", false),
            ("docs\n!docs/README.md", "docs/x", true),
            ("!docs/README.md\ndocs", "docs/README.md", true),
            (
                "*.md\n!README*.md\nREADME-secret.md",
                "README-secret.md",
                true,
            ),
            ("# c\n\n  x  ", "x", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
        ] {
            assert_eq!(out(p, path), want, "{p:?} {path}");
        }
        assert!(Ignore::parse("!").is_err());
        assert!(Ignore::parse("a[").is_err());
    }

    #[test]
    fn explains_and_descends() {
        let i = Ignore::parse("node_modules\n*\n!src/*.rs\n").unwrap();
        assert_eq!(i.deciding_line("x"), Some((2, "*")));
        assert!(i.may_include_below("src"));
        assert!(!i.may_include_below("node_modules"));
        assert!(Ignore::parse("*\n!**/keep").unwrap().may_include_below("a"));
    }

    proptest! {
        #[test]
        fn never_panics(p in "[a*?!\\[\\]\\\\/.\n^-]{0,30}", path in "[a-c/.]{0,20}") {
            if let Ok(i) = Ignore::parse(&p) {
                let _ = i.excluded(&path);
                let _ = i.may_include_below(&path);
            }
        }
    }
}
