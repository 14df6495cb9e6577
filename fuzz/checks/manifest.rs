//! Manifests, indexes and configs.

use kiln_oci::manifest::{Document, layer_compression, media_type, parse};
use kiln_oci::{ImageConfig, Platform};

/// What is accepted is the same again once it was written and read.
pub fn check(data: &[u8]) {
    let headers = [
        None,
        Some("application/json"),
        Some(media_type::OCI_INDEX),
        Some(media_type::DOCKER_MANIFEST),
    ];
    let mut seen: Option<Document> = None;
    for header in headers {
        let Ok(document) = parse(data, header) else {
            continue;
        };
        let json = match &document {
            Document::Manifest(m) => {
                m.layers.iter().for_each(|l| {
                    layer_compression(&l.media_type);
                });
                m.to_json()
            }
            Document::Index(i) => {
                for platform in [
                    "linux/amd64",
                    "linux/arm/v7",
                    "linux/arm64",
                    "windows/amd64",
                ] {
                    let platform: Platform = platform.parse().expect("a platform");
                    if let Ok(one) = i.select(&platform) {
                        assert!(i.manifests.contains(one));
                    }
                }
                i.to_json()
            }
        };
        let again = parse(&json, Some(document.media_type())).expect("what was written is read");
        assert_eq!(again, document);
        // Headers choose between formats at the most: what a document is doesn't depend on them.
        let kind = |d: &Document| matches!(d, Document::Index(_));
        if let Some(seen) = &seen {
            assert_eq!(kind(seen), kind(&document));
        }
        seen = Some(document);
    }
    if let Ok(config) = ImageConfig::from_json(data) {
        let json = config.to_json();
        let again = ImageConfig::from_json(&json).expect("what was written is read");
        assert_eq!(again.to_json(), json);
        // Everything else that reads configs takes them for what they are here.
        assert!(!json.is_empty());
    }
}
