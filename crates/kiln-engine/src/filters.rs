//! `--filter` of `images` and `prune`.

use std::collections::HashSet;

use jiff::Timestamp;
use kiln_dockerfile::glob_match;
use kiln_oci::{Digest, ImageConfig, Reference};
use kiln_store::{ImageRecord, Store};

use crate::BuildError;

/// Which images are wanted. Several of one kind: any of the references, all of the labels.
#[derive(Debug, Default, Clone)]
pub struct Filters {
    dangling: Option<bool>,
    references: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    before: Vec<String>,
    since: Vec<String>,
    until: Option<Timestamp>,
}

impl Filters {
    /// Only names that match: a pattern, with or without a tag.
    pub fn reference(&mut self, pattern: &str) {
        self.references.push(pattern.to_owned());
    }

    /// Adds one filter, `name=value`.
    pub fn add(&mut self, text: &str) -> Result<(), BuildError> {
        let bad = || BuildError::new(format!("invalid filter {text:?}"));
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        match name {
            "dangling" => {
                self.dangling = Some(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(bad().hint("dangling is true or false")),
                });
            }
            "reference" => self.reference(value),
            "label" => self.labels.push(match value.split_once('=') {
                Some((k, v)) => (k.to_owned(), Some(v.to_owned())),
                None => (value.to_owned(), None),
            }),
            "before" => self.before.push(value.to_owned()),
            "since" => self.since.push(value.to_owned()),
            "until" => self.until = Some(point(value).ok_or_else(bad)?),
            _ => {
                return Err(
                    bad().hint("filters are dangling, reference, label, before, since and until")
                );
            }
        }
        Ok(())
    }

    /// The images that pass, their names left aside.
    pub fn passing(
        &self,
        store: &Store,
        images: &[ImageRecord],
    ) -> Result<HashSet<Digest>, BuildError> {
        let time = |name: &String| -> Result<Option<Timestamp>, BuildError> {
            let id = store.resolve(name)?;
            let image = images.iter().find(|i| i.id == id);
            Ok(image.and_then(|i| i.created.parse().ok()))
        };
        let before = self
            .before
            .iter()
            .map(time)
            .collect::<Result<Vec<_>, _>>()?;
        let since = self.since.iter().map(time).collect::<Result<Vec<_>, _>>()?;
        let mut out = HashSet::new();
        for image in images {
            let created: Option<Timestamp> = image.created.parse().ok();
            let timely = before.iter().all(|t| created < *t)
                && since.iter().all(|t| created > *t)
                && self.until.is_none_or(|t| created < Some(t));
            if timely && self.has_labels(image)? {
                out.insert(image.id);
            }
        }
        Ok(out)
    }

    fn has_labels(&self, image: &ImageRecord) -> Result<bool, BuildError> {
        if self.labels.is_empty() {
            return Ok(true);
        }
        let labels = ImageConfig::from_json(&image.config_json)?.config.labels;
        Ok(self.labels.iter().all(|(key, value)| {
            let found = labels.get(key);
            found.is_some_and(|f| value.as_ref().is_none_or(|v| v == f))
        }))
    }

    /// Whether a name passes, or an image without one.
    pub fn passes_name(&self, name: Option<&Reference>) -> Result<bool, BuildError> {
        if self
            .dangling
            .is_some_and(|dangling| dangling != name.is_none())
        {
            return Ok(false);
        }
        if self.references.is_empty() {
            return Ok(true);
        }
        let Some(name) = name else { return Ok(false) };
        for pattern in &self.references {
            let matches = |text: &str| {
                glob_match(pattern, text)
                    .map_err(|e| BuildError::new(format!("bad pattern {pattern:?}: {e}")))
            };
            // A name written out in full means the same.
            let same = Reference::parse(pattern).is_ok_and(|p| {
                p.familiar_name() == name.familiar_name()
                    && p.tag().is_none_or(|t| name.tag() == Some(t))
            });
            if same || matches(&name.familiar())? || matches(&name.familiar_name())? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A time, or how long ago: `2026-01-01T00:00:00Z`, seconds since 1970, `24h`.
pub fn point(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    let ago = kiln_build::duration::parse_go_duration(text)?;
    Timestamp::now()
        .checked_sub(jiff::SignedDuration::from_nanos(ago))
        .ok()
}
