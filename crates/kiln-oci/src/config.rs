//! Image configs: the OCI image spec's `config.md` with Docker's additions (HEALTHCHECK, ONBUILD,
//! SHELL; moby `docker-image-spec`).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Digest, OciError, Platform};

/// The config of an image. Its serialised bytes are what the image's id is the digest of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub author: Option<String>,
    /// Go's name of the architecture.
    pub architecture: String,
    /// The architecture's variant.
    #[serde(
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub variant: Option<String>,
    /// Go's name of the operating system.
    pub os: String,
    /// How containers of it run.
    #[serde(default, deserialize_with = "nullable")]
    pub config: RunConfig,
    /// The layers.
    #[serde(default, deserialize_with = "nullable")]
    pub rootfs: RootFs,
    /// How it came about, oldest first.
    #[serde(default, deserialize_with = "nullable")]
    pub history: Vec<History>,
}

/// How containers of an image run unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// `USER`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// `EXPOSE`: `80/tcp`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `ENV`: `K=V`, in order.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// `ENTRYPOINT`.
    #[serde(skip_serializing_if = "nothing")]
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    #[serde(skip_serializing_if = "nothing")]
    pub cmd: Option<Vec<String>>,
    /// `HEALTHCHECK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Set when CMD is given in the Dockerfile; means something to Windows only.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub args_escaped: bool,
    /// `VOLUME`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// `WORKDIR`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// `ONBUILD`: instructions for images built on this one.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// `LABEL`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`.
    #[serde(
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub stop_signal: Option<String>,
    /// `SHELL`; `/bin/sh -c` where empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// `HEALTHCHECK`; durations in nanoseconds, 0 for the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", line]`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// From one check to the next.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Failures at the start that don't count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// From one check to the next at the start.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The JSON object without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The diff IDs, bottom first.
    #[serde(default, deserialize_with = "nullable")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One step of how an image came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// It made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a config; members that are absent or null are empty.
    pub fn from_json(bytes: &[u8]) -> Result<ImageConfig, OciError> {
        // As a whole first: what is not understood must be readable, too, or others will choke on
        // it later.
        let whole: serde_json::Value = serde_json::from_slice(bytes).map_err(OciError::Config)?;
        serde_json::from_value(whole).map_err(OciError::Config)
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        }
    }

    /// The bytes that the id is taken of: always the same for equal configs.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// An empty command is written like an absent one, as Go's `omitempty` does.
fn nothing(command: &Option<Vec<String>>) -> bool {
    command.as_ref().is_none_or(Vec::is_empty)
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Go writes empty lists and maps as null.
fn nullable<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// Go writes absent strings as empty ones.
fn non_empty<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.filter(|s| !s.is_empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dockers_nulls_and_unknown_members() {
        let text = r#"{"architecture":"amd64","os":"linux","container":"x","author":"",
            "config":{"Hostname":"","Env":null,"Cmd":null,"Labels":null,"OnBuild":null,
            "Entrypoint":["a"],"StopSignal":"","Volumes":null,"ExposedPorts":{"80/tcp":{}}},
            "rootfs":{"type":"layers","diff_ids":null},"history":null}"#;
        let c = ImageConfig::from_json(text.as_bytes()).unwrap();
        assert_eq!(c.config.entrypoint.as_deref(), Some(&["a".to_owned()][..]));
        assert_eq!(c.config.exposed_ports.len(), 1);
        assert_eq!((&c.author, &c.config.stop_signal), (&None, &None));
        let again = ImageConfig::from_json(&c.to_json()).unwrap();
        assert_eq!(again, c);
        assert_eq!(again.to_json(), c.to_json());
    }

    #[test]
    fn refused() {
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            "[]",
            "{\"rootfs\":{\"diff_ids\":[\"sha256:../x\"]}}",
            &format!("{{\"history\":{deep}"),
            &format!(
                "{{\"architecture\":\"a\",\"os\":\"l\",\"other\":{deep}{}}}",
                "]".repeat(100_000)
            ),
        ] {
            assert!(ImageConfig::from_json(bad.as_bytes()).is_err());
        }
    }
}
