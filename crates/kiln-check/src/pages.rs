//! Each rule has a page in `docs/rules`, and what the page shows is true.
//!
//! Under `## Bad` and `## Good` stand one or more blocks of ` ```dockerfile `. A block of ` ```files `
//! before one gives its context: a line `1.5MB path`, or `path/` for a directory, each; a block of
//! ` ```dockerignore ` gives the ignore file, one of ` ```others ` the project's other Dockerfiles,
//! a line `path image` each, one of ` ```toml ` the `kiln.toml`. Under `## Fixed` stands what `--fix`
//! makes of each bad example with this rule alone; a block's first word behind the language, `fails`,
//! says that it is no valid Dockerfile.
#![allow(clippy::unwrap_used)]

use kiln_dockerfile::{Ignore, parse};

use crate::config::Config;
use crate::rule::Rule;
use crate::subject::{ContextFacts, ContextFile, Surroundings};
use crate::{RULES, check, fix};

/// An example of a page.
#[derive(Default, Clone)]
struct Example {
    text: String,
    context: Option<ContextFacts>,
    others: Vec<(String, String)>,
    config: Config,
}

fn page(rule: &Rule) -> String {
    let path = format!(
        "{}/../../docs/rules/{}.md",
        env!("CARGO_MANIFEST_DIR"),
        rule.id
    );
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn bytes(text: &str) -> u64 {
    let number: String = text
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let unit = match &text[number.len()..] {
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => 1.0,
    };
    (number.parse::<f64>().unwrap() * unit) as u64
}

fn files(block: &str) -> Vec<ContextFile> {
    let line = |line: &str| {
        let (size, path) = line.split_once(' ').unwrap_or(("0", line));
        ContextFile {
            path: path.trim().trim_end_matches('/').to_owned(),
            bytes: bytes(size),
            dir: line.ends_with('/'),
            ignored: false,
            mode: (!line.ends_with('/')).then_some(0o644),
        }
    };
    block.lines().map(line).collect()
}

/// The examples under a heading.
fn examples(page: &str, heading: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut next = Example::default();
    let mut section = "";
    let mut block: Option<(&str, String)> = None;
    for line in page.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (Some(_), Some("")) => {
                let (language, text) = block.take().unwrap();
                if section != heading {
                    continue;
                }
                let facts = next.context.clone().unwrap_or_default();
                match language {
                    "files" => {
                        next.context = Some(ContextFacts {
                            files: files(&text),
                            ..facts
                        });
                    }
                    "dockerignore" => {
                        next.context = Some(ContextFacts {
                            ignore: Some((".dockerignore".to_owned(), text)),
                            ..facts
                        });
                    }
                    "others" => {
                        let pairs = text.lines().filter_map(|l| l.split_once(' '));
                        next.others = pairs.map(|(p, i)| (p.into(), i.into())).collect();
                    }
                    "toml" => next.config = Config::parse(&text).unwrap(),
                    "dockerfile" => {
                        next.text = text;
                        found.push(std::mem::take(&mut next));
                    }
                    _ => {}
                }
            }
            (Some((_, text)), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, Some(language)) => block = Some((language, String::new())),
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    section = title;
                }
            }
        }
    }
    for example in &mut found {
        if let Some(facts) = &mut example.context
            && let Some((_, text)) = &facts.ignore
        {
            let ignore = Ignore::parse(text).unwrap();
            for file in &mut facts.files {
                file.ignored = ignore.excluded(&file.path);
            }
        }
    }
    found
}

fn surroundings(example: &Example) -> Surroundings<'_> {
    Surroundings {
        context: example.context.as_ref(),
        others: &example.others,
        trusted_registries: &example.config.trusted_registries,
        label_schema: &example.config.label_schema,
        strict_labels: example.config.strict_labels,
        ..Surroundings::NONE
    }
}

/// What a rule says of an example.
fn verdicts(rule: &Rule, example: &Example) -> Vec<String> {
    let file = parse(example.text.as_bytes())
        .unwrap_or_else(|e| panic!("{}: {e}\n{}", rule.id, example.text));
    let only = |r: &Rule| r.id == rule.id;
    let found = check(&file, &surroundings(example), only);
    found.into_iter().map(|f| f.message).collect()
}

#[test]
fn bad_examples_are_found_and_good_ones_are_not() {
    for rule in RULES.iter() {
        let page = page(rule);
        let (bad, good) = (examples(&page, "Bad"), examples(&page, "Good"));
        assert!(!bad.is_empty() && !good.is_empty(), "{}", rule.id);
        for example in bad {
            let text = &example.text;
            assert!(!verdicts(rule, &example).is_empty(), "{}:\n{text}", rule.id);
        }
        for example in good {
            let found = verdicts(rule, &example);
            let text = &example.text;
            assert!(found.is_empty(), "{}: {found:?}\n{text}", rule.id);
        }
    }
}

#[test]
fn pages_name_the_rule_and_its_aliases() {
    for rule in RULES.iter() {
        let page = page(rule);
        assert!(page.starts_with(&format!("# {}\n", rule.id)), "{}", rule.id);
        assert!(page.contains(rule.summary), "{}: {}", rule.id, rule.summary);
        for alias in rule.hadolint.iter().chain(rule.buildkit) {
            assert!(page.contains(alias), "{}: {alias}", rule.id);
        }
    }
}

#[test]
fn fixes_do_what_the_page_shows() {
    for rule in RULES.iter().filter(|r| r.fixes) {
        let page = page(rule);
        let (bad, mut fixed) = (examples(&page, "Bad"), examples(&page, "Fixed"));
        if fixed.is_empty() {
            fixed = examples(&page, "Good");
        }
        assert_eq!(bad.len(), fixed.len(), "{}: one fixed a bad one", rule.id);
        for (bad, fixed) in bad.iter().zip(fixed) {
            let only = |r: &Rule| r.id == rule.id;
            let got = fix(&bad.text, &surroundings(bad), only, |_, _| true);
            assert_eq!(got.text, fixed.text, "{}", rule.id);
            let again = fix(&got.text, &surroundings(bad), only, |_, _| true);
            assert_eq!(again.text, got.text, "{}", rule.id);
        }
    }
}

#[test]
fn all_fixes_together_come_to_rest() {
    for rule in RULES.iter() {
        for example in examples(&page(rule), "Bad") {
            let around = surroundings(&example);
            let fixed = fix(&example.text, &around, |_| true, |_, _| true);
            let file = parse(fixed.text.as_bytes()).unwrap();
            let left = check(&file, &around, |_| true);
            let edits = |f: &crate::Finding| f.fix.as_ref().is_some_and(|x| !x.edits.is_empty());
            let left: Vec<_> = left.iter().filter(|f| edits(f)).collect();
            assert!(left.is_empty(), "{}: {left:?}\n{}", rule.id, fixed.text);
        }
    }
}

/// The list of all rules, as `docs/rules/README.md` has it.
fn index() -> String {
    let mut out = "# Rules\n\n\
        All rules of `kiln check`, with their names in hadolint, ShellCheck and BuildKit, and the lesson's\n\
        practice that they stand for. *off* are those that `kiln.toml` must switch on; *fix* those that\n\
        `--fix` can mend.\n\n\
        | rule | | fix | hadolint, ShellCheck | BuildKit | lesson |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for r in RULES.iter() {
        let severity = format!("{:?}", r.severity).to_lowercase();
        out += &format!(
            "| [{id}]({id}.md): {} | {} | {} | {} | {} | {} |\n",
            r.summary.replace('|', "\\|"),
            if r.on { &severity } else { "off" },
            if r.fixes { "fix" } else { "" },
            r.hadolint.join(", "),
            r.buildkit.join(", "),
            r.lesson.unwrap_or_default(),
            id = r.id,
        );
    }
    out
}

#[test]
fn the_index_lists_all_rules() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules/README.md");
    if std::env::var_os("KILN_WRITE_INDEX").is_some() {
        std::fs::write(path, index()).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        there,
        index(),
        "KILN_WRITE_INDEX=1 cargo test -p kiln-check writes it anew"
    );
}

#[test]
fn there_is_no_page_without_a_rule() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let id = name.strip_suffix(".md").unwrap();
        assert!(id == "README" || crate::rule(id).is_some(), "{name}");
    }
}
