//! All paths of an image, each known once, by number.

use std::collections::HashMap;

/// A path's number. The root has none.
pub(crate) type PathId = u32;

/// No path: the parent of what lies in the root, the end of a list.
pub(crate) const NONE: PathId = PathId::MAX;

struct Path {
    parent: PathId,
    name: Box<[u8]>,
    first_child: PathId,
    next_sibling: PathId,
}

/// A tree of names.
#[derive(Default)]
pub(crate) struct Paths {
    all: Vec<Path>,
    index: HashMap<(PathId, Box<[u8]>), PathId>,
}

impl Paths {
    /// The number of a name in a directory; nothing when there are too many.
    pub fn intern(&mut self, parent: PathId, name: &[u8]) -> Option<PathId> {
        let key = (parent, Box::from(name));
        if let Some(id) = self.index.get(&key) {
            return Some(*id);
        }
        let id = PathId::try_from(self.all.len())
            .ok()
            .filter(|id| *id != NONE)?;
        let next_sibling = match self.all.get_mut(parent as usize) {
            Some(dir) => std::mem::replace(&mut dir.first_child, id),
            None => NONE,
        };
        self.all.push(Path {
            parent,
            name: key.1.clone(),
            first_child: NONE,
            next_sibling,
        });
        self.index.insert(key, id);
        Some(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The last component.
    pub fn name(&self, id: PathId) -> &[u8] {
        self.all.get(id as usize).map_or(b"", |p| &p.name)
    }

    /// The directory it is in.
    pub fn parent(&self, id: PathId) -> PathId {
        self.all.get(id as usize).map_or(NONE, |p| p.parent)
    }

    /// All below it, without itself; directories before what is in them.
    pub fn below(&self, id: PathId) -> impl Iterator<Item = PathId> + '_ {
        let children = |id: PathId| self.all.get(id as usize).map_or(NONE, |p| p.first_child);
        let mut todo = vec![children(id)];
        std::iter::from_fn(move || {
            let next = loop {
                match todo.pop()? {
                    NONE => {}
                    id => break id,
                }
            };
            todo.push(self.all.get(next as usize).map_or(NONE, |p| p.next_sibling));
            todo.push(children(next));
            Some(next)
        })
    }

    /// The whole path, without a slash before it.
    pub fn full(&self, id: PathId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(path) = self.all.get(at as usize) {
            names.push(&*path.name);
            at = path.parent;
        }
        names.reverse();
        names.join(&b'/')
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_path_once() {
        let mut paths = Paths::default();
        let usr = paths.intern(NONE, b"usr").unwrap();
        let bin = paths.intern(usr, b"bin").unwrap();
        let lib = paths.intern(usr, b"lib").unwrap();
        let sh = paths.intern(bin, b"sh").unwrap();
        assert_eq!(paths.intern(usr, b"bin"), Some(bin));
        assert_eq!(paths.len(), 4);
        assert_eq!(paths.full(sh), b"usr/bin/sh");
        let mut below: Vec<PathId> = paths.below(usr).collect();
        below.sort();
        assert_eq!(below, [bin, lib, sh]);
        assert_eq!(paths.below(sh).count(), 0);
        assert_eq!((paths.parent(sh), paths.parent(usr)), (bin, NONE));
    }
}
