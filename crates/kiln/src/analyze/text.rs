//! The report for people, on a page of so many columns.

use std::collections::BTreeMap;

use console::{measure_text_width, truncate_str};
use kiln_analyze::{How, Layer, Report, Wasted};

use crate::units::human_size;

/// The columns of the terminal, from 80 to 120; 80 where there is none.
pub fn width() -> usize {
    let term = console::Term::stdout();
    match term.size_checked() {
        Some((_, columns)) if term.is_term() => usize::from(columns).clamp(80, 120),
        _ => 80,
    }
}

/// The whole report; each list has at most `top` lines.
pub fn text(report: &Report, top: usize, width: usize) -> String {
    let mut page = Page {
        report,
        top,
        width,
        out: String::new(),
    };
    page.summary();
    page.layers();
    page.wasted();
    page.duplicates();
    page.leftovers();
    page.secrets();
    page.exposed();
    page.largest();
    page.out
}

struct Page<'a> {
    report: &'a Report,
    top: usize,
    width: usize,
    out: String,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.out
            .push_str(truncate_str(text, self.width, "…").trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.out.push('\n');
        self.line(text);
    }

    /// A size, and what has it; a long path keeps its end.
    fn sized(&mut self, bytes: u64, text: &str) {
        let room = self.width.saturating_sub(12);
        let line = format!("{:>10}  {}", human_size(bytes), end_of(text, room));
        self.line(&line);
    }

    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.line(&format!("            … and {} more", all - shown));
        }
    }

    fn instruction(&self, number: usize) -> String {
        let layer = number
            .checked_sub(1)
            .and_then(|i| self.report.layers.get(i));
        match layer {
            Some(layer) => format!("layer {number}: {}", instruction(layer)),
            None => format!("layer {number}"),
        }
    }

    fn summary(&mut self) {
        let r = self.report;
        let name = match r.image.names.as_slice() {
            [] => "<none>".to_owned(),
            names => names.join(", "),
        };
        self.line(&format!(
            "{name}  {}  {}",
            r.image.id.short(),
            r.image.platform
        ));
        self.out.push('\n');
        self.line(&format!(
            "Size          {} in {} and {}",
            human_size(r.bytes),
            count(r.layers.len(), "layer"),
            count(usize::try_from(r.files).unwrap_or(usize::MAX), "file"),
        ));
        self.line(&format!(
            "Efficiency    {} ({} of all bytes are in the final tree)",
            percent(r.efficiency),
            human_size(r.visible_bytes)
        ));
        self.line(&format!(
            "Wasted        {} in {}",
            human_size(r.wasted_bytes),
            count(r.wasted.len(), "file")
        ));
        self.line(&format!("Stored twice  {}", human_size(r.duplicate_bytes)));
        for base in &r.image.bases {
            let layers = count(base.layers, "layer");
            self.line(&format!("Built upon    {} ({layers})", base.name));
        }
    }

    fn layers(&mut self) {
        self.heading(" LAYER      SIZE    WASTED   FILES  INSTRUCTION");
        for layer in &self.report.layers {
            let wasted = match layer.wasted_bytes {
                0 => "-".to_owned(),
                bytes => human_size(bytes),
            };
            let base = if layer.base.is_some() { "base: " } else { "" };
            self.line(&format!(
                "{:>6}{:>10}{:>10}{:>8}  {base}{}",
                layer.number,
                human_size(layer.bytes),
                wasted,
                layer.files,
                instruction(layer)
            ));
        }
    }

    /// Wasted files by who made and who hid them.
    fn wasted(&mut self) {
        let report = self.report;
        if report.wasted.is_empty() {
            return;
        }
        self.heading("WASTED: in a layer, but not in the final tree");
        let mut groups: BTreeMap<(usize, usize, How), Vec<&Wasted>> = BTreeMap::new();
        for w in &report.wasted {
            groups.entry((w.layer, w.by, w.how)).or_default().push(w);
        }
        let total = |files: &[&Wasted]| files.iter().map(|w| w.bytes).sum::<u64>();
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(key, files)| (std::cmp::Reverse(total(files)), *key));
        for ((layer, by, how), files) in groups.iter().take(self.top) {
            let made = self.instruction(*layer);
            let what = format!("{} of {made}", count(files.len(), "file"));
            let line = format!("{:>10}  {what}", human_size(total(files)));
            self.line(&line);
            let word = match how {
                How::Deleted => "deleted by",
                How::Replaced => "replaced by",
                How::Copied => "stored again by",
                How::Moved => "moved by",
            };
            let hid = self.instruction(*by);
            self.line(&format!("            {word} {hid}"));
            for w in files.iter().take(3) {
                let after = match &w.to {
                    Some(to) => format!(" → {to}"),
                    None if w.changed.is_empty() => String::new(),
                    None => format!(" (new {})", w.changed.join(", ")),
                };
                let room = self.width.saturating_sub(24 + measure_text_width(&after));
                let path = end_of(&w.path, room.max(20));
                self.line(&format!("{:>22}  {path}{after}", human_size(w.bytes)));
            }
            if files.len() > 3 {
                self.line(&format!(
                    "                        … and {} more",
                    files.len() - 3
                ));
            }
        }
        self.more(groups.len(), self.top);
    }

    fn duplicates(&mut self) {
        let all = &self.report.duplicates;
        if all.is_empty() {
            return;
        }
        self.heading("STORED TWICE: the same content at several paths");
        for d in all.iter().take(self.top) {
            let copies = d.copies.len();
            let each = human_size(d.bytes);
            let line = format!("{:>10}  {copies} × {each}", human_size(d.redundant_bytes));
            self.line(&line);
            for copy in d.copies.iter().take(3) {
                let hidden = if copy.visible { "" } else { " (hidden)" };
                let room = self.width.saturating_sub(26 + hidden.len());
                let path = end_of(&copy.path, room);
                self.line(&format!(
                    "              layer {}: {path}{hidden}",
                    copy.layer
                ));
            }
            if copies > 3 {
                self.line(&format!("              … and {} more", copies - 3));
            }
        }
        self.more(all.len(), self.top);
    }

    fn leftovers(&mut self) {
        if self.report.leftovers.is_empty() {
            return;
        }
        self.heading("LEFTOVERS");
        for l in &self.report.leftovers {
            let layers: Vec<String> = l.layers.iter().map(|s| s.layer.to_string()).collect();
            let word = if layers.len() == 1 { "layer" } else { "layers" };
            let files = count(usize::try_from(l.files).unwrap_or(usize::MAX), "file");
            let text = format!("{} ({files}, {word} {})", l.title, layers.join(", "));
            let line = format!("{:>10}  {text}", human_size(l.bytes));
            self.line(&line);
            let room = self.width.saturating_sub(14);
            for part in wrapped(&format!("→ {}", l.advice), room) {
                self.line(&format!("            {part}"));
            }
        }
    }

    fn secrets(&mut self) {
        let all = &self.report.secrets;
        if all.is_empty() {
            return;
        }
        self.heading("POSSIBLE SECRETS: whoever has the image has these files");
        for s in all.iter().take(self.top) {
            let hidden = match s.hidden_by {
                Some(by) => format!(", though hidden by layer {by}"),
                None => String::new(),
            };
            self.line(&format!("  {}", end_of(&s.path, self.width - 2)));
            self.line(&format!("      {}, layer {}{hidden}", s.kind, s.layer));
        }
        self.more(all.len(), self.top);
    }

    fn exposed(&mut self) {
        let report = self.report;
        let list = |page: &mut Self, heading: &str, lines: Vec<(String, &str)>| {
            if lines.is_empty() {
                return;
            }
            page.heading(heading);
            for (what, path) in lines.iter().take(page.top) {
                let room = page.width.saturating_sub(measure_text_width(what) + 4);
                page.line(&format!("  {what}  {}", end_of(path, room)));
            }
            page.more(lines.len(), page.top);
        };
        let set_id = report.set_id.iter();
        let set_id = set_id.map(|s| {
            let owner = format!("{}:{}", s.uid, s.gid);
            (format!("{}  {owner:<11}", s.mode), s.path.as_str())
        });
        list(self, "SET-UID AND SET-GID FILES", set_id.collect());
        let capable = report.capabilities.iter();
        let capable = capable.map(|c| (c.capabilities.clone(), c.path.as_str()));
        list(self, "FILES WITH CAPABILITIES", capable.collect());
        let open = report.world_writable.iter();
        let open = open.map(|w| {
            let kind = if w.directory { "directory" } else { "file" };
            (format!("{}  {kind:<9}", w.mode), w.path.as_str())
        });
        list(self, "WRITABLE FOR EVERYBODY", open.collect());
    }

    fn largest(&mut self) {
        let report = self.report;
        let lists = [
            ("LARGEST DIRECTORIES", &report.largest_directories),
            ("LARGEST FILES", &report.largest_files),
        ];
        for (heading, list) in lists {
            if list.is_empty() {
                continue;
            }
            self.heading(heading);
            for m in list.iter().take(self.top) {
                self.sized(m.bytes, &m.path);
            }
        }
    }
}

fn instruction(layer: &Layer) -> &str {
    layer.instruction.as_deref().unwrap_or("(not recorded)")
}

/// `1 file`, `2 files`.
fn count(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

/// Never 100 % while anything is wasted.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

/// The end of a text that is too long: a path's says more.
fn end_of(text: &str, room: usize) -> String {
    let mut width = measure_text_width(text);
    if width <= room {
        return text.to_owned();
    }
    let mut rest = text.chars();
    while width + 1 > room && rest.next().is_some() {
        width = measure_text_width(rest.as_str());
    }
    format!("…{}", rest.as_str())
}

fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        assert_eq!(end_of("/usr/bin/sh", 11), "/usr/bin/sh");
        assert_eq!(end_of("/usr/bin/sh", 6), "…in/sh");
        assert_eq!(end_of("漢字漢字", 5), "…漢字");
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "  ccc"]);
        assert_eq!(percent(0.99999), "99.9 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(
            (count(1, "file"), count(0, "file")),
            ("1 file".into(), "0 files".into())
        );
    }
}
