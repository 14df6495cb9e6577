//! Go templates, by a template engine that knows their language but prints as Rust does.

use anyhow::{Result, anyhow};
use gtmpl::{FuncError, Template, Value};
use serde_json::Value as Json;

/// Parses a template.
pub fn parse(text: &str) -> Result<Template> {
    let text = rewrite(&text.replace("\\t", "\t").replace("\\n", "\n"))
        .map_err(|why| anyhow!("template parsing error: {why}"))?;
    contained(|| {
        let mut template = Template::default();
        template.add_func("json", json);
        template.add_func("upper", upper);
        template.add_func("lower", lower);
        template.add_func("join", join);
        template.add_func("println", println_);
        template.add_func(SHOW, show);
        template
            .parse(text)
            .map_err(|e| anyhow!("template parsing error: {e}"))?;
        Ok(template)
    })
}

/// Renders a value through a template.
pub fn render(template: &Template, value: Value) -> Result<String> {
    contained(|| {
        template
            .render(&gtmpl::Context::from(value))
            .map_err(|e| anyhow!("template: {e}"))
    })
}

/// The engine panics over some templates; to the user these are errors like others.
fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(anyhow!("template: it can't be carried out")))
}

/// The function that every printed value goes through, since the engine prints lists as Rust does.
const SHOW: &str = "kiln_show";

/// Puts [`SHOW`] at the end of every action that prints, and refuses what the engine would hang
/// or die on.
fn rewrite(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        out.push_str(before);
        out.push_str("{{");
        let end = action_end(action).ok_or("unclosed action: }} is missing")?;
        let (body, tail) = action.split_at(end);
        let (body, trim) = match body.strip_suffix('-') {
            Some(body) if body.ends_with(' ') => (body, "-"),
            _ => (body, ""),
        };
        if matches!(keyword(body), "define" | "template" | "block") {
            return Err("define, template and block are not supported");
        }
        if body.contains("%")
            && body
                .split(|c: char| !c.is_ascii_digit())
                .any(|n| n.len() > 4)
        {
            return Err("a width of more than 9999 is not supported");
        }
        out.push_str(body);
        if prints(body) {
            out.push_str(&format!(" | {SHOW} "));
        }
        out.push_str(trim);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The first word of an action.
fn keyword(body: &str) -> &str {
    let body = body.trim_start_matches('-').trim_start();
    body.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
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
    let control = ["if", "else", "end", "range", "with", "break", "continue"];
    let body = body.trim_start_matches('-').trim();
    let assigns = body.starts_with('$') && (body.contains(":=") || body.contains(" = "));
    !(body.is_empty() || body.starts_with("/*") || assigns || control.contains(&keyword(body)))
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
    match first(args)? {
        Value::NoValue => Err(FuncError::Generic("there is no such field".into())),
        value => Ok(Value::from(go_text(value))),
    }
}

/// A JSON document as the engine has it.
pub fn from_json(v: &Json) -> Value {
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
        assert_eq!(shown("{{join .Tags \",\"}}"), "a:1,b:2");
        assert_eq!(shown("{{.Ports}}"), "map[80/tcp:{}]");
    }

    #[test]
    fn broken_templates_are_errors() {
        for broken in [
            "{{.Tags",
            "{{.Tags}",
            "{{ ",
            "a {{\"}}",
            "{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}",
            "{{printf \"%999999999s\" .Size}}",
        ] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        let template = parse("{{.Nope}}").unwrap();
        assert!(render(&template, from_json(&serde_json::json!({}))).is_err());
    }
}
