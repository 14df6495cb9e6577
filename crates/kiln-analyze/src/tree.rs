//! Trees to look at: of one layer, or of all up to one.

use kiln_tree::Kind;

use crate::paths::PathId;
use crate::shown::shown;
use crate::stack::{At, Change, Covered, Entry, Stack};

/// A node's place in its tree. The root's is 0.
pub type NodeId = usize;

/// A directory or file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name; empty for the root.
    pub name: String,
    /// Its directory; the root's is the root.
    pub parent: NodeId,
    /// What is in it, by name.
    pub children: Vec<NodeId>,
    /// Its type.
    pub kind: Kind,
    /// The bytes at and below it.
    pub bytes: u64,
    /// Bytes of those that upper layers hide.
    pub wasted_bytes: u64,
    /// The regular files at and below it, several hard links counted once.
    pub files: u64,
    /// What the layer did to it.
    pub change: Change,
    /// What hides it later.
    pub covered: Option<Covered>,
    /// Its permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// The layer that it is from, from 0.
    pub layer: usize,
}

/// A tree of nodes; directories come before what is in them.
#[derive(Clone, Debug)]
pub struct Tree {
    /// All nodes; there is always a root.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// A node's path, from `/`.
    pub fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != 0 {
            let Some(node) = self.nodes.get(at) else {
                break;
            };
            names.push(node.name.as_str());
            at = node.parent;
        }
        names.reverse();
        format!("/{}", names.join("/"))
    }
}

impl Stack {
    /// What one layer has, deletions as removed files.
    pub fn layer_tree(&self, layer: usize) -> Tree {
        let mut builder = Builder::new(self, layer);
        for entry in self.layers.get(layer).into_iter().flatten() {
            builder.add(entry, layer, entry.change);
        }
        let mut tree = builder.finish();
        mark_directories(&mut tree);
        tree
    }

    /// What can be seen when all layers up to this one are stacked, and what this one removed.
    pub fn stacked_tree(&self, layer: usize) -> Tree {
        let mut there: Vec<Option<(At, Change)>> = vec![None; self.paths.len()];
        for (at, entry) in self.entries() {
            let own = at.layer as usize;
            if own > layer || entry.whiteout {
                continue;
            }
            let gone = entry.covered.map(|c| c.by);
            let change = match gone {
                Some(by) if by < layer => continue,
                Some(by) if by == layer => Change::Removed,
                _ if own == layer => entry.change,
                _ => Change::Unchanged,
            };
            // Upper layers come last: what replaces something stands for it.
            if let Some(place) = there.get_mut(entry.path as usize) {
                *place = Some((at, change));
            }
        }
        let mut builder = Builder::new(self, layer);
        // A directory's number is below those of its files.
        for (at, change) in there.into_iter().flatten() {
            if let Some(entry) = self.entry(at) {
                builder.add(entry, at.layer as usize, change);
            }
        }
        let mut tree = builder.finish();
        mark_directories(&mut tree);
        tree
    }
}

/// A directory in which something changed has changed.
fn mark_directories(tree: &mut Tree) {
    for id in (1..tree.nodes.len()).rev() {
        let node = tree.nodes.get(id);
        let Some((parent, change)) = node.map(|n| (n.parent, n.change)) else {
            continue;
        };
        if change != Change::Unchanged
            && let Some(parent) = tree.nodes.get_mut(parent)
            && parent.change == Change::Unchanged
        {
            parent.change = Change::Modified;
        }
    }
}

struct Builder<'a> {
    stack: &'a Stack,
    tree: Tree,
    of_path: Vec<NodeId>,
}

impl<'a> Builder<'a> {
    fn new(stack: &'a Stack, layer: usize) -> Builder<'a> {
        let root = Node {
            name: String::new(),
            parent: 0,
            children: Vec::new(),
            kind: Kind::Dir,
            bytes: 0,
            wasted_bytes: 0,
            files: 0,
            change: Change::Unchanged,
            covered: None,
            mode: 0o755,
            owner: (0, 0),
            layer,
        };
        Builder {
            stack,
            tree: Tree { nodes: vec![root] },
            of_path: vec![0; stack.paths.len()],
        }
    }

    fn place(&mut self, path: PathId) -> NodeId {
        self.of_path.get(path as usize).copied().unwrap_or(0)
    }

    fn add(&mut self, entry: &Entry, layer: usize, change: Change) {
        let parent = self.place(self.stack.paths.parent(entry.path));
        let id = self.tree.nodes.len();
        if let Some(place) = self.of_path.get_mut(entry.path as usize) {
            *place = id;
        }
        let bytes = if entry.whiteout { 0 } else { entry.bytes };
        let later = entry.covered.filter(|_| change != Change::Removed);
        self.tree.nodes.push(Node {
            name: shown(self.stack.paths.name(entry.path)),
            parent,
            children: Vec::new(),
            kind: entry.kind,
            bytes,
            wasted_bytes: if later.is_some() { bytes } else { 0 },
            files: u64::from(entry.kind == Kind::File && self.counts(entry)),
            change,
            covered: later,
            mode: entry.mode,
            owner: entry.owner,
            layer,
        });
    }

    fn counts(&self, entry: &Entry) -> bool {
        // Empty files have no other mark.
        entry.bytes > 0 || entry.size == 0
    }

    /// Adds up the directories and sorts them.
    fn finish(mut self) -> Tree {
        let nodes = &mut self.tree.nodes;
        for id in (1..nodes.len()).rev() {
            let Some(node) = nodes.get(id) else { continue };
            let (bytes, wasted, files) = (node.bytes, node.wasted_bytes, node.files);
            let (parent, removed) = (node.parent, node.change == Change::Removed);
            if let Some(dir) = nodes.get_mut(parent) {
                dir.children.push(id);
                // What is gone takes no room in what is still there.
                if !removed || dir.change == Change::Removed {
                    dir.bytes += bytes;
                    dir.wasted_bytes += wasted;
                    dir.files += files;
                }
            }
        }
        for id in 0..nodes.len() {
            let mut children = match nodes.get_mut(id) {
                Some(node) => std::mem::take(&mut node.children),
                None => continue,
            };
            let name = |id: &NodeId| nodes.get(*id).map(|n| n.name.as_str());
            children.sort_by(|a, b| name(a).cmp(&name(b)));
            if let Some(node) = nodes.get_mut(id) {
                node.children = children;
            }
        }
        self.tree
    }
}
