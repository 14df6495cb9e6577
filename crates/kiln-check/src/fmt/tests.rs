//! The layout, and that nothing but the layout changes.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use kiln_dockerfile::parse;
use proptest::prelude::*;

use super::{FmtOptions, format, format_with, same};

/// Formats, and checks what always holds.
fn checked(text: &str) -> String {
    let once = format(text).unwrap();
    let (before, after) = (
        parse(text.as_bytes()).unwrap(),
        parse(once.as_bytes()).unwrap(),
    );
    assert!(same::files(&before, &after), "{text:?}\n{once:?}");
    let twice = format(&once).unwrap();
    assert_eq!(twice, once, "{text:?}");
    once
}

#[test]
fn words_and_spaces() {
    assert_eq!(
        checked("from  a   as b  \n\trun\techo 'a  b'   c \nonbuild  run x\nhealthcheck  cmd x\n"),
        "FROM a   AS b\nRUN echo 'a  b'   c\nONBUILD RUN x\nHEALTHCHECK CMD x\n"
    );
    assert_eq!(
        checked("FROM a\nCMD  [ \"a\" ,\"b, c\",\"\\\"d\" ]\nVOLUME [\"/a\",\"/b\"]\n"),
        "FROM a\nCMD [\"a\", \"b, c\", \"\\\"d\"]\nVOLUME [\"/a\", \"/b\"]\n"
    );
}

#[test]
fn blank_lines() {
    assert_eq!(
        checked("\n\nFROM a\n\n\n\nRUN x\n# why\nFROM b\nRUN y\n\n\n"),
        "FROM a\n\nRUN x\n\n# why\nFROM b\nRUN y\n"
    );
    assert_eq!(checked("FROM a"), "FROM a\n");
    // No comment becomes a directive.
    assert_eq!(
        checked("\n\n# escape=`\nFROM a\n"),
        "\n# escape=`\nFROM a\n"
    );
    assert_eq!(
        checked("# escape=`\n\nFROM a\nRUN a `\nb\n"),
        "# escape=`\n\nFROM a\nRUN a `\n    b\n"
    );
}

#[test]
fn line_ends() {
    assert_eq!(
        checked("FROM a\r\nRUN x \\\r\n y\r\n"),
        "FROM a\r\nRUN x \\\r\n    y\r\n"
    );
    assert_eq!(checked("FROM a\r\nRUN x\n"), "FROM a\nRUN x\n");
    assert_eq!(checked("\u{feff}from a\r\n"), "\u{feff}FROM a\r\n");
}

#[test]
fn continuations() {
    assert_eq!(
        checked("FROM a\nRUN a   &&\\\n# note\n\n\tb \\  \n\t  -c \\\n\\\n  && d\n"),
        "FROM a\nRUN a   && \\\n    # note\n      b \\\n        -c \\\n    && d\n"
    );
    // A word, a string.
    for text in [
        "FROM a\nRUN ec\\\nho x\n",
        "FROM a\nRUN echo 'a   \\\n   b' \\\n    c\n",
        "FROM a\nRUN echo \"$(echo \"a   \\\n   b\")\"\n",
        "FROM a\nENV A b   \\\n   c\n",
    ] {
        assert_eq!(checked(text), text);
    }
    assert_eq!(
        checked("FROM a\nRUN x \\\n\n# end\n"),
        "FROM a\nRUN x\n\n# end\n"
    );
    assert_eq!(checked("FROM a\n \\\n \\\n"), "FROM a\n");
    let two = FmtOptions { indent: 2 };
    assert_eq!(
        format_with("FROM a\nRUN a \\\n   b\n", two).unwrap(),
        "FROM a\nRUN a \\\n  b\n"
    );
}

#[test]
fn documents_stay() {
    let text = "FROM a\nRUN <<E\n   x  \n\n\n\ty\t\nE\nCOPY <<-F /f\n\t  z\n\tF\n";
    assert_eq!(checked(text), text);
    assert_eq!(
        checked("FROM a\nrun cat <<E  \\\n  > f\n\n x\r\nE"),
        "FROM a\nRUN cat <<E \\\n    > f\n\n x\r\nE\n"
    );
}

#[test]
fn other_shells_keep_their_lines() {
    let text = "FROM a\nSHELL [\"powershell\"]\nRUN a   \\\n  b 'c \\\n  d'\n";
    assert_eq!(checked(text), text);
}

/// All Dockerfiles of the conformance tests and examples.
pub fn corpus() -> Vec<String> {
    fn find(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                find(&path, found);
            } else if path
                .file_name()
                .is_some_and(|n| n.to_string_lossy().contains("ockerfile"))
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push(text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for dir in ["tests/conformance", "examples"] {
        find(&root.join(dir), &mut found);
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

#[test]
fn corpus_says_the_same() {
    let texts = corpus();
    let read = texts.iter().filter(|t| parse(t.as_bytes()).is_ok());
    let changed = read.filter(|t| checked(t) != **t).count();
    assert!(changed > 10, "{changed}");
}

/// Lines with all that layout may stumble over.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        " \\\n",
        "\\\n",
        "\\\\\n",
        "\\ ",
        "'",
        "\"",
        "`",
        "$(",
        ")",
        "${",
        "}",
        "$'",
        "#",
        "# c\n",
        "\n# c = d\n",
        "&&",
        "a",
        "b",
        "é",
        "\u{a0}",
        "=",
        "A=b",
        "[\"a\",\"b\"]",
        "[",
        "]",
        ",",
        "<<E",
        "\nE\n",
        "\nRUN ",
        "\nrun  ",
        "\nFROM a\n",
        "\nfrom a as b\n",
        "\nENV ",
        "\nLABEL ",
        "\nCMD ",
        "\nCOPY ",
        "\nONBUILD run ",
        "\nHEALTHCHECK cmd ",
        "\nSHELL [\"bash\",\"-c\"]\n",
        "\nARG ",
        "--mount=type=cache,target=/a ",
    ];
    proptest::sample::select(fixed.map(str::to_owned).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn any_text(pieces in proptest::collection::vec(piece(), 0..24), start in "(FROM a\n|# escape=`\nFROM a\n|\n|# x\n)(RUN )?") {
        let text = start + &pieces.concat();
        if parse(text.as_bytes()).is_ok() {
            checked(&text);
        }
    }
}

#[test]
fn the_page_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fmt.md");
    let page = std::fs::read_to_string(path).unwrap();
    let block = |heading: &str| {
        let (_, rest) = page
            .split_once(&format!("## {heading}\n\n```dockerfile\n"))
            .unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    assert_eq!(checked(&block("Before")), block("After"));
}
