//! The layers of an image, one upon the other: what each entry adds, and what hides it later.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use kiln_tree::Kind;
use serde::Serialize;

use crate::paths::{NONE, PathId, Paths};
use crate::report::How;
use crate::scan::Scanned;

/// What an entry of a layer does to the tree below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// There was nothing of this name.
    Added,
    /// There was something else, or a directory with another mode or owner.
    Modified,
    /// What was there is gone.
    Removed,
    /// A directory that is there only for what is in it.
    Unchanged,
}

/// What hides an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The layer, from 0.
    pub by: usize,
    /// In which way.
    pub how: How,
}

/// An entry by its layer and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct At {
    pub layer: u32,
    pub entry: u32,
}

pub(crate) struct Entry {
    pub path: PathId,
    pub kind: Kind,
    pub whiteout: bool,
    pub opaque: bool,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: i64,
    /// The size of a regular file.
    pub size: u64,
    /// What it adds to the layer: nothing for the second of two hard links.
    pub bytes: u64,
    /// Of an inode with several names in the layer the one that counts; else the entry itself.
    pub counts: u32,
    pub capability: Option<Box<[u8]>>,
    pub change: Change,
    pub covered: Option<Covered>,
    /// What had the same path in the layers below.
    pub over: Option<At>,
}

/// All entries of all layers.
pub struct Stack {
    pub(crate) paths: Paths,
    pub(crate) layers: Vec<Vec<Entry>>,
    /// What is at each path in the end.
    pub(crate) visible: Vec<Option<At>>,
}

impl Stack {
    /// Puts the layers upon one another, lowest first. Nothing when they have too many entries.
    pub(crate) fn new(scanned: Vec<Vec<Scanned>>) -> Option<Stack> {
        let mut stack = Stack {
            paths: Paths::default(),
            layers: Vec::with_capacity(scanned.len()),
            visible: Vec::new(),
        };
        let mut links = Vec::new();
        for layer in scanned {
            let (entries, several) = intern(&mut stack.paths, layer)?;
            stack.layers.push(entries);
            links.push(several);
        }
        stack.visible = vec![None; stack.paths.len()];
        for layer in 0..stack.layers.len() {
            stack.put(layer);
        }
        for (layer, links) in stack.layers.iter_mut().zip(links) {
            count_links(layer, links);
        }
        Some(stack)
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    pub(crate) fn entry(&self, at: At) -> Option<&Entry> {
        self.layers
            .get(at.layer as usize)
            .and_then(|l| l.get(at.entry as usize))
    }

    /// All entries, lowest layer first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (At, &Entry)> {
        (0u32..).zip(&self.layers).flat_map(|(layer, entries)| {
            (0u32..)
                .zip(entries)
                .map(move |(entry, e)| (At { layer, entry }, e))
        })
    }

    /// Whether an entry is there in the end.
    pub(crate) fn is_visible(&self, at: At, entry: &Entry) -> bool {
        self.visible.get(entry.path as usize) == Some(&Some(at))
    }

    /// Of an entry, the one whose content it shares and that counts.
    pub(crate) fn counting(&self, at: At) -> At {
        let entry = self.entry(at).map_or(at.entry, |e| e.counts);
        At { entry, ..at }
    }

    fn put(&mut self, layer: usize) {
        // Taken out, so that entries of lower layers can be written meanwhile.
        let mut entries = std::mem::take(self.layers.get_mut(layer).unwrap_or(&mut Vec::new()));
        for (index, entry) in (0u32..).zip(&mut entries) {
            let at = At {
                layer: u32::try_from(layer).unwrap_or(u32::MAX),
                entry: index,
            };
            self.put_entry(layer, at, entry);
        }
        if let Some(place) = self.layers.get_mut(layer) {
            *place = entries;
        }
    }

    fn put_entry(&mut self, layer: usize, at: At, entry: &mut Entry) {
        let before = self.visible.get(entry.path as usize).copied().flatten();
        let was_dir = before
            .and_then(|b| self.entry(b))
            .filter(|e| e.kind == Kind::Dir);
        let same = was_dir.is_some_and(|e| e.mode == entry.mode && e.owner == entry.owner);
        let merges = entry.kind == Kind::Dir && !entry.opaque;
        entry.change = match (entry.whiteout, before.is_some()) {
            (true, _) => Change::Removed,
            (false, false) => Change::Added,
            (false, true) if same && merges => Change::Unchanged,
            (false, true) => Change::Modified,
        };
        entry.over = before;
        if was_dir.is_some() && !merges {
            let below: Vec<PathId> = self.paths.below(entry.path).collect();
            for path in below {
                self.cover(path, layer, How::Deleted);
            }
        }
        let how = if entry.whiteout {
            How::Deleted
        } else {
            How::Replaced
        };
        self.cover(entry.path, layer, how);
        if !entry.whiteout
            && let Some(place) = self.visible.get_mut(entry.path as usize)
        {
            *place = Some(at);
        }
    }

    fn cover(&mut self, path: PathId, by: usize, how: How) {
        let Some(at) = self.visible.get_mut(path as usize).and_then(Option::take) else {
            return;
        };
        let layer = self.layers.get_mut(at.layer as usize);
        if let Some(entry) = layer.and_then(|l| l.get_mut(at.entry as usize)) {
            entry.covered = Some(Covered { by, how });
        }
    }
}

/// The names of each inode that has several, as indices into the layer.
type Links = Vec<Vec<u32>>;

fn intern(paths: &mut Paths, layer: Vec<Scanned>) -> Option<(Vec<Entry>, Links)> {
    let mut entries: Vec<Entry> = Vec::with_capacity(layer.len());
    let mut inodes: HashMap<(u64, u64), Vec<u32>> = HashMap::new();
    for (index, s) in (0u32..).zip(layer) {
        let parent = match s.parent {
            Some(p) => entries.get(p as usize)?.path,
            None => NONE,
        };
        let meta = &s.meta;
        if meta.nlink > 1 && meta.kind != Kind::Dir && !meta.is_whiteout() {
            let names = inodes.entry((meta.dev, meta.ino)).or_default();
            names.push(index);
        }
        let size = match meta.kind {
            Kind::File => meta.size,
            _ => 0,
        };
        entries.push(Entry {
            path: paths.intern(parent, s.name.as_bytes())?,
            kind: meta.kind,
            whiteout: meta.is_whiteout(),
            opaque: s.opaque,
            mode: meta.mode,
            owner: (meta.uid, meta.gid),
            mtime: meta.mtime.0,
            size,
            // docker counts the targets of links as well.
            bytes: match meta.kind {
                Kind::File | Kind::Symlink => meta.size,
                _ => 0,
            },
            counts: index,
            capability: s.capability,
            change: Change::Added,
            covered: None,
            over: None,
        });
    }
    let mut links: Links = inodes.into_values().filter(|n| n.len() > 1).collect();
    links.sort_unstable();
    Some((entries, links))
}

/// Of several hard links one counts: the first that is there in the end, if any is.
fn count_links(layer: &mut [Entry], links: Links) {
    for names in links {
        let covered = |i: &u32| layer.get(*i as usize).and_then(|e| e.covered);
        let first = names.first().copied().unwrap_or(0);
        let last_covered = names.iter().max_by_key(|i| covered(i).map(|c| c.by));
        let counts = match names.iter().find(|i| covered(i).is_none()) {
            Some(visible) => *visible,
            // The bytes were lost with the last of the names.
            None => last_covered.copied().unwrap_or(first),
        };
        for name in names {
            if let Some(entry) = layer.get_mut(name as usize) {
                entry.counts = counts;
                if name != counts {
                    entry.bytes = 0;
                }
            }
        }
    }
}
