//! `RUN --mount=…`: the options of a mount, typed.

mod fields;

use fields::fields;

use crate::ast::Flag;
use crate::expand::{Env, expand_word};
use crate::span::{ParseError, Span};
use crate::suggest::nearest;

/// What a step sees at some path while it runs. Paths are as written, variables expanded.
#[derive(Clone, Debug, PartialEq)]
pub enum Mount {
    /// Files of the context, a stage or an image.
    Bind(BindMount),
    /// A directory that is kept between builds.
    Cache(CacheMount),
    /// An empty directory in memory.
    Tmpfs(TmpfsMount),
    /// A file or variable that reaches no layer.
    Secret(SecretMount),
    /// The socket of an SSH agent.
    Ssh(SshMount),
}

/// `type=bind`
#[derive(Clone, Debug, PartialEq)]
pub struct BindMount {
    /// Where.
    pub target: String,
    /// The path below the root of `from`; empty for the root itself.
    pub source: String,
    /// A stage or an image; the context where absent.
    pub from: Option<String>,
    /// `rw`: writes are allowed, and dropped afterwards.
    pub writable: bool,
}

/// `type=cache`
#[derive(Clone, Debug, PartialEq)]
pub struct CacheMount {
    /// Where.
    pub target: String,
    /// Which cache; the target where absent.
    pub id: Option<String>,
    /// What a new cache begins with: a stage or an image; nothing where absent.
    pub from: Option<String>,
    /// The path in `from`.
    pub source: String,
    /// Who may use it at the same time.
    pub sharing: Sharing,
    /// `ro`
    pub read_only: bool,
    /// Owner and mode of a new cache's directory.
    pub look: Look,
}

/// `type=tmpfs`
#[derive(Clone, Debug, PartialEq)]
pub struct TmpfsMount {
    /// Where.
    pub target: String,
    /// The most it holds, in bytes.
    pub size: Option<u64>,
    /// `ro`
    pub read_only: bool,
}

/// `type=secret`
#[derive(Clone, Debug, PartialEq)]
pub struct SecretMount {
    /// Which secret.
    pub id: String,
    /// The file; absent where only a variable is wanted.
    pub target: Option<String>,
    /// The variable.
    pub env: Option<String>,
    /// Whether a secret that isn't given is an error.
    pub required: bool,
    /// Owner and mode of the file.
    pub look: Look,
}

/// `type=ssh`
#[derive(Clone, Debug, PartialEq)]
pub struct SshMount {
    /// Which agent.
    pub id: String,
    /// The socket; `/run/buildkit/ssh_agent.N` where absent.
    pub target: Option<String>,
    /// Whether an agent that isn't given is an error.
    pub required: bool,
    /// Owner and mode of the socket.
    pub look: Look,
}

/// Owner and mode, as far as they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// `uid`
    pub uid: Option<u32>,
    /// `gid`
    pub gid: Option<u32>,
    /// `mode`
    pub mode: Option<u32>,
}

/// Who may use a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// One; others get a cache of their own.
    Private,
    /// One; others wait.
    Locked,
}

/// Names of the options, and the one each stands for.
const OPTIONS: [(&str, &str); 19] = [
    ("type", "type"),
    ("from", "from"),
    ("source", "source"),
    ("src", "source"),
    ("target", "target"),
    ("dst", "target"),
    ("destination", "target"),
    ("readonly", "ro"),
    ("ro", "ro"),
    ("readwrite", "rw"),
    ("rw", "rw"),
    ("id", "id"),
    ("sharing", "sharing"),
    ("required", "required"),
    ("size", "size"),
    ("mode", "mode"),
    ("uid", "uid"),
    ("gid", "gid"),
    ("env", "env"),
];

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// Options a type has, and those it takes without effect, as BuildKit does.
fn allowed(kind: &str) -> &'static [&'static str] {
    match kind {
        "cache" => &[
            "type", "target", "id", "from", "source", "sharing", "ro", "rw", "mode", "uid", "gid",
        ],
        "tmpfs" => &["type", "target", "size", "ro", "rw", "id", "from"],
        "secret" => &[
            "type", "target", "id", "source", "env", "required", "mode", "uid", "gid", "ro", "rw",
        ],
        "ssh" => &[
            "type", "target", "id", "required", "mode", "uid", "gid", "ro", "rw", "from",
        ],
        _ => &["type", "target", "source", "from", "ro", "rw", "id"],
    }
}

/// The mount a `--mount` flag describes.
pub fn parse_mount(flag: &Flag, escape: char, env: &dyn Env) -> Result<Mount, ParseError> {
    let text = flag.value.as_deref().unwrap_or_default();
    let fields = fields(text, escape);
    let mut options = Options {
        flag,
        given: Vec::new(),
    };
    for field in fields {
        let error = |message: String, hint: Option<String>| ParseError {
            span: place(flag, field.at),
            message,
            hint,
        };
        let Some((_, name)) = OPTIONS.iter().find(|(k, _)| *k == field.key) else {
            let known = OPTIONS.map(|(k, _)| k);
            let hint = nearest(&field.key, &known).map(|k| format!("did you mean {k}?"));
            let message = format!("unknown mount option {:?}", field.key);
            return Err(error(message, hint));
        };
        let value = match field.value {
            None if matches!(*name, "ro" | "rw" | "required") => "true".to_owned(),
            None => {
                let message = format!("mount option {0} needs a value: {0}=…", field.key);
                return Err(error(message, None));
            }
            Some(v) if *name == "from" && is_variable(&v) => {
                let message = format!("from={v}: variables aren't expanded here");
                let hint = "name the image in a stage of its own: FROM … AS name".to_owned();
                return Err(error(message, Some(hint)));
            }
            Some(v) => expand_word(&v, escape, env).map_err(|e| error(e.to_string(), None))?,
        };
        options.given.push((*name, value, field.at));
    }
    options.mount()
}

/// The `from` of a `--mount` flag, which has no variables.
pub fn mount_from(flag: &Flag, escape: char) -> Option<String> {
    let fields = fields(flag.value.as_deref().unwrap_or_default(), escape);
    let from = fields.into_iter().rev().find(|f| f.key == "from")?;
    from.value.filter(|v| !v.is_empty() && !is_variable(v))
}

fn is_variable(value: &str) -> bool {
    value.find('$').is_some_and(|at| at + 1 < value.len())
}

/// Where an option stands: exactly, unless the flag goes over several lines.
fn place(flag: &Flag, at: usize) -> Span {
    let text = flag.value.as_deref().unwrap_or_default();
    let before = format!("--{}=", flag.name);
    let length = flag.span.end.offset.saturating_sub(flag.span.start.offset) as usize;
    match text.get(..at) {
        Some(head) if length == before.len() + text.len() => {
            Span::at(flag.span.start.behind(&before).behind(head))
        }
        _ => flag.span,
    }
}

/// The options of one mount; of one given twice the last counts.
struct Options<'a> {
    flag: &'a Flag,
    given: Vec<(&'static str, String, usize)>,
}

impl Options<'_> {
    fn error(&self, at: Option<usize>, message: impl Into<String>) -> ParseError {
        ParseError {
            span: at.map_or(self.flag.span, |at| place(self.flag, at)),
            message: message.into(),
            hint: None,
        }
    }

    fn find(&self, name: &str) -> Option<(&str, usize)> {
        let found = self.given.iter().rev().find(|(n, ..)| *n == name);
        found.map(|(_, v, at)| (v.as_str(), *at))
    }

    /// A text; an empty one counts as absent.
    fn text(&self, name: &str) -> Option<String> {
        let (value, _) = self.find(name)?;
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        wanted: &str,
    ) -> Result<Option<T>, ParseError> {
        let Some((value, at)) = self.find(name) else {
            return Ok(None);
        };
        match parse(value) {
            Some(v) => Ok(Some(v)),
            None => {
                let message = format!("invalid value for {name}: {value:?} ({wanted})");
                Err(self.error(Some(at), message))
            }
        }
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, ParseError> {
        self.parsed(name, parse_bool, "true or false")
    }

    /// Whether the mount is read-only: what is said last counts.
    fn read_only(&self, default: bool) -> Result<bool, ParseError> {
        let (ro, rw) = (self.boolean("ro")?, self.boolean("rw")?);
        let last = self.given.iter().rev().map(|(n, ..)| *n);
        Ok(match last.into_iter().find(|n| matches!(*n, "ro" | "rw")) {
            Some("ro") => ro.unwrap_or(default),
            Some(_) => !rw.unwrap_or(!default),
            None => default,
        })
    }

    fn look(&self) -> Result<Look, ParseError> {
        let number = |t: &str| t.parse::<u32>().ok().filter(|n| *n != u32::MAX);
        let octal = |t: &str| u32::from_str_radix(t, 8).ok().filter(|m| *m <= 0o7777);
        Ok(Look {
            uid: self.parsed("uid", number, "a number")?,
            gid: self.parsed("gid", number, "a number")?,
            mode: self.parsed("mode", octal, "an octal number like 0755")?,
        })
    }

    fn target(&self) -> Result<String, ParseError> {
        match self.text("target") {
            Some(t) if !t.starts_with('/') || clean(&t) != "/" => Ok(t),
            Some(t) => {
                let at = self.find("target").map(|(_, at)| at);
                Err(self.error(at, format!("invalid mount target {t:?}")))
            }
            None => Err(self.error(None, "the mount has no target: add target=PATH")),
        }
    }

    fn mount(&self) -> Result<Mount, ParseError> {
        let (kind, at) = self.find("type").unwrap_or(("bind", 0));
        let kind = kind.to_ascii_lowercase();
        if !TYPES.contains(&kind.as_str()) {
            let hint = nearest(&kind, &TYPES).map(|k| format!("did you mean {k}?"));
            let error = self.error(Some(at), format!("unsupported mount type {kind:?}"));
            return Err(ParseError { hint, ..error });
        }
        for (name, _, at) in &self.given {
            if !allowed(&kind).contains(name) {
                let message = format!("mount option {name} is not for type={kind}");
                return Err(self.error(Some(*at), message));
            }
        }
        Ok(match kind.as_str() {
            "cache" => Mount::Cache(self.cache()?),
            "tmpfs" => Mount::Tmpfs(TmpfsMount {
                target: self.target()?,
                size: self
                    .parsed("size", parse_size, "bytes, or a number with k, m or g")?
                    .filter(|s| *s > 0),
                read_only: self.read_only(false)?,
            }),
            "secret" => Mount::Secret(self.secret()?),
            "ssh" => Mount::Ssh(SshMount {
                id: self.text("id").unwrap_or_else(|| "default".to_owned()),
                target: self.text("target"),
                required: self.boolean("required")?.unwrap_or(false),
                look: self.look()?,
            }),
            _ => Mount::Bind(BindMount {
                target: self.target()?,
                source: self.text("source").unwrap_or_default(),
                from: self.text("from"),
                writable: !self.read_only(true)?,
            }),
        })
    }

    fn cache(&self) -> Result<CacheMount, ParseError> {
        let sharing = |t: &str| match t.to_ascii_lowercase().as_str() {
            "shared" => Some(Sharing::Shared),
            "private" => Some(Sharing::Private),
            "locked" => Some(Sharing::Locked),
            _ => None,
        };
        let sharing = self.parsed("sharing", sharing, "shared, private or locked")?;
        let (source, from) = (self.text("source").unwrap_or_default(), self.text("from"));
        if from.is_none() && clean(&source) != "/" {
            let at = self.find("source").map(|(_, at)| at);
            let message = "source names what a new cache begins with: it needs from=…";
            return Err(self.error(at, message));
        }
        Ok(CacheMount {
            target: self.target()?,
            id: self.text("id"),
            from,
            source,
            sharing: sharing.unwrap_or_default(),
            read_only: self.read_only(false)?,
            look: self.look()?,
        })
    }

    fn secret(&self) -> Result<SecretMount, ParseError> {
        let (id, source) = (self.text("id"), self.text("source"));
        let (target, env) = (self.text("target"), self.text("env"));
        if id.is_some() && source.is_some() {
            return Err(self.error(None, "both source and id are given: they mean the same"));
        }
        let named = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let id = id
            .or(source)
            .or_else(|| target.as_deref().map(named))
            .filter(|id| !id.is_empty())
            .ok_or_else(|| self.error(None, "the secret mount names no secret: add id=NAME"))?;
        if let Some(name) = &env
            && name.contains(['=', '\0'])
        {
            let at = self.find("env").map(|(_, at)| at);
            return Err(self.error(at, format!("{name:?} can't be a variable's name")));
        }
        let target = match (target, &env) {
            (None, None) => Some(format!("/run/secrets/{}", named(&id))),
            (target, _) => target,
        };
        Ok(SecretMount {
            id,
            target,
            env,
            required: self.boolean("required")?.unwrap_or(false),
            look: self.look()?,
        })
    }
}

/// The path without `.`, `..` and doubled slashes, as if it began at the root.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A size in bytes as docker reads it: `64m`, `1.5GiB`, `4096`; units count 1024 each.
fn parse_size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &lower[digits.len()..];
    let power = match unit {
        "" | "b" => 0,
        _ => match unit
            .strip_suffix("ib")
            .or(unit.strip_suffix('b'))
            .unwrap_or(unit)
        {
            "k" => 1,
            "m" => 2,
            "g" => 3,
            "t" => 4,
            "p" => 5,
            _ => return None,
        },
    };
    let digits = digits.trim_end();
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = digits.parse().ok().filter(|_| plain)?;
    let bytes = number * 1024f64.powi(power);
    (bytes < 9e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests;
