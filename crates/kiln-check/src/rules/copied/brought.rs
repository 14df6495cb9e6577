//! Where the files of a COPY arrive.

use kiln_dockerfile::{CopyArgs, CopySource, Kind};

use crate::subject::{ContextFacts, ContextFile, Stage, Subject};

/// What a COPY or ADD brings to one place.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The instruction.
    pub by: usize,
    /// Where it arrives; begins with `?` beneath a WORKDIR that isn't known.
    pub path: String,
    /// The one file that it is, if it is known to be one.
    pub file: Option<File>,
    /// Whether it is a file given in the Dockerfile, whose destination nobody takes for a directory.
    pub inline: bool,
    /// The path in the context, if it comes from there.
    source: Option<String>,
    /// Bytes of a here-document.
    inline_bytes: Option<u64>,
}

/// What a changed path has of what was brought.
pub enum Share {
    /// Nothing that is stored again.
    Nothing,
    /// Something, and how many bytes if known.
    Some(Option<u64>),
}

impl Brought {
    /// Whether another one is the same file, thought of in another place.
    pub fn is_same_elsewhere(&self, other: &Brought) -> bool {
        let same = self.source.is_some() && self.source == other.source;
        self.by == other.by && same && self.path != other.path
    }

    /// What a command that changes `path` stores again; `deep` with all that is in it.
    pub fn share(&self, context: Option<&ContextFacts>, path: &str, deep: bool) -> Share {
        let inside = within(path, &self.path);
        let around = deep && within(&self.path, path);
        if !inside && !around {
            return Share::Nothing;
        }
        let (Some(context), Some(source)) = (context, &self.source) else {
            return Share::Some(self.inline_bytes);
        };
        let below = match inside {
            true => path.strip_prefix(self.path.as_str()).unwrap_or_default(),
            false => "",
        };
        let source = clean(&format!("{source}/{below}"));
        let known = entry(context, &source);
        let dir = source.is_empty() || known.is_some_and(|f| f.dir);
        match known {
            // A directory alone has no content, and what isn't in the context came otherwise.
            _ if dir && !deep => Share::Nothing,
            None if !dir => Share::Nothing,
            _ => Share::Some(Some(size(context, &source))),
        }
    }
}

/// A file of the context, or of a here-document.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its permissions.
    pub mode: u32,
}

/// A path made absolute, without `.` and `..`.
pub fn resolve(cwd: &str, path: &str) -> String {
    let joined = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{cwd}/{path}"),
    };
    let root = if joined.starts_with('?') { "?" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.trim_start_matches('?').split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{root}/{}", parts.join("/"))
}

/// Whether a path is another one, or in it.
pub fn within(path: &str, dir: &str) -> bool {
    let rest = path.strip_prefix(dir.trim_end_matches('/'));
    rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
}

/// The working directory at each instruction of a stage.
pub fn workdirs(subject: &Subject, stage: &Stage) -> Vec<String> {
    let mut chain = subject.ancestry(stage.index);
    chain.reverse();
    let mut cwd = "?".to_owned();
    let mut own = Vec::new();
    for number in chain {
        let Some(s) = subject.stages.get(number) else {
            continue;
        };
        for instruction in subject.of_stage(s) {
            if let Kind::Workdir(path) = &instruction.kind {
                let path = path.trim_matches(['"', '\'']);
                cwd = match path.contains('$') {
                    // Another one for each WORKDIR that isn't known.
                    true => format!("?/{}", instruction.span.start.offset),
                    false => resolve(&cwd, path),
                };
            }
            if number == stage.index {
                own.push(cwd.clone());
            }
        }
    }
    own
}

/// What one COPY or ADD brings.
pub fn brought(subject: &Subject, n: usize, args: &CopyArgs, add: bool, cwd: &str) -> Vec<Brought> {
    if args.dest.contains('$') {
        return Vec::new();
    }
    let elsewhere = args
        .flags
        .iter()
        .any(|f| matches!(f.name.as_str(), "from" | "parents" | "exclude"));
    let context = subject.around.context.filter(|_| !elsewhere);
    let dest = args.dest.trim_matches(['"', '\'']);
    let dir = dest.ends_with('/') || matches!(dest, "." | "..") || dest.ends_with("/.");
    let place = resolve(cwd, dest);
    let mut found = Vec::new();
    for source in &args.sources {
        let (name, what) = match source {
            CopySource::Heredoc(h) => (h.name.as_str(), Some(File { mode: 0o644 })),
            CopySource::Path(p) => {
                let p = p.trim_matches(['"', '\'']);
                let name = p.rsplit('/').next().unwrap_or(p);
                (name, context.and_then(|c| file(c, p)).filter(|_| !add))
            }
        };
        let (from, inline_bytes) = match source {
            CopySource::Path(p) if p.contains(['*', '?', '[', '$']) || add => (None, None),
            CopySource::Path(p) => (
                context.map(|_| p.trim_matches(['"', '\'']).to_owned()),
                None,
            ),
            CopySource::Heredoc(h) => (None, Some(h.content.len() as u64)),
        };
        let inline = matches!(source, CopySource::Heredoc(_));
        let path = match (dir, what) {
            (true, Some(_)) => resolve(&place, name),
            _ => place.clone(),
        };
        found.push(Brought {
            by: n,
            path: path.clone(),
            file: what,
            inline,
            source: from.clone(),
            inline_bytes,
        });
        // Where the destination is a directory of the image, the file is in there.
        if let Some(what) = what.filter(|_| !dir) {
            found.push(Brought {
                by: n,
                path: resolve(&path, name),
                file: Some(what),
                inline,
                source: from,
                inline_bytes,
            });
        }
    }
    found
}

fn clean(path: &str) -> String {
    resolve("", path).trim_start_matches('/').to_owned()
}

fn entry<'c>(context: &'c ContextFacts, path: &str) -> Option<&'c ContextFile> {
    let files = &context.files;
    let at = files.binary_search_by(|f| f.path.as_str().cmp(path));
    files.get(at.ok()?).filter(|f| !f.ignored)
}

fn file(context: &ContextFacts, path: &str) -> Option<File> {
    let found = entry(context, &clean(path))?;
    // A link may lead to a directory; it has no mode here.
    let mode = found.mode.filter(|_| !found.dir)?;
    Some(File { mode })
}

fn size(context: &ContextFacts, path: &str) -> u64 {
    let files = context.files.iter();
    let inside = files.filter(|f| !f.ignored && (path.is_empty() || within(&f.path, path)));
    inside.map(|f| f.bytes).sum()
}
