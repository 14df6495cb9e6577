//! The lines of one instruction.

use kiln_dockerfile::{Command, Dockerfile, Healthcheck, Instruction, Kind, PieceKind, parse};

use super::quotes::{Language, separators};
use super::{FmtOptions, Line, same};
use crate::shell::Dialect;

/// Writes an instruction.
pub struct Writer<'a> {
    pub file: &'a Dockerfile,
    pub instruction: &'a Instruction,
    /// The shell in force.
    pub dialect: Dialect,
    pub options: FmtOptions,
    /// The end of lines.
    pub end: &'a str,
}

/// A line as it is; one of a here-document also keeps its end.
pub fn raw(file: &Dockerfile, line: &Line, end: &str, document: bool) -> String {
    let mut text = String::new();
    for piece in line.pieces {
        text.push_str(file.source_of(piece.span));
    }
    match document && !line.end.is_empty() {
        true => text.push_str(line.end),
        false => text.push_str(end),
    }
    text
}

/// A line of the instruction's own text.
struct Part {
    /// Without white space around it where that doesn't count.
    text: String,
    /// Width of the white space before it; nothing where it must stay as it is.
    indent: Option<usize>,
    /// Whether a word or a string goes on on the next line.
    joined: bool,
    /// Comments between it and the next.
    notes: Vec<String>,
}

impl Writer<'_> {
    /// The instruction's lines in the wanted layout, each with its end. Where that would change what
    /// it says, as they are.
    pub fn write(&self, lines: &[Line]) -> Vec<String> {
        let own = lines.iter().rposition(Line::is_text).map_or(0, |n| n + 1);
        let (own, documents) = lines.split_at_checked(own).unwrap_or((lines, &[]));
        let documents = || documents.iter().map(|l| raw(self.file, l, self.end, true));
        let as_is = || {
            let own = own.iter().map(|l| raw(self.file, l, self.end, false));
            own.chain(documents()).collect()
        };
        let Some(mut written) = self.written(own) else {
            return as_is();
        };
        written.extend(documents());
        let mut text = match self.file.directives.escape {
            '`' => "# escape=`\n".to_owned(),
            _ => String::new(),
        };
        written.iter().for_each(|l| text.push_str(l));
        match parse(text.as_bytes()).map(|f| f.instructions) {
            Ok(new) if matches!(new.as_slice(), [one] if same::instructions(one, self.instruction)) => {
                written
            }
            _ => as_is(),
        }
    }

    /// The lines that are not of a here-document.
    fn written(&self, own: &[Line]) -> Option<Vec<String>> {
        let text = self.text();
        let escape = self.file.directives.escape;
        let parts = self.parts(own, &text)?;
        let smallest = parts.iter().skip(1).filter_map(|p| p.indent).min();
        let mut written = Vec::new();
        let last = parts.len().checked_sub(1)?;
        for (n, part) in parts.iter().enumerate() {
            let mut line = match part.indent {
                Some(width) if n > 0 => {
                    let deeper = width - smallest.unwrap_or(width).min(width);
                    " ".repeat(self.options.indent + deeper)
                }
                _ => String::new(),
            };
            line.push_str(&part.text);
            if n < last {
                if !part.joined {
                    line.push(' ');
                }
                line.push(escape);
            }
            line.push_str(self.end);
            written.push(line);
            for note in &part.notes {
                // Behind the last line they are no longer the instruction's.
                let indent = if n < last { self.options.indent } else { 0 };
                let indent = " ".repeat(indent);
                written.push(format!("{indent}{note}{}", self.end));
            }
        }
        Some(written)
    }

    /// What the lines say together, keywords in capitals: as long as the instruction's own text.
    fn text(&self) -> String {
        let instruction = self.instruction;
        let mut text = instruction.line.text.clone();
        let mut capital = |from: usize, length: usize| {
            let range = from..from + length;
            if let Some(part) = text.get(range.clone()) {
                let upper = part.to_ascii_uppercase();
                text.replace_range(range, &upper);
            }
        };
        capital(instruction.start, instruction.keyword.len());
        match &instruction.kind {
            Kind::OnBuild(inner) => capital(inner.start, inner.keyword.len()),
            Kind::From { .. } => {
                let words = instruction.words(self.file.directives.escape);
                if let Some(word) = words.get(1) {
                    capital(word.start, word.end - word.start);
                }
            }
            Kind::Healthcheck(check) => capital(
                instruction.body,
                match check {
                    Healthcheck::None => "NONE".len(),
                    Healthcheck::Cmd { .. } => "CMD".len(),
                },
            ),
            _ => {}
        }
        text
    }

    /// The lines of the text, with what is between them.
    fn parts(&self, lines: &[Line], text: &str) -> Option<Vec<Part>> {
        let free = self.separators(text)?;
        let is_free = |at: usize| free.get(at).copied().unwrap_or(false);
        let mut parts: Vec<Part> = Vec::new();
        let mut at = 0;
        for (n, line) in lines.iter().enumerate() {
            if line.is_note() {
                let note = line.text(self.file, PieceKind::Comment).trim_end();
                parts.last_mut()?.notes.push(note.to_owned());
                continue;
            }
            if !line.is_text() {
                continue;
            }
            let length = line.text(self.file, PieceKind::Text).len();
            let (from, to) = (at, at + length);
            at = to;
            let body = text.get(from..to)?;
            let leading = body.bytes().enumerate();
            let leading = leading.take_while(|(n, _)| is_free(from + n)).count();
            let trailing = body.bytes().enumerate().rev();
            let trailing = trailing.take_while(|(n, _)| is_free(from + n)).count();
            let (leading, trailing) = match leading == length {
                true => (length, 0),
                false => (leading, trailing),
            };
            // Whether white space is between it and the part before.
            let apart = parts.last().is_none_or(|p| !p.joined) || leading > 0;
            if n > 0 && leading == length {
                if let Some(last) = parts.last_mut() {
                    last.joined &= leading == 0;
                }
                continue;
            }
            if let Some(last) = parts.last_mut() {
                last.joined = !apart;
            }
            let own = body.get(leading..length - trailing)?;
            // Some take this for white space, and some don't.
            let odd = |c: char| c.is_whitespace() && !matches!(c, ' ' | '\t');
            if own.starts_with(odd) || own.ends_with(odd) {
                return None;
            }
            let space = body.get(..leading)?;
            let tabs = space.chars().filter(|c| *c == '\t').count();
            let width = leading - tabs + tabs * self.options.indent;
            parts.push(Part {
                text: own.to_owned(),
                indent: apart.then_some(width),
                joined: trailing == 0,
                notes: Vec::new(),
            });
        }
        if at != text.len() {
            return None;
        }
        self.first(&mut parts)?;
        let last = parts.last_mut()?;
        last.text
            .truncate(last.text.trim_end_matches([' ', '\t']).len());
        // An open quote with nothing but white space on the last line.
        (!last.text.is_empty()).then_some(parts)
    }

    /// The first line: one space behind the keyword, and JSON in one form.
    fn first(&self, parts: &mut [Part]) -> Option<()> {
        let alone = parts.len() == 1;
        let part = parts.first_mut()?;
        part.text = one_space(
            &part.text,
            matches!(self.instruction.kind, Kind::OnBuild(_)),
        );
        if alone
            && has_json(self.instruction)
            && let Some(at) = part.text.find(['['])
        {
            let (before, array) = part.text.split_at_checked(at)?;
            part.text = format!("{before}{}", json(array));
        }
        Some(())
    }

    /// Which bytes of the text are white space that only separates; nothing where nobody knows.
    fn separators(&self, text: &str) -> Option<Vec<bool>> {
        let inner = match &self.instruction.kind {
            Kind::OnBuild(inner) => inner,
            _ => self.instruction,
        };
        let shell = matches!(
            &inner.kind,
            Kind::Run {
                command: Command::Shell(_),
                ..
            } | Kind::Cmd(Command::Shell(_))
                | Kind::Entrypoint(Command::Shell(_))
                | Kind::Healthcheck(Healthcheck::Cmd {
                    command: Command::Shell(_),
                    ..
                })
        );
        if !shell {
            return Some(separators(
                text,
                Language::Words(self.file.directives.escape),
            ));
        }
        // `$'…'` is read in different ways, and other shells have other quotes.
        if self.dialect == Dialect::Unknown || text.contains("$'") {
            let mut free = vec![false; text.len()];
            // All the same nothing counts before the command.
            let end = text.len()
                - text
                    .get(inner.body..)?
                    .trim_start_matches([' ', '\t'])
                    .len();
            for (at, byte) in text.bytes().enumerate().take(end) {
                if let Some(mark) = free.get_mut(at) {
                    *mark = matches!(byte, b' ' | b'\t');
                }
            }
            return Some(free);
        }
        Some(separators(text, Language::Shell))
    }
}

/// The line with one space behind its keyword, and behind that of an ONBUILD's trigger.
fn one_space(line: &str, twice: bool) -> String {
    let Some((keyword, rest)) = line.split_once([' ', '\t']) else {
        return line.to_owned();
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    match twice {
        true => format!("{keyword} {}", one_space(rest, false)),
        false => format!("{keyword} {rest}"),
    }
}

fn has_json(instruction: &Instruction) -> bool {
    let exec = |c: &Command| matches!(c, Command::Exec(_));
    match &instruction.kind {
        Kind::Run { command, .. } | Kind::Cmd(command) | Kind::Entrypoint(command) => exec(command),
        Kind::Healthcheck(Healthcheck::Cmd { command, .. }) => exec(command),
        Kind::Shell(_) => true,
        Kind::Volume(_) | Kind::Copy(_) | Kind::Add(_) => {
            instruction.arguments().starts_with('[') && instruction.arguments().ends_with(']')
        }
        Kind::OnBuild(inner) => has_json(inner),
        _ => false,
    }
}

/// A JSON array of strings with one space behind each comma, and none elsewhere.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut string = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if string => {
                out.push(c);
                out.extend(chars.next());
            }
            '"' => {
                string = !string;
                out.push(c);
            }
            ',' if !string => out.push_str(", "),
            ' ' | '\t' if !string => {}
            _ => out.push(c),
        }
    }
    out
}
