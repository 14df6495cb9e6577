//! `fmt`: Dockerfiles in one layout.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kiln_check::fmt::{FmtOptions, format_with};
use kiln_engine::check::dockerfiles;

use crate::args::FmtArgs;
use crate::check::{print, replace, unified};
use crate::exit::Exit;

/// `kiln fmt`
pub fn run(a: &FmtArgs) -> Result<()> {
    let mut differ = 0;
    for path in files(a)? {
        let (name, before) = read(path.as_deref())?;
        let options = FmtOptions { indent: a.indent };
        let after = format_with(&before, options).map_err(|e| anyhow::anyhow!("{name}:{e}"))?;
        if let (None, false, false) = (&path, a.check, a.diff) {
            print(&after)?;
            continue;
        }
        if after == before {
            continue;
        }
        differ += 1;
        if a.diff {
            print(&unified(&name, &before, &after))?;
        } else if a.check {
            println!("{name} would change");
        } else if let Some(path) = &path {
            replace(path, after.as_bytes())?;
            eprintln!("formatted {name}");
        }
    }
    match differ > 0 && (a.check || a.diff) {
        true => Err(Exit::quiet(1).into()),
        false => Ok(()),
    }
}

/// Nothing stands for standard input.
fn files(a: &FmtArgs) -> Result<Vec<Option<PathBuf>>> {
    let mut found = Vec::new();
    for path in &a.paths {
        if path.as_os_str() == "-" {
            found.push(None);
        } else if path.is_dir() {
            found.extend(dockerfiles(path, &[])?.into_iter().map(Some));
        } else {
            found.push(Some(path.clone()));
        }
    }
    if found.is_empty() {
        bail!("found no Dockerfile: name one, or a directory that has some");
    }
    Ok(found)
}

fn read(path: Option<&Path>) -> Result<(String, String)> {
    let (name, bytes) = match path {
        Some(path) => {
            let name = path.display().to_string();
            let bytes = std::fs::read(path).with_context(|| format!("reading {name}"))?;
            (name, bytes)
        }
        None => {
            let mut bytes = Vec::new();
            let mut stdin = std::io::stdin();
            stdin
                .read_to_end(&mut bytes)
                .context("reading standard input")?;
            ("-".to_owned(), bytes)
        }
    };
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8 text"))?;
    Ok((name, text))
}
