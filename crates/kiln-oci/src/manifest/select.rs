//! Which manifest of an index is for a platform.

use super::{Descriptor, Index, ManifestError, media_type};
use crate::Platform;

/// BuildKit's mark on manifests that say how an image was made.
const ATTESTATION: &str = "vnd.docker.reference.type";

impl Index {
    /// The manifest for a platform: the first that fits best. As in containerd, an older variant
    /// will do where there is no better (`linux/arm/v6` for `linux/arm/v7`), and so will the
    /// 32-bit predecessor of a 64-bit architecture.
    pub fn select(&self, platform: &Platform) -> Result<&Descriptor, ManifestError> {
        let images = || self.manifests.iter().filter(|d| is_image(d));
        for candidate in candidates(platform) {
            let fits = |d: &&Descriptor| {
                let there = d.platform.as_ref().and_then(|p| p.normalized());
                there.as_ref() == Some(&candidate)
            };
            if let Some(found) = images().find(fits) {
                return Ok(found);
            }
        }
        // Some tools leave the platform out where there is one image only; its config tells.
        let mut rest = images();
        if let (Some(only), None) = (rest.next(), rest.next())
            && only.platform.is_none()
        {
            return Ok(only);
        }
        let mut there: Vec<String> = images()
            .filter_map(|d| d.platform.as_ref()?.normalized())
            .map(|p| p.to_string())
            .collect();
        there.dedup();
        if there.is_empty() {
            there.push("none".to_owned());
        }
        Err(ManifestError::NoPlatform {
            wanted: platform.clone(),
            there: there.join(", "),
        })
    }
}

fn is_image(descriptor: &Descriptor) -> bool {
    let manifest = [
        media_type::OCI_MANIFEST,
        media_type::DOCKER_MANIFEST,
        media_type::OCI_INDEX,
        media_type::DOCKER_LIST,
    ]
    .contains(&descriptor.media_type.as_str());
    let unknown = descriptor
        .platform
        .as_ref()
        .is_some_and(|p| p.os == "unknown" || p.architecture == "unknown");
    manifest && !unknown && !descriptor.annotations.contains_key(ATTESTATION)
}

/// The platforms that will do, best first (containerd's `platforms.Only`).
fn candidates(platform: &Platform) -> Vec<Platform> {
    // The same spelling as in the index, whoever made the platform.
    let platform = platform
        .to_string()
        .parse()
        .unwrap_or_else(|_| platform.clone());
    let of = |architecture: &str, variant: Option<String>| Platform {
        os: platform.os.clone(),
        architecture: architecture.to_owned(),
        variant,
    };
    // `v7` and all that came before it, down to `oldest`.
    let down = |from: Option<&str>, oldest: u8| {
        let number = from.and_then(|v| v.strip_prefix('v')?.parse::<u8>().ok());
        (oldest..=number.unwrap_or(oldest).min(9)).rev()
    };
    let arm = |from| down(from, 5).map(|n| of("arm", Some(format!("v{n}"))));
    let variant = platform.variant.as_deref();
    let mut out = vec![platform.clone()];
    match platform.architecture.as_str() {
        "amd64" => {
            out.extend(down(variant, 1).map(|n| of("amd64", (n > 1).then(|| format!("v{n}")))));
            out.push(of("386", None));
        }
        "arm64" => {
            out.push(of("arm64", None));
            out.extend(arm(Some("v8")));
        }
        "arm" => out.extend(arm(variant)),
        _ => {}
    }
    out.dedup();
    out
}
