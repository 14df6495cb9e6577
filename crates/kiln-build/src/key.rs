//! Cache keys: a digest over named inputs, which are kept so that a miss can be explained.
//!
//! The digest covers a domain, then each input as length-prefixed kind, name and value, so that no
//! two lists of inputs give the same bytes.

use kiln_store::Input;

/// Collects the inputs of a step.
pub struct KeyBuilder {
    domain: &'static str,
    inputs: Vec<Input>,
}

impl KeyBuilder {
    /// `domain` names the operation and its version: `run/1`.
    pub fn new(domain: &'static str) -> Self {
        KeyBuilder {
            domain,
            inputs: Vec::new(),
        }
    }

    /// Adds one input.
    pub fn add(&mut self, kind: &str, name: &str, value: impl Into<String>) -> &mut Self {
        self.inputs.push(Input {
            kind: kind.to_owned(),
            name: name.to_owned(),
            value: value.into(),
        });
        self
    }

    /// The key in hexadecimal and the inputs it covers.
    pub fn finish(self) -> (String, Vec<Input>) {
        let mut hash = blake3::Hasher::new();
        field(&mut hash, self.domain);
        for input in &self.inputs {
            field(&mut hash, &input.kind);
            field(&mut hash, &input.name);
            field(&mut hash, &input.value);
        }
        (hash.finalize().to_hex().to_string(), self.inputs)
    }
}

fn field(hash: &mut blake3::Hasher, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str, &str)]) -> String {
        let mut k = KeyBuilder::new("test/1");
        for (a, b, c) in parts {
            k.add(a, b, *c);
        }
        k.finish().0
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_key() {
        assert_ne!(key(&[("env", "A", "BC")]), key(&[("env", "AB", "C")]));
        assert_ne!(
            key(&[("env", "A", ""), ("env", "B", "")]),
            key(&[("env", "A", "")])
        );
        assert_eq!(key(&[("env", "A", "B")]), key(&[("env", "A", "B")]));
    }
}
