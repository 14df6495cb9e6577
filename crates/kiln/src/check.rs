//! `check`: best practices over Dockerfiles; shows findings, fixes them, tells of rules.

mod github;
mod json;
mod rules;
mod sarif;
mod text;

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kiln_check::{Config, FailOn, Finding, Place, Severity};
use kiln_engine::check::{Checked, Project, Target, dockerfiles};
use kiln_store::Store;

use crate::args::{CheckArgs, CheckFormat};
use crate::exit::Exit;

/// `kiln check`
pub fn run(root: Option<&Path>, a: &CheckArgs) -> Result<()> {
    if a.rules {
        return rules::list(a.format);
    }
    if let Some(name) = &a.explain {
        return rules::explain(name);
    }
    let config = config(a)?;
    let project = Project::new(targets(a, &config)?)?;
    if project.is_empty() {
        bail!("found no Dockerfile: name one, or a directory that has some");
    }
    let store = open_store(root);
    if a.diff {
        return diff(&project, &config, store.as_ref());
    }
    if a.fix {
        let project = fix(project, &config, store.as_ref())?;
        return report(&project, &config, store.as_ref(), a.format);
    }
    report(&project, &config, store.as_ref(), a.format)
}

/// Checks one Dockerfile that a build named.
pub fn one(store: &Store, target: Target, config: Option<&Path>) -> Result<()> {
    let config = match config {
        Some(path) => read_config(path)?,
        None => nearest_config()?,
    };
    let project = Project::new(vec![target])?;
    report(&project, &config, Some(store), CheckFormat::Text)
}

/// The store, if there is one: base images in it are known. It isn't made, and no namespace is
/// entered, for a check.
fn open_store(root: Option<&Path>) -> Option<Store> {
    let root = match root {
        Some(root) => root.to_owned(),
        None => Store::default_root().ok()?,
    };
    if !root.is_dir() {
        return None;
    }
    Store::open(&root).ok()
}

fn config(a: &CheckArgs) -> Result<Config> {
    let mut config = match &a.config {
        Some(path) => read_config(path)?,
        None => nearest_config()?,
    };
    let said = |e: String| anyhow::anyhow!("{e}");
    for rule in &a.rule {
        let (name, value) = rule
            .split_once('=')
            .with_context(|| format!("--rule {rule:?}: expected NAME=on|off|SEVERITY"))?;
        config.set(name, value).map_err(said)?;
    }
    if !a.only.is_empty() {
        config.only(&a.only).map_err(said)?;
    }
    if let Some(text) = &a.fail_on {
        config.fail_on = FailOn::parse(text).with_context(|| {
            format!("--fail-on {text:?}: expected error, warning, info, style or never")
        })?;
    }
    Ok(config)
}

fn read_config(path: &Path) -> Result<Config> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Config::parse(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))
}

/// The `kiln.toml` of the working directory, or of the nearest directory above that has one.
fn nearest_config() -> Result<Config> {
    let here = std::env::current_dir().context("finding the working directory")?;
    let found = here.ancestors().map(|d| d.join("kiln.toml"));
    match found.into_iter().find(|p| p.is_file()) {
        Some(path) => read_config(&path),
        None => Ok(Config::default()),
    }
}

fn targets(a: &CheckArgs, config: &Config) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for path in &a.paths {
        if path.as_os_str() == "-" {
            let mut text = Vec::new();
            std::io::stdin()
                .read_to_end(&mut text)
                .context("reading standard input")?;
            targets.push(Target {
                name: "-".to_owned(),
                text,
                context: a.context.clone(),
                path: None,
            });
        } else if path.is_dir() {
            for file in dockerfiles(path, &config.exclude)? {
                targets.push(target(a, &file)?);
            }
        } else {
            targets.push(target(a, path)?);
        }
    }
    Ok(targets)
}

/// A Dockerfile's context is its directory, unless told otherwise.
fn target(a: &CheckArgs, path: &Path) -> Result<Target> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let beside = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    let path = match path.strip_prefix(".") {
        Ok(short) if beside != Path::new(".") => short.to_owned(),
        _ => path.to_owned(),
    };
    let context = match (&a.context, a.no_context) {
        (_, true) => None,
        (Some(dir), _) => Some(dir.clone()),
        (None, _) => Some(beside),
    };
    Ok(Target {
        name: path.display().to_string(),
        text,
        context,
        path: Some(path),
    })
}

/// Shows the findings; the exit code tells whether any of them counts.
fn report(
    project: &Project,
    config: &Config,
    store: Option<&Store>,
    format: CheckFormat,
) -> Result<()> {
    let checked = project.check(config, store);
    let out = match format {
        CheckFormat::Text => text::render(&checked, std::io::stdout().is_terminal()),
        CheckFormat::Json => json::render(&checked)?,
        CheckFormat::Sarif => sarif::render(&checked)?,
        CheckFormat::Github => github::render(&checked),
    };
    print(&out)?;
    if checked.iter().any(|c| fails(c, config)) {
        return Err(Exit::quiet(1).into());
    }
    Ok(())
}

fn fails(checked: &Checked, config: &Config) -> bool {
    match &checked.findings {
        Err(_) => true,
        Ok(found) => {
            let mut found = found.iter();
            found.any(|f| config.fail_on.fails(f.severity) || checked.strict)
        }
    }
}

pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(e).context("writing the result")
        }
        _ => Ok(()),
    }
}

/// Shows what the fixes would change.
fn diff(project: &Project, config: &Config, store: Option<&Store>) -> Result<()> {
    let mut changed = false;
    let fixes = project.fix(config, store);
    for (n, fixed) in fixes.into_iter().enumerate() {
        let Some(target) = project.target(n) else {
            continue;
        };
        let before = String::from_utf8_lossy(&target.text);
        let Ok(fixed) = fixed else {
            continue;
        };
        if fixed.text != before {
            changed = true;
            print(&unified(&target.name, &before, &fixed.text))?;
        }
        if let (Some(text), Some(path)) = (&fixed.ignore_file, project.ignore_path(n)) {
            changed = true;
            print(&unified(&path.display().to_string(), "", text))?;
        }
    }
    match changed {
        true => Err(Exit::quiet(1).into()),
        false => Ok(()),
    }
}

/// Two texts as `diff -u` shows them.
pub(crate) fn unified(name: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut unified = diff.unified_diff();
    let (old, new) = match before.is_empty() {
        true => ("/dev/null".to_owned(), name.to_owned()),
        false => (name.to_owned(), name.to_owned()),
    };
    crate::format::harmless(&unified.header(&old, &new).to_string())
}

/// Writes what the fixes make of the files, and reads them again.
fn fix(project: Project, config: &Config, store: Option<&Store>) -> Result<Project> {
    let mut targets = Vec::new();
    let fixes = project.fix(config, store);
    for (n, fixed) in fixes.into_iter().enumerate() {
        let Some(target) = project.target(n) else {
            continue;
        };
        let mut text = target.text.clone();
        if let Ok(fixed) = fixed {
            for (rule, title) in &fixed.done {
                eprintln!("{}: {title} ({rule})", target.name);
            }
            if fixed.text.as_bytes() != text {
                text = fixed.text.into_bytes();
                match &target.path {
                    Some(path) => replace(path, &text)?,
                    None => print(&String::from_utf8_lossy(&text))?,
                }
            }
            if let (Some(ignore), Some(path)) = (fixed.ignore_file, project.ignore_path(n))
                && !path.exists()
            {
                replace(&path, ignore.as_bytes())?;
            }
        }
        targets.push(Target {
            name: target.name.clone(),
            text,
            context: target.context.clone(),
            path: target.path.clone(),
        });
    }
    Ok(Project::new(targets)?)
}

/// Writes a file wholly or not at all; its mode stays, a link stays a link.
pub(crate) fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let writing = || format!("writing {}", path.display());
    let dir = match real.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut new = tempfile::NamedTempFile::new_in(dir).with_context(writing)?;
    new.write_all(text).with_context(writing)?;
    let mode = match std::fs::metadata(&real) {
        Ok(meta) => meta.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    new.as_file().set_permissions(mode).with_context(writing)?;
    new.as_file().sync_all().with_context(writing)?;
    new.persist(&real).with_context(writing)?;
    Ok(())
}

/// The name and text of the file that a finding is in.
fn file_of<'c>(checked: &'c Checked, finding: &Finding) -> (String, &'c str) {
    match finding.place {
        Place::Dockerfile => (checked.name.clone(), &checked.text),
        Place::Ignore => {
            let (name, text) = &checked.ignore;
            let beside = Path::new(&checked.name).with_file_name(name);
            (beside.display().to_string(), text)
        }
    }
}

fn page(rule: &str) -> String {
    format!("docs/rules/{rule}.md")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Style => "style",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
