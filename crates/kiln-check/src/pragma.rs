//! What comments of a Dockerfile say to a checker: Kiln's, hadolint's, and BuildKit's `# check=`.
//!
//! `# kiln ignore=RULE,RULE` and `# hadolint ignore=…` count for the instruction below, `global
//! ignore=…` for the whole file; `shell=/bin/bash` names the shell of RUN. Any name of a rule does;
//! `all` is every rule. `# check=skip=RULE,RULE;error=true` is a directive: it stands at the top.
//! Its `skip=all` means the rules BuildKit knows. Further down it counts for the instruction below.

use kiln_dockerfile::{Dockerfile, Piece, PieceKind};

use crate::finding::Finding;
use crate::rule::Rule;
use crate::shell::Dialect;

/// All that comments say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pragmas {
    /// Rules that don't count anywhere in the file.
    pub global: Vec<String>,
    /// Rules that don't count between two lines, both included.
    pub local: Vec<(u32, u32, Vec<String>)>,
    /// The shell of RUN before the first SHELL.
    pub shell: Option<Dialect>,
    /// Rules BuildKit is told to skip.
    pub skip: Vec<String>,
    /// Whether BuildKit is told to let findings fail the build.
    pub error: bool,
}

impl Pragmas {
    /// Reads a file's comments.
    pub fn of(file: &Dockerfile) -> Pragmas {
        let mut found = Pragmas::default();
        if let Some(check) = &file.directives.check {
            found.directive(check);
        }
        for piece in &file.pieces {
            if piece.kind == PieceKind::Comment {
                found.comment(file, piece);
            }
        }
        found
    }

    fn directive(&mut self, text: &str) {
        for part in text.split(';') {
            match part.split_once('=') {
                Some((key, value)) if key.trim() == "skip" => self.skip.extend(list(value)),
                Some((key, value)) if key.trim() == "error" => {
                    self.error = value.trim().eq_ignore_ascii_case("true");
                }
                _ => {}
            }
        }
    }

    fn comment(&mut self, file: &Dockerfile, piece: &Piece) {
        let text = file.source_of(piece.span);
        let below = |names: &str| {
            let line = piece.span.start.line;
            let mut after = file.instructions.iter();
            let next = after.find(|i| i.span.end.line > line)?;
            let (from, to) = (next.span.start.line, next.span.end.line);
            Some((from, to, list(names).collect()))
        };
        if let Some(names) = skipped_below(text) {
            self.local.extend(below(names));
        }
        let Some((global, key, value)) = pragma(text) else {
            return;
        };
        match key {
            "ignore" if global => self.global.extend(list(value)),
            "ignore" => self.local.extend(below(value)),
            _ => {
                let argv: Vec<&str> = value.split_whitespace().collect();
                self.shell = Some(Dialect::of(&argv));
            }
        }
    }

    /// Whether a finding counts.
    pub fn keep(&self, finding: &Finding) -> bool {
        let rule = finding.rule;
        let named = |names: &[String]| names.iter().any(|n| n == "all" || rule.is_called(n));
        if named(&self.global) || self.skipped(rule) {
            return false;
        }
        let line = finding.span.start.line;
        let here = |from: u32, to: u32| (from..=to).contains(&line);
        let mut local = self.local.iter();
        !local.any(|(from, to, names)| here(*from, *to) && named(names))
    }

    fn skipped(&self, rule: &Rule) -> bool {
        let known = !rule.buildkit.is_empty();
        let mut names = self.skip.iter();
        names.any(|n| rule.is_called(n) || (known && n.eq_ignore_ascii_case("all")))
    }
}

/// Whether it is global, `ignore` or `shell`, and its value.
fn pragma(comment: &str) -> Option<(bool, &'static str, &str)> {
    let text = comment.trim_start_matches('#').trim();
    let rest = text
        .strip_prefix("kiln")
        .or_else(|| text.strip_prefix("hadolint"))?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let (global, rest) = match rest.strip_prefix("global") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, rest),
    };
    let (key, value) = rest.split_once('=')?;
    let key = match key.trim() {
        "ignore" => "ignore",
        "shell" => "shell",
        _ => return None,
    };
    Some((global, key, value))
}

/// The names in BuildKit's `# check=skip=RULE,RULE // because` above an instruction.
fn skipped_below(comment: &str) -> Option<&str> {
    let text = comment.trim_start_matches('#').trim();
    let parts = text.strip_prefix("check=")?.split("//").next()?;
    let mut parts = parts.split(';').map(str::trim);
    parts.find_map(|p| p.strip_prefix("skip="))
}

/// Names up to a remark: `DL3006,SC2086 # because`.
fn list(text: &str) -> impl Iterator<Item = String> {
    let text = text.split('#').next().unwrap_or_default();
    text.split(',')
        .map(|n| n.trim().to_owned())
        .filter(|n| !n.is_empty())
}

/// Whether a comment tells a checker to ignore a rule.
pub(crate) fn ignores(comment: &str) -> bool {
    pragma(comment).is_some_and(|(_, key, _)| key == "ignore")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::run::run;
    use crate::subject::Surroundings;
    use kiln_dockerfile::parse;

    fn lines(text: &str) -> Vec<u32> {
        let file = parse(text.as_bytes()).unwrap();
        let mut config = Config::default();
        config.only(&["lower-case-instruction".to_owned()]).unwrap();
        let found = run(&file, &Surroundings::NONE, &config);
        found.iter().map(|f| f.span.start.line).collect()
    }

    #[test]
    fn comments_silence_the_instruction_below() {
        assert_eq!(lines("from a\nrun b\n"), [1, 2]);
        assert_eq!(
            lines("# hadolint ignore=ConsistentInstructionCasing\nfrom a\nrun b\n"),
            [3]
        );
        assert_eq!(
            lines("from a\n# kiln ignore=lower-case-instruction # why\n# more\nrun b\nrun c\n"),
            [1, 5]
        );
        assert_eq!(lines("from a\nrun b \\\n # kiln ignore=all\n c\n"), [1]);
        assert_eq!(
            lines("from a\n# hadolint global ignore=DL1,consistentinstructioncasing\nrun b\n"),
            [0u32; 0]
        );
        assert_eq!(
            lines("# check=skip=ConsistentInstructionCasing;error=true\nfrom a\n"),
            [0u32; 0]
        );
        assert_eq!(lines("# check=skip=all\nfrom a\n"), [0u32; 0]);
        assert_eq!(lines("# kilnignore=all\nfrom a\n"), [2]);
        assert_eq!(
            lines("from a\n# check=skip=ConsistentInstructionCasing // why\nrun b\nrun c\n"),
            [1, 4]
        );
    }

    #[test]
    fn shell_and_error() {
        let of = |t: &str| Pragmas::of(&parse(t.as_bytes()).unwrap());
        assert_eq!(
            of("# hadolint shell=/bin/bash\nFROM a\n").shell,
            Some(Dialect::Bash)
        );
        assert!(of("# check=error=true\nFROM a\n").error);
    }
}
