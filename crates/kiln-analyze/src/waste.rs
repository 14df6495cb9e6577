//! Files that a layer holds and the final tree doesn't show.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::content::Contents;
use crate::report::{How, Wasted};
use crate::shown::shown;
use crate::stack::{At, Change, Entry, Stack};

/// Tells copies of the same content and moved files from what is merely replaced or deleted.
pub(crate) fn tell_apart(stack: &mut Stack, contents: &Contents) {
    let mut copied = Vec::new();
    let mut moved = Vec::new();
    for (at, entry) in stack.entries() {
        // What replaced it has the same content.
        if let Some(over) = entry.over
            && entry.change == Change::Modified
            && contents.are_same(stack, over, at)
        {
            copied.push(over);
        }
        if let Some(covered) = entry.covered
            && covered.how == How::Deleted
            && contents.same_in(stack, at, covered.by).is_some()
        {
            moved.push(at);
        }
    }
    for (files, how) in [(copied, How::Copied), (moved, How::Moved)] {
        for at in files {
            let entry = stack.layers.get_mut(at.layer as usize);
            let entry = entry.and_then(|l| l.get_mut(at.entry as usize));
            if let Some(covered) = entry.and_then(|e| e.covered.as_mut()) {
                covered.how = how;
            }
        }
    }
}

/// The list, largest first.
pub(crate) fn wasted(stack: &Stack, contents: &Contents) -> Vec<Wasted> {
    let over = stack.entries().filter_map(|(_, e)| Some((e.over?, e)));
    let instead: HashMap<At, &Entry> = over.collect();
    let mut all: Vec<Wasted> = stack
        .entries()
        .filter(|(_, e)| e.bytes > 0)
        .filter_map(|(at, e)| one(stack, contents, at, e, instead.get(&at).copied()))
        .collect();
    all.sort_by(|a, b| {
        let key = |w: &Wasted| (Reverse(w.bytes), w.layer);
        (key(a), &a.path).cmp(&(key(b), &b.path))
    });
    all
}

/// `instead` is what came to its path.
fn one(
    stack: &Stack,
    contents: &Contents,
    at: At,
    entry: &Entry,
    instead: Option<&Entry>,
) -> Option<Wasted> {
    let covered = entry.covered?;
    let mut changed = Vec::new();
    if let Some(new) = instead.filter(|_| covered.how == How::Copied) {
        let differs = [
            ("mode", new.mode != entry.mode),
            ("owner", new.owner != entry.owner),
            ("time", new.mtime != entry.mtime),
        ];
        changed.extend(differs.iter().filter(|(_, d)| *d).map(|(name, _)| *name));
    }
    let to = match covered.how {
        How::Moved => contents
            .same_in(stack, at, covered.by)
            .and_then(|to| stack.entry(to))
            .map(|to| path(stack, to)),
        _ => None,
    };
    Some(Wasted {
        path: path(stack, entry),
        bytes: entry.bytes,
        layer: at.layer as usize + 1,
        by: covered.by + 1,
        how: covered.how,
        changed,
        to,
    })
}

/// An entry's path for people, from `/`.
pub(crate) fn path(stack: &Stack, entry: &Entry) -> String {
    format!("/{}", shown(&stack.paths.full(entry.path)))
}
