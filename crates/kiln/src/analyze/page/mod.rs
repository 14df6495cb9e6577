//! The report as one HTML page: a treemap and the findings. It loads nothing, so it opens anywhere.

mod tiles;

use anyhow::Result;
use kiln_analyze::{Analysis, Report};
use serde::Serialize;

use tiles::{Tile, tiles};

/// Where the parts go, in this order.
const PARTS: [&str; 4] = ["{{title}}", "{{style}}", "{{data}}", "{{script}}"];
const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// One script, in three files.
const SCRIPT: &str = concat!(
    include_str!("trees.js"),
    include_str!("map.js"),
    include_str!("findings.js")
);

/// How many lines a list of findings has at most, and how many copies are named of one file.
const LINES: usize = 300;
const COPIES: usize = 20;

#[derive(Serialize)]
struct Data<'a> {
    report: &'a Report,
    /// How long the lists are that may have been cut.
    lengths: Lengths,
    /// One tree a layer.
    trees: Vec<Tile>,
}

#[derive(Serialize)]
struct Lengths {
    wasted: usize,
    duplicates: usize,
    secrets: usize,
    set_id: usize,
    capabilities: usize,
    world_writable: usize,
}

/// The page.
pub fn page(analysis: &Analysis) -> Result<String> {
    let whole = &analysis.report;
    let lengths = Lengths {
        wasted: whole.wasted.len(),
        duplicates: whole.duplicates.len(),
        secrets: whole.secrets.len(),
        set_id: whole.set_id.len(),
        capabilities: whole.capabilities.len(),
        world_writable: whole.world_writable.len(),
    };
    let data = Data {
        report: &shortened(whole),
        lengths,
        trees: tiles(&analysis.stack),
    };
    let title = match whole.image.names.first() {
        Some(name) => name.clone(),
        None => whole.image.id.short().to_string(),
    };
    let values = [
        escaped(&title),
        STYLE.to_owned(),
        script_safe(&serde_json::to_string(&data)?),
        SCRIPT.to_owned(),
    ];
    let mut page = String::new();
    let mut rest = HTML;
    for (part, value) in PARTS.iter().zip(values) {
        let (before, after) = rest.split_once(part).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(&value);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn shortened(report: &Report) -> Report {
    let mut short = report.clone();
    short.wasted.truncate(LINES);
    short.duplicates.truncate(LINES);
    for duplicate in &mut short.duplicates {
        duplicate.copies.truncate(COPIES);
    }
    short.secrets.truncate(LINES);
    short.set_id.truncate(LINES);
    short.capabilities.truncate(LINES);
    short.world_writable.truncate(LINES);
    short
}

/// JSON that can stand in a `<script>` whatever names are in it: no tag ends there, none begins.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place() {
        let mut rest = HTML;
        for part in PARTS {
            assert_eq!(HTML.matches(part).count(), 1, "{part}");
            rest = rest.split_once(part).unwrap().1;
        }
        for text in [HTML, STYLE, SCRIPT] {
            assert!(!text.contains("http://") && !text.contains("https://"));
        }
    }

    #[test]
    fn no_name_ends_the_script() {
        let name = "</script><!--<script>&\u{2028}";
        let json = serde_json::to_string(name).unwrap();
        let safe = script_safe(&json);
        assert!(!safe.contains(['<', '>', '&']), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), name);
        assert_eq!(escaped("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
