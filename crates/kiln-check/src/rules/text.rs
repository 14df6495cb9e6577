//! Places in a Dockerfile's text.

use std::ops::Range;

use kiln_dockerfile::{Pos, Span};

/// The whole lines that a byte range touches, the last line end included.
pub(super) fn whole_lines(source: &str, range: Range<usize>) -> Range<usize> {
    let before = source.get(..range.start).unwrap_or_default();
    let after = source.get(range.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    let end = after.find('\n').map_or(source.len(), |n| range.end + n + 1);
    start..end
}

/// The place of a byte range inside of a span that may go over several lines.
pub(super) fn inside(source: &str, whole: Span, range: Range<usize>) -> Span {
    let start = step(source, whole.start, range.start);
    Span {
        start,
        end: step(source, start, range.end),
    }
}

fn step(source: &str, from: Pos, to: usize) -> Pos {
    let text = source.get(from.offset as usize..to).unwrap_or_default();
    match text.rfind('\n') {
        None => from.behind(text),
        Some(last) => Pos {
            line: from.line + text.matches('\n').count() as u32,
            column: 1 + text.get(last + 1..).unwrap_or_default().chars().count() as u32,
            offset: to as u32,
        },
    }
}

/// `12.3 MB`
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `a, b and 3 more`
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= 4 => format!("{} and {last}", first.join(", ")),
        [a, b, c, rest @ ..] => format!("{a}, {b}, {c} and {} more", rest.len()),
        [a, b] => format!("{a} and {b}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_sizes() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(size(1_500_000), "1.5 MB");
    }

    #[test]
    fn lines() {
        assert_eq!(whole_lines("a\nbb\nc", 2..3), 2..5);
        assert_eq!(whole_lines("a\nbb\nc", 5..6), 5..6);
        let at = inside("a\nbé\nc", Span::at(Pos::START), 2..5);
        assert_eq!((at.start.line, at.start.column, at.end.column), (2, 1, 3));
    }
}
