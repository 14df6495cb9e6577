//! The state on the screen.

use kiln_analyze::{Change, How, Layer, Node};
use kiln_tree::Kind;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use super::rows::Row;
use super::state::{Order, Pane, State, View};
use crate::analyze::text::percent;
use crate::units::human_size;

/// Below this nothing useful fits.
const SMALLEST: (u16, u16) = (24, 6);
/// Narrower terminals show one pane at a time.
const TWO_PANES: u16 = 72;
/// From this height on the chosen layer is described.
const DETAILS: u16 = 18;

const HELP: &[(&str, &str)] = &[
    ("Tab", "layers or files"),
    ("↑ ↓  k j", "move"),
    ("→ ←  l h", "open, close"),
    ("Enter Space", "open or close"),
    ("PgUp PgDn", "a page"),
    ("g G", "first, last"),
    ("[ ]", "lower, upper layer"),
    ("a", "this layer, or all up to it"),
    ("w", "only what is wasted"),
    ("s", "by size or by name"),
    ("/ n N", "search, next, previous"),
    ("q", "leave"),
    ("+ ~ -", "added, changed, removed"),
];

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &mut State<'_>) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame.render_widget(Paragraph::new("terminal too small; q leaves"), area);
        return;
    }
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(headline(state), head);
    if area.width >= TWO_PANES {
        let left = Constraint::Length((area.width * 2 / 5).min(64));
        let [left, right] = Layout::horizontal([left, Constraint::Min(0)]).areas(body);
        layers(frame, state, left);
        files(frame, state, right);
    } else if state.pane == Pane::Layers {
        layers(frame, state, body);
    } else {
        files(frame, state, body);
    }
    frame.render_widget(footer(state), foot);
    if state.help {
        help(frame, body);
    }
}

fn headline<'a>(state: &State<'_>) -> Line<'a> {
    let report = &state.analysis.report;
    let name = match report.image.names.first() {
        Some(name) => name.clone(),
        None => report.image.id.short().to_string(),
    };
    let facts = format!(
        "  {}, efficiency {}, ",
        human_size(report.bytes),
        percent(report.efficiency)
    );
    let wasted = format!("{} wasted", human_size(report.wasted_bytes));
    let wasted_style = match report.wasted_bytes {
        0 => Style::new(),
        _ => Style::new().fg(Color::Yellow),
    };
    Line::from(vec![
        Span::styled(
            format!(" {name}"),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::raw(facts),
        Span::styled(wasted, wasted_style),
    ])
}

fn footer<'a>(state: &State<'_>) -> Line<'a> {
    if let Some(prompt) = &state.prompt {
        return Line::from(vec![
            Span::raw(format!(" /{prompt}")),
            Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
        ]);
    }
    let text = match state.message.as_str() {
        "" => "Tab pane  ↑↓ move  → open  a all  w wasted  s sort  / search  ? help  q quit",
        message => message,
    };
    Line::styled(format!(" {text}"), Style::new().add_modifier(Modifier::DIM))
}

fn block<'a>(title: String, focused: bool) -> Block<'a> {
    let style = match focused {
        true => Style::new().fg(Color::Cyan),
        false => Style::new().add_modifier(Modifier::DIM),
    };
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .title(title)
}

/// The first of `height` rows such that the chosen one is among them.
fn scrolled(top: usize, chosen: usize, height: usize) -> usize {
    let highest = (chosen + 1).saturating_sub(height.max(1));
    top.clamp(highest.min(chosen), chosen)
}

fn layers(frame: &mut Frame<'_>, state: &mut State<'_>, area: Rect) {
    let details = if area.height >= DETAILS { 8 } else { 0 };
    let [list, below] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(details)]).areas(area);
    let block = block(" Layers ".to_owned(), state.pane == Pane::Layers);
    let inner = block.inner(list);
    let height = usize::from(inner.height);
    state.tops.0 = scrolled(state.tops.0, state.layer, height);
    let all = &state.analysis.report.layers;
    let shown = (0..).zip(all).skip(state.tops.0).take(height);
    let lines: Vec<Line<'_>> = shown
        .map(|(i, layer)| {
            let line = layer_line(layer);
            match i == state.layer {
                true => chosen(line, state.pane == Pane::Layers),
                false => line,
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), list);
    if let Some(layer) = all.get(state.layer).filter(|_| details > 0) {
        describe(frame, layer, below);
    }
}

fn layer_line(layer: &Layer) -> Line<'_> {
    let base = match layer.base {
        Some(_) => Style::new().add_modifier(Modifier::DIM),
        None => Style::new(),
    };
    Line::from(vec![
        Span::raw(format!(
            "{:>3} {:>8} ",
            layer.number,
            human_size(layer.bytes)
        )),
        Span::styled(if layer.wasted_bytes > 0 { "!" } else { " " }, wasted()),
        Span::styled(format!(" {}", instruction(layer)), base),
    ])
}

fn describe(frame: &mut Frame<'_>, layer: &Layer, area: Rect) {
    let mut numbers = format!("{} in {} files", human_size(layer.bytes), layer.files);
    if layer.deletions > 0 {
        numbers.push_str(&format!(", {} deleted", layer.deletions));
    }
    let mut lines = vec![Line::raw(numbers)];
    if layer.wasted_bytes > 0 {
        let text = format!("{} hidden by upper layers", human_size(layer.wasted_bytes));
        lines.push(Line::styled(text, wasted()));
    }
    if let Some(base) = &layer.base {
        lines.push(Line::raw(format!("from {base}")));
    }
    lines.push(Line::raw(instruction(layer)));
    let block = block(format!(" Layer {} ", layer.number), false);
    let text = Paragraph::new(lines).wrap(Wrap { trim: true }).block(block);
    frame.render_widget(text, area);
}

fn instruction(layer: &Layer) -> &str {
    layer.instruction.as_deref().unwrap_or("(not recorded)")
}

fn wasted() -> Style {
    Style::new().fg(Color::Yellow)
}

/// The chosen row: in the pane that has the keys reversed, in the other bold.
fn chosen(line: Line<'_>, focused: bool) -> Line<'_> {
    line.patch_style(match focused {
        true => Style::new().add_modifier(Modifier::REVERSED),
        false => Style::new().add_modifier(Modifier::BOLD),
    })
}

fn files(frame: &mut Frame<'_>, state: &mut State<'_>, area: Rect) {
    let number = state.layer + 1;
    let of = match state.view {
        View::Layer => format!("layer {number}"),
        View::Stacked => format!("layers 1 to {number}"),
    };
    let only = if state.wasted_only {
        ", wasted only"
    } else {
        ""
    };
    let order = match state.order {
        Order::Size => "by size",
        Order::Name => "by name",
    };
    let title = format!(" Files of {of}{only}, {order} ");
    let block = block(title, state.pane == Pane::Files);
    let inner = block.inner(area);
    let height = usize::from(inner.height);
    state.page = height;
    state.tops.1 = scrolled(state.tops.1, state.cursor, height);
    if state.rows.is_empty() {
        let text = match state.wasted_only {
            true => "Nothing is wasted here.",
            false => "Nothing in here.",
        };
        frame.render_widget(Paragraph::new(text).block(block), area);
        return;
    }
    let modes = inner.width >= 56;
    let shown = (0..).zip(&state.rows).skip(state.tops.1).take(height);
    let lines: Vec<Line<'_>> = shown
        .filter_map(|(i, row)| {
            let node = state.tree.node(row.node)?;
            let line = file_line(node, row, state.size(row.node), modes);
            Some(match i == state.cursor {
                true => chosen(line, state.pane == Pane::Files),
                false => line,
            })
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn file_line<'a>(node: &'a Node, row: &Row, size: u64, modes: bool) -> Line<'a> {
    let (mark, color) = match node.change {
        Change::Added => ("+", Some(Color::Green)),
        Change::Modified => ("~", Some(Color::Yellow)),
        Change::Removed => ("-", Some(Color::Red)),
        Change::Unchanged => (" ", None),
    };
    let style = color.map_or(Style::new(), |c| Style::new().fg(c));
    let mut spans = vec![Span::styled(format!("{mark} "), style)];
    if modes {
        let whiteout = node.change == Change::Removed && node.kind == Kind::Char;
        let text = match whiteout {
            true => "-".repeat(10),
            false => mode_text(node.kind, node.mode),
        };
        let dim = Style::new().add_modifier(Modifier::DIM);
        spans.push(Span::styled(format!("{text} "), dim));
    }
    spans.push(Span::raw(format!("{:>7}  ", human_size(size))));
    let arrow = match row.open {
        Some(true) => "▾ ",
        Some(false) => "▸ ",
        None => "  ",
    };
    let slash = if node.kind == Kind::Dir { "/" } else { "" };
    let indent = "  ".repeat(row.depth.min(40));
    spans.push(Span::styled(
        format!("{indent}{arrow}{}{slash}", node.name),
        style,
    ));
    if let Some(covered) = node.covered.filter(|_| node.kind != Kind::Dir) {
        let how = match covered.how {
            How::Deleted => "deleted",
            How::Replaced => "replaced",
            How::Copied => "stored again",
            How::Moved => "moved",
        };
        let text = format!("  ({how} by layer {})", covered.by + 1);
        spans.push(Span::styled(text, wasted()));
    }
    Line::from(spans)
}

/// `-rwsr-xr-x`, as `ls` has it.
fn mode_text(kind: Kind, mode: u32) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Symlink => 'l',
        Kind::Char => 'c',
        Kind::Block => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    });
    for (shift, special, with, without) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(HELP.len()).unwrap_or(u16::MAX) + 2;
    let [row] = Layout::vertical([Constraint::Length(height.min(area.height))])
        .flex(ratatui::layout::Flex::Center)
        .areas(area);
    let [place] = Layout::horizontal([Constraint::Length(46.min(area.width))])
        .flex(ratatui::layout::Flex::Center)
        .areas(row);
    let lines = HELP
        .iter()
        .map(|(keys, what)| Line::raw(format!(" {keys:<12} {what}")));
    let text: Text<'_> = lines.collect();
    let block = block(" Keys ".to_owned(), true).title_alignment(Alignment::Center);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).block(block), place);
}
