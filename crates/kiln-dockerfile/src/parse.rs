//! Logical lines to typed instructions.

use crate::ast::{
    ArgDecl, Command, CopyArgs, CopySource, Dockerfile, Flag, Healthcheck, Heredoc, Instruction,
    KeyValue, Kind,
};
use crate::heredoc::{opened_by, read_all};
use crate::lines::{Lines, LogicalLine, directives};
use crate::pieces::{Piece, PieceKind};
use crate::span::{ParseError, Pos, Span, Warning};
use crate::suggest::nearest;
use crate::words::{Word, json_array, split_words, take_flags};

/// The largest Dockerfile that is read.
const MAX_SIZE: usize = 16 << 20;

/// All instructions.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Parses a whole file.
pub fn parse(source: &[u8]) -> Result<Dockerfile, ParseError> {
    let start = Span::at(Pos::START);
    let refuse = |span: Span, message: String| ParseError {
        span,
        message,
        hint: None,
    };
    if source.len() > MAX_SIZE {
        return Err(refuse(start, "the file is larger than 16 MiB".to_owned()));
    }
    let text = std::str::from_utf8(source).map_err(|e| {
        let before = source.get(..e.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() as u32 + 1;
        let tail = before.rsplit(|b| *b == b'\n').next().unwrap_or_default();
        let at = Pos {
            line,
            column: String::from_utf8_lossy(tail).chars().count() as u32 + 1,
            offset: e.valid_up_to() as u32,
        };
        refuse(Span::at(at), "the file is not UTF-8 text here".to_owned())
    })?;
    let bom = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let (directives, directive_lines) = directives(text, bom)?;
    let mut lines = Lines::new(text, bom, directive_lines, directives.escape);
    if bom > 0 {
        lines.pieces.push(Piece {
            kind: PieceKind::Bom,
            span: Span {
                start: Pos::START,
                end: Pos {
                    offset: bom as u32,
                    ..Pos::START
                },
            },
        });
    }
    let mut instructions = Vec::new();
    let mut warnings = Vec::new();
    while let Some(mut line) = lines.logical() {
        let heredocs = if can_contain_heredoc(&line.text) {
            let arguments = arguments_at(&line.text);
            read_all(&mut line, arguments, directives.escape, &mut lines)?
        } else {
            Vec::new()
        };
        let instruction = Parser {
            line: &line,
            escape: directives.escape,
        }
        .instruction(heredocs)?;
        if let Kind::Maintainer(_) = instruction.kind {
            warnings.push(Warning {
                span: instruction.span,
                message:
                    "MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors=… instead"
                        .to_owned(),
            });
        }
        instructions.push(instruction);
    }
    warnings.append(&mut lines.warnings);
    if instructions.is_empty() {
        return Err(refuse(start, "file with no instructions".to_owned()));
    }
    Ok(Dockerfile {
        source: text.to_owned(),
        pieces: lines.pieces,
        directives,
        instructions,
        warnings,
    })
}

/// Parses one instruction on one line, as ONBUILD triggers are stored.
pub fn parse_instruction(text: &str, escape: char) -> Result<Instruction, ParseError> {
    let text = text.trim();
    let line = LogicalLine::single(text);
    Parser {
        line: &line,
        escape,
    }
    .instruction(Vec::new())
}

/// Where the arguments begin.
fn arguments_at(text: &str) -> usize {
    let keyword = text.find(char::is_whitespace).unwrap_or(text.len());
    let rest = text.get(keyword..).unwrap_or_default();
    keyword + (rest.len() - rest.trim_start().len())
}

fn can_contain_heredoc(text: &str) -> bool {
    let keyword = text.split_whitespace().next().unwrap_or_default();
    let rest = text.get(arguments_at(text)..).unwrap_or_default();
    match keyword.to_ascii_uppercase().as_str() {
        "RUN" | "COPY" | "ADD" => json_array(rest).is_none(),
        "ONBUILD" => can_contain_heredoc(rest),
        _ => false,
    }
}

struct Parser<'a> {
    line: &'a LogicalLine,
    escape: char,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            span: self.line.whole(),
            message: message.into(),
            hint: None,
        }
    }

    fn instruction(&self, heredocs: Vec<Heredoc>) -> Result<Instruction, ParseError> {
        self.instruction_at(0, heredocs)
    }

    /// The instruction that begins at an offset of the line: an ONBUILD's stands behind it.
    fn instruction_at(&self, at: usize, heredocs: Vec<Heredoc>) -> Result<Instruction, ParseError> {
        let text = self.line.text.get(at..).unwrap_or_default();
        let keyword = text.split(char::is_whitespace).next().unwrap_or_default();
        let arguments = at + arguments_at(text);
        let upper = keyword.to_ascii_uppercase();
        let Some(known) = KEYWORDS.iter().find(|k| **k == upper) else {
            return Err(ParseError {
                span: self.line.span(at, at + keyword.len()),
                message: format!("unknown instruction: {keyword}"),
                hint: nearest(&upper, &KEYWORDS).map(|k| format!("did you mean {k}?")),
            });
        };
        let (flags, body) = match known_flags(known) {
            [] => (Vec::new(), arguments),
            names => {
                let (flags, body) = take_flags(self.line, arguments, self.escape);
                self.check_flags(known, &flags, names)?;
                (flags, body)
            }
        };
        let rest = self.line.text.get(body..).unwrap_or_default().trim_end();
        let kind = self.kind(known, flags, rest, body, heredocs)?;
        let args = self
            .line
            .text
            .get(arguments..)
            .unwrap_or_default()
            .trim_end();
        Ok(Instruction {
            span: Span {
                start: self.line.pos(at),
                end: self.line.end,
            },
            keyword: keyword.to_owned(),
            text: format!("{keyword} {args}").trim_end().to_owned(),
            kind,
            line: self.line.clone(),
            start: at,
            body,
        })
    }

    fn check_flags(&self, keyword: &str, flags: &[Flag], known: &[&str]) -> Result<(), ParseError> {
        for (n, flag) in flags.iter().enumerate() {
            let error = |message: String, hint: Option<String>| ParseError {
                span: flag.span,
                message,
                hint,
            };
            if !known.contains(&flag.name.as_str()) {
                let hint = nearest(&flag.name, known).map(|k| format!("did you mean --{k}?"));
                return Err(error(
                    format!("unknown flag: {keyword} --{}", flag.name),
                    hint,
                ));
            }
            let boolean = matches!(
                flag.name.as_str(),
                "link" | "parents" | "keep-git-dir" | "unpack"
            );
            if flag.value.is_none() && !boolean {
                return Err(error(
                    format!("missing a value on flag: --{}", flag.name),
                    None,
                ));
            }
            let repeatable = matches!(flag.name.as_str(), "mount" | "exclude");
            if !repeatable && flags[..n].iter().any(|f| f.name == flag.name) {
                return Err(error(
                    format!("duplicate flag specified: --{}", flag.name),
                    None,
                ));
            }
        }
        Ok(())
    }

    fn kind(
        &self,
        keyword: &str,
        flags: Vec<Flag>,
        rest: &str,
        at: usize,
        heredocs: Vec<Heredoc>,
    ) -> Result<Kind, ParseError> {
        let words = || split_words(rest, self.escape);
        let exactly_one = || -> Result<String, ParseError> {
            if rest.is_empty() {
                return Err(self.error(format!("{keyword} requires exactly one argument")));
            }
            Ok(rest.to_owned())
        };
        let at_least_one = || -> Result<(), ParseError> {
            if rest.is_empty() {
                return Err(self.error(format!("{keyword} requires at least one argument")));
            }
            Ok(())
        };
        Ok(match keyword {
            "FROM" => self.from(flags, &words())?,
            "ARG" => {
                at_least_one()?;
                Kind::Arg(self.arg(&words())?)
            }
            "ENV" => Kind::Env(self.pairs(keyword, rest, &words())?),
            "LABEL" => Kind::Label(self.pairs(keyword, rest, &words())?),
            "MAINTAINER" => Kind::Maintainer(exactly_one()?),
            "RUN" => {
                if rest.is_empty() {
                    return Err(self.error("RUN requires at least one argument"));
                }
                Kind::Run {
                    command: command(rest),
                    flags,
                    heredocs,
                }
            }
            "COPY" => Kind::Copy(self.copy(keyword, flags, rest, heredocs)?),
            "ADD" => Kind::Add(self.copy(keyword, flags, rest, heredocs)?),
            "WORKDIR" => Kind::Workdir(exactly_one()?),
            "USER" => Kind::User(exactly_one()?),
            "STOPSIGNAL" => {
                if words().len() != 1 {
                    return Err(self.error("STOPSIGNAL requires exactly one argument"));
                }
                Kind::StopSignal(rest.to_owned())
            }
            "VOLUME" => {
                at_least_one()?;
                let paths = json_array(rest)
                    .unwrap_or_else(|| rest.split_whitespace().map(String::from).collect());
                if paths.is_empty() {
                    return Err(self.error("VOLUME requires at least one argument"));
                }
                Kind::Volume(paths)
            }
            "EXPOSE" => {
                at_least_one()?;
                Kind::Expose(rest.split_whitespace().map(String::from).collect())
            }
            "CMD" => Kind::Cmd(command(rest)),
            "ENTRYPOINT" => {
                at_least_one()?;
                Kind::Entrypoint(command(rest))
            }
            "SHELL" => match json_array(rest) {
                Some(argv) if !argv.is_empty() => Kind::Shell(argv),
                Some(_) => return Err(self.error("SHELL requires at least one argument")),
                None => {
                    return Err(self.error("SHELL requires the arguments to be in JSON form"));
                }
            },
            "HEALTHCHECK" => Kind::Healthcheck(self.healthcheck(flags, rest)?),
            _ => {
                at_least_one()?;
                let inner = self.instruction_at(at, heredocs)?;
                if matches!(
                    inner.kind,
                    Kind::OnBuild(_) | Kind::From { .. } | Kind::Maintainer(_)
                ) {
                    let name = inner.keyword.to_ascii_uppercase();
                    return Err(match inner.kind {
                        Kind::OnBuild(_) => {
                            self.error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
                        }
                        _ => self.error(format!("{name} isn't allowed as an ONBUILD trigger")),
                    });
                }
                Kind::OnBuild(Box::new(inner))
            }
        })
    }

    fn from(&self, flags: Vec<Flag>, words: &[Word]) -> Result<Kind, ParseError> {
        let name = match words {
            [_] => None,
            [_, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => {
                if !is_stage_name(&name.text) {
                    return Err(self.error(format!(
                        "invalid name for build stage: {:?}, name can't start with a number or contain symbols",
                        name.text
                    )));
                }
                Some(name.text.clone())
            }
            _ => return Err(self.error("FROM requires either one or three arguments")),
        };
        Ok(Kind::From {
            image: words.first().map(|w| w.text.clone()).unwrap_or_default(),
            platform: flags.into_iter().find_map(|f| f.value),
            name,
        })
    }

    fn arg(&self, words: &[Word]) -> Result<Vec<ArgDecl>, ParseError> {
        words
            .iter()
            .map(|w| {
                let (key, value) = match w.text.split_once('=') {
                    Some((k, v)) => (k, Some(v.to_owned())),
                    None => (w.text.as_str(), None),
                };
                if key.is_empty() {
                    return Err(self.error("ARG names can not be blank"));
                }
                Ok(ArgDecl {
                    key: key.to_owned(),
                    value,
                })
            })
            .collect()
    }

    /// `k=v k=v`, or the old form `k the rest`.
    fn pairs(
        &self,
        keyword: &str,
        rest: &str,
        words: &[Word],
    ) -> Result<Vec<KeyValue>, ParseError> {
        let Some(first) = words.first() else {
            return Err(self.error(format!("{keyword} requires at least one argument")));
        };
        if !first.text.contains('=') {
            if words.len() < 2 {
                return Err(self.error(format!("{keyword} must have two arguments")));
            }
            let value = rest.get(first.end..).unwrap_or_default().trim_start();
            return Ok(vec![KeyValue {
                key: first.text.clone(),
                value: value.to_owned(),
            }]);
        }
        words
            .iter()
            .map(|w| match w.text.split_once('=') {
                Some(("", _)) => Err(self.error(format!("{keyword} names can not be blank"))),
                Some((k, v)) => Ok(KeyValue {
                    key: k.to_owned(),
                    value: v.to_owned(),
                }),
                None => Err(self.error(format!(
                    "Syntax error - can't find = in {:?}. Must be of the form: name=value",
                    w.text
                ))),
            })
            .collect()
    }

    fn copy(
        &self,
        keyword: &str,
        flags: Vec<Flag>,
        rest: &str,
        heredocs: Vec<Heredoc>,
    ) -> Result<CopyArgs, ParseError> {
        let mut words: Vec<String> =
            json_array(rest).unwrap_or_else(|| rest.split_whitespace().map(String::from).collect());
        if words.len() < 2 {
            return Err(self.error(format!(
                "{keyword} requires at least two arguments, but only {} {} provided",
                words.len(),
                if words.len() == 1 { "was" } else { "were" }
            )));
        }
        let dest = words.pop().unwrap_or_default();
        if opened_by(&dest).is_some() && !heredocs.is_empty() {
            return Err(self.error(format!(
                "{keyword} cannot accept a heredoc as a destination"
            )));
        }
        let mut docs = heredocs.into_iter();
        let mut sources = Vec::new();
        for w in words {
            let doc = opened_by(&w).and_then(|_| docs.next());
            sources.push(match doc {
                Some(d) => CopySource::Heredoc(d),
                None => CopySource::Path(w),
            });
        }
        Ok(CopyArgs {
            flags,
            sources,
            dest,
        })
    }

    fn healthcheck(&self, flags: Vec<Flag>, rest: &str) -> Result<Healthcheck, ParseError> {
        let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word.to_ascii_uppercase().as_str() {
            "" => Err(self.error("HEALTHCHECK requires at least one argument")),
            "NONE" if tail.trim().is_empty() && flags.is_empty() => Ok(Healthcheck::None),
            "NONE" => Err(self.error("HEALTHCHECK NONE takes no arguments")),
            "CMD" if tail.trim().is_empty() => {
                Err(self.error("Missing command after HEALTHCHECK CMD"))
            }
            "CMD" => Ok(Healthcheck::Cmd {
                command: command(tail.trim()),
                flags,
            }),
            other => Err(self.error(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)"))),
        }
    }
}

fn command(text: &str) -> Command {
    match json_array(text) {
        Some(argv) => Command::Exec(argv),
        None => Command::Shell(text.to_owned()),
    }
}

fn is_stage_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn known_flags(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "FROM" => &["platform"],
        "RUN" => &["mount", "network", "security"],
        "COPY" => &["from", "chown", "chmod", "link", "parents", "exclude"],
        "ADD" => &[
            "keep-git-dir",
            "checksum",
            "chown",
            "chmod",
            "link",
            "exclude",
            "unpack",
        ],
        "HEALTHCHECK" => &[
            "interval",
            "timeout",
            "start-period",
            "start-interval",
            "retries",
        ],
        _ => &[],
    }
}
