//! `build` from what the user named: where the context and the Dockerfile come from, what becomes
//! of the image.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::full_disk_hint;
use kiln_build::fetch::{download, git_checkout, parse_git};
use kiln_build::options::{BuildOptions, SecretSource};
use kiln_build::{BuildError, Built, Context, Event, Fetch, Progress};
use kiln_check::{Finding, Pragmas, Surroundings};
use kiln_dockerfile::{Dockerfile, ParseError};
use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply, decompress, looks_like_tar};
use kiln_oci::{Digest, OciError, Platform, Reference};
use kiln_runtime::{Cancel, Network};
use kiln_store::{Scratch, Store};
use kiln_tree::Root;
use rustix::fs::OFlags;

/// The largest Dockerfile that is read: 16 MiB.
const MAX_DOCKERFILE: u64 = 16 << 20;

/// A build as the user asked for it.
pub struct Request {
    /// Directory, `-`, tar URL or git URL.
    pub context: String,
    /// `-f`.
    pub file: Option<String>,
    /// Names for the image.
    pub tags: Vec<Reference>,
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--pull`.
    pub pull: bool,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`.
    pub no_cache_filter: Vec<String>,
    /// `--platform`.
    pub platform: Platform,
    /// `--network`.
    pub network: Network,
    /// `--add-host`.
    pub add_hosts: Vec<(String, String)>,
    /// `--secret`.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `--ssh`.
    pub agents: BTreeMap<String, PathBuf>,
    /// `SOURCE_DATE_EPOCH` or `--reproducible`.
    pub source_date_epoch: Option<i64>,
}

/// The context and Dockerfile of a request, found and opened.
struct Sources {
    dockerfile: Vec<u8>,
    name: String,
    context: Option<Context>,
    /// Holds a context that was unpacked.
    _unpacked: Option<Scratch>,
}

/// A request's Dockerfile, for those who only read it.
pub struct Found {
    /// Its text.
    pub text: Vec<u8>,
    /// As messages name it.
    pub name: String,
    /// The context, where it is a directory of the user's.
    pub context: Option<PathBuf>,
    /// The file, where it is one of the user's.
    pub path: Option<PathBuf>,
}

/// Finds a request's Dockerfile.
pub fn read(store: &Store, request: &Request, stdin: &mut dyn Read) -> Result<Found, BuildError> {
    let sources = sources(store, request, stdin)?;
    let dir = Path::new(&request.context);
    let context = dir.is_dir().then(|| dir.to_owned());
    let given = Path::new(&sources.name);
    let beside = dir.join(given);
    let path = [given, &beside].into_iter().find(|p| p.is_file());
    Ok(Found {
        text: sources.dockerfile,
        name: sources.name.clone(),
        path: path.filter(|_| context.is_some()).map(Path::to_owned),
        context,
    })
}

/// Builds, tags and makes all durable.
pub fn build(
    store: &Store,
    request: &Request,
    stdin: &mut dyn Read,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Built, BuildError> {
    inner(store, request, stdin, fetch, progress, cancel).map_err(|e| full_disk_hint(store, e))
}

fn inner(
    store: &Store,
    request: &Request,
    stdin: &mut dyn Read,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Built, BuildError> {
    let sources = sources(store, request, stdin)?;
    let parsed =
        kiln_dockerfile::parse(&sources.dockerfile).map_err(|e| located(e, &sources.name))?;
    warn(&parsed, &sources.name, progress)?;
    let mut build_args = request.build_args.clone();
    let from_arg = build_args
        .remove("SOURCE_DATE_EPOCH")
        .map(|t| {
            t.parse::<i64>().map_err(|_| {
                BuildError::new(format!("SOURCE_DATE_EPOCH={t}: not a number of seconds"))
            })
        })
        .transpose()?;
    let options = BuildOptions {
        dockerfile_name: sources.name.clone(),
        dockerfile: sources.dockerfile.clone(),
        project: project(&request.context, &sources.name),
        target: request.target.clone(),
        build_args,
        tags: request
            .tags
            .iter()
            .map(|t| t.clone().with_default_tag())
            .collect(),
        labels: request.labels.clone(),
        pull: request.pull,
        no_cache: request.no_cache,
        no_cache_filter: request.no_cache_filter.clone(),
        platform: request.platform.clone(),
        network: request.network,
        add_hosts: request.add_hosts.clone(),
        secrets: request.secrets.clone(),
        agents: request.agents.clone(),
        source_date_epoch: from_arg.or(request.source_date_epoch),
    };
    let context = sources.context.as_ref();
    let built = kiln_build::build(&parsed, &options, context, store, fetch, progress, cancel)?;
    if built.executed > 0 || built.new {
        store.sync()?;
    }
    Ok(built)
}

/// Says what BuildKit's checks find, as docker's builds do; `# check=error=true` makes it an error.
fn warn(file: &Dockerfile, name: &str, progress: &dyn Progress) -> Result<(), BuildError> {
    let pragmas = Pragmas::of(file);
    let around = Surroundings {
        shell: pragmas.shell,
        ..Surroundings::NONE
    };
    let mut found = kiln_check::check(file, &around, |r| r.on && !r.buildkit.is_empty());
    found.retain(|f| pragmas.keep(f));
    let known = |f: &Finding| f.rule.buildkit.first().copied().unwrap_or(f.rule.id);
    for f in &found {
        let line = f.span.start.line;
        let text = format!("{}: {} ({name}:{line})", known(f), f.message);
        progress.event(Event::Warning(text));
    }
    match found.first() {
        Some(first) if pragmas.error => {
            let mut rules: Vec<&str> = found.iter().map(known).collect();
            rules.sort_unstable();
            rules.dedup();
            let message = format!("lint violation found for rules: {}", rules.join(", "));
            Err(BuildError::new(message)
                .at(name, first.span)
                .hint("the Dockerfile says # check=error=true; `kiln check` tells more"))
        }
        _ => Ok(()),
    }
}

/// Tells a project from others by where its context and its Dockerfile are.
fn project(context: &str, dockerfile: &str) -> String {
    let dir = std::fs::canonicalize(context);
    let place = dir.map_or_else(|_| context.to_owned(), |d| d.display().to_string());
    let digest = Digest::of(format!("{place}\0{dockerfile}").as_bytes());
    digest.hex()[..16].to_owned()
}

fn located(e: ParseError, name: &str) -> BuildError {
    let mut error = BuildError::invalid(e.message.clone()).at(name, e.span);
    if let Some(h) = e.hint {
        error = error.hint(h);
    }
    error
}

fn sources(store: &Store, request: &Request, stdin: &mut dyn Read) -> Result<Sources, BuildError> {
    let context = request.context.as_str();
    if context == "-" {
        if request.file.as_deref() == Some("-") {
            return Err(BuildError::new(
                "invalid argument: can't use stdin for both build context and dockerfile",
            ));
        }
        return archive_or_file(
            store,
            request,
            &mut BufReader::with_capacity(1 << 16, stdin),
        );
    }
    let is_dir = Path::new(context).is_dir();
    if !is_dir && let Some(git) = parse_git(context) {
        let scratch = store.scratch()?;
        let dir = git_checkout(&git, scratch.path(), false)?;
        return unpacked(store, request, &dir, scratch);
    }
    if !is_dir && (context.starts_with("http://") || context.starts_with("https://")) {
        let scratch = store.scratch()?;
        let got = download(context, scratch.path())?;
        let file = std::fs::File::open(&got.file).map_err(|e| io("opening", &got.file, e))?;
        return archive_or_file(store, request, &mut BufReader::with_capacity(1 << 16, file));
    }
    directory(store, request, Path::new(context), stdin)
}

fn io(what: &str, path: &Path, e: impl std::error::Error + 'static) -> BuildError {
    BuildError::caused(format_args!("{what} {}", path.display()), &e)
}

/// A tar is the context; anything else is a Dockerfile without one.
fn archive_or_file(
    store: &Store,
    request: &Request,
    input: &mut dyn BufRead,
) -> Result<Sources, BuildError> {
    let bad = |e: std::io::Error| BuildError::new(format!("reading the build context: {e}"));
    let mut reader: Box<dyn Read + '_> = decompress(Box::new(input)).map_err(bad)?;
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(512)
        .read_to_end(&mut head)
        .map_err(bad)?;
    if !looks_like_tar(&head) {
        reader
            .take(MAX_DOCKERFILE)
            .read_to_end(&mut head)
            .map_err(bad)?;
        if head.iter().all(u8::is_ascii_whitespace) {
            return Err(BuildError::new("the Dockerfile (-) cannot be empty"));
        }
        if head.contains(&0) {
            return Err(BuildError::new(
                "the build context is neither a tar archive nor a Dockerfile",
            ));
        }
        return Ok(Sources {
            dockerfile: head,
            name: "Dockerfile".to_owned(),
            context: None,
            _unpacked: None,
        });
    }
    let scratch = store.scratch()?;
    let dir = scratch.path().join("context");
    std::fs::create_dir(&dir).map_err(|e| io("creating", &dir, e))?;
    let fd = std::fs::File::open(&dir).map_err(|e| io("opening", &dir, e))?;
    let options = ApplyOptions {
        whiteouts: Whiteouts::Literal,
        limits: Limits::default(),
        ids: Ids::Own,
    };
    let whole = std::io::Cursor::new(head).chain(reader);
    apply(whole, fd.as_fd(), &options).map_err(|e| {
        let what = match e {
            OciError::Io { .. } => "the build context",
            _ => "the build context can't be unpacked",
        };
        BuildError::caused(what, &e)
    })?;
    unpacked(store, request, &dir, scratch)
}

/// A context somebody else made: its Dockerfile is opened beneath its root.
fn unpacked(
    store: &Store,
    request: &Request,
    dir: &Path,
    scratch: Scratch,
) -> Result<Sources, BuildError> {
    let root = Root::open(dir).map_err(|e| io("opening", dir, e))?;
    let name = request
        .file
        .clone()
        .unwrap_or_else(|| "Dockerfile".to_owned());
    let read = |name: &str| -> Result<Option<Vec<u8>>, BuildError> {
        match root.open_at(Path::new(name), OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(fd) => {
                let mut out = Vec::new();
                std::fs::File::from(fd)
                    .take(MAX_DOCKERFILE)
                    .read_to_end(&mut out)
                    .map_err(|e| io("reading", Path::new(name), e))?;
                Ok(Some(out))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io("opening", Path::new(name), e)),
        }
    };
    let dockerfile = read(&name)?.ok_or_else(|| no_dockerfile(&name))?;
    let mut ignore = None;
    for candidate in [format!("{name}.dockerignore"), ".dockerignore".to_owned()] {
        if let Some(text) = read(&candidate)? {
            ignore = Some((String::from_utf8_lossy(&text).into_owned(), candidate));
            break;
        }
    }
    Ok(Sources {
        dockerfile,
        name,
        context: Some(Context::open(dir, ignore, |n| store.stat_cache_path(n))?),
        _unpacked: Some(scratch),
    })
}

fn no_dockerfile(name: &str) -> BuildError {
    BuildError::new(format!(
        "failed to read dockerfile: open {name}: no such file or directory"
    ))
    .hint("name it with -f FILE")
}

/// A directory of the user's.
fn directory(
    store: &Store,
    request: &Request,
    dir: &Path,
    stdin: &mut dyn Read,
) -> Result<Sources, BuildError> {
    let context = |ignore| Context::open(dir, ignore, |n| store.stat_cache_path(n));
    if !dir.is_dir() {
        return Err(BuildError::new(format!(
            "unable to prepare context: path {:?} not found",
            dir.display().to_string()
        )));
    }
    let plain_ignore = || ignore_file(&[dir.join(".dockerignore")]);
    if request.file.as_deref() == Some("-") {
        let mut dockerfile = Vec::new();
        stdin
            .take(MAX_DOCKERFILE)
            .read_to_end(&mut dockerfile)
            .map_err(|e| BuildError::new(format!("reading the Dockerfile: {e}")))?;
        return Ok(Sources {
            dockerfile,
            name: "Dockerfile".to_owned(),
            context: Some(context(plain_ignore()?)?),
            _unpacked: None,
        });
    }
    let (path, name) = match &request.file {
        Some(f) => {
            let given = PathBuf::from(f);
            // docker looks below the working directory first, then below the context.
            let path = if given.exists() { given } else { dir.join(f) };
            (path, f.clone())
        }
        None => {
            let lower = dir.join("dockerfile");
            let usual = dir.join("Dockerfile");
            if !usual.exists() && lower.exists() {
                (lower, "dockerfile".to_owned())
            } else {
                (usual, "Dockerfile".to_owned())
            }
        }
    };
    let dockerfile = match std::fs::read(&path) {
        Ok(d) => d,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(no_dockerfile(&name)),
        Err(e) => return Err(io("failed to read dockerfile", &path, e)),
    };
    let mut own = path.clone().into_os_string();
    own.push(".dockerignore");
    let ignore = ignore_file(&[own.into(), dir.join(".dockerignore")])?;
    Ok(Sources {
        dockerfile,
        name,
        context: Some(context(ignore)?),
        _unpacked: None,
    })
}

/// Text and name of the first of the files that is there.
fn ignore_file(candidates: &[PathBuf]) -> Result<Option<(String, String)>, BuildError> {
    for path in candidates {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                return Ok(Some((text, name.into_owned())));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io("reading", path, e)),
        }
    }
    Ok(None)
}
