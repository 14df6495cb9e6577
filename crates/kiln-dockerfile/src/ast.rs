//! The instructions, typed. Words are kept as written: who knows the variables expands them.

use crate::lines::LogicalLine;
use crate::pieces::Piece;
use crate::span::{Span, Warning};
use crate::words::{Word, split_words};

/// Parser directives: the `# name=value` comments at the very top.
#[derive(Clone, Debug, PartialEq)]
pub struct Directives {
    /// `syntax=`
    pub syntax: Option<String>,
    /// `escape=`: `\` or `` ` ``
    pub escape: char,
    /// `check=`
    pub check: Option<String>,
}

/// A parsed Dockerfile. Its `Display` gives the file back byte for byte.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// The whole text.
    pub source: String,
    /// What the text is made of, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// The directives.
    pub directives: Directives,
    /// In the file's order.
    pub instructions: Vec<Instruction>,
    /// Remarks that don't stop a build.
    pub warnings: Vec<Warning>,
}

impl std::fmt::Display for Dockerfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.pieces.iter().map(|p| self.source_of(p.span));
        texts.into_iter().try_for_each(|t| f.write_str(t))
    }
}

impl Dockerfile {
    /// The source text of a span.
    pub fn source_of(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or_default()
    }
}

/// One instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// From the keyword to the end of the last line, heredocs included.
    pub span: Span,
    /// The keyword as written.
    pub keyword: String,
    /// Keyword and arguments on one line, comments inside removed, without heredoc bodies.
    pub text: String,
    /// What it says.
    pub kind: Kind,
    /// The text that was parsed, continuation lines joined, and where each part of it stands.
    pub line: LogicalLine,
    /// Where in `line` the keyword begins: not at its start for an ONBUILD's trigger.
    pub start: usize,
    /// Where in `line` the arguments behind the flags begin.
    pub body: usize,
}

impl Instruction {
    /// The keyword in upper case.
    pub fn name(&self) -> String {
        self.keyword.to_ascii_uppercase()
    }

    /// Where the keyword stands.
    pub fn keyword_span(&self) -> Span {
        self.line.span(self.start, self.start + self.keyword.len())
    }

    /// The arguments behind the flags, on one line, without white space around them.
    pub fn arguments(&self) -> &str {
        self.line.text.get(self.body..).unwrap_or_default().trim()
    }

    /// Where the arguments behind the flags stand.
    pub fn arguments_span(&self) -> Span {
        let from = self.body;
        self.line.span(from, from + self.arguments().len())
    }

    /// The words of the arguments behind the flags, with their byte ranges in `line`.
    pub fn words(&self, escape: char) -> Vec<Word> {
        let text = self.line.text.get(self.body..).unwrap_or_default();
        let mut words = split_words(text, escape);
        for word in &mut words {
            word.start += self.body;
            word.end += self.body;
        }
        words
    }

    /// Where a word of [`Instruction::words`] stands.
    pub fn word_span(&self, word: &Word) -> Span {
        self.line.span(word.start, word.end)
    }
}

/// A here-document.
#[derive(Clone, Debug, PartialEq)]
pub struct Heredoc {
    /// The delimiter.
    pub name: String,
    /// Variables in it are expanded: the delimiter was not quoted.
    pub expand: bool,
    /// `<<-`: leading tabs are stripped.
    pub strip_tabs: bool,
    /// The lines, tabs already stripped.
    pub content: String,
    /// The file descriptor written before `<<`, 0 when none.
    pub fd: u32,
}

impl Heredoc {
    /// A line of it, as its content has it.
    pub fn line<'t>(&self, raw: &'t str) -> &'t str {
        match self.strip_tabs {
            true => raw.trim_start_matches('\t'),
            false => raw,
        }
    }
}

/// A command in one of its two forms.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The text for the shell.
    Shell(String),
    /// A JSON array.
    Exec(Vec<String>),
}

/// `key=value`, quotes and variables as written.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// One declaration of an ARG.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgDecl {
    /// The name.
    pub key: String,
    /// The default, as written.
    pub value: Option<String>,
}

/// `--name` or `--name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// As written.
    pub value: Option<String>,
    /// Where.
    pub span: Span,
}

/// A source of COPY or ADD.
#[derive(Clone, Debug, PartialEq)]
pub enum CopySource {
    /// A path, pattern or URL.
    Path(String),
    /// A file given in the Dockerfile.
    Heredoc(Heredoc),
}

/// Arguments of COPY and ADD.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyArgs {
    /// Flags in order.
    pub flags: Vec<Flag>,
    /// At least one.
    pub sources: Vec<CopySource>,
    /// The last argument.
    pub dest: String,
}

/// HEALTHCHECK.
#[derive(Clone, Debug, PartialEq)]
pub enum Healthcheck {
    /// Switches off an inherited check.
    None,
    /// Runs a command.
    Cmd {
        /// The command.
        command: Command,
        /// `interval`, `timeout`, `start-period`, `start-interval`, `retries`.
        flags: Vec<Flag>,
    },
}

/// What an instruction says.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Kind {
    From {
        image: String,
        platform: Option<String>,
        name: Option<String>,
    },
    Arg(Vec<ArgDecl>),
    Env(Vec<KeyValue>),
    Label(Vec<KeyValue>),
    Maintainer(String),
    Run {
        command: Command,
        flags: Vec<Flag>,
        heredocs: Vec<Heredoc>,
    },
    Copy(CopyArgs),
    Add(CopyArgs),
    Workdir(String),
    User(String),
    Volume(Vec<String>),
    Expose(Vec<String>),
    Cmd(Command),
    Entrypoint(Command),
    Healthcheck(Healthcheck),
    StopSignal(String),
    Shell(Vec<String>),
    OnBuild(Box<Instruction>),
}
