//! What keys do.

use kiln_tree::Kind;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::{Order, Pane, State, View};

impl State<'_> {
    /// Takes one key.
    pub fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('c') {
            self.done = true;
            return;
        }
        self.message.clear();
        if self.prompt.is_some() {
            self.typed(key.code);
        } else if self.help {
            self.help = false;
        } else {
            self.command(key.code, control);
        }
    }

    fn typed(&mut self, code: KeyCode) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        match code {
            KeyCode::Char(c) => prompt.push(c),
            KeyCode::Backspace if !prompt.is_empty() => drop(prompt.pop()),
            KeyCode::Backspace | KeyCode::Esc => self.prompt = None,
            KeyCode::Enter => {
                let text = std::mem::take(prompt);
                self.prompt = None;
                // As in `less`: nothing typed means the same again.
                if !text.is_empty() {
                    self.search = text;
                }
                self.find(false);
            }
            _ => {}
        }
    }

    fn command(&mut self, code: KeyCode, control: bool) {
        let page = isize::try_from(self.page.max(1)).unwrap_or(10);
        match code {
            KeyCode::Char('d') if control => self.step(page / 2),
            KeyCode::Char('u') if control => self.step(-page / 2),
            KeyCode::Char('q') => self.done = true,
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('/') => self.prompt = Some(String::new()),
            KeyCode::Char('n') => self.find(false),
            KeyCode::Char('N') => self.find(true),
            KeyCode::Tab | KeyCode::BackTab => {
                self.pane = match self.pane {
                    Pane::Layers => Pane::Files,
                    Pane::Files => Pane::Layers,
                }
            }
            KeyCode::Char('a') => {
                self.view = match self.view {
                    View::Layer => View::Stacked,
                    View::Stacked => View::Layer,
                };
                self.rebuild();
            }
            KeyCode::Char('s') => {
                self.order = match self.order {
                    Order::Size => Order::Name,
                    Order::Name => Order::Size,
                };
                self.list();
            }
            KeyCode::Char('w') => {
                self.wasted_only = !self.wasted_only;
                self.list();
            }
            KeyCode::Char('[') => self.choose_layer(-1),
            KeyCode::Char(']') => self.choose_layer(1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(page),
            KeyCode::PageUp => self.step(-page),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Right | KeyCode::Char('l') | KeyCode::Enter if self.pane == Pane::Layers => {
                self.pane = Pane::Files;
            }
            KeyCode::Right | KeyCode::Char('l') => self.open_or_enter(),
            KeyCode::Left | KeyCode::Char('h') => self.close_or_leave(),
            KeyCode::Enter | KeyCode::Char(' ') => self.toggle(),
            _ => {}
        }
    }

    fn step(&mut self, by: isize) {
        match self.pane {
            Pane::Layers => self.choose_layer(by),
            Pane::Files => self.cursor = moved(self.cursor, by, self.rows.len()),
        }
    }

    fn choose_layer(&mut self, by: isize) {
        let layer = moved(self.layer, by, self.analysis.stack.len());
        if layer != self.layer {
            self.layer = layer;
            self.rebuild();
        }
    }

    fn open_or_enter(&mut self) {
        let row = self.rows.get(self.cursor).copied();
        match row.and_then(|r| r.open) {
            Some(false) => self.toggle(),
            Some(true) => self.step(1),
            None => {}
        }
    }

    fn close_or_leave(&mut self) {
        let Some(row) = self.rows.get(self.cursor).copied() else {
            self.pane = Pane::Layers;
            return;
        };
        let parent = self.tree.node(row.node).map_or(0, |n| n.parent);
        match row.open {
            _ if self.pane == Pane::Layers => {}
            Some(true) => self.toggle(),
            _ if parent != 0 => self.go_to(parent),
            _ => self.pane = Pane::Layers,
        }
    }

    fn toggle(&mut self) {
        let Some(node) = self.chosen().filter(|_| self.pane == Pane::Files) else {
            return;
        };
        if self.tree.node(node).is_some_and(|n| n.kind == Kind::Dir) {
            let path = self.tree.path(node);
            if !self.open.remove(&path) {
                self.open.insert(path);
            }
            self.list();
        }
    }
}

/// A place in a list of `length`, moved; it stops at the ends.
fn moved(at: usize, by: isize, length: usize) -> usize {
    at.saturating_add_signed(by).min(length.saturating_sub(1))
}
