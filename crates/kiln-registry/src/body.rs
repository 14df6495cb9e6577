//! Answers that are read as a whole, and what refusals say.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Body;
use ureq::http::{HeaderMap, Response};

use crate::RegistryError;
use crate::retry::retry_after;

/// What is read of a refusal.
const MAX_REFUSAL: u64 = 64 << 10;
/// What is shown of a line.
const MAX_LINE: usize = 160;
/// The longest time for an answer that is read as a whole.
const WHOLE: Duration = Duration::from_secs(120);

/// Reads all of a body that may have `limit` bytes.
pub(crate) fn read_whole(
    what: &str,
    host: &str,
    body: Body,
    limit: u64,
) -> Result<Vec<u8>, RegistryError> {
    let broken = |why: String| RegistryError::Broken {
        what: what.to_owned(),
        host: host.to_owned(),
        why,
    };
    let begun = Instant::now();
    let mut reader = body.into_reader().take(limit + 1);
    let mut out = Vec::new();
    let mut buf = [0; 16 << 10];
    loop {
        let n = reader.read(&mut buf).map_err(|e| broken(e.to_string()))?;
        out.extend_from_slice(&buf[..n]);
        if n == 0 {
            break;
        }
        if begun.elapsed() > WHOLE {
            return Err(broken(format!("it took longer than {} s", WHOLE.as_secs())));
        }
    }
    if out.len() as u64 > limit {
        return Err(RegistryError::Invalid {
            what: what.to_owned(),
            host: host.to_owned(),
            why: format!("it is larger than {limit} bytes"),
        });
    }
    Ok(out)
}

/// Reads what there is of a body, but not too much of it.
fn read_start(body: Body) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = body.into_reader().take(MAX_REFUSAL);
    // What came before it broke tells enough.
    let _ = reader.read_to_end(&mut out);
    out
}

/// Reads a body that must be JSON.
pub(crate) fn read_json(
    what: &str,
    host: &str,
    response: Response<Body>,
    limit: u64,
) -> Result<Value, RegistryError> {
    let status = response.status().as_u16();
    let bytes = read_whole(what, host, response.into_body(), limit)?;
    serde_json::from_slice(&bytes).map_err(|_| RegistryError::NoRegistry {
        what: what.to_owned(),
        host: host.to_owned(),
        status,
        line: one_line(&String::from_utf8_lossy(&bytes)),
    })
}

/// The error that a refusal is. Whether a 401 is worth another try is decided before.
pub(crate) fn refusal(
    what: &str,
    host: &str,
    hint: &str,
    response: Response<Body>,
) -> RegistryError {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let html = header(&headers, "content-type").is_some_and(|t| t.starts_with("text/html"));
    let bytes = read_start(response.into_body());
    let text = String::from_utf8_lossy(&bytes);
    let line = one_line(&text);
    let (what, host) = (what.to_owned(), host.to_owned());
    // A gateway's "502" comes as a page, too: that one passes.
    let passing = status >= 500 || status == 408 || status == 429;
    if !passing && (html || text.trim_start().starts_with('<')) {
        return RegistryError::NoRegistry {
            what,
            host,
            status,
            line,
        };
    }
    let said = said(&bytes).or_else(|| (!line.is_empty() && !html).then_some(line));
    let detail = said.map_or(String::new(), |said| format!(": {said}"));
    match status {
        401 | 403 => RegistryError::Denied {
            what,
            detail,
            hint: hint.to_owned(),
        },
        404 => RegistryError::NotFound { what, detail },
        _ => RegistryError::Status {
            what,
            host,
            status,
            detail,
            retry_after: header(&headers, "retry-after").and_then(retry_after),
        },
    }
}

/// The error that a page is where a registry should answer.
pub(crate) fn page(what: &str, host: &str, response: Response<Body>) -> RegistryError {
    let status = response.status().as_u16();
    let bytes = read_start(response.into_body());
    RegistryError::NoRegistry {
        what: what.to_owned(),
        host: host.to_owned(),
        status,
        line: one_line(&String::from_utf8_lossy(&bytes)),
    }
}

/// A header's text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// The message of an error answer: the distribution spec's ("Error Codes"), or of the forms that
/// token services have.
fn said(bytes: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let text = |v: &Value, names: &[&str]| {
        let found = names.iter().find_map(|n| v.get(n)?.as_str());
        found.filter(|t| !t.is_empty()).map(one_line)
    };
    let of = |v: &Value| {
        let code = text(v, &["code"]);
        let message = text(v, &["message", "details", "error_description", "error"]);
        match (code, message) {
            (Some(code), Some(message)) => Some(format!("{message} ({code})")),
            (code, message) => message.or(code),
        }
    };
    match value.get("errors").and_then(Value::as_array) {
        Some(errors) => {
            let all: Vec<String> = errors.iter().take(3).filter_map(of).collect();
            (!all.is_empty()).then(|| all.join(", "))
        }
        None => of(&value),
    }
}

/// The first line that isn't empty, without what a terminal could take for a command.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty());
    let clean: String = line
        .unwrap_or_default()
        .chars()
        .map(|c| match c {
            // Those that turn the direction of text make it say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(MAX_LINE)
        .collect();
    match line {
        Some(line) if line.chars().nth(MAX_LINE).is_some() => format!("{clean}…"),
        _ => clean,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        for (body, shown) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m"}]}"#,
                Some("no [31m (DENIED)"),
            ),
            (r#"{"errors":[{"code":"A"},{"message":"b"}]}"#, Some("A, b")),
            (
                r#"{"details":"incorrect username or password"}"#,
                Some("incorrect username or password"),
            ),
            (r#"{"error":"x","error_description":"y"}"#, Some("y")),
            (r#"{"errors":[]}"#, None),
            ("[]", None),
            ("x", None),
        ] {
            assert_eq!(said(body.as_bytes()).as_deref(), shown, "{body}");
        }
    }

    #[test]
    fn lines() {
        assert_eq!(one_line("\n\n  <html>\u{7}x\nrest"), "<html> x");
        assert_eq!(one_line(&"ä".repeat(500)).chars().count(), MAX_LINE + 1);
        assert_eq!(one_line(""), "");
    }
}
