//! Ids and names for those who don't give one.

use std::fs::File;
use std::io::Read;

use crate::BuildError;

const FIRST: [&str; 48] = [
    "amber", "brave", "bright", "brisk", "calm", "clear", "clever", "copper", "cosy", "crisp",
    "deft", "eager", "fair", "firm", "fond", "frank", "gentle", "glad", "golden", "grand", "happy",
    "hardy", "honest", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry",
    "mild", "neat", "noble", "patient", "plain", "proud", "quick", "quiet", "ready", "sharp",
    "steady", "sunny", "swift", "tidy", "warm", "wise", "witty",
];
const LAST: [&str; 48] = [
    "adams",
    "agnesi",
    "babbage",
    "banach",
    "bell",
    "bohr",
    "boole",
    "carson",
    "cerf",
    "cori",
    "curie",
    "darwin",
    "dijkstra",
    "dirac",
    "einstein",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "franklin",
    "galois",
    "gauss",
    "germain",
    "goodall",
    "hamilton",
    "hawking",
    "hodgkin",
    "hopper",
    "hypatia",
    "joliot",
    "kepler",
    "khayyam",
    "knuth",
    "kowalevski",
    "lamport",
    "leavitt",
    "lovelace",
    "maxwell",
    "meitner",
    "mendel",
    "newton",
    "noether",
    "pascal",
    "ramanujan",
    "ritchie",
    "shannon",
    "turing",
    "wozniak",
];

/// Bytes nobody can guess.
fn random<const N: usize>() -> Result<[u8; N], BuildError> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| BuildError::caused("reading /dev/urandom", &e))?;
    Ok(bytes)
}

/// 64 hexadecimal digits. The first twelve are never all decimal, so that a short id is no number.
pub(crate) fn id() -> Result<String, BuildError> {
    loop {
        let bytes = random::<32>()?;
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        if text.bytes().take(12).any(|b| b.is_ascii_alphabetic()) {
            return Ok(text);
        }
    }
}

/// Two words.
pub(crate) fn name() -> Result<String, BuildError> {
    let [a, b] = random::<2>()?.map(usize::from);
    Ok(format!(
        "{}_{}",
        FIRST[a % FIRST.len()],
        LAST[b % LAST.len()]
    ))
}

/// Whether a container or volume may have the name.
pub(crate) fn check(what: &str, name: &str) -> Result<(), BuildError> {
    let rest = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let first = |c: char| c.is_ascii_alphanumeric();
    let valid = name.len() >= 2 && name.starts_with(first) && name.chars().all(rest);
    match valid {
        true => Ok(()),
        false => Err(BuildError::new(format!(
            "Invalid {what} name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        ))),
    }
}
