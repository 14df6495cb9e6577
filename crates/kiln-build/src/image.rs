//! The image a stage becomes: config, history, time stamps.

use jiff::Timestamp;
use kiln_oci::{Digest, ImageConfig};

use crate::error::BuildError;

/// A time as image configs have it (RFC 3339, UTC).
pub fn rfc3339(seconds: i64) -> Result<String, BuildError> {
    Timestamp::from_second(seconds)
        .map(|t| t.to_string())
        .map_err(|e| BuildError::new(format!("SOURCE_DATE_EPOCH={seconds}: {e}")))
}

/// What a step left behind, for the history.
#[derive(Debug, Clone)]
pub struct Trace {
    /// As history shows the step.
    pub created_by: String,
    /// When its layer was made; nothing for a step without a layer.
    pub created: Option<String>,
    /// The MAINTAINER in force.
    pub author: Option<String>,
}

/// Assembles the image of a finished stage from the config it left.
///
/// Steps without a layer have no record of their own: they carry the time of the layer before
/// them, and those after the last layer carry `now`, so that a build that finds everything in the
/// cache makes the same image again (the caller looks `now` up by the config's other content).
pub fn assemble(
    image: &ImageConfig,
    traces: &[Trace],
    layers: &[Digest],
    now: &str,
    epoch: Option<&str>,
) -> ImageConfig {
    let mut image = image.clone();
    image.rootfs.diff_ids = layers.to_vec();
    let last_layer = traces.iter().rposition(|t| t.created.is_some());
    let mut before: Option<String> = None;
    for (n, trace) in traces.iter().enumerate() {
        let created = match (&trace.created, epoch) {
            (_, Some(e)) => e.to_owned(),
            (Some(c), None) => c.clone(),
            (None, None) if last_layer.is_none_or(|l| n > l) => now.to_owned(),
            (None, None) => before.clone().unwrap_or_else(|| {
                traces[n..]
                    .iter()
                    .find_map(|t| t.created.clone())
                    .unwrap_or_else(|| now.to_owned())
            }),
        };
        before = Some(created.clone());
        image.history.push(kiln_oci::History {
            created: Some(created),
            created_by: Some(trace.created_by.clone()),
            author: trace.author.clone(),
            comment: Some("kiln".to_owned()),
            empty_layer: trace.created.is_none(),
        });
    }
    image.created = Some(match (epoch, before) {
        (Some(e), _) => e.to_owned(),
        (None, Some(t)) => t,
        (None, None) => image.created.clone().unwrap_or_else(|| now.to_owned()),
    });
    image
}
