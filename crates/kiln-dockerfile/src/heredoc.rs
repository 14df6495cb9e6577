//! Here-documents: which a line opens, and their bodies.

use crate::ast::Heredoc;
use crate::lines::{Lines, LogicalLine};
use crate::span::ParseError;
use crate::words::split_words;

/// The here-document a word opens: `<<EOF`, `3<<-"EOF"`; its body is still empty.
pub fn opened_by(word: &str) -> Option<Heredoc> {
    let at = word.find("<<")?;
    let (fd, rest) = (word.get(..at)?, word.get(at + 2..)?);
    if !fd.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (strip_tabs, name) = match rest.strip_prefix('-') {
        Some(n) => (true, n),
        None => (false, rest),
    };
    if name.contains('<') {
        return None;
    }
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '\'' | '"' | '\\'))
        .collect();
    if plain.is_empty() || plain.contains(char::is_whitespace) {
        return None;
    }
    Some(Heredoc {
        expand: plain == name,
        name: plain,
        strip_tabs,
        content: String::new(),
        fd: fd.parse().unwrap_or(0),
    })
}

/// Reads the bodies of all here-documents that the arguments open; they follow the line in order.
pub fn read_all(
    line: &mut LogicalLine,
    arguments: usize,
    escape: char,
    lines: &mut Lines,
) -> Result<Vec<Heredoc>, ParseError> {
    let text = line.text.get(arguments..).unwrap_or_default().to_owned();
    let mut docs = Vec::new();
    for word in split_words(&text, escape) {
        let Some(mut doc) = opened_by(&word.text) else {
            continue;
        };
        loop {
            let Some(raw) = lines.heredoc(|raw| doc.line(raw) == doc.name) else {
                return Err(ParseError {
                    span: line.span(arguments + word.start, arguments + word.end),
                    message: format!("unterminated heredoc {}", doc.name),
                    hint: Some(format!("end it with a line that holds only {}", doc.name)),
                });
            };
            line.last_line = raw.at.line;
            line.end = raw.at.behind(raw.text);
            let body = doc.line(raw.text);
            if body == doc.name {
                break;
            }
            doc.content.push_str(body);
            doc.content.push('\n');
        }
        docs.push(doc);
    }
    Ok(docs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(opened_by("<<EOF").unwrap().expand);
        assert!(!opened_by("<<'EOF'").unwrap().expand);
        assert!(opened_by("<<-EOF").unwrap().strip_tabs);
        assert_eq!(opened_by("3<<EOF").unwrap().fd, 3);
        assert!(opened_by("<<<EOF").is_none());
        assert!(opened_by("a<<EOF").is_none());
        assert!(opened_by("<<").is_none());
        assert!(opened_by("<<\"\"").is_none());
    }
}
