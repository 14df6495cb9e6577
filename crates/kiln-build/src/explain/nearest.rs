//! Which of the earlier records a step that missed is compared with.
//!
//! One is worth comparing only if it is about the same thing: the same place or the same text in the
//! same project, or the same text on the same base elsewhere. Of these the one with most in common
//! is taken, and the latest of several. The same text counts most: instructions move.

use std::collections::HashSet;

use kiln_store::CacheRecord;

use super::compare::alike;
use super::facts::Facts;

/// Where the step stands.
pub struct Place<'a> {
    /// Identifies the project; the shapes of its records begin so.
    pub project: &'a str,
    /// The step's place in it.
    pub shape: &'a str,
    /// The texts of all steps of the build: a record with the text of another one is that one's.
    pub texts: &'a HashSet<&'a str>,
}

/// Index of the nearest record; the records come newest first.
///
/// `akin` tells whether what a record copied has anything in common with what is copied now.
pub fn nearest(
    new: &Facts,
    place: &Place,
    records: &[CacheRecord],
    akin: &dyn Fn(&Facts) -> bool,
) -> Option<usize> {
    let mut best: Option<((u32, usize), usize)> = None;
    for (n, record) in records.iter().enumerate() {
        let Some(score) = score(new, place, record, akin) else {
            continue;
        };
        if best.is_none_or(|(s, _)| score > s) {
            best = Some((score, n));
        }
    }
    best.map(|(_, n)| n)
}

fn score(
    new: &Facts,
    place: &Place,
    record: &CacheRecord,
    akin: &dyn Fn(&Facts) -> bool,
) -> Option<(u32, usize)> {
    let old = Facts::of(record);
    if old.value("op") != new.value("op") {
        return None;
    }
    let base = |f: &Facts<'_>| f.known("base").map(|b| b.name.clone());
    let same_text = old.text == new.text;
    let same_parent = old.parent() == new.parent();
    let same_base = base(&old).is_some() && base(&old) == base(new);
    let same_shape = record.shape == place.shape;
    let stage = |shape: &str| shape.rsplit_once('/').map(|(stage, _)| stage.to_owned());
    let same_stage = stage(&record.shape) == stage(place.shape);
    let own = record
        .shape
        .strip_prefix(place.project)
        .is_some_and(|rest| rest.starts_with('/'));
    if !same_text && place.texts.contains(old.text) {
        return None;
    }
    // Any two projects may begin with the same base, and go on with the same COPY.
    let on_steps = same_parent && !new.is_first();
    let related = match (own, same_text) {
        (true, true) => true,
        (true, false) => same_shape || (on_steps && same_stage),
        (false, true) => (same_base || on_steps) && akin(&old),
        (false, false) => on_steps && similar(old.text, new.text) && akin(&old),
    };
    if !related {
        return None;
    }
    let worth = |is: bool, points: u32| if is { points } else { 0 };
    let points = worth(same_text, 16)
        + worth(same_parent, 8)
        + worth(own, 8)
        + worth(same_shape, 4)
        + worth(same_base, 2);
    Some((points, alike(&old, new)))
}

/// Whether at least half of the words are the same.
fn similar(a: &str, b: &str) -> bool {
    let words = |t| str::split_whitespace(t).collect::<HashSet<&str>>();
    let (a, b) = (words(a), words(b));
    2 * a.intersection(&b).count() >= a.len().max(b.len())
}

#[cfg(test)]
#[path = "nearest_tests.rs"]
mod tests;
