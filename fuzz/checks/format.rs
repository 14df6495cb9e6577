//! The layout of Dockerfiles.

use kiln_check::fmt::format;
use kiln_dockerfile::{Dockerfile, parse};

/// What was read is read again, says the same, and is in the layout already.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(before) = parse(data) else {
        assert!(format(text).is_err());
        return;
    };
    let Ok(written) = format(text) else {
        panic!("refused");
    };
    let Ok(after) = parse(written.as_bytes()) else {
        panic!("can't be read: {written:?}");
    };
    assert_eq!(words(&before), words(&after), "{written:?}");
    assert_eq!(format(&written).ok().as_ref(), Some(&written));
}

/// All instructions without white space, capitals aside.
fn words(file: &Dockerfile) -> Vec<String> {
    let words = file.instructions.iter().map(|i| {
        let text: String = i.text.split_whitespace().collect();
        text.to_ascii_lowercase()
    });
    words.collect()
}
