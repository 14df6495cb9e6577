//! Platforms: `os/architecture[/variant]` (containerd's platform specifiers).

use std::fmt;
use std::str::FromStr;

use crate::OciError;

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// Go's name of the architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// `v7` of `linux/arm/v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Platform {
        let (architecture, variant) = normalize(std::env::consts::ARCH, None);
        Platform {
            os: "linux".to_owned(),
            architecture,
            variant,
        }
    }
}

/// Other names of an architecture to Go's; the variant that is the default is left out.
fn normalize(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let lower = architecture.to_ascii_lowercase();
    let variant = variant.map(str::to_ascii_lowercase);
    let variant = variant.as_deref();
    let (architecture, variant) = match (lower.as_str(), variant) {
        ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
        ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
        ("i386" | "x86" | "386", _) => ("386", None),
        ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
        ("aarch64" | "arm64", other) => ("arm64", other),
        ("armhf", _) => ("arm", Some("v7")),
        ("armel", _) => ("arm", Some("v6")),
        ("arm", None | Some("7")) => ("arm", Some("v7")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("6")) => ("arm", Some("v6")),
        ("powerpc64le" | "powerpc64", other) => ("ppc64le", other),
        (same, other) => (same, other),
    };
    (architecture.to_owned(), variant.map(String::from))
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

impl FromStr for Platform {
    type Err = OciError;

    /// Also takes an architecture alone, or `linux` alone.
    fn from_str(text: &str) -> Result<Platform, OciError> {
        let bad = || OciError::Platform(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let word = |t: &&str| {
            !t.is_empty()
                && t.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        if !parts.iter().all(word) {
            return Err(bad());
        }
        let of = |os: &str, architecture: &str, variant| {
            let (architecture, variant) = normalize(architecture, variant);
            Platform {
                os: os.to_ascii_lowercase(),
                architecture,
                variant,
            }
        };
        match parts[..] {
            ["linux"] => Ok(Platform::host()),
            ["windows" | "darwin" | "freebsd"] => Ok(Platform {
                os: text.to_owned(),
                ..Platform::host()
            }),
            [architecture] if KNOWN.contains(&normalize(architecture, None).0.as_str()) => {
                Ok(of("linux", architecture, None))
            }
            [os, architecture] => Ok(of(os, architecture, None)),
            [os, architecture, variant] => Ok(of(os, architecture, Some(variant))),
            _ => Err(bad()),
        }
    }
}

/// Architectures that may stand alone (Go's list of those Linux runs on).
const KNOWN: [&str; 11] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64le", "mips64", "ppc64le", "riscv64", "s390x",
    "mipsle",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/ARM64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("aarch64", "linux/arm64"),
            ("linux", &Platform::host().to_string()),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), shown);
        }
        for bad in ["", "/", "linux/", "nonsense", "a/b/c/d", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
