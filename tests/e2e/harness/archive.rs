//! Reading what `docker save` and `kiln save` write.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;

use super::Tree;

/// The members of a docker-archive.
pub struct Archive {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

/// One image of an archive.
pub struct Image {
    /// Its config.
    pub config: Value,
    /// The names it was saved under.
    pub tags: Vec<String>,
    /// Its files.
    pub tree: Tree,
}

impl Archive {
    /// Reads all members.
    #[track_caller]
    pub fn read(bytes: &[u8]) -> Archive {
        let mut archive = Archive {
            files: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        for entry in tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            if let Some(target) = entry.link_name().unwrap() {
                archive.links.insert(path, target.display().to_string());
                continue;
            }
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            archive.files.insert(path, data);
        }
        archive
    }

    /// `manifest.json`.
    #[track_caller]
    pub fn manifest(&self) -> Value {
        serde_json::from_slice(self.member("manifest.json")).unwrap()
    }

    /// The only image.
    #[track_caller]
    pub fn image(&self) -> Image {
        self.try_image().unwrap()
    }

    /// The only image, or what is wrong with its layers.
    pub fn try_image(&self) -> Result<Image, String> {
        let manifest = self.manifest();
        let entries = manifest.as_array().unwrap();
        assert_eq!(entries.len(), 1, "{manifest}");
        self.image_of(&entries[0])
    }

    /// The image of one entry of the manifest.
    pub fn image_of(&self, entry: &Value) -> Result<Image, String> {
        let texts = |key: &str| -> Vec<String> {
            let list = entry[key].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|v| v.as_str().unwrap().to_owned())
                .collect()
        };
        let config = self.member(entry["Config"].as_str().unwrap());
        let config: Value = serde_json::from_slice(config).unwrap();
        let layers = texts("Layers");
        assert_eq!(
            config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len),
            layers.len(),
            "as many layers as diff ids"
        );
        Ok(Image {
            tree: Tree::of_layers(layers.iter().map(|l| self.member(l)))?,
            tags: texts("RepoTags"),
            config,
        })
    }

    /// A member; docker saves a layer twice as a link.
    #[track_caller]
    pub fn member(&self, path: &str) -> &[u8] {
        if let Some(target) = self.links.get(path) {
            return self.member(target.trim_start_matches("../"));
        }
        self.files
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not in the archive"))
    }
}
