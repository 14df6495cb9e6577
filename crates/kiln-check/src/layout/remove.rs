//! A command taken out of a RUN.

use std::ops::Range;

use crate::finding::Edit;
use crate::layout::{List, comments};
use crate::subject::Subject;

/// The edit that takes the `part`th command out of the `n`th instruction, and the instruction with
/// it where it has no other. Only where all are joined by `&&`, and no comment would go with it.
pub fn remove(subject: &Subject, n: usize, part: usize) -> Option<Edit> {
    let script = subject.script(n).filter(|s| s.editable() && !s.heredoc)?;
    let list = List::of(script).filter(List::is_chain)?;
    if !script.text().get(list.end()..)?.trim().is_empty() {
        return None;
    }
    let instruction = subject.instructions().get(n)?;
    let gone = list.parts.get(part)?;
    let place = |range: Range<usize>| script.span(range).range();
    let range = if list.parts.len() == 1 {
        whole_lines(&subject.file.source, instruction.span.range())
    } else if part == 0 {
        let next = list.parts.get(1)?;
        place(gone.range.clone()).start..place(next.range.clone()).start
    } else {
        let before = list.parts.get(part - 1)?;
        place(before.range.clone()).end..place(gone.range.clone()).end
    };
    if comments(subject.file, range.clone()).next().is_some() {
        return None;
    }
    Some(Edit {
        range,
        text: String::new(),
    })
}

/// A range with the rest of its lines, line end included.
fn whole_lines(source: &str, range: Range<usize>) -> Range<usize> {
    let before = source.get(..range.start).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    let after = source.get(range.end..).unwrap_or_default();
    let end = after.find('\n').map_or(source.len(), |n| range.end + n + 1);
    start..end
}
