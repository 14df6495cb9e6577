//! From an image of the store to a report.

use kiln_oci::{Digest, ImageConfig, Reference};
use kiln_store::Store;
use kiln_tree::{Kind, Root};

use crate::content::Contents;
use crate::error::AnalyzeError;
use crate::exposed::exposed;
use crate::instruction::{instruction, steps_of_layers};
use crate::report::{Base, ImageInfo, Layer, Report, Step};
use crate::scan::{ScanError, scan};
use crate::shown::shown;
use crate::stack::Stack;
use crate::{duplicates, largest, leftovers, parallel, secrets, waste};

/// A report, and the trees it is about.
pub struct Analysis {
    /// What was found.
    pub report: Report,
    /// The layers.
    pub stack: Stack,
}

/// Analyses the image that a name or an id stands for.
pub fn analyze(store: &Store, name: &str) -> Result<Analysis, AnalyzeError> {
    // Layers must not go away meanwhile.
    let _hold = store.hold()?;
    let id = store.resolve(name)?;
    let record = store
        .image(&id)?
        .ok_or_else(|| AnalyzeError::Gone(name.to_owned()))?;
    let config = ImageConfig::from_json(&record.config_json)?;
    let roots = open_layers(store, &config.rootfs.diff_ids)?;
    let numbers: Vec<usize> = (0..roots.len()).collect();
    let scanned = parallel::map(&numbers, |i| match roots.get(*i) {
        Some(root) => scan(root).map_err(|e| read_error(*i, e)),
        None => Ok(Vec::new()),
    })?;
    let mut stack = Stack::new(scanned).ok_or(AnalyzeError::TooMany)?;
    let contents = Contents::new(&stack, &roots)?;
    waste::tell_apart(&mut stack, &contents);
    let exposed = exposed(&stack);
    let image = image_info(store, id, &config)?;
    let layers = layers(&stack, &config, &image.bases);
    let bytes: u64 = layers.iter().map(|l| l.bytes).sum();
    let wasted_bytes: u64 = layers.iter().map(|l| l.wasted_bytes).sum();
    let visible_bytes = bytes - wasted_bytes;
    let duplicates = duplicates::duplicates(&stack, &contents);
    let report = Report {
        version: 1,
        image,
        bytes,
        visible_bytes,
        wasted_bytes,
        efficiency: match bytes {
            0 => 1.0,
            _ => visible_bytes as f64 / bytes as f64,
        },
        files: visible_files(&stack),
        duplicate_bytes: duplicates.iter().map(|d| d.redundant_bytes).sum(),
        steps: steps(&config, &layers),
        layers,
        wasted: waste::wasted(&stack, &contents),
        duplicates,
        leftovers: leftovers::leftovers(&stack, &roots),
        set_id: exposed.set_id,
        capabilities: exposed.capabilities,
        world_writable: exposed.world_writable,
        secrets: secrets::secrets(&stack, &roots)?,
        largest_files: largest::largest_files(&stack),
        largest_directories: largest::largest_directories(&stack),
    };
    Ok(Analysis { report, stack })
}

fn open_layers(store: &Store, diff_ids: &[Digest]) -> Result<Vec<Root>, AnalyzeError> {
    let open = |(number, diff_id): (usize, &Digest)| {
        if store.layer(diff_id)?.is_none() {
            return Err(AnalyzeError::MissingLayer(*diff_id));
        }
        Root::open(&store.layer_dir(diff_id)).map_err(|source| AnalyzeError::Read {
            layer: number,
            path: String::new(),
            source,
        })
    };
    (1..).zip(diff_ids).map(open).collect()
}

fn read_error(layer: usize, e: ScanError) -> AnalyzeError {
    AnalyzeError::Read {
        layer: layer + 1,
        path: shown(&e.path),
        source: e.source,
    }
}

fn image_info(store: &Store, id: Digest, config: &ImageConfig) -> Result<ImageInfo, AnalyzeError> {
    let mut names: Vec<String> = store
        .tags_of(&id)?
        .iter()
        .map(Reference::familiar)
        .collect();
    names.sort();
    Ok(ImageInfo {
        id,
        names,
        platform: config.platform().to_string(),
        created: config.created.clone().unwrap_or_default(),
        bases: bases(store, id, config)?,
    })
}

/// The images with a name whose layers and history this one begins with.
fn bases(store: &Store, id: Digest, config: &ImageConfig) -> Result<Vec<Base>, AnalyzeError> {
    let own = &config.rootfs.diff_ids;
    let mut found = Vec::new();
    for image in store.images()?.iter().filter(|i| i.id != id) {
        let Ok(base) = ImageConfig::from_json(&image.config_json) else {
            continue;
        };
        let layers = &base.rootfs.diff_ids;
        let beneath = !layers.is_empty()
            && own.starts_with(layers)
            && base.history.len() < config.history.len()
            && config.history.starts_with(&base.history);
        if !beneath {
            continue;
        }
        let mut names = store.tags_of(&image.id)?;
        names.sort_by_key(Reference::familiar);
        if let Some(name) = names.first() {
            found.push(Base {
                name: name.familiar(),
                layers: layers.len(),
            });
        }
    }
    found.sort_by(|a, b| (a.layers, &a.name).cmp(&(b.layers, &b.name)));
    // Of several with the same layers one will do.
    found.dedup_by_key(|b| b.layers);
    Ok(found)
}

fn layers(stack: &Stack, config: &ImageConfig, bases: &[Base]) -> Vec<Layer> {
    let made_by = steps_of_layers(&config.history, stack.len());
    let mut all = Vec::new();
    for (number, (diff_id, entries)) in (1..).zip(config.rootfs.diff_ids.iter().zip(&stack.layers))
    {
        let step = made_by.get(number - 1).copied().flatten();
        let text = step
            .and_then(|s| config.history.get(s))
            .map(|h| shown_line(&instruction(h)));
        let base = bases.iter().find(|b| number <= b.layers);
        let counted = (0..)
            .zip(entries)
            .filter(|(i, e)| e.kind == Kind::File && e.counts == *i);
        let hidden = entries.iter().filter(|e| e.covered.is_some());
        all.push(Layer {
            number,
            diff_id: *diff_id,
            instruction: text.filter(|t| !t.is_empty()),
            base: base.map(|b| b.name.clone()),
            bytes: entries.iter().map(|e| e.bytes).sum(),
            wasted_bytes: hidden.map(|e| e.bytes).sum(),
            files: u64::try_from(counted.count()).unwrap_or(u64::MAX),
            deletions: u64::try_from(entries.iter().filter(|e| e.whiteout).count())
                .unwrap_or(u64::MAX),
        });
    }
    all
}

fn steps(config: &ImageConfig, layers: &[Layer]) -> Vec<Step> {
    let made_by = steps_of_layers(&config.history, layers.len());
    let step = |(number, h)| {
        let made = made_by.iter().position(|s| *s == Some(number));
        let layer = made.and_then(|l| layers.get(l));
        Step {
            instruction: shown_line(&instruction(h)),
            layer: layer.map(|l| l.number),
            bytes: layer.map_or(0, |l| l.bytes),
            files: layer.map_or(0, |l| l.files),
        }
    };
    (0..).zip(&config.history).map(step).collect()
}

/// An instruction on one line.
fn shown_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    shown(words.join(" ").as_bytes())
}

fn visible_files(stack: &Stack) -> u64 {
    let visible = stack
        .entries()
        .filter(|(at, e)| e.kind == Kind::File && e.counts == at.entry && stack.is_visible(*at, e));
    u64::try_from(visible.count()).unwrap_or(u64::MAX)
}
