//! Arguments to words: by white space outside quotes, JSON arrays, flags.

use crate::ast::Flag;
use crate::lines::LogicalLine;

/// A word and its byte range.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// As written, quotes kept.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// Splits at white space that is neither quoted nor escaped (BuildKit's `parseWords`).
pub fn split_words(text: &str, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                if let Some(s) = start.take() {
                    words.push((s, i));
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if c == q => quote = None,
            // In single quotes the escape character is like any other.
            (q, c) if c == escape && q != Some('\'') => {
                chars.next();
            }
            _ => {}
        }
        start.get_or_insert(i);
    }
    if let Some(s) = start {
        words.push((s, text.len()));
    }
    words
        .into_iter()
        .map(|(s, e)| Word {
            text: text.get(s..e).unwrap_or_default().to_owned(),
            start: s,
            end: e,
        })
        .collect()
}

/// The flags at the start of the arguments, and the offset where the rest begins.
pub fn take_flags(line: &LogicalLine, from: usize, escape: char) -> (Vec<Flag>, usize) {
    let mut flags = Vec::new();
    let mut at = from;
    loop {
        let rest = line.text.get(at..).unwrap_or_default();
        let skip = rest.len() - rest.trim_start().len();
        let body = &rest[skip..];
        if !body.starts_with("--") {
            return (flags, at + skip);
        }
        let Some(word) = split_words(body, escape).into_iter().next() else {
            return (flags, at + skip);
        };
        let begin = at + skip;
        at = begin + word.end;
        if word.text == "--" {
            return (flags, at);
        }
        let inner = word.text.trim_start_matches("--");
        let (name, value) = match inner.split_once('=') {
            Some((n, v)) => (n, Some(v.to_owned())),
            None => (inner, None),
        };
        flags.push(Flag {
            name: name.to_owned(),
            value,
            span: line.span(begin, at),
        });
    }
}

/// A JSON array of strings, or nothing where the text is something else.
pub fn json_array(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quotes() {
        let w: Vec<String> = split_words(r#"a "b c" d\ e 'f g'h"#, '\\')
            .into_iter()
            .map(|w| w.text)
            .collect();
        assert_eq!(w, ["a", "\"b c\"", "d\\ e", "'f g'h"]);
    }

    #[test]
    fn json() {
        assert_eq!(
            json_array(r#" ["a", "b\n\u00e9"] "#),
            Some(vec!["a".into(), "b\né".into()])
        );
        assert_eq!(json_array("[]"), Some(vec![]));
        assert_eq!(json_array(r#"["a",]"#), None);
        assert_eq!(json_array(r#"["a"] x"#), None);
        assert_eq!(json_array("['a']"), None);
        assert_eq!(json_array("[1]"), None);
    }
}
