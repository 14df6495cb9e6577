//! Physical lines to logical ones: continuations, comments, directives.

use crate::ast::Directives;
use crate::span::{ParseError, Pos, Span, Warning};

/// An instruction's text on one line, with the way back to its places in the source.
#[derive(Debug, Clone, Default)]
pub struct LogicalLine {
    /// The joined text, without leading white space.
    pub text: String,
    /// For each piece: offset in `text`, and its place in the source.
    pieces: Vec<(usize, Pos)>,
    /// The last physical line.
    pub last_line: u32,
    /// Behind the last character of the last line.
    pub end: Pos,
}

impl LogicalLine {
    /// A line that stands for itself.
    pub fn single(text: &str) -> LogicalLine {
        let mut line = LogicalLine::default();
        line.push(text, Pos { line: 1, column: 1 });
        line.last_line = 1;
        line.end = line.pos(text.len());
        line
    }

    fn push(&mut self, text: &str, at: Pos) {
        self.pieces.push((self.text.len(), at));
        self.text.push_str(text);
    }

    /// The source place of a byte offset in `text`.
    pub fn pos(&self, offset: usize) -> Pos {
        let piece = self.pieces.iter().rev().find(|(start, _)| *start <= offset);
        let Some((start, at)) = piece else {
            return Pos::default();
        };
        let chars = self
            .text
            .get(*start..offset.min(self.text.len()))
            .map_or(0, |t| t.chars().count());
        Pos {
            line: at.line,
            column: at.column + chars as u32,
        }
    }

    /// The source span of a byte range in `text`.
    pub fn span(&self, from: usize, to: usize) -> Span {
        Span {
            start: self.pos(from),
            end: self.pos(to),
        }
    }

    /// From the first character to the end of the last line.
    pub fn whole(&self) -> Span {
        Span {
            start: self.pos(0),
            end: self.end,
        }
    }
}

/// Reads logical lines out of the source.
pub struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
    escape: char,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\r')
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

impl<'a> Lines<'a> {
    /// Splits the source; line ends may be `\n` or `\r\n`.
    pub fn new(source: &'a str, escape: char) -> Lines<'a> {
        let lines = source
            .split('\n')
            .map(|l| l.strip_suffix('\r').unwrap_or(l))
            .collect();
        Lines {
            lines,
            next: 0,
            escape,
            warnings: Vec::new(),
        }
    }

    /// The next physical line and its number, as heredoc bodies need it.
    pub fn raw(&mut self) -> Option<(u32, &'a str)> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some((self.next as u32, line))
    }

    /// True where nothing but the empty end of the file is left.
    pub fn at_end(&self) -> bool {
        self.next >= self.lines.len()
            || (self.next + 1 == self.lines.len() && self.lines[self.next].is_empty())
    }

    /// The next instruction's line.
    pub fn logical(&mut self) -> Option<LogicalLine> {
        loop {
            let (number, raw) = self.raw()?;
            if is_comment(raw) || raw.trim().is_empty() {
                continue;
            }
            let trimmed = raw.trim_start_matches(is_space);
            let indent = raw.chars().count() - trimmed.chars().count();
            let mut line = LogicalLine::default();
            let (text, mut more) = self.continued(trimmed);
            line.push(
                text,
                Pos {
                    line: number,
                    column: 1 + indent as u32,
                },
            );
            line.last_line = number;
            let mut last_raw = raw;
            while more {
                let Some((number, raw)) = self.raw() else {
                    break;
                };
                if is_comment(raw) {
                    continue;
                }
                if raw.trim().is_empty() {
                    if !self.at_end() {
                        let at = Pos {
                            line: number,
                            column: 1,
                        };
                        self.warnings.push(Warning {
                            span: Span { start: at, end: at },
                            message: "Empty continuation line".to_owned(),
                        });
                    }
                    continue;
                }
                let (text, again) = self.continued(raw);
                line.push(
                    text,
                    Pos {
                        line: number,
                        column: 1,
                    },
                );
                line.last_line = number;
                last_raw = raw;
                more = again;
            }
            line.end = Pos {
                line: line.last_line,
                column: 1 + last_raw.trim_end().chars().count() as u32,
            };
            if line.text.trim().is_empty() {
                continue;
            }
            return Some(line);
        }
    }

    /// The line without its continuation character, and whether it had one.
    fn continued<'t>(&self, line: &'t str) -> (&'t str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(before) if !before.ends_with(self.escape) => (before, true),
            _ => (line, false),
        }
    }
}

/// The directives at the top.
pub fn directives(source: &str) -> Result<Directives, ParseError> {
    let mut found = Directives {
        syntax: None,
        escape: '\\',
        check: None,
    };
    let mut escape_seen = false;
    for (n, line) in source.lines().enumerate() {
        let Some(body) = line.trim_start().strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = body.split_once('=') else {
            break;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let span = Span {
            start: Pos {
                line: n as u32 + 1,
                column: 1,
            },
            end: Pos {
                line: n as u32 + 1,
                column: 1 + line.chars().count() as u32,
            },
        };
        let error = |message: String| ParseError {
            span,
            message,
            hint: None,
        };
        let again = match name.as_str() {
            "syntax" => found.syntax.replace(value.to_owned()).is_some(),
            "check" => found.check.replace(value.to_owned()).is_some(),
            "escape" => {
                let again = std::mem::replace(&mut escape_seen, true);
                found.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => {
                        return Err(error(format!(
                            "invalid escape token {other:?} does not match ` or \\"
                        )));
                    }
                };
                again
            }
            _ => break,
        };
        if again {
            return Err(error(format!(
                "only one {name} parser directive can be used"
            )));
        }
    }
    Ok(found)
}
