//! Simple commands, and questions rules ask of them.

use std::ops::Range;

use shuck_ast::{
    AssignmentValue, BinaryOp, BuiltinCommand, Command as Node, DeclOperand, Redirect, Stmt,
    StmtSeq, Word, static_word_text,
};

use super::walk::{Around, Visitor, walk};

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Without quotes where it is the same each time, else as written.
    pub text: String,
    /// Whether it is the same each time: nothing in it is expanded. Patterns count as fixed.
    pub fixed: bool,
    /// Whether any of it is quoted.
    pub quoted: bool,
    /// Its place in the script's text.
    pub range: Range<usize>,
}

/// `NAME=value` before a command, or alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value as written, quotes gone where it is fixed.
    pub value: String,
    /// Its place in the script's text.
    pub range: Range<usize>,
}

/// Where a command stands among others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// How many compound commands, functions and substitutions are around it; 0 at the top.
    pub depth: usize,
    /// Whether it is inside a `$(…)`.
    pub substituted: bool,
    /// Whether it gets another command's output.
    pub piped_from: bool,
    /// Whether its output goes to another command.
    pub piped_to: bool,
    /// Whether it runs only if another succeeded or failed: right of `&&` or `||`, in a branch.
    pub conditional: bool,
    /// Which part of the top level's list it belongs to, counted from 1; the parts are joined by
    /// `&&` or `;`.
    pub part: usize,
}

/// A simple command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The name and the arguments; empty for assignments alone.
    pub words: Vec<Arg>,
    /// Assignments before it.
    pub assignments: Vec<Assignment>,
    /// Its place in the script's text, assignments included, redirections not.
    pub range: Range<usize>,
    /// Files it is redirected to, by `>` or `>>`.
    pub writes: Vec<Arg>,
    /// Where it stands.
    pub setting: Setting,
    /// The command that runs it: `sudo`, `env`, `exec`, …
    pub via: Option<String>,
}

/// Commands that run the command in their arguments.
const WRAPPERS: [&str; 10] = [
    "sudo",
    "env",
    "exec",
    "nice",
    "nohup",
    "command",
    "time",
    "timeout",
    "eatmydata",
    "gosu",
];

impl Command {
    /// The name as written.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", |w| w.text.as_str())
    }

    /// The name without the directory.
    pub fn program(&self) -> &str {
        let name = self.name();
        name.rsplit('/').next().unwrap_or(name)
    }

    /// The arguments.
    pub fn args(&self) -> &[Arg] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The arguments that are no flags; all behind a `--`. Values of flags that are words of their
    /// own are among them: who knows the program uses [`Command::operands_besides`].
    pub fn operands(&self) -> Vec<&Arg> {
        self.operands_besides(&[])
    }

    /// The arguments that are neither flags nor the values of the named ones (`-o`, `--target`).
    pub fn operands_besides(&self, with_value: &[&str]) -> Vec<&Arg> {
        let mut found = Vec::new();
        let mut all = false;
        let mut args = self.args().iter();
        while let Some(arg) = args.next() {
            match arg.text.as_str() {
                "--" if !all && !arg.quoted => all = true,
                text if !all && text.len() > 1 && text.starts_with('-') => {
                    if with_value.contains(&text) {
                        args.next();
                    }
                }
                _ => found.push(arg),
            }
        }
        found
    }

    /// The first operand: `install` of `apt-get -y install x`.
    pub fn verb(&self) -> Option<&str> {
        self.operands().first().map(|a| a.text.as_str())
    }

    /// Whether it has a flag: a letter (alone or among others, as `-yq`) or a long name, with or
    /// without a value behind `=`.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flag(flag).is_some()
    }

    /// Whether it has any of the flags.
    pub fn has_any_flag(&self, flags: &[&str]) -> bool {
        flags.iter().any(|f| self.has_flag(f))
    }

    /// The argument that has a flag.
    pub fn flag(&self, flag: &str) -> Option<&Arg> {
        let letter = flag.chars().count() == 1;
        self.flags().find(|arg| {
            let text = arg.text.as_str();
            match text.strip_prefix("--") {
                Some(long) => !letter && long.split('=').next() == Some(flag),
                None => {
                    let short = text.strip_prefix('-').unwrap_or_default();
                    match letter {
                        true => short.contains(flag),
                        false => short == flag,
                    }
                }
            }
        })
    }

    /// The value of a flag: behind `=`, in the same word behind a letter, or the next word.
    pub fn flag_value(&self, flag: &str) -> Option<&str> {
        let args = self.args();
        for (n, arg) in args.iter().enumerate() {
            let text = arg.text.as_str();
            let next = || args.get(n + 1).map(|a| a.text.as_str());
            if flag.chars().count() == 1 {
                let Some(short) = text.strip_prefix('-').filter(|s| !s.starts_with('-')) else {
                    continue;
                };
                if let Some(value) = short.strip_prefix(flag) {
                    return if value.is_empty() {
                        next()
                    } else {
                        Some(value)
                    };
                }
                if short.ends_with(flag) {
                    return next();
                }
            } else {
                let long = text.strip_prefix("--").or(text.strip_prefix('-'));
                match long.and_then(|l| l.strip_prefix(flag)) {
                    Some("") => return next(),
                    Some(rest) if rest.starts_with('=') => return rest.get(1..),
                    _ => {}
                }
            }
        }
        None
    }

    /// The arguments that are flags; none behind a `--`.
    pub fn flags(&self) -> impl Iterator<Item = &Arg> {
        self.args()
            .iter()
            .take_while(|a| a.text != "--" || a.quoted)
            .filter(|a| a.text.len() > 1 && a.text.starts_with('-'))
    }

    /// The value of an assignment before it.
    pub fn assigned(&self, name: &str) -> Option<&str> {
        let hit = self.assignments.iter().find(|a| a.name == name);
        hit.map(|a| a.value.as_str())
    }

    /// The command in its arguments, where it runs one.
    fn wrapped(&self) -> Option<Command> {
        let program = self.program();
        if !WRAPPERS.contains(&program) {
            return None;
        }
        let with_value: &[&str] = match program {
            "sudo" => &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U"],
            "env" => &["-u", "-C", "-S"],
            "nice" => &["-n"],
            "timeout" => &["-k", "-s"],
            "exec" => &["-a"],
            _ => &[],
        };
        let mut skip = match program {
            "timeout" | "gosu" => 1,
            _ => 0,
        };
        let mut assignments = Vec::new();
        let mut at = 1;
        while let Some(word) = self.words.get(at) {
            let text = word.text.as_str();
            if text.starts_with('-') {
                at += 1 + usize::from(with_value.contains(&text));
            } else if skip > 0 {
                skip -= 1;
                at += 1;
            } else if let (Some((name, value)), "env" | "sudo") = (text.split_once('='), program) {
                assignments.push(Assignment {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    range: word.range.clone(),
                });
                at += 1;
            } else {
                break;
            }
        }
        let words = self.words.get(at..).filter(|w| !w.is_empty())?.to_vec();
        Some(Command {
            range: words.first()?.range.start..self.range.end,
            words,
            assignments,
            writes: self.writes.clone(),
            setting: self.setting.clone(),
            via: Some(program.to_owned()),
        })
    }
}

/// The command of an exec form.
pub(super) fn of_argv(argv: &[String]) -> Vec<Command> {
    let mut at = 0;
    let words: Vec<Arg> = argv
        .iter()
        .map(|text| {
            let range = at..at + text.len();
            at = range.end + 1;
            Arg {
                text: text.clone(),
                fixed: true,
                quoted: true,
                range,
            }
        })
        .collect();
    let command = Command {
        range: 0..at.saturating_sub(1),
        words,
        assignments: Vec::new(),
        writes: Vec::new(),
        setting: Setting::default(),
        via: None,
    };
    with_wrapped(command)
}

fn with_wrapped(command: Command) -> Vec<Command> {
    let next = |c: &Command| c.wrapped();
    std::iter::successors(Some(command), next).collect()
}

/// All simple commands of a script.
pub(super) fn collect(body: &StmtSeq, text: &str) -> Vec<Command> {
    let mut collector = Collector {
        text,
        found: Vec::new(),
        setting: Setting::default(),
        outer: Vec::new(),
        part: 0,
    };
    walk(body, &mut collector);
    collector.found.sort_by_key(|c| c.range.start);
    collector.found
}

struct Collector<'t> {
    text: &'t str,
    found: Vec<Command>,
    setting: Setting,
    outer: Vec<Setting>,
    part: usize,
}

impl Collector<'_> {
    fn arg(&self, word: &Word) -> Arg {
        let fixed = static_word_text(word, self.text);
        let range = word.span.start.offset()..word.span.end.offset();
        let raw = self.text.get(range.clone()).unwrap_or_default();
        Arg {
            fixed: fixed.is_some(),
            text: fixed.map_or_else(|| raw.to_owned(), |t| t.into_owned()),
            quoted: word.has_quoted_parts(),
            range,
        }
    }

    fn assignment(&self, a: &shuck_ast::Assignment) -> Assignment {
        let range = a.span.start.offset()..a.span.end.offset();
        let value = match &a.value {
            AssignmentValue::Scalar(word) => self.arg(word).text,
            AssignmentValue::Compound(_) => self
                .text
                .get(range.clone())
                .and_then(|t| t.split_once('='))
                .map_or_else(String::new, |(_, v)| v.to_owned()),
        };
        Assignment {
            name: a.target.name.to_string(),
            value,
            range,
        }
    }

    fn add(
        &mut self,
        words: Vec<Arg>,
        assignments: &[shuck_ast::Assignment],
        span: shuck_ast::Span,
        redirects: &[Redirect],
    ) {
        use shuck_ast::RedirectKind::{Append, Clobber, Output, OutputBoth};
        let writes = redirects
            .iter()
            .filter(|r| matches!(r.kind, Append | Clobber | Output | OutputBoth))
            .filter_map(|r| r.word_target())
            .map(|w| self.arg(w))
            .collect();
        let assignments: Vec<Assignment> = assignments.iter().map(|a| self.assignment(a)).collect();
        let ends = words.iter().map(|w| w.range.end);
        let ends = ends.chain(assignments.iter().map(|a| a.range.end));
        let start = span.start.offset();
        self.found.extend(with_wrapped(Command {
            range: start..ends.max().unwrap_or(span.end.offset()),
            words,
            assignments,
            writes,
            setting: self.setting.clone(),
            via: None,
        }));
    }
}

impl Visitor for Collector<'_> {
    fn command(&mut self, stmt: &Stmt) {
        let redirects = &stmt.redirects;
        match &stmt.command {
            Node::Simple(c) => {
                let mut words: Vec<Arg> = Vec::with_capacity(1 + c.args.len());
                let name = self.arg(&c.name);
                if !name.range.is_empty() {
                    words.push(name);
                }
                words.extend(c.args.iter().map(|w| self.arg(w)));
                self.add(words, &c.assignments, c.span, redirects);
            }
            Node::Decl(d) => {
                let whole = |range: Range<usize>| Arg {
                    text: self.text.get(range.clone()).unwrap_or_default().to_owned(),
                    fixed: false,
                    quoted: false,
                    range,
                };
                let span = |s: shuck_ast::Span| s.start.offset()..s.end.offset();
                let mut words = vec![whole(span(d.variant_span))];
                for operand in &d.operands {
                    words.push(match operand {
                        DeclOperand::Flag(w) | DeclOperand::Dynamic(w) => self.arg(w),
                        DeclOperand::Name(v) => whole(span(v.span)),
                        DeclOperand::Assignment(a) => whole(span(a.span)),
                    });
                }
                self.add(words, &d.assignments, d.span, redirects);
            }
            Node::Builtin(b) => {
                let (name, first, rest, assignments, s) = match b {
                    BuiltinCommand::Break(c) => {
                        ("break", &c.depth, &c.extra_args, &c.assignments, c.span)
                    }
                    BuiltinCommand::Continue(c) => {
                        ("continue", &c.depth, &c.extra_args, &c.assignments, c.span)
                    }
                    BuiltinCommand::Return(c) => {
                        ("return", &c.code, &c.extra_args, &c.assignments, c.span)
                    }
                    BuiltinCommand::Exit(c) => {
                        ("exit", &c.code, &c.extra_args, &c.assignments, c.span)
                    }
                };
                let start = s.start.offset();
                let mut words = vec![Arg {
                    text: name.to_owned(),
                    fixed: true,
                    quoted: false,
                    range: start..start + name.len(),
                }];
                words.extend(first.iter().chain(rest).map(|w| self.arg(w)));
                self.add(words, assignments, s, redirects);
            }
            _ => {}
        }
    }

    fn statement(&mut self) {
        if self.setting.depth == 0 {
            self.part += 1;
            self.setting.part = self.part;
        }
    }

    fn enter(&mut self, around: Around) {
        self.outer.push(self.setting.clone());
        let setting = &mut self.setting;
        match around {
            Around::Compound => {
                setting.depth += 1;
                setting.conditional = true;
            }
            Around::Substitution => {
                *setting = Setting {
                    depth: setting.depth + 1,
                    substituted: true,
                    part: setting.part,
                    ..Setting::default()
                };
            }
            Around::Left(BinaryOp::Pipe | BinaryOp::PipeAll) => setting.piped_to = true,
            Around::Right(BinaryOp::Pipe | BinaryOp::PipeAll) => setting.piped_from = true,
            Around::Left(_) => {}
            Around::Right(op) => {
                // `a && b` at the top is how a RUN lists its commands.
                setting.conditional |= op == BinaryOp::Or;
                if setting.depth == 0 {
                    self.part += 1;
                    setting.part = self.part;
                }
            }
        }
    }

    fn leave(&mut self) {
        if let Some(outer) = self.outer.pop() {
            self.setting = outer;
        }
    }
}
