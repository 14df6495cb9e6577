//! Dockerfiles and ignore files.

use kiln_dockerfile::{
    Env, Ignore, Instruction, Kind, expand_heredoc, expand_word, expand_words, parse,
    parse_instruction,
};

struct Variables;

impl Env for Variables {
    fn get(&self, name: &str) -> Option<String> {
        match name {
            "set" => Some("value".to_owned()),
            "empty" => Some(String::new()),
            "odd" => Some("a \"b\" $c * \\".to_owned()),
            _ if name.len() % 2 == 1 => Some(format!("<{name}>")),
            _ => None,
        }
    }
}

/// Nothing that is text makes the parser panic, and what it says of places is true.
pub fn check(data: &[u8]) {
    let lines = data.split(|b| *b == b'\n').count() as u32;
    if let Ok(file) = parse(data) {
        let escape = file.directives.escape;
        for instruction in &file.instructions {
            let span = instruction.span;
            assert!(span.start.line >= 1 && span.start.line <= span.end.line);
            assert!(span.end.line <= lines, "{span:?} of {lines} lines");
            assert!(!instruction.keyword.is_empty());
            again(instruction, escape);
        }
    } else if let Err(e) = parse(data) {
        assert!(e.span.start.line >= 1 && e.span.start.line <= lines);
        assert!(!e.message.is_empty());
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for escape in ['\\', '`'] {
        let word = expand_word(text, escape, &Variables);
        let words = expand_words(text, escape, &Variables);
        assert_eq!(word.is_ok(), words.is_ok());
        let _ = expand_heredoc(text, escape, &Variables);
        let _ = parse_instruction(text, escape);
    }
    if let Ok(ignore) = Ignore::parse(text) {
        for path in ["a", "a/b", "a/b/c.txt", "dir/.hidden", "ä/ö", "[x]/*", "-"] {
            let excluded = ignore.excluded(path);
            // A path that is kept out is kept out by some line.
            assert!(!excluded || ignore.deciding_line(path).is_some());
            ignore.may_include_below(path);
        }
    }
}

/// The text of an instruction is that instruction, except that here-documents are not in it.
fn again(instruction: &Instruction, escape: char) {
    let has_heredoc = instruction.text.contains("<<");
    if has_heredoc {
        return;
    }
    let Ok(again) = parse_instruction(&instruction.text, escape) else {
        return;
    };
    let kind = |k: &Kind| std::mem::discriminant(k);
    assert_eq!(
        kind(&again.kind),
        kind(&instruction.kind),
        "{instruction:?}"
    );
    assert_eq!(again.text, instruction.text);
}
