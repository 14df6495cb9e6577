//! What is compared of a step: the inputs of its key, and what else is kept to explain them.

use kiln_store::{CacheRecord, Input};

use crate::plan::{Op, Scope};

/// Where a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// ARG, `--build-arg`.
    Arg,
    /// ENV.
    Env,
    /// The base image.
    Base,
}

impl Origin {
    /// The kind of input it is kept as.
    pub fn kind(self) -> &'static str {
        match self {
            Origin::Arg => "arg",
            Origin::Env => "env",
            Origin::Base => "base-env",
        }
    }
}

/// A variable that a step depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name.
    pub name: String,
    /// Its value, where the key itself doesn't name it.
    pub value: String,
}

/// The variables a step depends on: all that a RUN sees, and those the text of another names.
///
/// `env` is the image's so far, `base` the one its base image had.
pub fn variables(
    op: &Op,
    text: &str,
    scope: &Scope,
    env: &[String],
    base: &[String],
) -> Vec<Variable> {
    let run = matches!(op, Op::Run(_));
    if *op == Op::Config || (!run && !text.contains('$')) {
        return Vec::new();
    }
    let is = |list: &[String], name: &str, value: &str| {
        list.iter()
            .any(|e| e.split_once('=') == Some((name, value)))
    };
    let mut out = Vec::new();
    for (name, value) in scope.variables() {
        if !run && !mentions(text, name) {
            continue;
        }
        let origin = match () {
            () if !is(env, name, value) => Origin::Arg,
            () if is(base, name, value) => Origin::Base,
            () => Origin::Env,
        };
        out.push(Variable {
            origin,
            name: name.clone(),
            value: if run { String::new() } else { value.clone() },
        });
    }
    out
}

/// Whether a word names a variable, as `$name` or `${name…`.
fn mentions(text: &str, name: &str) -> bool {
    text.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.strip_prefix(name)
            .is_some_and(|r| !r.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// A step, under way or recorded.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The instruction.
    pub text: &'a str,
    /// What its key was made of.
    pub inputs: &'a [Input],
    /// What else is known.
    pub about: &'a [Input],
}

impl<'a> Facts<'a> {
    /// Those of a record.
    pub fn of(r: &'a CacheRecord) -> Facts<'a> {
        Facts {
            text: &r.text,
            inputs: &r.inputs,
            about: &r.about,
        }
    }

    /// The first input of a kind.
    pub fn input(&self, kind: &str) -> Option<&'a str> {
        let found = self.inputs.iter().find(|i| i.kind == kind);
        found.map(|i| i.value.as_str())
    }

    /// All inputs of a kind, by name and value.
    pub fn all(&self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let found = self.inputs.iter().filter(move |i| i.kind == kind);
        found.map(|i| (i.name.as_str(), i.value.as_str()))
    }

    /// The first thing known of a kind.
    pub fn known(&self, kind: &str) -> Option<&'a Input> {
        self.about.iter().find(|i| i.kind == kind)
    }

    /// The value of it.
    pub fn value(&self, kind: &str) -> Option<&'a str> {
        self.known(kind).map(|i| i.value.as_str())
    }

    /// The state of the step before.
    pub fn parent(&self) -> &'a str {
        self.input("parent").unwrap_or_default()
    }

    /// Whether it stands directly on a base image, or on nothing.
    pub fn is_first(&self) -> bool {
        self.parent().starts_with("empty") || self.parent().contains(':')
    }

    /// Where a variable that a RUN sees came from.
    pub fn origin(&self, name: &str) -> &'a str {
        let kinds = [Origin::Arg, Origin::Env, Origin::Base].map(Origin::kind);
        let found = self
            .about
            .iter()
            .find(|i| i.name == name && kinds.contains(&i.kind.as_str()));
        found.map_or("env", |i| i.kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn variables_are_found_in_words() {
        for text in [
            "COPY $A /",
            "COPY ${A} /",
            "COPY ${A:-x} /",
            "COPY x$B$A.c /",
        ] {
            assert!(mentions(text, "A"), "{text}");
        }
        for text in ["COPY A /", "COPY $AB /", "COPY ${A_} /", "COPY $B /A"] {
            assert!(!mentions(text, "A"), "{text}");
        }
    }
}
