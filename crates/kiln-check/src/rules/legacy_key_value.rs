//! `ENV key value`.

use kiln_dockerfile::{Kind, parse_instruction, split_words};

use crate::finding::{Findings, Fix};
use crate::layout::comments;
use crate::rule::Rule;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[LEGACY_KEY_VALUE_FORMAT];

/// `ENV key value`.
const LEGACY_KEY_VALUE_FORMAT: Rule = Rule {
    id: "legacy-key-value-format",
    summary: "Write ENV and LABEL as key=value",
    buildkit: &["LegacyKeyValueFormat"],
    fixes: true,
    check: legacy,
    ..Rule::NEW
};

fn legacy(subject: &Subject, findings: &mut Findings) {
    let escape = subject.file.directives.escape;
    for instruction in subject.instructions() {
        let inner = match &instruction.kind {
            Kind::OnBuild(inner) => inner,
            _ => instruction,
        };
        let (Kind::Env(pairs) | Kind::Label(pairs)) = &inner.kind else {
            continue;
        };
        let words = inner.words(escape);
        let ([pair], Some(key)) = (pairs.as_slice(), words.first()) else {
            continue;
        };
        if key.text.contains('=') {
            continue;
        }
        let name = inner.name();
        let span = inner.arguments_span();
        let finding = findings.add(
            span,
            format!(
                "{name} {} with a space takes the rest of the line as one value, and only one: write {}=…",
                pair.key, pair.key
            ),
        );
        if comments(subject.file, span.range()).next().is_some() {
            continue;
        }
        if let Some(text) = assignment(&pair.key, &pair.value, escape) {
            finding.fix(Fix::replace("write key=value", span.range(), text));
        }
    }
}

/// `key=value`, the value quoted so that it is the same; nothing where that can't be.
fn assignment(key: &str, value: &str, escape: char) -> Option<String> {
    let text = format!("{key}={}", quoted(value, escape));
    let read = parse_instruction(&format!("ENV {text}"), escape).ok()?;
    match read.kind {
        Kind::Env(pairs) if pairs.len() == 1 => Some(text),
        _ => None,
    }
}

fn quoted(value: &str, escape: char) -> String {
    if !value.contains(char::is_whitespace) {
        return value.to_owned();
    }
    if !value.contains(['"', '\'', escape]) {
        return format!("\"{value}\"");
    }
    // What separates words of the value is escaped, and its own quotes stay.
    let mut text = String::with_capacity(value.len() + 8);
    let mut at = 0;
    for word in split_words(value, escape) {
        for space in value.get(at..word.start).unwrap_or_default().chars() {
            text.push(escape);
            text.push(space);
        }
        text.push_str(&word.text);
        at = word.end;
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kiln_dockerfile::{Env, expand_word, parse};
    use proptest::prelude::*;

    struct Vars;
    impl Env for Vars {
        fn get(&self, name: &str) -> Option<String> {
            match name {
                "a" => Some("1 2".to_owned()),
                "b" => Some(String::new()),
                _ => None,
            }
        }
    }

    fn value_of(text: &str, escape: char) -> Option<(String, String)> {
        let read = parse_instruction(text, escape).ok()?;
        let Kind::Env(pairs) = read.kind else {
            return None;
        };
        let [pair] = pairs.as_slice() else {
            return None;
        };
        Some((
            pair.key.clone(),
            expand_word(&pair.value, escape, &Vars).ok()?,
        ))
    }

    #[test]
    fn plain_and_quoted() {
        let of = |v: &str| assignment("k", v, '\\').unwrap();
        assert_eq!(of("v"), "k=v");
        assert_eq!(of("a=b"), "k=a=b");
        assert_eq!(of("a  b $c"), "k=\"a  b $c\"");
        assert_eq!(of("a \"b c\" d"), "k=a\\ \"b c\"\\ d");
        assert_eq!(of("a\\ b"), "k=a\\ b");
    }

    #[test]
    fn comments_stay() {
        let text = "FROM a\nENV k a \\\n # why\n b\n";
        let only = |r: &Rule| r.id == "legacy-key-value-format";
        let fixed = crate::fix(text, &crate::Surroundings::NONE, only, |_, _| true);
        assert_eq!(fixed.text, text);
        let file = parse(text.as_bytes()).unwrap();
        assert_eq!(
            crate::check(&file, &crate::Surroundings::NONE, only).len(),
            1
        );
    }

    proptest! {
        #[test]
        fn the_value_is_the_same(value in "[ab$ \t{}:+/\\\\'\"=`-]{1,24}", backtick: bool) {
            let escape = if backtick { '`' } else { '\\' };
            if let Some(before) = value_of(&format!("ENV k {value}"), escape)
                && let Some(Kind::Env(pairs)) = parse_instruction(&format!("ENV k {value}"), escape).ok().map(|i| i.kind)
                && pairs[0].key == "k"
                && let Some(after) = assignment("k", &pairs[0].value, escape)
            {
                prop_assert_eq!(value_of(&format!("ENV {after}"), escape), Some(before));
            }
        }

        #[test]
        fn most_values_can_be_written(value in "[a-z$/.]{1,4}( [a-z$\"./]{1,4}){0,3}") {
            if value.matches('"').count() % 2 == 0 {
                prop_assert!(assignment("k", &value, '\\').is_some());
            }
        }
    }
}
