//! An explanation in words.

use std::fmt::Write;

use kiln_build::Explanation;
use kiln_build::explain::{
    Cause, FileAspect, FileChange, FileState, FilesChanged, StepReport, Verdict, What,
};

use crate::format::harmless;
use crate::units::ago;

/// What stands before the lines below a step.
const INDENT: &str = "         ";

/// All steps of a build, or one of them.
pub fn in_words(e: &Explanation, only: Option<&StepReport>) -> String {
    let mut out = String::new();
    let steps: Vec<&StepReport> = match only {
        Some(step) => vec![step],
        None => e.steps.iter().collect(),
    };
    if only.is_none() {
        summary(&mut out, e);
    }
    for step in steps {
        one(&mut out, e, step);
    }
    harmless(&out)
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{INDENT}{text}");
}

fn summary(out: &mut String, e: &Explanation) {
    let cached = |s: &&StepReport| matches!(s.verdict, Verdict::Hit { .. });
    let missed = |s: &&StepReport| matches!(s.verdict, Verdict::Miss { .. });
    let hits = e.steps.iter().filter(cached).count();
    let misses: Vec<&StepReport> = e.steps.iter().filter(missed).collect();
    let all = hits + misses.len();
    if misses.is_empty() {
        let _ = writeln!(out, "cache: all of {all} steps were cached");
        return;
    }
    let cost = cost(&misses);
    let _ = writeln!(
        out,
        "cache: {} of {all} steps were not cached, which took {cost}",
        misses.len()
    );
}

/// `1.2s, 1.1s when they were built last`
fn cost(steps: &[&StepReport]) -> String {
    let took: u64 = steps.iter().map(|s| s.took_ms).sum();
    let last = |s: &&StepReport| match s.verdict {
        Verdict::Miss { last_ms, .. } => last_ms,
        _ => None,
    };
    let known: Vec<u64> = steps.iter().filter_map(last).collect();
    if known.is_empty() {
        return seconds(took);
    }
    let last = seconds(known.iter().sum());
    let them = match (known.len(), steps.len()) {
        (1, 1) => "it was".to_owned(),
        (k, n) if k == n => "they were".to_owned(),
        (k, _) => format!("{k} of them were"),
    };
    format!("{}, {last} when {them} built last", seconds(took))
}

fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms}ms"),
        _ => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
    }
}

/// `[build 2/4]`, or the whole name where it has none.
fn label(step: &StepReport) -> String {
    match step.name.split_once("] ") {
        Some((label, _)) => format!("{label}]"),
        None => step.name.clone(),
    }
}

fn label_of(e: &Explanation, id: usize) -> String {
    let found = e.steps.iter().find(|s| s.id == id);
    found.map_or_else(|| format!("#{id}"), label)
}

fn one(out: &mut String, e: &Explanation, step: &StepReport) {
    let name = step.name.replace('\n', " ");
    match &step.verdict {
        Verdict::Base { image } => {
            let _ = writeln!(out, "base     {name}  {}", short_ids(image));
        }
        Verdict::Hit { made, saved_ms } => {
            let (ago, saved) = (ago(made), seconds(*saved_ms));
            let _ = writeln!(
                out,
                "cached   {name}  made {}, took {saved}",
                ago.to_lowercase()
            );
        }
        Verdict::Miss { cause, .. } => {
            let (mark, took) = match step.failed {
                true => ("FAILED ", String::new()),
                false => ("MISSED ", format!("  {}", seconds(step.took_ms))),
            };
            let _ = writeln!(out, "{mark}  {name}{took}");
            why(out, e, cause);
            let victims: Vec<&StepReport> = match e.root(step) == step.id {
                true => e.victims(step.id).collect(),
                false => Vec::new(),
            };
            if !victims.is_empty() {
                let labels: Vec<String> = victims.iter().map(|s| label(s)).collect();
                let mut all = vec![step];
                all.extend(victims);
                let text = format!("took with it {}; all: {}", labels.join(" "), cost(&all));
                line(out, &text);
            }
        }
    }
}

fn why(out: &mut String, e: &Explanation, cause: &Cause) {
    match cause {
        Cause::NoCache => line(out, "--no-cache was given"),
        Cause::NoCacheFilter => line(out, "--no-cache-filter names its stage"),
        Cause::Never => line(out, "never built here"),
        Cause::Pruned => line(out, "its record was removed: the cache was pruned"),
        Cause::OthersPruned => line(
            out,
            "nothing is left to compare it with: the cache was pruned",
        ),
        Cause::LayerGone => line(out, "its layer is gone from the store"),
        Cause::Parent { step, also } => {
            let by = label_of(e, *step);
            match also {
                None => line(out, &format!("only because {by} was redone")),
                Some(also) => {
                    line(out, &format!("because {by} was redone; besides:"));
                    why(out, e, also);
                }
            }
        }
        Cause::Before { old, new, cause } => match cause {
            Some(cause) => {
                line(out, &format!("built before on another result of {new}:"));
                why(out, e, cause);
            }
            None => {
                line(out, "the step before it is another one");
                two(out, Some(old), Some(new));
            }
        },
        Cause::Changed {
            what,
            name,
            old,
            new,
        } => changed(out, *what, name, old.as_deref(), new.as_deref()),
        Cause::Files(files) => {
            let of = match &files.from {
                Some(from) => format!(" ({from})"),
                None => String::new(),
            };
            file(out, &files.first, &of);
            more(out, files);
            if let Some(step) = files.through {
                line(out, &format!("redone there: {}", label_of(e, step)));
            }
        }
    }
}

fn two(out: &mut String, old: Option<&str>, new: Option<&str>) {
    for (word, text) in [("was", old), ("now", new)] {
        let text = text.unwrap_or("(none)").replace('\n', " ");
        line(out, &format!("  {word}: {text}"));
    }
}

fn changed(out: &mut String, what: What, name: &str, old: Option<&str>, new: Option<&str>) {
    let subject = match what {
        What::Base => "base image".to_owned(),
        What::Platform => "platform".to_owned(),
        What::Instruction => "instruction".to_owned(),
        What::Shell => "SHELL".to_owned(),
        What::Heredoc if name.is_empty() => "here-document".to_owned(),
        What::Heredoc => format!("here-document, {name},"),
        What::Arg => format!("build argument {name}"),
        What::Env => format!("variable {name} (ENV)"),
        What::BaseEnv => format!("variable {name} (of the base image)"),
        What::EnvOrder => "order of the variables".to_owned(),
        What::Network => "network".to_owned(),
        What::Host => format!("host {name} (--add-host)"),
        What::Mount => format!("mount {name}"),
        What::User => "USER".to_owned(),
        What::Workdir => "working directory".to_owned(),
        What::Epoch => "SOURCE_DATE_EPOCH".to_owned(),
        What::Content => "content of what is copied".to_owned(),
        What::Other => name.to_owned(),
    };
    match what {
        What::Instruction | What::EnvOrder | What::Base | What::Heredoc => {
            line(out, &format!("{subject} changed"));
            let short = |t: Option<&str>| t.map(short_ids);
            two(out, short(old).as_deref(), short(new).as_deref());
        }
        _ => {
            let text = match (old, new) {
                (Some(old), Some(new)) => format!("{subject} changed: {old:?} -> {new:?}"),
                (None, Some(new)) => format!("{subject} is new: {new:?}"),
                (Some(old), None) => format!("{subject} is gone: was {old:?}"),
                (None, None) => format!("{subject} changed"),
            };
            line(out, &text);
        }
    }
}

/// Ids with as many digits as docker shows.
fn short_ids(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hex = part.chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str("sha256:");
        out.push_str(part.get(..hex.min(12)).unwrap_or_default());
        out.push_str(part.get(hex..).unwrap_or_default());
    }
    out
}

fn file(out: &mut String, f: &FileChange, of: &str) {
    let path = &f.path;
    let ignore = match (&f.ignore, f.what) {
        (Some(rule), FileAspect::Removed) => format!(": ignored by {rule}"),
        (Some(reason), _) => format!(": {reason}"),
        (None, _) => String::new(),
    };
    let text = match f.what {
        FileAspect::Content => format!("{path}{of}: content changed"),
        FileAspect::Type => format!("{path}{of}: type changed"),
        FileAspect::Mode => format!("{path}{of}: mode changed"),
        FileAspect::Owner => format!("{path}{of}: owner changed"),
        FileAspect::Target => format!("{path}{of}: target changed"),
        FileAspect::Added => format!("{path}{of}: added{ignore}"),
        FileAspect::Removed => format!("{path}{of}: removed{ignore}"),
        FileAspect::Name => {
            let old = f.renamed_from.as_deref().unwrap_or_default();
            format!("{path}{of}: renamed, was {old}")
        }
    };
    let detail = match (&f.old, &f.new) {
        (Some(old), Some(new)) => difference(f.what, old, new),
        (Some(one), None) | (None, Some(one)) if !one.digest.is_empty() => {
            format!(", {} bytes, digest {}", one.size, one.digest)
        }
        _ => String::new(),
    };
    line(out, &format!("{text}{detail}"));
    let path = path.as_str();
    if of.is_empty() && f.what == FileAspect::Content && is_dockerfile(path) {
        let advice = format!("it is copied, too: name it in .dockerignore if {path} isn't needed");
        line(out, &advice);
    }
}

fn is_dockerfile(path: &str) -> bool {
    matches!(path, "Dockerfile" | ".dockerignore")
}

fn difference(what: FileAspect, old: &FileState, new: &FileState) -> String {
    let none = String::new;
    match what {
        FileAspect::Content => format!(
            ", {} -> {} bytes, digest {} -> {}",
            old.size, new.size, old.digest, new.digest
        ),
        FileAspect::Type => format!(", {} -> {}", old.kind, new.kind),
        FileAspect::Mode => format!(", {} -> {}", old.mode, new.mode),
        FileAspect::Owner => {
            let owner = |s: &FileState| s.owner.clone().unwrap_or_default();
            format!(", {} -> {}", owner(old), owner(new))
        }
        FileAspect::Target => {
            let target = |s: &FileState| s.target.clone().unwrap_or_default();
            format!(", {} -> {}", target(old), target(new))
        }
        FileAspect::Name | FileAspect::Added | FileAspect::Removed => none(),
    }
}

/// How many more files there are.
fn more(out: &mut String, f: &FilesChanged) {
    let (mut changed, mut added, mut removed) = (f.changed, f.added, f.removed);
    match f.first.what {
        FileAspect::Added => added = added.saturating_sub(1),
        FileAspect::Removed => removed = removed.saturating_sub(1),
        FileAspect::Name => {
            added = added.saturating_sub(1);
            removed = removed.saturating_sub(1);
        }
        _ => changed = changed.saturating_sub(1),
    }
    let counts = [(changed, "changed"), (added, "added"), (removed, "removed")];
    let words: Vec<String> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    if !words.is_empty() {
        line(out, &format!("and more: {}", words.join(", ")));
    }
}
