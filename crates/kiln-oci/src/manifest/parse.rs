//! Bytes to a manifest or an index, and nothing in between.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::media::media_type::*;
use super::{Descriptor, Document, Format, Index, Manifest, nullable};
use crate::Platform;

/// The largest manifest or index that is read: 4 MiB, as the OCI distribution spec advises
/// ("Pushing Manifests").
pub const MAX_MANIFEST: usize = 4 << 20;

/// Members that decide what a document is.
const DECIDING: [&str; 6] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
];

/// Why a manifest or index can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is larger than [`MAX_MANIFEST`].
    #[error("the manifest has {0} bytes; 4 MiB are allowed")]
    TooLarge(usize),
    /// It isn't JSON, or a member isn't what it must be.
    #[error("invalid manifest: {0}")]
    Json(#[source] serde_json::Error),
    /// It is of Docker's schema 1.
    #[error(
        "the manifest is of Docker's schema 1, which is no longer supported; pull and push the image \
         with a current builder, which writes schema 2"
    )]
    Schema1,
    /// It names another schema.
    #[error("the manifest is of schema {0}; expected 2")]
    Schema(u64),
    /// It is an image and an index at once.
    #[error(
        "the manifest has both manifests and {0}: it is refused, since it could be read two ways"
    )]
    Ambiguous(&'static str),
    /// A member is written in other case, which some readers take for the member itself.
    #[error("the manifest has a member {found:?} beside or instead of {meant:?}: it is refused")]
    Case {
        /// The member as it is.
        found: String,
        /// The member it would be taken for.
        meant: &'static str,
    },
    /// It is neither an image nor an index.
    #[error("the document is no manifest: it has neither config and layers nor manifests")]
    NoManifest,
    /// Header, media type and members don't say the same.
    #[error("the manifest is {is} by its content, but {named} by its {by}")]
    Disagree {
        /// What it is by its members.
        is: &'static str,
        /// The media type that says otherwise.
        named: String,
        /// Where that stands.
        by: &'static str,
    },
    /// No manifest of an index is for the platform.
    #[error("there is no image for {wanted}; there are: {there}")]
    NoPlatform {
        /// The platform asked for.
        wanted: Platform,
        /// The platforms there are.
        there: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "nullable")]
    layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "nullable")]
    manifests: Vec<Descriptor>,
    #[serde(default, deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
}

/// Reads a manifest or an index. `content_type` is the header it came with; where it says
/// nothing of manifests (`application/json`, `text/plain`), the document must speak for itself.
pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, ManifestError> {
    if bytes.len() > MAX_MANIFEST {
        return Err(ManifestError::TooLarge(bytes.len()));
    }
    let members: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
    let header = content_type
        .map(bare)
        .filter(|h| !SAYS_NOTHING.contains(&h.as_str()));
    check_case(&members)?;
    let has = |member: &str| members.contains_key(member);
    if has("fsLayers")
        || header
            .as_deref()
            .is_some_and(|h| [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED].contains(&h))
    {
        return Err(ManifestError::Schema1);
    }
    if has("manifests")
        && let Some(both) = ["config", "layers"].into_iter().find(|m| has(m))
    {
        return Err(ManifestError::Ambiguous(both));
    }
    let read: Read = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
    match read.schema_version {
        Some(1) => return Err(ManifestError::Schema1),
        Some(2) => {}
        other => return Err(ManifestError::Schema(other.unwrap_or(0))),
    }
    let index = has("manifests");
    let image = read.config.is_some() && has("layers");
    if !index && !image {
        return Err(ManifestError::NoManifest);
    }
    let format = agree(index, read.media_type.as_deref(), header.as_deref())?;
    Ok(match read.config {
        Some(config) => Document::Manifest(Manifest {
            format,
            config,
            layers: read.layers,
            annotations: read.annotations,
        }),
        None => Document::Index(Index {
            format,
            manifests: read.manifests,
            annotations: read.annotations,
        }),
    })
}

/// Headers of servers that know nothing of manifests.
const SAYS_NOTHING: [&str; 4] = [
    "",
    "application/json",
    "application/octet-stream",
    "text/plain",
];

/// A media type without parameters.
fn bare(header: &str) -> String {
    let bare = header.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}

/// Go's JSON takes `Layers` for `layers`, other readers don't.
fn check_case(members: &BTreeMap<String, IgnoredAny>) -> Result<(), ManifestError> {
    for found in members.keys() {
        for meant in DECIDING {
            if found != meant && found.eq_ignore_ascii_case(meant) {
                let found = found.clone();
                return Err(ManifestError::Case { found, meant });
            }
        }
    }
    Ok(())
}

/// The format that the document's media type and the header agree on.
fn agree(index: bool, named: Option<&str>, header: Option<&str>) -> Result<Format, ManifestError> {
    let is = if index { "an index" } else { "an image" };
    let kind = |format: Format| match index {
        true => format.index(),
        false => format.manifest(),
    };
    let format = |media_type: &str, by| {
        [Format::Oci, Format::Docker]
            .into_iter()
            .find(|f| kind(*f) == media_type)
            .ok_or_else(|| ManifestError::Disagree {
                is,
                named: media_type.to_owned(),
                by,
            })
    };
    let named = named.map(|n| format(n, "media type")).transpose()?;
    let header = header.map(|h| format(h, "Content-Type")).transpose()?;
    match (named, header) {
        (Some(a), Some(b)) if a != b => Err(ManifestError::Disagree {
            is: kind(a),
            named: kind(b).to_owned(),
            by: "Content-Type",
        }),
        // The OCI image spec lets manifests go without; Docker's always have one.
        (a, b) => Ok(a.or(b).unwrap_or(Format::Oci)),
    }
}
