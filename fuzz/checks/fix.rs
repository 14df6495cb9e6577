//! The rules and their fixes.

use kiln_check::{Surroundings, check as findings, fix};
use kiln_dockerfile::parse;

/// No rule panics, and what it says of places is true; what fixes make can be read, and needs none.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let all = |text: &str| fix(text, &Surroundings::NONE, |_| true, |_, _| true);
    let Ok(file) = parse(data) else {
        assert_eq!(all(text).text, text);
        return;
    };
    for finding in findings(&file, &Surroundings::NONE, |_| true) {
        let range = finding.span.range();
        assert!(
            text.get(range.clone()).is_some(),
            "{range:?} of {finding:?}"
        );
        assert!(!finding.message.is_empty());
    }
    let fixed = all(text);
    assert!(parse(fixed.text.as_bytes()).is_ok(), "{:?}", fixed.done);
    let again = all(&fixed.text);
    assert_eq!(again.text, fixed.text, "{:?}", again.done);
}
