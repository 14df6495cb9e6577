//! The instructions, typed. Words are kept as written: who knows the variables expands them.

use crate::span::{Span, Warning};

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

/// A parsed Dockerfile.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// The directives.
    pub directives: Directives,
    /// In the file's order.
    pub instructions: Vec<Instruction>,
    /// Remarks that don't stop a build.
    pub warnings: Vec<Warning>,
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
