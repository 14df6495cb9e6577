//! A tree as rows: what is open is listed with what is in it.

use std::cmp::Reverse;

use kiln_analyze::{NodeId, Tree};
use kiln_tree::Kind;

use super::state::Order;

/// One row of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub node: NodeId,
    /// How many directories it is in.
    pub depth: usize,
    /// Whether what is in it is listed; nothing for what can't be opened.
    pub open: Option<bool>,
}

/// The rows of a tree without its root.
pub fn rows(
    tree: &Tree,
    order: Order,
    wasted_only: bool,
    is_open: impl Fn(&str) -> bool,
) -> Vec<Row> {
    let children = |id: NodeId| -> Vec<NodeId> {
        let all = tree.node(id).map_or(&[][..], |n| &n.children);
        let wasted = |id: &NodeId| tree.node(*id).map_or(0, |n| n.wasted_bytes);
        let mut some: Vec<NodeId> = all
            .iter()
            .copied()
            .filter(|id| !wasted_only || wasted(id) > 0)
            .collect();
        if order == Order::Size {
            some.sort_by_key(|id| {
                let bytes = tree.node(*id).map_or(0, |n| n.bytes);
                Reverse(if wasted_only { wasted(id) } else { bytes })
            });
        }
        some
    };
    let mut out = Vec::new();
    let mut todo: Vec<(NodeId, usize, String)> = Vec::new();
    let push = |todo: &mut Vec<(NodeId, usize, String)>, dir, depth, path: &str| {
        for id in children(dir).into_iter().rev() {
            let name = tree.node(id).map_or("", |n| n.name.as_str());
            todo.push((id, depth, format!("{path}/{name}")));
        }
    };
    push(&mut todo, 0, 0, "");
    while let Some((node, depth, path)) = todo.pop() {
        let can_open = tree
            .node(node)
            .is_some_and(|n| n.kind == Kind::Dir && !n.children.is_empty());
        let open = can_open.then(|| is_open(&path));
        out.push(Row { node, depth, open });
        if open == Some(true) {
            push(&mut todo, node, depth + 1, &path);
        }
    }
    out
}
