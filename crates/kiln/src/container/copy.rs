//! `cp` and `diff`.

use std::io::{BufReader, BufWriter, IsTerminal, Write};

use anyhow::{Context as _, Result, bail};
use kiln_engine::containers::{self, Change, copy_from, copy_into};
use kiln_store::Store;

use super::args::{CpArgs, NameArgs};

/// One side of `cp`.
enum Side<'a> {
    Host(&'a str),
    Stream,
    Container(&'a str, &'a str),
}

/// `CONTAINER:PATH` unless it is plainly a path of the host.
fn side(text: &str) -> Side<'_> {
    if text == "-" {
        return Side::Stream;
    }
    match text.split_once(':') {
        Some((name, path)) if !text.starts_with(['/', '.']) && !name.contains('/') => {
            Side::Container(name, path)
        }
        _ => Side::Host(text),
    }
}

/// `kiln cp`
pub fn run(store: &Store, a: &CpArgs) -> Result<()> {
    let (follow, owners) = (a.follow_link, a.archive);
    match (side(&a.source), side(&a.dest)) {
        (Side::Container(..), Side::Container(..)) => {
            bail!("copying between containers is not supported")
        }
        (Side::Container(name, path), Side::Host(dest)) => {
            let mut none = std::io::sink();
            Ok(copy_from(
                store,
                name,
                path,
                Some(dest),
                follow,
                owners,
                &mut none,
            )?)
        }
        (Side::Container(name, path), Side::Stream) => {
            let out = std::io::stdout();
            if out.is_terminal() {
                bail!("cowardly refusing to write a tar to a terminal: redirect it");
            }
            let mut out = BufWriter::with_capacity(1 << 17, out.lock());
            copy_from(store, name, path, None, follow, owners, &mut out)?;
            out.flush().context("writing to standard output")
        }
        (Side::Host(source), Side::Container(name, path)) => {
            let mut none = std::io::empty();
            Ok(copy_into(
                store,
                Some(source),
                name,
                path,
                follow,
                owners,
                &mut none,
            )?)
        }
        (Side::Stream, Side::Container(name, path)) => {
            let mut input = BufReader::with_capacity(1 << 17, std::io::stdin());
            Ok(copy_into(
                store, None, name, path, follow, owners, &mut input,
            )?)
        }
        _ => bail!("must specify at least one container source: CONTAINER:PATH"),
    }
}

/// `kiln diff`
pub fn diff(store: &Store, a: &NameArgs) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (change, path) in containers::diff(store, &a.container)? {
        let letter = match change {
            Change::Added => 'A',
            Change::Changed => 'C',
            Change::Deleted => 'D',
        };
        let path = crate::format::harmless(&path.to_string_lossy());
        writeln!(out, "{letter} {path}").context("writing the result")?;
    }
    out.flush().context("writing the result")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        assert!(matches!(side("c:/p"), Side::Container("c", "/p")));
        assert!(matches!(side("c:p"), Side::Container("c", "p")));
        assert!(matches!(side("./c:p"), Side::Host(_)));
        assert!(matches!(side("/a:b"), Side::Host(_)));
        assert!(matches!(side("plain"), Side::Host(_)));
        assert!(matches!(side("-"), Side::Stream));
    }
}
