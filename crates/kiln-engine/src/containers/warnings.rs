//! What may surprise about a container that was made.

use kiln_oci::{ImageConfig, Platform};

use super::network;
use super::settings::Settings;

/// What the user should know of a container before it runs, in docker's
/// words where docker has some. `asked`: the user named a platform.
pub fn warnings(settings: &Settings, asked: bool) -> Vec<String> {
    let mut found = Vec::new();
    if !asked && let Some(platform) = foreign(&settings.config, &Platform::host()) {
        found.push(format!(
            "The requested image's platform ({platform}) does not match the detected host \
             platform ({}) and no specific platform was requested",
            Platform::host()
        ));
    }
    if network::falls_back(settings) {
        found.push(
            "The container uses the host's network; for a network of its own install pasta \
             (package passt) or slirp4netns"
                .to_owned(),
        );
    }
    found
}

/// The platform of an image that this host doesn't run by itself.
fn foreign(config: &ImageConfig, host: &Platform) -> Option<Platform> {
    let image = Platform {
        os: config.os.clone(),
        architecture: config.architecture.clone(),
        variant: config.variant.clone(),
    };
    let runs = matches!(
        (host.architecture.as_str(), image.architecture.as_str()),
        ("amd64", "386") | ("arm64", "arm")
    ) || host.architecture == image.architecture;
    (!runs || host.os != image.os).then_some(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_that_run() {
        let shown = |image: &str, host: &str| {
            let image: Platform = image.parse().expect("platform");
            let config = ImageConfig {
                os: image.os,
                architecture: image.architecture,
                variant: image.variant,
                ..ImageConfig::default()
            };
            foreign(&config, &host.parse().expect("platform")).map(|p| p.to_string())
        };
        for (image, host) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/386", "linux/amd64"),
            ("linux/arm/v7", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
        ] {
            assert_eq!(shown(image, host), None);
        }
        for (image, host) in [
            ("linux/arm64", "linux/amd64"),
            ("linux/amd64", "linux/386"),
            ("linux/arm/v6", "linux/amd64"),
            ("windows/amd64", "linux/amd64"),
        ] {
            assert_eq!(shown(image, host).as_deref(), Some(image));
        }
    }
}
