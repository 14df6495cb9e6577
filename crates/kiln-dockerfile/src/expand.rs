//! Word expansion: `$v`, `${v…}`, quotes and escapes, as BuildKit's shell lexer has them.

use crate::pattern::{find_longest, trim_prefix, trim_suffix};

/// Looks variables up.
pub trait Env {
    /// The value, or nothing for an unset variable.
    fn get(&self, name: &str) -> Option<String>;
}

/// Why a word can't be expanded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("failed to process {word:?}: {message}")]
pub struct ExpandError {
    /// The word.
    pub word: String,
    /// What is wrong with it.
    pub message: String,
}

/// Nested `${a:-${b:-…}}` deeper than this is refused.
const MAX_DEPTH: usize = 64;
/// A result longer than this is refused.
const MAX_RESULT: usize = 1 << 20;

/// Expands a word to one string: quotes removed.
pub fn expand_word(word: &str, escape: char, env: &dyn Env) -> Result<String, ExpandError> {
    Lexer::new(word, escape, env, false).run(word).map(|r| r.0)
}

/// Expands a word to several, split at white space outside quotes.
pub fn expand_words(word: &str, escape: char, env: &dyn Env) -> Result<Vec<String>, ExpandError> {
    Lexer::new(word, escape, env, false).run(word).map(|r| r.1)
}

/// Expands variables in a here-document: quotes stay.
pub fn expand_heredoc(body: &str, escape: char, env: &dyn Env) -> Result<String, ExpandError> {
    Lexer::new(body, escape, env, true).run(body).map(|r| r.0)
}

#[derive(Default)]
struct Words {
    word: String,
    words: Vec<String>,
    in_word: bool,
}

impl Words {
    /// A character that splits words where it is white space.
    fn add(&mut self, c: char) {
        if c.is_whitespace() {
            self.end();
        } else {
            self.add_raw(c);
        }
    }

    fn add_raw(&mut self, c: char) {
        self.word.push(c);
        self.in_word = true;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.in_word) {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

struct Lexer<'a> {
    chars: Vec<char>,
    at: usize,
    escape: char,
    env: &'a dyn Env,
    /// Here-document: quotes are ordinary characters.
    raw: bool,
    depth: usize,
}

type Fallible<T> = Result<T, String>;

impl<'a> Lexer<'a> {
    fn new(word: &str, escape: char, env: &'a dyn Env, raw: bool) -> Self {
        Lexer {
            chars: word.chars().collect(),
            at: 0,
            escape,
            env,
            raw,
            depth: 0,
        }
    }

    fn run(mut self, word: &str) -> Result<(String, Vec<String>), ExpandError> {
        let fail = |message: String| ExpandError {
            word: word.chars().take(200).collect(),
            message,
        };
        let mut words = Words::default();
        let text = self.until(None, &mut words, false).map_err(fail)?;
        words.end();
        Ok((text, words.words))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Reads up to `stop`; `pattern` keeps escapes, for a pattern matcher to see.
    fn until(&mut self, stop: Option<char>, words: &mut Words, pattern: bool) -> Fallible<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                if let Some(s) = stop {
                    return Err(format!(
                        "unexpected end of statement while looking for matching {s}"
                    ));
                }
                break;
            };
            if stop == Some(c) {
                self.at += 1;
                break;
            }
            match c {
                '\'' if !self.raw => {
                    let text = self.single_quoted()?;
                    text.chars().for_each(|c| words.add_raw(c));
                    words.in_word = true;
                    out.push_str(&text);
                }
                '"' if !self.raw => {
                    let text = self.double_quoted()?;
                    text.chars().for_each(|c| words.add_raw(c));
                    words.in_word = true;
                    out.push_str(&text);
                }
                '$' => {
                    let text = self.dollar()?;
                    text.chars().for_each(|c| words.add(c));
                    out.push_str(&text);
                }
                c => {
                    self.at += 1;
                    if c == self.escape {
                        if pattern {
                            out.push(c);
                        }
                        let Some(escaped) = self.next() else { break };
                        if self.raw && escaped != '$' && escaped != self.escape {
                            // A here-document keeps what needs no escape.
                            out.push(c);
                        }
                        words.add_raw(escaped);
                        out.push(escaped);
                    } else {
                        words.add(c);
                        out.push(c);
                    }
                }
            }
            if out.len() > MAX_RESULT {
                return Err("the result is longer than 1 MiB".to_owned());
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    fn single_quoted(&mut self) -> Fallible<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.next() {
                None => {
                    return Err(
                        "unexpected end of statement while looking for matching single-quote"
                            .to_owned(),
                    );
                }
                Some('\'') => return Ok(out),
                Some(c) => out.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Fallible<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => {
                    return Err(
                        "unexpected end of statement while looking for matching double-quote"
                            .to_owned(),
                    );
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some('$') => out.push_str(&self.dollar()?),
                Some(c) => {
                    self.at += 1;
                    if c != self.escape {
                        out.push(c);
                        continue;
                    }
                    match self.peek() {
                        Some(e) if e == '"' || e == '$' || e == self.escape => {
                            self.at += 1;
                            out.push(e);
                        }
                        Some(_) => out.push(c),
                        None => {}
                    }
                }
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            let fits = match name.chars().next() {
                None => {
                    if is_special(c) {
                        self.at += 1;
                        return c.to_string();
                    }
                    c.is_alphanumeric() || c == '_'
                }
                Some(first) if first.is_ascii_digit() => c.is_ascii_digit(),
                Some(_) => c.is_alphanumeric() || c == '_',
            };
            if !fits {
                break;
            }
            self.at += 1;
            name.push(c);
        }
        name
    }

    fn dollar(&mut self) -> Fallible<String> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(self.env.get(&name).unwrap_or_default());
        }
        self.at += 1;
        match self.peek() {
            None => return Err("syntax error: missing '}'".to_owned()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".to_owned()),
            _ => {}
        }
        let name = self.name();
        if name.is_empty() {
            return Err("syntax error: bad substitution".to_owned());
        }
        let value = self.env.get(&name);
        match self.next() {
            None => Err("syntax error: missing '}'".to_owned()),
            Some('}') => Ok(value.unwrap_or_default()),
            Some(':') => {
                let Some(modifier @ ('+' | '-' | '?')) = self.next() else {
                    return Err("unsupported modifier in substitution".to_owned());
                };
                let set = value.as_deref().is_some_and(|v| !v.is_empty());
                self.choose(&name, modifier, value, set, true)
            }
            Some(m @ ('+' | '-' | '?')) => {
                let set = value.is_some();
                self.choose(&name, m, value, set, false)
            }
            Some(m @ ('#' | '%')) => {
                let greedy = self.peek() == Some(m);
                if greedy {
                    self.at += 1;
                }
                let pattern = self.operand(Some('}'), true)?;
                let value = value.unwrap_or_default();
                Ok(match m {
                    '#' => trim_prefix(&value, &pattern, self.escape, greedy),
                    _ => trim_suffix(&value, &pattern, self.escape, greedy),
                })
            }
            Some('/') => self.replace(&value.unwrap_or_default()),
            Some(other) => Err(format!("unsupported modifier ({other}) in substitution")),
        }
    }

    fn operand(&mut self, stop: Option<char>, pattern: bool) -> Fallible<String> {
        self.until(stop, &mut Words::default(), pattern)
    }

    fn choose(
        &mut self,
        name: &str,
        modifier: char,
        value: Option<String>,
        set: bool,
        colon: bool,
    ) -> Fallible<String> {
        let word = self.operand(Some('}'), false)?;
        match modifier {
            '-' if set => Ok(value.unwrap_or_default()),
            '-' => Ok(word),
            '+' if set => Ok(word),
            '+' => Ok(String::new()),
            _ if set => Ok(value.unwrap_or_default()),
            _ if word.is_empty() && colon => Err(format!("{name}: is not allowed to be empty")),
            _ if word.is_empty() => Err(format!("{name}: is not allowed to be unset")),
            _ => Err(format!("{name}: {word}")),
        }
    }

    fn replace(&mut self, value: &str) -> Fallible<String> {
        let all = self.peek() == Some('/');
        if all {
            self.at += 1;
        }
        let pattern = self.operand(Some('/'), true)?;
        let with = self.operand(Some('}'), false)?;
        let mut out = String::new();
        let mut rest = value;
        while let Some((start, end)) = find_longest(rest, &pattern, self.escape) {
            out.push_str(rest.get(..start).unwrap_or_default());
            out.push_str(&with);
            if out.len() > MAX_RESULT {
                return Err("the result is longer than 1 MiB".to_owned());
            }
            rest = rest.get(end..).unwrap_or_default();
            if !all || rest.is_empty() {
                break;
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!' | '0')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Vars(&'static [(&'static str, &'static str)]);
    impl Env for Vars {
        fn get(&self, name: &str) -> Option<String> {
            let hit = self.0.iter().find(|(k, _)| *k == name);
            hit.map(|(_, v)| (*v).to_owned())
        }
    }
    const VARS: Vars = Vars(&[
        ("v", "value"),
        ("e", ""),
        ("f", "foo.tar.gz"),
        ("p", "/a/b/c"),
        ("s", "a b"),
    ]);

    #[test]
    fn forms() {
        for (word, want) in [
            ("$v", "value"),
            ("${v}x", "valuex"),
            ("$vx", ""),
            ("${u:-d}", "d"),
            ("${e:-d}", "d"),
            ("${e-d}", ""),
            ("${u-d}", "d"),
            ("${v:+a}", "a"),
            ("${e:+a}", ""),
            ("${e+a}", "a"),
            ("${u+a}", ""),
            ("${v:?x}", "value"),
            ("${f%.*}", "foo.tar"),
            ("${f%%.*}", "foo"),
            ("${p#*/}", "a/b/c"),
            ("${p##*/}", "c"),
            ("${v/l/L}", "vaLue"),
            ("${p//\\//-}", "-a-b-c"),
            ("${u:-${v}}", "value"),
            ("'$v'", "$v"),
            ("\"$v\"", "value"),
            ("\\$v", "$v"),
            ("\"\\$v\"", "$v"),
            ("\"\\n\"", "\\n"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("$1", ""),
            ("a'b'\"c\"", "abc"),
            ("${v:-'a}b'}", "value"),
        ] {
            assert_eq!(
                expand_word(word, '\\', &VARS).as_deref(),
                Ok(want),
                "{word}"
            );
        }
    }

    #[test]
    fn errors() {
        for word in [
            "${",
            "${}",
            "${v",
            "${v:x}",
            "'a",
            "\"a",
            "${u:?gone}",
            "${u?}",
            "${v!}",
        ] {
            assert!(expand_word(word, '\\', &VARS).is_err(), "{word}");
        }
        let e = expand_word("${u:?gone}", '\\', &VARS).unwrap_err();
        assert!(e.to_string().contains("u: gone"), "{e}");
    }

    #[test]
    fn splitting() {
        let w = |t| expand_words(t, '\\', &VARS).unwrap();
        assert_eq!(w("x $s y"), ["x", "a", "b", "y"]);
        assert_eq!(w("\"$s\""), ["a b"]);
        assert_eq!(w("''"), [""]);
        assert!(w("$u").is_empty());
    }

    #[test]
    fn heredocs_keep_quotes() {
        let h = |t| expand_heredoc(t, '\\', &VARS).unwrap();
        assert_eq!(h("\"$v\" '$v' \\$v\n"), "\"value\" 'value' $v\n");
        assert_eq!(h("a\\nb\n"), "a\\nb\n");
    }

    proptest! {
        #[test]
        fn never_panics(word in "[a-z$\\{\\}:+?#%/'\"\\\\* -]{0,40}") {
            let _ = expand_word(&word, '\\', &VARS);
            let _ = expand_words(&word, '`', &VARS);
            let _ = expand_heredoc(&word, '\\', &VARS);
        }
    }
}
