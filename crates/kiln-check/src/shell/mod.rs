//! What a RUN gives to the shell, parsed: its simple commands, and for those who need more the
//! syntax tree.

mod command;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use kiln_dockerfile::{
    Command as Form, Dockerfile, Instruction, Kind, LogicalLine, PieceKind, Span,
};
use shuck_parser::ShellDialect;
use shuck_parser::parser::{ParseResult, Parser};

pub use command::{Arg, Assignment, Command, Setting};
pub use walk::{Around, Visitor, walk};

/// The language of a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `sh`, `dash`, `ash`.
    Posix,
    /// `bash`, `ksh`, `zsh`.
    Bash,
    /// Another one, such as PowerShell's: not parsed.
    Unknown,
}

impl Dialect {
    /// Of the shell that a SHELL instruction or a `#!` line names.
    pub fn of<S: AsRef<str>>(argv: &[S]) -> Dialect {
        let mut words = argv.iter().map(AsRef::as_ref);
        let first = words.next().unwrap_or_default();
        let name = match first.rsplit(['/', '\\']).next().unwrap_or_default() {
            // `#!/usr/bin/env -S bash`
            "env" => words.find(|w| !w.starts_with('-')).unwrap_or_default(),
            name => name,
        };
        match name.trim_end_matches(".exe") {
            "sh" | "dash" | "ash" | "busybox" => Dialect::Posix,
            "bash" | "ksh" | "mksh" | "zsh" => Dialect::Bash,
            _ => Dialect::Unknown,
        }
    }
}

/// What a shell is given.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its text, and where each part of it stands in the Dockerfile.
    pub line: LogicalLine,
    /// Where it stands as a whole, if its parts have no places: it was in a JSON string.
    whole: Option<Span>,
    /// Its language.
    pub dialect: Dialect,
    /// All simple commands in the text's order, those inside of others included.
    pub commands: Vec<Command>,
    /// What the parser says; nothing for an exec form that starts no shell.
    pub parsed: Option<ParseResult>,
    /// Whether it is a here-document, whose lines are the shell's own.
    pub heredoc: bool,
}

impl Script {
    /// The text.
    pub fn text(&self) -> &str {
        &self.line.text
    }

    /// Where a byte range of the text stands in the Dockerfile.
    pub fn span(&self, range: Range<usize>) -> Span {
        match self.whole {
            Some(whole) => whole,
            None => self.line.span(range.start, range.end),
        }
    }

    /// Whether byte ranges have places of their own in the Dockerfile, so that they can be edited.
    pub fn editable(&self) -> bool {
        self.whole.is_none()
    }

    /// Whether the shell, or bash in place of an `sh`, would take it.
    pub fn clean(&self) -> bool {
        self.parsed.as_ref().is_none_or(ParseResult::is_ok)
    }

    /// The commands of a program, whatever directory it is called from.
    pub fn calls<'s>(&'s self, program: &'s str) -> impl Iterator<Item = &'s Command> {
        self.commands.iter().filter(move |c| c.program() == program)
    }

    /// Of a line that a shell is given otherwise than by RUN; nothing where its language isn't known.
    pub fn of_line(line: LogicalLine, dialect: Dialect) -> Option<Script> {
        (dialect != Dialect::Unknown).then(|| Script::parse(line, None, dialect, false))
    }

    fn parse(line: LogicalLine, whole: Option<Span>, dialect: Dialect, heredoc: bool) -> Script {
        // bash's language holds nearly all of sh's: what `sh` would not take is still understood.
        let mut parsed = Parser::with_dialect(&line.text, ShellDialect::Bash).parse();
        if dialect == Dialect::Posix && parsed.is_err() {
            let posix = Parser::with_dialect(&line.text, ShellDialect::Posix).parse();
            if posix.is_ok() {
                parsed = posix;
            }
        }
        let commands = command::collect(&parsed.file.body, &line.text);
        Script {
            line,
            whole,
            dialect,
            commands,
            parsed: Some(parsed),
            heredoc,
        }
    }
}

/// The script of a RUN, or of the RUN of an ONBUILD.
pub(crate) fn script(
    file: &Dockerfile,
    instruction: &Instruction,
    dialect: Dialect,
) -> Option<Script> {
    let (command, heredocs, instruction) = match &instruction.kind {
        Kind::Run {
            command, heredocs, ..
        } => (command, heredocs, instruction),
        Kind::OnBuild(inner) => match &inner.kind {
            Kind::Run {
                command, heredocs, ..
            } => (command, heredocs, &**inner),
            _ => return None,
        },
        _ => return None,
    };
    let whole = instruction.arguments_span();
    let argv = match command {
        Form::Shell(_) => {
            let mut line = instruction.line.tail(instruction.body);
            if heredocs.is_empty() {
                return (dialect != Dialect::Unknown)
                    .then(|| Script::parse(line, None, dialect, false));
            }
            let bodies = bodies(file, instruction);
            let alone = line.text.trim().starts_with("<<")
                && line.text.split_whitespace().count() == 1
                && bodies.len() == 1;
            if alone {
                let body = bodies.into_iter().next()?.0;
                let dialect = match body.text.strip_prefix("#!") {
                    Some(rest) => {
                        let first = rest.lines().next().unwrap_or_default();
                        let argv: Vec<&str> = first.split_whitespace().collect();
                        Dialect::of(&argv)
                    }
                    None => dialect,
                };
                return (dialect != Dialect::Unknown)
                    .then(|| Script::parse(body, None, dialect, true));
            }
            if dialect == Dialect::Unknown {
                return None;
            }
            // The shell gets the line and, on its other descriptors, the documents.
            let end = line.pos(line.text.len());
            line.push("\n", end);
            for (body, last) in bodies {
                line.append(&body);
                line.append(&last);
            }
            return Some(Script::parse(line, None, dialect, false));
        }
        Form::Exec(argv) => argv,
    };
    if let [shell, flag, text] = argv.as_slice()
        && Dialect::of(&[shell]) != Dialect::Unknown
        && flag.starts_with('-')
        && flag.ends_with('c')
    {
        let line = LogicalLine::single(text);
        return Some(Script::parse(
            line,
            Some(whole),
            Dialect::of(&[shell]),
            false,
        ));
    }
    let line = LogicalLine::single(&argv.join(" "));
    Some(Script {
        commands: command::of_argv(argv).into_iter().collect(),
        line,
        whole: Some(whole),
        dialect,
        parsed: None,
        heredoc: false,
    })
}

/// The lines of an instruction's here-documents, and the line that ends each, with their places.
fn bodies(file: &Dockerfile, instruction: &Instruction) -> Vec<(LogicalLine, LogicalLine)> {
    let Kind::Run { heredocs, .. } = &instruction.kind else {
        return Vec::new();
    };
    let range = instruction.span.range();
    let first = file
        .pieces
        .partition_point(|p| p.span.range().start < range.start);
    let mut docs = heredocs.iter();
    let mut doc = docs.next();
    let mut found = Vec::new();
    let mut body = LogicalLine::default();
    for piece in file.pieces.get(first..).unwrap_or_default() {
        if piece.span.range().start >= range.end {
            break;
        }
        let raw = file.source_of(piece.span);
        let text = doc.map_or(raw, |d| d.line(raw));
        let mut at = piece.span.start;
        let stripped = raw.get(..raw.len() - text.len()).unwrap_or_default();
        at = at.behind(stripped);
        match piece.kind {
            PieceKind::Heredoc => {
                body.push(text, at);
                body.push("\n", piece.span.end);
            }
            PieceKind::HeredocEnd => {
                let mut last = LogicalLine::default();
                last.push(text, at);
                last.push("\n", piece.span.end);
                found.push((std::mem::take(&mut body), last));
                doc = docs.next();
            }
            _ => {}
        }
    }
    found
}
