//! One way to write a Dockerfile: [`format`] changes layout only. All comments, and what each
//! instruction says, stay; what the shell gets changes in white space between words at most.

mod instruction;
mod quotes;
mod same;
#[cfg(test)]
pub(crate) mod tests;

use kiln_dockerfile::{Dockerfile, Kind, ParseError, Piece, PieceKind, parse};

use crate::subject::{Subject, Surroundings};

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FmtOptions {
    /// Spaces before continuation lines.
    pub indent: usize,
}

impl Default for FmtOptions {
    fn default() -> FmtOptions {
        FmtOptions { indent: 4 }
    }
}

/// The text in Kiln's layout.
pub fn format(text: &str) -> Result<String, ParseError> {
    format_with(text, FmtOptions::default())
}

/// The text in a layout. A file that would not be the same afterwards comes back as it was.
pub fn format_with(text: &str, options: FmtOptions) -> Result<String, ParseError> {
    let file = parse(text.as_bytes())?;
    let written = write(&file, options);
    Ok(match parse(written.as_bytes()) {
        Ok(new) if same::files(&file, &new) => written,
        _ => text.to_owned(),
    })
}

/// A line of the file, without its end.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// What it is made of.
    pieces: &'a [Piece],
    /// `\n`, `\r\n`, or nothing at the file's end.
    end: &'a str,
    /// Where it begins.
    at: usize,
}

impl<'a> Line<'a> {
    fn has(&self, kind: PieceKind) -> bool {
        self.pieces.iter().any(|p| p.kind == kind)
    }

    fn text(&self, file: &'a Dockerfile, kind: PieceKind) -> &'a str {
        let piece = self.pieces.iter().find(|p| p.kind == kind);
        piece.map_or("", |p| file.source_of(p.span))
    }

    /// Whether it is a line of an instruction, outside of here-documents.
    fn is_text(&self) -> bool {
        self.has(PieceKind::Text) || self.has(PieceKind::Continuation)
    }

    fn is_note(&self) -> bool {
        self.has(PieceKind::Comment) || self.has(PieceKind::Directive)
    }
}

/// What stands at a file's top level.
enum Block {
    Blank,
    Note(String),
    /// Lines of an instruction; whether it begins a stage.
    Instruction(Vec<String>, bool),
}

fn lines(file: &Dockerfile) -> Vec<Line<'_>> {
    let pieces = file.pieces.as_slice();
    let from = usize::from(pieces.first().is_some_and(|p| p.kind == PieceKind::Bom));
    let pieces = pieces.get(from..).unwrap_or_default();
    let parts = pieces.split_inclusive(|p| p.kind == PieceKind::LineEnd);
    parts
        .map(|all| {
            let at = all.first().map_or(0, |p| p.span.range().start);
            match all.split_last() {
                Some((last, pieces)) if last.kind == PieceKind::LineEnd => Line {
                    pieces,
                    end: file.source_of(last.span),
                    at,
                },
                _ => Line {
                    pieces: all,
                    end: "",
                    at,
                },
            }
        })
        .collect()
}

fn write(file: &Dockerfile, options: FmtOptions) -> String {
    let lines = lines(file);
    let plain = || lines.iter().filter(|l| !l.end.is_empty());
    let crlf = plain().next().is_some() && plain().all(|l| l.end == "\r\n");
    let end = if crlf { "\r\n" } else { "\n" };
    let blocks = blocks(file, &lines, options, end);
    let mut out = String::with_capacity(file.source.len());
    if file.source.starts_with('\u{feff}') {
        out.push('\u{feff}');
    }
    let needed = blanks_before_stages(&blocks);
    let mut blank = false;
    let mut started = false;
    for (n, block) in blocks.iter().enumerate() {
        if matches!(block, Block::Blank) {
            // At the top it may keep a comment from being a directive.
            blank = started || is_like_directive(blocks.get(n + 1));
            continue;
        }
        if blank || needed.contains(&n) {
            out.push_str(end);
        }
        (blank, started) = (false, true);
        match block {
            Block::Note(text) => {
                out.push_str(text);
                out.push_str(end);
            }
            Block::Instruction(lines, _) => lines.iter().for_each(|l| out.push_str(l)),
            Block::Blank => {}
        }
    }
    out
}

fn is_like_directive(block: Option<&Block>) -> bool {
    matches!(block, Some(Block::Note(text)) if text.contains('='))
}

/// The blocks that get a blank line before them: each FROM but the first, with the comments that
/// stand directly above it.
fn blanks_before_stages(blocks: &[Block]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut stages = 0;
    for (n, block) in blocks.iter().enumerate() {
        let Block::Instruction(_, true) = block else {
            continue;
        };
        stages += 1;
        let notes = blocks.get(..n).unwrap_or_default().iter().rev();
        let notes = notes.take_while(|b| matches!(b, Block::Note(_))).count();
        if stages > 1 {
            found.push(n - notes);
        }
    }
    found
}

fn blocks(file: &Dockerfile, lines: &[Line], options: FmtOptions, end: &str) -> Vec<Block> {
    let subject = Subject::new(file, &Surroundings::NONE);
    let mut blocks = Vec::new();
    let mut at = 0;
    let mut instructions = file.instructions.iter().enumerate().peekable();
    while let Some(line) = lines.get(at) {
        if line.has(PieceKind::Text) {
            // Escape characters with no instruction behind them are left out.
            let last_byte = line.pieces.last().map_or(0, |p| p.span.range().end);
            let own = instructions.next_if(|(_, i)| (i.line.pos(0).offset as usize) <= last_byte);
            let rest = lines.get(at..).unwrap_or_default();
            let length = match own {
                Some((_, i)) => rest
                    .iter()
                    .take_while(|l| l.at < i.span.range().end)
                    .count(),
                None => 1,
            };
            let length = length.max(1);
            let mine = lines.get(at..at + length).unwrap_or_default();
            if let Some((n, instruction)) = own {
                let writer = instruction::Writer {
                    file,
                    instruction,
                    dialect: subject.dialect(n),
                    options,
                    end,
                };
                let stage = matches!(instruction.kind, Kind::From { .. });
                blocks.push(Block::Instruction(writer.write(mine), stage));
            }
            at += length;
            continue;
        }
        if line.is_note() {
            let comment = line.text(file, PieceKind::Comment);
            let directive = line.text(file, PieceKind::Directive);
            let text = if comment.is_empty() {
                directive
            } else {
                comment
            };
            blocks.push(Block::Note(text.trim_end().to_owned()));
        } else if !line.is_text() {
            blocks.push(Block::Blank);
        }
        at += 1;
    }
    blocks
}
