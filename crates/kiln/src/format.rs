//! `--format`: Go templates over rows, and docker's tables.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use gtmpl::Value;
use serde_json::Value as Json;

use crate::template::{from_json, parse, render};

/// A column: its field in templates, its heading.
pub type Column = (&'static str, &'static str);

/// Prints rows as `--format` asks, or as a table of `columns`.
///
/// Each row maps every field a template may name to its text.
pub fn print_rows(
    rows: &[HashMap<&'static str, String>],
    columns: &[Column],
    headings: &[Column],
    format: Option<&str>,
) -> Result<()> {
    let usual = columns
        .iter()
        .map(|(f, _)| format!("{{{{.{f}}}}}"))
        .collect::<Vec<_>>()
        .join("\t");
    let format = match format {
        None | Some("table") => format!("table {usual}"),
        Some("json") => "{{json .}}".to_owned(),
        Some(f) => f.to_owned(),
    };
    let (table, text) = match format.strip_prefix("table ") {
        Some(t) => (true, t.to_owned()),
        None => (false, format),
    };
    let template = parse(&text)?;
    let mut lines = Vec::new();
    if table {
        let heads: HashMap<String, Value> = headings
            .iter()
            .map(|(f, h)| ((*f).to_owned(), Value::from(*h)))
            .collect();
        lines.push(render(&template, Value::Map(heads))?);
    }
    for row in rows {
        let map = row
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Value::from(v.clone())))
            .collect();
        lines.push(render(&template, Value::Map(map))?);
    }
    if table {
        print_table(&lines)
    } else {
        print_lines(&lines)
    }
}

/// Text that quotes names and bytes from anywhere: what would move the cursor is taken out.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Prints one JSON document through a template.
pub fn print_value(value: &Json, format: &str) -> Result<()> {
    if format == "json" {
        return print_lines(&[serde_json::to_string(value)?]);
    }
    let template = parse(format)?;
    print_lines(&[render(&template, from_json(value))?])
}

fn print_lines(lines: &[String]) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").context("writing the result")?;
    }
    Ok(())
}

/// Columns of at least 10 cells, three spaces apart, the last one open.
fn print_table(lines: &[String]) -> Result<()> {
    let cells: Vec<Vec<&str>> = lines.iter().map(|l| l.split('\t').collect()).collect();
    let count = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let longest = cells
            .iter()
            .filter(|r| c + 1 < r.len())
            .map(|r| r[c].chars().count() + 3)
            .max();
        longest.unwrap_or(0).max(10)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let out: Vec<String> = cells
        .iter()
        .map(|row| {
            let mut line = String::new();
            for (c, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if c + 1 < row.len() {
                    let pad = widths[c].saturating_sub(cell.chars().count());
                    line.extend(std::iter::repeat_n(' ', pad));
                }
            }
            line
        })
        .collect();
    print_lines(&out)
}
