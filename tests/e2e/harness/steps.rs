//! What a build did, read from its plain progress.

use super::Done;

/// A step: its text without `[2/4]`, and whether it came out of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub text: String,
    pub cached: bool,
}

/// The steps of a build in the order of their beginning; those that failed and FROM are left out.
pub fn steps(build: &Done) -> Vec<Step> {
    let err = build.err();
    let of = |line: &str| -> Option<(u32, String)> {
        let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
        Some((number.parse().ok()?, rest.to_owned()))
    };
    let lines: Vec<(u32, String)> = err.lines().filter_map(of).collect();
    let ends = |n: u32, word: &str| lines.iter().any(|(m, l)| *m == n && l.starts_with(word));
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for (n, line) in &lines {
        if seen.contains(n) {
            continue;
        }
        seen.push(*n);
        let text = match line.split_once("] ") {
            Some((head, text)) if head.starts_with('[') => text,
            _ => line,
        };
        // The base image is there or not; nothing is carried out for it.
        let base = text.starts_with("FROM ");
        if !base && (ends(*n, "CACHED") || ends(*n, "DONE")) {
            out.push(Step {
                text: text.to_owned(),
                cached: ends(*n, "CACHED"),
            });
        }
    }
    out
}

/// The texts of the steps that were carried out.
pub fn executed(build: &Done) -> Vec<String> {
    let all = steps(build).into_iter().filter(|s| !s.cached);
    all.map(|s| s.text).collect()
}

/// Asserts that steps there were, and all from the cache.
#[track_caller]
pub fn assert_all_cached(build: &Done) {
    let all = steps(build);
    assert!(
        !all.is_empty() && all.iter().all(|s| s.cached),
        "not everything came from the cache\n{}",
        build.report()
    );
}
