//! The trees of the treemap, short enough for a page.

use kiln_analyze::{How, NodeId, Stack, Tree};
use kiln_tree::Kind;
use serde::Serialize;

/// How many tiles a page has at most; smaller files are folded into one tile of their directory.
const BUDGET: usize = 20_000;

/// A directory or file; short names, since there are many.
#[derive(Debug, Serialize)]
pub(super) struct Tile {
    /// The name.
    n: String,
    /// The bytes.
    s: u64,
    /// Bytes of those that upper layers hide.
    #[serde(skip_serializing_if = "is_zero")]
    w: u64,
    /// How many files are folded in it.
    #[serde(skip_serializing_if = "is_zero")]
    m: u64,
    /// How it is hidden, and by which layer, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    h: Option<(How, usize)>,
    /// What is in it, largest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    k: Vec<Tile>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One tile a layer, with all in it.
pub(super) fn tiles(stack: &Stack) -> Vec<Tile> {
    let trees: Vec<Tree> = (0..stack.len()).map(|l| stack.layer_tree(l)).collect();
    let sizes = trees.iter().flat_map(|t| t.nodes.iter().map(|n| n.bytes));
    let above = threshold(sizes.collect(), BUDGET);
    trees.iter().map(|t| tile(t, 0, above)).collect()
}

/// The size above which there are at most `budget`. A directory is as large as any file in it, so
/// whoever is kept has its directory kept as well.
fn threshold(mut sizes: Vec<u64>, budget: usize) -> u64 {
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.get(budget).copied().unwrap_or(0)
}

fn tile(tree: &Tree, id: NodeId, above: u64) -> Tile {
    let Some(node) = tree.node(id) else {
        return folded(0, 0, 0);
    };
    let mut kids = Vec::new();
    let (mut small, mut wasted, mut files) = (0, 0, 0);
    for child in &node.children {
        let Some(c) = tree.node(*child) else { continue };
        if c.bytes > above {
            kids.push(tile(tree, *child, above));
        } else {
            small += c.bytes;
            wasted += c.wasted_bytes;
            files += c.files;
        }
    }
    if small > 0 {
        kids.push(folded(small, wasted, files));
    }
    kids.sort_by_key(|k| std::cmp::Reverse(k.s));
    let hidden = node.covered.filter(|_| node.kind != Kind::Dir);
    Tile {
        n: node.name.clone(),
        s: node.bytes,
        w: node.wasted_bytes,
        m: 0,
        h: hidden.map(|c| (c.how, c.by + 1)),
        k: kids,
    }
}

fn folded(s: u64, w: u64, m: u64) -> Tile {
    Tile {
        n: String::new(),
        s,
        w,
        m,
        h: None,
        k: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, parent: NodeId, kind: Kind, bytes: u64) -> kiln_analyze::Node {
        kiln_analyze::Node {
            name: name.to_owned(),
            parent,
            children: Vec::new(),
            kind,
            bytes,
            wasted_bytes: 0,
            files: 1,
            change: kiln_analyze::Change::Added,
            covered: None,
            mode: 0o644,
            owner: (0, 0),
            layer: 0,
        }
    }

    #[test]
    fn small_files_fold_and_no_byte_is_lost() {
        let mut root = node("", 0, Kind::Dir, 65);
        root.children = vec![1, 2, 3, 4];
        let mut nodes = vec![root, node("big", 0, Kind::File, 50)];
        nodes.extend((0..3).map(|i| node(&format!("s{i}"), 0, Kind::File, 5)));
        let tree = Tree { nodes };
        let sizes: Vec<u64> = tree.nodes.iter().map(|n| n.bytes).collect();
        let cut = tile(&tree, 0, threshold(sizes.clone(), 3));
        let names: Vec<(&str, u64, u64)> = cut.k.iter().map(|k| (&*k.n, k.s, k.m)).collect();
        assert_eq!(names, [("big", 50, 0), ("", 15, 3)]);
        let whole = tile(&tree, 0, threshold(sizes, 10));
        assert_eq!(whole.k.len(), 4);
    }

    #[test]
    fn the_budget_holds_for_equal_sizes() {
        let above = threshold(vec![7; 100], 10);
        assert_eq!(vec![7u64; 100].iter().filter(|s| **s > above).count(), 0);
        assert_eq!(threshold(vec![3, 2, 1], 10), 0);
    }
}
