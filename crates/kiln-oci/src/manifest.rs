//! Manifests and indexes: the OCI image spec's `manifest.md`, `image-index.md` and `descriptor.md`,
//! and Docker's "Image Manifest Version 2, Schema 2", which has the same members under other
//! media types.
//!
//! A document's kind is decided once, by [`parse()`], from all that speaks of it: the header it came
//! with, the media type it names, the members it has. Where they disagree the document is refused:
//! two programs that each believe another of them see two different images (CVE-2021-41190).

mod media;
mod parse;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Digest, Platform};

pub use media::{Format, LayerCompression, layer_compression, media_type};
pub use parse::{MAX_MANIFEST, ManifestError, parse};

/// What points to a blob or a manifest (OCI image spec, `descriptor.md`). `urls` are not read:
/// content comes from the registry or from nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The bytes of the content.
    pub size: u64,
    /// What the manifest is for; of indexes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ManifestPlatform>,
    /// Remarks.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor without platform and annotations.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A platform as an index writes it: not normalised, and with what only Windows has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPlatform {
    /// Go's name of the architecture.
    #[serde(default)]
    pub architecture: String,
    /// Go's name of the operating system.
    #[serde(default)]
    pub os: String,
    /// `10.0.17763.1`.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// `win32k`.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl ManifestPlatform {
    /// The platform in the form that is compared; nothing where it is no platform.
    pub fn normalized(&self) -> Option<Platform> {
        let variant = self.variant.as_deref().filter(|v| !v.is_empty());
        let slash = if variant.is_some() { "/" } else { "" };
        format!(
            "{}/{}{slash}{}",
            self.os,
            self.architecture,
            variant.unwrap_or_default()
        )
        .parse()
        .ok()
    }
}

impl From<&Platform> for ManifestPlatform {
    fn from(platform: &Platform) -> ManifestPlatform {
        ManifestPlatform {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            ..ManifestPlatform::default()
        }
    }
}

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Whose media type it has.
    pub format: Format,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Remarks; Docker's manifests have none.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, one for each platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Whose media type it has.
    pub format: Format,
    /// The manifests, the preferred first.
    pub manifests: Vec<Descriptor>,
    /// Remarks; Docker's lists have none.
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest's reference leads to.
// There is one at a time: boxing the larger would only be in the way.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// One image for each platform.
    Index(Index),
}

impl Document {
    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        match self {
            Document::Manifest(m) => m.media_type(),
            Document::Index(i) => i.media_type(),
        }
    }
}

impl Manifest {
    /// A manifest without annotations.
    pub fn new(format: Format, config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            format,
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        self.format.manifest()
    }

    /// Whether it is of an image that can be run, not of an artifact that is kept in a registry.
    pub fn is_image(&self) -> bool {
        [media_type::OCI_CONFIG, media_type::DOCKER_CONFIG]
            .contains(&self.config.media_type.as_str())
    }

    /// Its bytes: always the same for equal manifests.
    pub fn to_json(&self) -> Vec<u8> {
        let out = Written {
            schema_version: 2,
            media_type: self.media_type(),
            config: Some(&self.config),
            layers: Some(&self.layers),
            manifests: None,
            annotations: &self.annotations,
        };
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(&out).unwrap_or_default()
    }
}

impl Index {
    /// An index without annotations.
    pub fn new(format: Format, manifests: Vec<Descriptor>) -> Index {
        Index {
            format,
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// Its media type.
    pub fn media_type(&self) -> &'static str {
        self.format.index()
    }

    /// Its bytes: always the same for equal indexes.
    pub fn to_json(&self) -> Vec<u8> {
        let out = Written {
            schema_version: 2,
            media_type: self.media_type(),
            config: None,
            layers: None,
            manifests: Some(&self.manifests),
            annotations: &self.annotations,
        };
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(&out).unwrap_or_default()
    }
}

/// The members of either kind in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u8,
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<&'a [Descriptor]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<&'a [Descriptor]>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// Go writes empty lists and maps as null.
fn nullable<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(d)?.unwrap_or_default())
}
