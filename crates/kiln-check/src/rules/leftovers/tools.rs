//! Caches of npm, composer, gem, Go and cargo.

use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::shell::Command;
use crate::subject::Subject;

use super::cleaners::{Cache, look};
use super::{deletes, kept, targets};

/// The rules of this module.
pub static RULES: &[Rule] = &[TOOL_CACHE];

/// `npm ci` without `npm cache clean`.
const TOOL_CACHE: Rule = Rule {
    id: "tool-cache",
    summary: "Empty the caches of npm, composer, gem, Go and cargo in the RUN that filled them",
    severity: Severity::Info,
    lesson: Some("no leftovers"),
    fixes: true,
    check: tool_cache,
    ..Rule::NEW
};

const CLEANED: [Cache; 2] = [
    Cache {
        program: "npm",
        fills: |c| matches!(c.verb(), Some("install" | "i" | "ci" | "add" | "update")),
        empties: |c| {
            let words: Vec<&str> = c.operands().iter().map(|a| a.text.as_str()).collect();
            words.starts_with(&["cache", "clean"]) || words.starts_with(&["cache", "rm"])
        },
        dirs: &["/root/.npm", "~/.npm", "$HOME/.npm"],
        target: "npm",
        clean: "npm cache clean --force",
        safe: |_| true,
    },
    Cache {
        program: "composer",
        fills: |c| {
            matches!(
                c.verb(),
                Some("install" | "update" | "require" | "create-project")
            ) && !c.has_flag("no-cache")
        },
        empties: |c| matches!(c.verb(), Some("clear-cache" | "clearcache" | "cc")),
        dirs: &["/root/.composer", "/root/.cache", "~/.composer", "~/.cache"],
        target: "composer",
        clean: "composer clear-cache",
        safe: |_| true,
    },
];

/// Those without one command that empties them.
struct Advice {
    program: &'static str,
    verbs: &'static [&'static str],
    /// What tells that somebody takes care.
    dirs: &'static [&'static str],
    what: &'static str,
}

const ADVICE: [Advice; 3] = [
    Advice {
        program: "gem",
        verbs: &["install", "update"],
        dirs: &["gem", "cache"],
        what: "the .gem files it unpacked; delete the cache directory of `gem env gemdir` in the same RUN",
    },
    Advice {
        program: "go",
        verbs: &["build", "install", "get", "mod", "test"],
        dirs: &["go"],
        what: "module and build caches; build in a stage of its own and copy the program, or use a cache mount",
    },
    Advice {
        program: "cargo",
        verbs: &["build", "install", "fetch", "test"],
        dirs: &["cargo", "target", "registry"],
        what: "the registry and target directory; build in a stage of its own and copy the program, or use a cache mount",
    },
];

fn tool_cache(subject: &Subject, findings: &mut Findings) {
    for cache in &CLEANED {
        look(cache, subject, findings);
    }
    for advice in &ADVICE {
        advise(advice, subject, findings);
    }
}

fn advise(advice: &Advice, subject: &Subject, findings: &mut Findings) {
    for (n, script) in kept(subject) {
        let fills = |c: &&Command| c.verb().is_some_and(|v| advice.verbs.contains(&v));
        let Some(filled) = script.calls(advice.program).filter(fills).last() else {
            continue;
        };
        let cares = |c: &Command| {
            let named = |a: &crate::shell::Arg| advice.dirs.iter().any(|d| a.text.contains(d));
            deletes(c, &[""]) && c.args().iter().any(named)
                || c.program() == advice.program && c.verb() == Some("clean")
        };
        if targets(subject, n).next().is_some() || script.commands.iter().any(cares) {
            continue;
        }
        let (program, what) = (advice.program, advice.what);
        findings.add(
            script.span(filled.range.clone()),
            format!("{program} leaves in the layer {what}"),
        );
    }
}
