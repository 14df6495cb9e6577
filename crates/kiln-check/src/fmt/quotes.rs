//! Where white space separates words only.

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// For the shell.
    Shell,
    /// Words of a Dockerfile, or a JSON array; with the escape character.
    Words(char),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// `(…)`, `$(…)`: words again.
    Parens,
    Single,
    Double,
    /// `${…}`
    Braces,
    Backticks,
}

/// For each byte, whether it is white space that only separates.
pub fn separators(text: &str, language: Language) -> Vec<bool> {
    let mut free = vec![false; text.len()];
    let mut stack: Vec<Inside> = Vec::new();
    let mut chars = text.char_indices().peekable();
    let escape = match language {
        Language::Shell => '\\',
        Language::Words(escape) => escape,
    };
    let shell = language == Language::Shell;
    while let Some((at, c)) = chars.next() {
        let top = stack.last().copied();
        if top == Some(Inside::Single) {
            if c == '\'' {
                stack.pop();
            }
            continue;
        }
        let words = matches!(top, None | Some(Inside::Parens));
        match c {
            _ if c == escape => {
                chars.next();
            }
            ' ' | '\t' => {
                let outside = stack.iter().all(|i| *i == Inside::Parens);
                if let Some(mark) = free.get_mut(at) {
                    *mark = outside;
                }
            }
            '"' if top == Some(Inside::Double) => {
                stack.pop();
            }
            '"' => stack.push(Inside::Double),
            '\'' if words || top == Some(Inside::Backticks) => stack.push(Inside::Single),
            '`' if shell && top == Some(Inside::Backticks) => {
                stack.pop();
            }
            '`' if shell => stack.push(Inside::Backticks),
            '$' if shell => match chars.peek() {
                Some((_, '(')) => {
                    chars.next();
                    stack.push(Inside::Parens);
                }
                Some((_, '{')) => {
                    chars.next();
                    stack.push(Inside::Braces);
                }
                _ => {}
            },
            '(' if shell && words => stack.push(Inside::Parens),
            ')' if shell && top == Some(Inside::Parens) => {
                stack.pop();
            }
            '}' if shell && top == Some(Inside::Braces) => {
                stack.pop();
            }
            _ => {}
        }
    }
    free
}

/// The text with one space in place of each run of separators, and none at its ends.
pub fn squeezed(text: &str, language: Language) -> String {
    let free = separators(text, language);
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for (at, c) in text.char_indices() {
        if free.get(at).copied().unwrap_or(false) {
            space = !out.is_empty();
        } else {
            if std::mem::take(&mut space) {
                out.push(' ');
            }
            out.push(c);
        }
    }
    out
}
