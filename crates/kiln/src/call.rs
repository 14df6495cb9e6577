//! `build --call`: what a Dockerfile takes, without building it.

use anyhow::{Context as _, Result, bail};
use kiln_check::outline::{Handed, Outline, Target, outline, targets};
use kiln_dockerfile::{Dockerfile, parse};
use kiln_engine::build::{Request, read};
use kiln_engine::check::Target as CheckTarget;
use kiln_store::Store;

use crate::args::BuildArgs;
use crate::check;

/// What a build is asked for instead of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// An image after all.
    Build,
    /// Findings.
    Check,
    /// The arguments, secrets and agents of the target.
    Outline {
        /// As JSON.
        json: bool,
    },
    /// The stages.
    Targets {
        /// As JSON.
        json: bool,
    },
}

impl Call {
    /// Reads `--check` and `--call`.
    pub fn of(a: &BuildArgs) -> Result<Call> {
        if a.check {
            return Ok(Call::Check);
        }
        let (method, options) = a.call.split_once(',').unwrap_or((&a.call, ""));
        let json = match options {
            "" | "format=text" => false,
            "format=json" => true,
            other => {
                bail!("--call: unknown option {other:?} (format=text and format=json are known)")
            }
        };
        Ok(match method {
            "" | "build" => Call::Build,
            "check" | "lint" if json => {
                bail!("--call=check gives text; `kiln check --format json` gives JSON")
            }
            "check" | "lint" => Call::Check,
            "outline" => Call::Outline { json },
            "targets" => Call::Targets { json },
            other => bail!("--call={other}: expected build, check, outline or targets"),
        })
    }
}

/// Carries out a call that isn't a build.
pub fn run(store: &Store, call: Call, request: &Request) -> Result<()> {
    let found = read(store, request, &mut std::io::stdin())?;
    if call == Call::Check {
        let target = CheckTarget {
            name: found.name,
            text: found.text,
            context: found.context,
            path: found.path,
        };
        return check::one(store, target, None);
    }
    let file = parse(&found.text).map_err(|e| anyhow::anyhow!("{}:{e}", found.name))?;
    match call {
        Call::Outline { json } => show_outline(&file, request.target.as_deref(), json),
        _ => show_targets(
            &targets(&file),
            matches!(call, Call::Targets { json: true }),
        ),
    }
}

fn show_targets(found: &[Target], json: bool) -> Result<()> {
    if json {
        return check::print(&(serde_json::to_string_pretty(found)? + "\n"));
    }
    let rows = found.iter().map(|t| {
        let mark = if t.default { " (default)" } else { "" };
        let said = t.description.clone().unwrap_or_default();
        vec![format!("{}{mark}", t.name), said]
    });
    check::print(&table(&["TARGET", "DESCRIPTION"], rows.collect()))
}

fn show_outline(file: &Dockerfile, target: Option<&str>, json: bool) -> Result<()> {
    let found: Outline = outline(file, target).with_context(|| {
        let name = target.unwrap_or_default();
        format!("target stage {name:?} could not be found")
    })?;
    if json {
        return check::print(&(serde_json::to_string_pretty(&found)? + "\n"));
    }
    let mut out = format!("TARGET:      {}\n", found.name);
    if let Some(said) = &found.description {
        out += &format!("DESCRIPTION: {said}\n");
    }
    let args = found.args.iter().map(|a| {
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        vec![a.name.clone(), text(&a.value), text(&a.description)]
    });
    let args: Vec<_> = args.collect();
    if !args.is_empty() {
        out += &format!("\n{}", table(&["BUILD ARG", "VALUE", "DESCRIPTION"], args));
    }
    for (title, list) in [("SECRET", &found.secrets), ("SSH", &found.ssh)] {
        let row = |h: &Handed| vec![h.name.clone(), h.required.to_string()];
        if !list.is_empty() {
            let rows = list.iter().map(row).collect();
            out += &format!("\n{}", table(&[title, "REQUIRED"], rows));
        }
    }
    check::print(&out)
}

/// Columns as wide as their longest cell.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut all: Vec<Vec<String>> = vec![head.iter().map(|h| (*h).to_owned()).collect()];
    all.extend(rows);
    let width = |n: usize| {
        let cells = all.iter().filter_map(|r| r.get(n));
        cells.map(|c| c.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &all {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells.map(|(c, w)| format!("{c:w$}")).collect();
        out += &crate::format::harmless(line.join("    ").trim_end());
        out.push('\n');
    }
    out
}
