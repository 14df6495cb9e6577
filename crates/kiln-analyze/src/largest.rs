//! The largest files and directories of the final tree.

use std::cmp::Reverse;
use std::collections::HashMap;

use kiln_tree::Kind;

use crate::paths::{NONE, PathId};
use crate::report::Measure;
use crate::shown::shown;
use crate::stack::Stack;
use crate::waste::path;

/// How many of each are named.
const COUNT: usize = 50;

pub(crate) fn largest_files(stack: &Stack) -> Vec<Measure> {
    let mut files: Vec<_> = stack
        .entries()
        .filter(|(at, e)| e.kind == Kind::File && e.bytes > 0 && stack.is_visible(*at, e))
        .collect();
    files.sort_by_key(|(at, e)| (Reverse(e.bytes), *at));
    let named = files.into_iter().take(COUNT).map(|(at, e)| Measure {
        path: path(stack, e),
        bytes: e.bytes,
        layer: Some(at.layer as usize + 1),
    });
    named.collect()
}

/// A directory whose room is nearly all one subdirectory's is left out for that one.
pub(crate) fn largest_directories(stack: &Stack) -> Vec<Measure> {
    let mut bytes: HashMap<PathId, u64> = HashMap::new();
    for (at, entry) in stack.entries() {
        if entry.bytes == 0 || !stack.is_visible(at, entry) {
            continue;
        }
        let mut dir = stack.paths.parent(entry.path);
        while dir != NONE {
            *bytes.entry(dir).or_default() += entry.bytes;
            dir = stack.paths.parent(dir);
        }
    }
    let mut largest_child: HashMap<PathId, u64> = HashMap::new();
    for (dir, size) in &bytes {
        let most = largest_child.entry(stack.paths.parent(*dir)).or_default();
        *most = (*most).max(*size);
    }
    let one_has_it = |dir: &PathId, size: u64| {
        let child = largest_child.get(dir).copied().unwrap_or(0);
        child >= size - size / 10
    };
    let mut dirs: Vec<(PathId, u64)> = bytes
        .iter()
        .map(|(dir, size)| (*dir, *size))
        .filter(|(dir, size)| !one_has_it(dir, *size))
        .collect();
    dirs.sort_by_key(|(dir, size)| (Reverse(*size), *dir));
    let named = dirs.into_iter().take(COUNT).map(|(dir, bytes)| Measure {
        path: format!("/{}", shown(&stack.paths.full(dir))),
        bytes,
        layer: None,
    });
    named.collect()
}
