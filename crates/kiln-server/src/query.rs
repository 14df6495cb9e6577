//! Parameters of requests, read as docker reads them.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use kiln_engine::filters::Filters;
use serde_json::Value;

use crate::error::ApiError;

/// The parameters in their order; one may come several times.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Params, ApiError> {
        Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Params(pairs))
            .map_err(|e| ApiError::invalid(e.body_text()))
    }
}

impl Params {
    /// The first value that isn't empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, v)| v.as_str())
    }

    /// All values.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let same = move |(n, v): &'p (String, String)| (n == name).then_some(v.as_str());
        self.0.iter().filter_map(same)
    }

    /// Docker's idea of yes: anything but these.
    pub fn flag(&self, name: &str) -> bool {
        let no = ["", "0", "no", "false", "none"];
        let yes = |v: &str| !no.contains(&v.trim().to_ascii_lowercase().as_str());
        self.get(name).is_some_and(yes)
    }

    /// The same, yes where it is absent.
    pub fn flag_or_yes(&self, name: &str) -> bool {
        self.get(name).is_none() || self.flag(name)
    }

    /// A JSON document.
    pub fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let parse = |text| {
            serde_json::from_str(text).map_err(|e| ApiError::invalid(format!("{name}: {e}")))
        };
        self.get(name).map(parse).transpose()
    }

    /// A JSON object of texts; what is null is left out.
    pub fn map(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let bad = || ApiError::invalid(format!("{name}: not an object of texts"));
        let mut out = BTreeMap::new();
        let Some(value) = self.json(name)? else {
            return Ok(out);
        };
        if value.is_null() {
            return Ok(out);
        }
        for (key, value) in value.as_object().ok_or_else(bad)? {
            match value {
                Value::Null => {}
                Value::String(text) => drop(out.insert(key.clone(), text.clone())),
                _ => return Err(bad()),
            }
        }
        Ok(out)
    }

    /// `filters`, in both of its forms: `{"a":["x"]}` and `{"a":{"x":true}}`.
    pub fn filters(&self) -> Result<Vec<(String, String)>, ApiError> {
        let bad = || ApiError::invalid("invalid filters: not an object of lists");
        let mut out = Vec::new();
        let Some(value) = self.json("filters")? else {
            return Ok(out);
        };
        if value.is_null() {
            return Ok(out);
        }
        for (name, values) in value.as_object().ok_or_else(bad)? {
            let texts: Vec<String> = match values {
                Value::Array(list) => list
                    .iter()
                    .map(|v| v.as_str().map(String::from).ok_or_else(bad))
                    .collect::<Result<_, _>>()?,
                Value::Object(set) => set
                    .iter()
                    .filter(|(_, on)| on.as_bool() == Some(true))
                    .map(|(text, _)| text.clone())
                    .collect(),
                _ => return Err(bad()),
            };
            out.extend(texts.into_iter().map(|t| (name.clone(), t)));
        }
        Ok(out)
    }
}

/// Filters for images; `other` takes those that the resource handles itself.
pub fn image_filters(
    pairs: &[(String, String)],
    mut other: impl FnMut(&str, &str) -> bool,
) -> Result<Filters, ApiError> {
    let mut filters = Filters::default();
    for (name, value) in pairs {
        if !other(name, value) {
            let added = filters.add(&format!("{name}={value}"));
            added.map_err(|e| ApiError::invalid(e.to_string()))?;
        }
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Params(pairs.iter().map(own).collect())
    }

    #[test]
    fn flags_are_dockers() {
        for (text, yes) in [
            ("1", true),
            ("True", true),
            ("0", false),
            ("", false),
            ("False", false),
        ] {
            assert_eq!(params(&[("q", text)]).flag("q"), yes, "{text}");
        }
        assert!(params(&[]).flag_or_yes("rm"));
        assert!(!params(&[("rm", "0")]).flag_or_yes("rm"));
    }

    #[test]
    fn both_forms_of_filters() {
        let wanted = vec![("label".to_owned(), "a=b".to_owned())];
        for text in [
            r#"{"label":["a=b"]}"#,
            r#"{"label":{"a=b":true,"c":false}}"#,
        ] {
            assert_eq!(
                params(&[("filters", text)]).filters().ok(),
                Some(wanted.clone())
            );
        }
        for text in ["xx", "[]", r#"{"label":1}"#, r#"{"label":[1]}"#] {
            assert!(params(&[("filters", text)]).filters().is_err(), "{text}");
        }
    }
}
