//! What a build context holds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kiln_build::BuildError;
use kiln_check::{ContextFacts, ContextFile};
use kiln_dockerfile::Ignore;

/// A context of more files is not looked at: rules would say nothing of it.
const MAX_FILES: usize = 200_000;

/// Lists a context, and tells what its ignore file keeps out; `own` is the ignore file of one
/// Dockerfile. Links are not followed. What can't be read is left out.
pub fn context_facts(dir: &Path, own: Option<&Path>) -> Result<ContextFacts, BuildError> {
    let path = match own {
        Some(own) => own.to_owned(),
        None => dir.join(".dockerignore"),
    };
    let ignore = match std::fs::read(&path) {
        Ok(text) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Some((
                name.into_owned(),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        }
        Err(_) => None,
    };
    let text = ignore.as_ref().map_or("", |(_, text)| text);
    let patterns =
        Ignore::parse(text).map_err(|e| BuildError::new(format!("{}:{e}", path.display())))?;
    let mut files = Vec::new();
    list(dir, "", &patterns, &mut files);
    if files.len() >= MAX_FILES {
        files.clear();
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(ContextFacts { files, ignore })
}

fn list(dir: &Path, below: &str, patterns: &Ignore, files: &mut Vec<ContextFile>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if files.len() >= MAX_FILES {
            return;
        }
        let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else {
            continue;
        };
        let name = name.to_string_lossy();
        let path = match below {
            "" => name.into_owned(),
            below => format!("{below}/{name}"),
        };
        let ignored = patterns.excluded(&path);
        let known = entry.metadata().ok().filter(|_| kind.is_file());
        let bytes = known.as_ref().map_or(0, |m| m.len());
        files.push(ContextFile {
            path: path.clone(),
            bytes,
            dir: kind.is_dir(),
            ignored,
            mode: known.map(|m| m.permissions().mode() & 0o7777),
        });
        if kind.is_dir() && (!ignored || patterns.may_include_below(&path)) {
            list(&entry.path(), &path, patterns, files);
        }
    }
}
