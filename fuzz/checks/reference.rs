//! Names of images.

use kiln_oci::{Digest, Platform, Reference};

/// A name that is accepted means the same in each of its forms, and can be no path.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let again = platform.to_string().parse::<Platform>();
        assert_eq!(again.ok().as_ref(), Some(&platform), "{text:?}");
    }
    let Ok(name) = Reference::parse(text) else {
        return;
    };
    for form in [name.familiar(), name.canonical(), name.to_string()] {
        let again = Reference::parse(&form);
        assert_eq!(again.ok().as_ref(), Some(&name), "{text:?} as {form:?}");
    }
    let tagged = name.clone().with_default_tag();
    assert!(tagged.tag().is_some() || tagged.digest().is_some());
    assert_eq!(tagged.clone().with_default_tag(), tagged);
    assert_eq!(Reference::parse(&tagged.canonical()).ok(), Some(tagged));

    assert!(!name.registry().contains('/'), "{text:?}");
    for part in name.repository().split('/') {
        assert!(!["", ".", ".."].contains(&part), "{text:?}");
    }
    let plain = |b: u8| b.is_ascii_graphic();
    assert!(name.canonical().bytes().all(plain), "{text:?}");
}
