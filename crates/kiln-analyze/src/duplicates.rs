//! The same content at several paths.

use std::cmp::Reverse;

use crate::content::Contents;
use crate::report::{Copied, Duplicate};
use crate::stack::Stack;
use crate::waste::path;

/// The list, the most redundant bytes first. What is stored again at its own path only is among
/// the wasted files.
pub(crate) fn duplicates(stack: &Stack, contents: &Contents) -> Vec<Duplicate> {
    let mut all = Vec::new();
    for group in &contents.groups {
        let entries = group.iter().filter_map(|at| Some((*at, stack.entry(*at)?)));
        let entries: Vec<_> = entries.collect();
        let Some((_, first)) = entries.first() else {
            continue;
        };
        if entries.iter().all(|(_, e)| e.path == first.path) {
            continue;
        }
        let mut copies: Vec<Copied> = entries
            .iter()
            .map(|(at, e)| Copied {
                layer: at.layer as usize + 1,
                path: path(stack, e),
                visible: stack.is_visible(*at, e),
            })
            .collect();
        copies.sort();
        let again = u64::try_from(copies.len()).unwrap_or(u64::MAX) - 1;
        all.push(Duplicate {
            bytes: first.size,
            redundant_bytes: first.size.saturating_mul(again),
            copies,
        });
    }
    all.sort_by(|a, b| {
        (Reverse(a.redundant_bytes), &a.copies).cmp(&(Reverse(b.redundant_bytes), &b.copies))
    });
    all
}
