//! The value of a `--mount` flag to its options.

/// One option as written.
pub struct Field {
    /// In lower case.
    pub key: String,
    /// What follows `=`.
    pub value: Option<String>,
    /// Bytes before it in the flag's value.
    pub at: usize,
}

/// Splits at commas. Quotes are taken off, and keep white space, as for any flag; a comma is kept
/// by quotes that are escaped and around a whole option (CSV), as BuildKit has it.
pub fn fields(text: &str, escape: char) -> Vec<Field> {
    let mut plain: Vec<(usize, char)> = Vec::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (q, c) if c == escape && q != Some('\'') => plain.extend(chars.next()),
            _ => plain.push((at, c)),
        }
    }
    let mut out = Vec::new();
    let mut rest = plain.as_slice();
    loop {
        let at = rest.first().map_or(text.len(), |(at, _)| *at);
        let (field, tail) = match rest {
            [(_, '"'), quoted @ ..] => quoted_field(quoted),
            _ => {
                let end = rest.iter().position(|(_, c)| *c == ',');
                let end = end.unwrap_or(rest.len());
                (string(&rest[..end]), &rest[end..])
            }
        };
        let (key, value) = match field.split_once('=') {
            Some((k, v)) => (k, Some(v.to_owned())),
            None => (field.as_str(), None),
        };
        let key = key.to_ascii_lowercase();
        out.push(Field { key, value, at });
        match tail {
            [_, next @ ..] => rest = next,
            [] => return out,
        }
    }
}

type Chars<'a> = &'a [(usize, char)];

/// What is in CSV quotes, two quotes for one, and what follows the field.
fn quoted_field(mut rest: Chars) -> (String, Chars) {
    let mut field = String::new();
    loop {
        match rest {
            [(_, '"'), (_, '"'), tail @ ..] => {
                field.push('"');
                rest = tail;
            }
            [(_, '"'), tail @ ..] => {
                let end = tail.iter().position(|(_, c)| *c == ',');
                let end = end.unwrap_or(tail.len());
                field.push_str(&string(&tail[..end]));
                return (field, &tail[end..]);
            }
            [(_, c), tail @ ..] => {
                field.push(*c);
                rest = tail;
            }
            [] => return (field, rest),
        }
    }
}

fn string(chars: Chars) -> String {
    chars.iter().map(|(_, c)| *c).collect()
}
