//! `--format`: Go templates over rows, and docker's tables.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use gtmpl::{FuncError, Template, Value};
use serde_json::Value as Json;

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

/// Prints one JSON document through a template.
pub fn print_value(value: &Json, format: &str) -> Result<()> {
    if format == "json" {
        return print_lines(&[serde_json::to_string(value)?]);
    }
    let template = parse(format)?;
    print_lines(&[render(&template, from_json(value))?])
}

fn parse(text: &str) -> Result<Template> {
    let text = shown_as_go(&text.replace("\\t", "\t").replace("\\n", "\n"));
    let mut template = Template::default();
    template.add_func("json", json);
    template.add_func("upper", upper);
    template.add_func("lower", lower);
    template.add_func("join", join);
    template.add_func("println", println_);
    template.add_func(SHOW, show);
    template
        .parse(text)
        .map_err(|e| anyhow::anyhow!("template parsing error: {e}"))?;
    Ok(template)
}

/// The function that every printed value goes through, since the engine prints lists as Rust does.
const SHOW: &str = "kiln_show";

/// Puts [`SHOW`] at the end of every action that prints.
fn shown_as_go(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        out.push_str(before);
        out.push_str("{{");
        let Some(end) = action_end(action) else {
            // The template engine says what is missing.
            rest = action;
            break;
        };
        let (body, tail) = action.split_at(end);
        let (body, trim) = match body.strip_suffix('-') {
            Some(body) if body.ends_with(' ') => (body, "-"),
            _ => (body, ""),
        };
        out.push_str(body);
        if prints(body) {
            out.push_str(&format!(" | {SHOW} "));
        }
        out.push_str(trim);
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Where the action's `}}` stands, quotes and comments passed over.
fn action_end(action: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in action.char_indices() {
        match quote {
            Some('`') if c == '`' => quote = None,
            Some(_) if escaped => escaped = false,
            Some(q) if c == q => quote = None,
            Some('"' | '\'') => escaped = c == '\\',
            Some(_) => {}
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            None if action[i..].starts_with("}}") => return Some(i),
            None => {}
        }
    }
    None
}

/// Whether an action's value is printed: it is no control word, comment or assignment.
fn prints(body: &str) -> bool {
    let body = body.trim_start_matches('-').trim();
    let word = body.split(|c: char| !c.is_alphanumeric()).next();
    let control = [
        "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
    ];
    let assigns = body.starts_with('$') && (body.contains(":=") || body.contains(" = "));
    !(body.is_empty() || body.starts_with("/*") || assigns)
        && !word.is_some_and(|w| control.contains(&w))
}

/// A value as Go's `%v` shows it.
fn go_text(v: &Value) -> String {
    match v {
        Value::Nil | Value::NoValue => "<no value>".to_owned(),
        Value::Array(a) => {
            let items: Vec<String> = a.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(m) | Value::Object(m) => {
            let mut items: Vec<String> = m
                .iter()
                .map(|(k, v)| match v {
                    // What is a set in JSON is a map of empty structs in Go.
                    Value::Map(m) | Value::Object(m) if m.is_empty() => format!("{k}:{{}}"),
                    v => format!("{k}:{}", go_text(v)),
                })
                .collect();
            items.sort();
            format!("map[{}]", items.join(" "))
        }
        other => text(other),
    }
}

fn show(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(go_text(first(args)?)))
}

fn render(template: &Template, value: Value) -> Result<String> {
    template
        .render(&gtmpl::Context::from(value))
        .map_err(|e| anyhow::anyhow!("template: {e}"))
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

fn from_json(v: &Json) -> Value {
    match v {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(f)) => Value::from(f),
            _ => Value::Nil,
        },
        Json::String(s) => Value::from(s.clone()),
        Json::Array(a) => Value::Array(a.iter().map(from_json).collect()),
        Json::Object(o) => Value::Map(o.iter().map(|(k, v)| (k.clone(), from_json(v))).collect()),
    }
}

fn to_json(v: &Value) -> Json {
    match v {
        Value::Bool(b) => Json::Bool(*b),
        Value::String(s) => Json::String(s.clone()),
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => i.into(),
            (None, Some(f)) => f.into(),
            _ => Json::Null,
        },
        Value::Array(a) => a.iter().map(to_json).collect(),
        Value::Map(m) | Value::Object(m) => {
            let sorted: std::collections::BTreeMap<&String, Json> =
                m.iter().map(|(k, v)| (k, to_json(v))).collect();
            sorted.into_iter().map(|(k, v)| (k.clone(), v)).collect()
        }
        _ => Json::Null,
    }
}

fn first(args: &[Value]) -> Result<&Value, FuncError> {
    args.first()
        .ok_or_else(|| FuncError::AtLeastXArgs(String::from("function"), 1))
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(to_json(first(args)?).to_string()))
}

fn text(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn upper(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(text(first(args)?).to_uppercase()))
}

fn lower(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(text(first(args)?).to_lowercase()))
}

fn println_(args: &[Value]) -> Result<Value, FuncError> {
    let words: Vec<String> = args.iter().map(text).collect();
    Ok(Value::from(format!("{}\n", words.join(" "))))
}

fn join(args: &[Value]) -> Result<Value, FuncError> {
    let between = args.get(1).map(text).unwrap_or_default();
    match first(args)? {
        Value::Array(a) => {
            let words: Vec<String> = a.iter().map(text).collect();
            Ok(Value::from(words.join(&between)))
        }
        other => Ok(Value::from(text(other))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(template: &str) -> String {
        let value = serde_json::json!({
            "Tags": ["a:1", "b:2"],
            "Labels": { "z": "1", "a": null },
            "Size": 12,
            "Ports": { "80/tcp": {} },
            "Deep": [["x"], true],
        });
        render(&parse(template).unwrap(), from_json(&value)).unwrap()
    }

    #[test]
    fn values_look_as_in_go() {
        assert_eq!(shown("{{.Tags}} {{.Size}}"), "[a:1 b:2] 12");
        assert_eq!(shown("{{.Labels}}"), "map[a:<no value> z:1]");
        assert_eq!(shown("{{ .Deep -}}  !"), "[[x] true]!");
        assert_eq!(shown("{{range .Tags}}<{{.}}>{{end}}"), "<a:1><b:2>");
        assert_eq!(shown("{{$x := .Size}}{{$x}}{{/* } */}}"), "12");
        assert_eq!(shown("{{json .Tags}}"), r#"["a:1","b:2"]"#);
        assert_eq!(shown("{{\"}}\"}}{{len .Tags}}"), "}}2");
        assert_eq!(shown("{{index .Tags 1}}"), "b:2");
        assert_eq!(shown("{{.Ports}}"), "map[80/tcp:{}]");
        for broken in ["{{.Tags", "{{.Tags}", "a {{\"}}"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert_eq!(shown("{{join .Tags \",\"}}"), "a:1,b:2");
    }
}
