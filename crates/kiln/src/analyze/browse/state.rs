//! What is shown, and what is chosen; how it looks is another matter.

use std::collections::HashSet;

use kiln_analyze::{Analysis, NodeId, Tree};

use super::rows::{Row, rows};

/// The half that keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Layers,
    Files,
}

/// Which tree the files are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Only what the layer has.
    Layer,
    /// All layers up to it.
    Stacked,
}

/// The order of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Size,
    Name,
}

/// All there is to know for drawing.
pub struct State<'a> {
    pub analysis: &'a Analysis,
    pub pane: Pane,
    /// The chosen layer, from 0.
    pub layer: usize,
    pub view: View,
    pub order: Order,
    pub wasted_only: bool,
    pub tree: Tree,
    pub rows: Vec<Row>,
    /// The chosen row.
    pub cursor: usize,
    /// The first rows drawn, of layers and files; drawing moves them to keep what is chosen in sight.
    pub tops: (usize, usize),
    /// How many rows a page has, as last drawn.
    pub page: usize,
    /// What is being typed after `/`.
    pub prompt: Option<String>,
    /// What was searched last.
    pub search: String,
    /// One line for the user.
    pub message: String,
    pub help: bool,
    pub done: bool,
    /// The paths of open directories: they stay open from layer to layer.
    pub(super) open: HashSet<String>,
}

impl<'a> State<'a> {
    /// The beginning: the last layer, all directories closed.
    pub fn new(analysis: &'a Analysis) -> State<'a> {
        let layer = analysis.stack.len().saturating_sub(1);
        let mut state = State {
            analysis,
            pane: Pane::Layers,
            layer,
            view: View::Layer,
            order: Order::Size,
            wasted_only: false,
            tree: analysis.stack.layer_tree(layer),
            rows: Vec::new(),
            cursor: 0,
            tops: (0, 0),
            page: 10,
            prompt: None,
            search: String::new(),
            message: String::new(),
            help: false,
            done: false,
            open: HashSet::new(),
        };
        state.list();
        state
    }

    /// The chosen node.
    pub fn chosen(&self) -> Option<NodeId> {
        self.rows.get(self.cursor).map(|row| row.node)
    }

    /// What a node's size is at the moment.
    pub fn size(&self, node: NodeId) -> u64 {
        self.tree.node(node).map_or(0, |n| match self.wasted_only {
            true => n.wasted_bytes,
            false => n.bytes,
        })
    }

    /// Makes the tree anew; the cursor stays at its path, if that is still there.
    pub(super) fn rebuild(&mut self) {
        let path = self.chosen().map(|id| self.tree.path(id));
        self.tree = match self.view {
            View::Layer => self.analysis.stack.layer_tree(self.layer),
            View::Stacked => self.analysis.stack.stacked_tree(self.layer),
        };
        self.list();
        let same = |row: &Row| Some(self.tree.path(row.node)) == path;
        self.cursor = self.rows.iter().position(same).unwrap_or(0);
    }

    /// Makes the list of rows anew; the cursor stays at its node.
    pub(super) fn list(&mut self) {
        let node = self.chosen();
        let open = &self.open;
        self.rows = rows(&self.tree, self.order, self.wasted_only, |path| {
            open.contains(path)
        });
        let same = |row: &Row| Some(row.node) == node;
        let at = self.rows.iter().position(same);
        self.cursor = at.unwrap_or_else(|| self.cursor.min(self.rows.len().saturating_sub(1)));
    }

    /// Goes to a node, opening what it is in.
    pub(super) fn go_to(&mut self, node: NodeId) {
        let mut at = node;
        while at != 0 {
            at = self.tree.node(at).map_or(0, |n| n.parent);
            if at != 0 {
                self.open.insert(self.tree.path(at));
            }
        }
        self.list();
        if let Some(row) = self.rows.iter().position(|r| r.node == node) {
            self.cursor = row;
        }
    }

    /// Goes to the next (or previous) file that has what was searched in its name.
    pub(super) fn find(&mut self, backward: bool) {
        if self.search.is_empty() {
            self.message = "nothing searched yet: press /".to_owned();
            return;
        }
        let wanted = self.search.to_lowercase();
        let all = rows(&self.tree, self.order, self.wasted_only, |_| true);
        let node = self.chosen();
        let here = all.iter().position(|row| Some(row.node) == node);
        let hits: Vec<usize> = (0..)
            .zip(&all)
            .filter(|(_, row)| {
                let name = self.tree.node(row.node).map(|n| n.name.to_lowercase());
                name.is_some_and(|n| n.contains(&wanted))
            })
            .map(|(at, _)| at)
            .collect();
        let next = match backward {
            false => hits.iter().find(|h| here.is_none_or(|here| **h > here)),
            true => hits
                .iter()
                .rev()
                .find(|h| here.is_none_or(|here| **h < here)),
        };
        let around = if backward { hits.last() } else { hits.first() };
        let Some(hit) = next.or(around) else {
            self.message = format!("not here: {}", self.search);
            return;
        };
        let number = hits.iter().position(|h| h == hit).unwrap_or(0) + 1;
        self.message = format!("{number} of {}", hits.len());
        self.pane = Pane::Files;
        if let Some(row) = all.get(*hit) {
            self.go_to(row.node);
        }
    }
}
