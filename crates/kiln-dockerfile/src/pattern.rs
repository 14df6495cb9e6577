//! Patterns: `*`, `?`, classes and `**` over paths, and the simple ones inside `${v#p}`.
//!
//! A pattern is a list of tokens, run as a set of states over the text: time is text times
//! pattern, whatever the pattern is.

/// A pattern that can't be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct PatternError;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    /// `?`: one character, not `/` in paths.
    One,
    /// `*`: any number, not `/` in paths.
    Many,
    /// `**/`: nothing, or anything up to a slash.
    Dirs,
    /// `**` at the end: anything.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    tokens: Vec<Token>,
    /// Wildcards match `/` too (`${v#p}`).
    free: bool,
}

impl Pattern {
    /// A path pattern; `double` gives `**` its meaning (in `.dockerignore`, not in COPY).
    pub fn path(text: &str, double: bool) -> Result<Pattern, PatternError> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' if double && chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.peek() == Some(&'/') {
                        chars.next();
                    }
                    if chars.peek().is_none() {
                        Token::Rest
                    } else {
                        Token::Dirs
                    }
                }
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => Token::Char(chars.next().ok_or(PatternError)?),
                '[' => class(&mut chars)?,
                c => Token::Char(c),
            });
        }
        Ok(Pattern {
            tokens,
            free: false,
        })
    }

    /// A pattern of `${v#p}`: `*`, `?` and escapes only, slashes are nothing special.
    fn parameter(text: &str, escape: char) -> Pattern {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                c if c == escape => match chars.next() {
                    Some(e) => Token::Char(e),
                    None => Token::Char(c),
                },
                c => Token::Char(c),
            });
        }
        Pattern { tokens, free: true }
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.ends(text).last() == Some(&text.len())
    }

    /// All offsets at which a match that begins at the start of the text can end, ascending.
    fn ends(&self, text: &str) -> Vec<usize> {
        let n = self.tokens.len();
        let mut active = vec![false; n + 1];
        let mut inside = vec![false; n];
        let mut ends = Vec::new();
        active[0] = true;
        self.skip(&mut active);
        if active[n] {
            ends.push(0);
        }
        for (at, c) in text.char_indices() {
            let mut next = vec![false; n + 1];
            let mut next_inside = vec![false; n];
            for (i, token) in self.tokens.iter().enumerate() {
                if inside[i] || (active[i] && *token == Token::Dirs) {
                    next_inside[i] = true;
                    if c == '/' {
                        next[i + 1] = true;
                    }
                }
                if !active[i] {
                    continue;
                }
                match token {
                    Token::Many if self.free || c != '/' => next[i] = true,
                    Token::Rest => next[i] = true,
                    Token::One if self.free || c != '/' => next[i + 1] = true,
                    Token::Char(x) if *x == c => next[i + 1] = true,
                    Token::Class { negated, ranges }
                        if c != '/'
                            && ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated =>
                    {
                        next[i + 1] = true;
                    }
                    _ => {}
                }
            }
            active = next;
            inside = next_inside;
            self.skip(&mut active);
            if active[n] {
                ends.push(at + c.len_utf8());
            }
            if !active.contains(&true) && !inside.contains(&true) {
                break;
            }
        }
        ends
    }

    /// States that can be left without reading.
    fn skip(&self, active: &mut [bool]) {
        for (i, token) in self.tokens.iter().enumerate() {
            if active[i] && matches!(token, Token::Many | Token::Rest | Token::Dirs) {
                active[i + 1] = true;
            }
        }
    }

    /// The text up to the first wildcard.
    pub fn literal_prefix(&self) -> String {
        self.tokens
            .iter()
            .map_while(|t| match t {
                Token::Char(c) => Some(*c),
                _ => None,
            })
            .collect()
    }

    /// True when there is no wildcard.
    pub fn is_literal(&self) -> bool {
        self.tokens.iter().all(|t| matches!(t, Token::Char(_)))
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars>) -> Result<Token, PatternError> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars>| match chars.next() {
        Some('\\') => chars.next().ok_or(PatternError),
        Some('-') | None => Err(PatternError),
        Some(c) => Ok(c),
    };
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges });
        }
        if ranges.is_empty() && chars.peek() == Some(&']') {
            return Err(PatternError);
        }
        let low = one(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => one(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

/// Go's `filepath.Match`, for wildcards of COPY and ADD.
pub fn glob_match(pattern: &str, name: &str) -> Result<bool, PatternError> {
    Ok(Pattern::path(pattern, false)?.matches(name))
}

/// `${v#p}` and `${v##p}`.
pub fn trim_prefix(value: &str, pattern: &str, escape: char, greedy: bool) -> String {
    let ends = Pattern::parameter(pattern, escape).ends(value);
    let end = if greedy { ends.last() } else { ends.first() };
    value
        .get(end.copied().unwrap_or(0)..)
        .unwrap_or_default()
        .to_owned()
}

/// `${v%p}` and `${v%%p}`.
pub fn trim_suffix(value: &str, pattern: &str, escape: char, greedy: bool) -> String {
    let pattern = Pattern::parameter(pattern, escape);
    let mut starts: Vec<usize> = value.char_indices().map(|(i, _)| i).collect();
    starts.push(value.len());
    let hit = |i: &&usize| value.get(**i..).is_some_and(|t| pattern.matches(t));
    let start = if greedy {
        starts.iter().find(hit)
    } else {
        starts.iter().rev().find(hit)
    };
    let end = start.copied().unwrap_or(value.len());
    value.get(..end).unwrap_or_default().to_owned()
}

/// The first place where the pattern matches something, and the longest match there.
pub fn find_longest(value: &str, pattern: &str, escape: char) -> Option<(usize, usize)> {
    let pattern = Pattern::parameter(pattern, escape);
    value.char_indices().find_map(|(i, _)| {
        let end = *pattern.ends(value.get(i..)?).last()?;
        (end > 0).then_some((i, i + end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_match() {
        for (p, n, want) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[b-d]", "abc", true),
            ("ab[^c]", "abc", false),
            ("a\\*b", "a*b", true),
            ("[\\-x]", "x", true),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("**", "a/b", false),
        ] {
            assert_eq!(glob_match(p, n), Ok(want), "{p} {n}");
        }
        for bad in [
            "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "a[", "\\",
        ] {
            assert!(glob_match(bad, "a").is_err(), "{bad}");
        }
    }
}
