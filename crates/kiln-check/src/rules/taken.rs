//! What COPY and ADD take from the build context.

use kiln_dockerfile::{CopyArgs, CopySource, Ignore, Instruction, Kind, Span, glob_match};

use crate::subject::{ContextFacts, ContextFile, Subject};

/// A COPY or ADD from the context.
pub(super) struct FromContext<'a> {
    /// The instruction.
    pub instruction: &'a Instruction,
    /// Its number in the file.
    pub index: usize,
    /// Its arguments.
    pub args: &'a CopyArgs,
    /// Whether it is ADD.
    pub add: bool,
}

/// All COPYs and ADDs that take from the context; not those with `--from`.
pub(super) fn from_context<'a>(subject: &Subject<'a>) -> Vec<FromContext<'a>> {
    let all = subject.instructions().iter().enumerate();
    all.filter_map(|(index, instruction)| {
        let (args, add) = match &instruction.kind {
            Kind::Copy(args) => (args, false),
            Kind::Add(args) => (args, true),
            _ => return None,
        };
        let own = !args.flags.iter().any(|f| f.name == "from");
        own.then_some(FromContext {
            instruction,
            index,
            args,
            add,
        })
    })
    .collect()
}

impl FromContext<'_> {
    /// Its source paths as in the context: without `./` and slashes around; `.` for all of it. None
    /// of those that are URLs or hold variables.
    pub fn sources(&self) -> impl Iterator<Item = (String, &str)> {
        let paths = self.args.sources.iter().filter_map(|s| match s {
            CopySource::Path(path) => Some(path.as_str()),
            CopySource::Heredoc(_) => None,
        });
        let local =
            paths.filter(|p| !p.contains("://") && !p.contains('$') && !p.starts_with("git@"));
        local.map(|p| (clean(p), p))
    }

    /// Whether it takes the whole context.
    pub fn takes_all(&self) -> bool {
        self.sources()
            .any(|(clean, _)| matches!(clean.as_str(), "." | "*"))
    }

    /// Where a source stands.
    pub fn span_of(&self, escape: char, source: &str) -> Span {
        let words = self.instruction.words(escape);
        let word = words
            .iter()
            .find(|w| w.text.trim_matches(|c| matches!(c, '[' | ']' | '"' | ',')) == source);
        match word {
            Some(word) => self.instruction.word_span(word),
            None => self.instruction.arguments_span(),
        }
    }

    /// The files a source takes; an ignored one is never taken.
    pub fn files<'f>(
        &'f self,
        facts: &'f ContextFacts,
        source: &'f str,
    ) -> impl Iterator<Item = &'f ContextFile> {
        let flags = self.args.flags.iter().filter(|f| f.name == "exclude");
        let excluded: Vec<Ignore> = flags
            .filter_map(|f| Ignore::parse(f.value.as_deref()?).ok())
            .collect();
        facts.files.iter().filter(move |f| {
            !f.ignored && takes(source, &f.path) && !excluded.iter().any(|e| e.excluded(&f.path))
        })
    }
}

/// `./a//b/` → `a/b`
pub(super) fn clean(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|p| !matches!(*p, "" | "."))
        .collect();
    match parts.is_empty() {
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

/// Whether a source takes a path: it is the path, a directory above it, or a pattern of either.
pub(super) fn takes(source: &str, path: &str) -> bool {
    if source == "." {
        return true;
    }
    if !source.contains(['*', '?', '[']) {
        let rest = path.strip_prefix(source);
        return rest.is_some_and(|r| r.is_empty() || r.starts_with('/'));
    }
    let depth = source.split('/').count();
    let ends = path.match_indices('/').map(|(i, _)| i).chain([path.len()]);
    let head = ends
        .into_iter()
        .nth(depth - 1)
        .and_then(|end| path.get(..end));
    head.is_some_and(|h| glob_match(source, h).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sources_take() {
        for (source, path, want) in [
            (".", "a/b", true),
            ("a", "a", true),
            ("a", "a/b/c", true),
            ("a", "ab", false),
            ("*", ".git/x", true),
            ("*.json", "package.json", true),
            ("*.json", "a/package.json", false),
            ("src/*", "src/a/b", true),
            ("src/*", "src", false),
        ] {
            assert_eq!(takes(source, path), want, "{source} {path}");
        }
        assert_eq!(
            (clean("./a//b/"), clean("./"), clean("/")),
            ("a/b".into(), ".".into(), ".".into())
        );
    }
}
