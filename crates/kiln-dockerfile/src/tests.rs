//! The parser over whole files.
#![allow(clippy::unwrap_used)]

use crate::*;
use proptest::prelude::*;

fn kinds(text: &str) -> Vec<Kind> {
    let file = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    file.instructions.into_iter().map(|i| i.kind).collect()
}

fn error(text: &str) -> ParseError {
    parse(text.as_bytes())
        .err()
        .unwrap_or_else(|| panic!("no error:\n{text}"))
}

#[test]
fn every_instruction() {
    let k = kinds(
        "FROM --platform=linux/amd64 debian:12 AS Base\nARG A=1 B\nENV a=b c=\"d e\"\nENV old form here\n\
         LABEL x=y \"q w\"=z\nMAINTAINER me <a@b>\nRUN echo hi\nRUN [\"a\", \"b\"]\nCOPY --chown=1:2 a b /c/\n\
         ADD [\"a b\", \"/c\"]\nWORKDIR /x y\nUSER u:g\nVOLUME /a /b\nVOLUME [\"/c d\"]\nEXPOSE 80 90/udp\n\
         CMD [\"x\"]\nENTRYPOINT x y\nHEALTHCHECK --interval=3s CMD curl x\nHEALTHCHECK NONE\nSTOPSIGNAL 9\n\
         SHELL [\"/bin/bash\", \"-c\"]\nONBUILD RUN x\n",
    );
    assert_eq!(k.len(), 22);
    let Kind::From {
        image,
        platform,
        name,
    } = &k[0]
    else {
        panic!()
    };
    assert_eq!(image, "debian:12");
    assert_eq!(platform.as_deref(), Some("linux/amd64"));
    assert_eq!(name.as_deref(), Some("Base"));
    assert_eq!(
        k[3],
        Kind::Env(vec![KeyValue {
            key: "old".into(),
            value: "form here".into()
        }])
    );
    assert_eq!(
        k[7],
        Kind::Run {
            command: Command::Exec(vec!["a".into(), "b".into()]),
            flags: vec![],
            heredocs: vec![],
        }
    );
    let Kind::Copy(c) = &k[8] else { panic!() };
    assert_eq!(c.flags[0].name, "chown");
    assert_eq!(c.dest, "/c/");
    assert_eq!(c.sources.len(), 2);
    let Kind::OnBuild(inner) = &k[21] else {
        panic!()
    };
    assert_eq!(inner.text, "RUN x");
}

#[test]
fn continuations_comments_and_spans() {
    let text = "# syntax=docker/dockerfile:1\n# escape=\\\n\n  FROM a\n\nRUN x \\\n  # comment\n\n  && y \\  \n  && z\nCMD q\n";
    let file = parse(text.as_bytes()).unwrap();
    assert_eq!(
        file.directives.syntax.as_deref(),
        Some("docker/dockerfile:1")
    );
    let run = &file.instructions[1];
    assert_eq!(run.text, "RUN x   && y   && z");
    assert_eq!((run.span.start.line, run.span.end.line), (6, 10));
    assert_eq!(
        (
            file.instructions[0].span.start.line,
            file.instructions[0].span.start.column
        ),
        (4, 3)
    );
    assert_eq!(file.instructions[2].span.start.line, 11);
    assert_eq!(file.warnings.len(), 1);
}

#[test]
fn escape_directive() {
    let k = kinds("# escape=`\nFROM a\nRUN dir c:\\ `\n  && x\n");
    assert_eq!(
        k[1],
        Kind::Run {
            command: Command::Shell("dir c:\\   && x".into()),
            flags: vec![],
            heredocs: vec![],
        }
    );
    assert!(error("# escape=x\nFROM a").message.contains("escape"));
    assert!(
        error("# escape=`\n# escape=`\nFROM a")
            .message
            .contains("only one")
    );
    // Not at the top any more.
    let file = parse(b"# hello\n# escape=`\nFROM a").unwrap();
    assert_eq!(file.directives.escape, '\\');
}

#[test]
fn heredocs() {
    let k = kinds(
        "FROM a\nRUN <<EOF\n# not a comment\necho \\\nFROM x\nEOF\nCOPY <<-\"A\" <<B /d/\n\tone $x\nA\ntwo\nB\nRUN cat <<X > /f\n1\nX\n",
    );
    let Kind::Run {
        command, heredocs, ..
    } = &k[1]
    else {
        panic!()
    };
    assert_eq!(*command, Command::Shell("<<EOF".into()));
    assert_eq!(heredocs[0].content, "# not a comment\necho \\\nFROM x\n");
    let Kind::Copy(c) = &k[2] else { panic!() };
    let CopySource::Heredoc(h) = &c.sources[0] else {
        panic!()
    };
    assert_eq!(
        (h.content.as_str(), h.expand, h.strip_tabs),
        ("one $x\n", false, true)
    );
    let Kind::Run { command, .. } = &k[3] else {
        panic!()
    };
    assert_eq!(*command, Command::Shell("cat <<X > /f".into()));
    let e = error("FROM a\nRUN cat <<EOF\nx\n");
    assert!(e.message.contains("unterminated heredoc"), "{e}");
    assert_eq!((e.span.start.line, e.span.start.column), (2, 9));
}

#[test]
fn mistakes() {
    for (text, part) in [
        ("", "no instructions"),
        ("# only\n", "no instructions"),
        ("FROM a\nRUNN x", "did you mean RUN?"),
        ("FROM a b", "one or three"),
        ("FROM a AS 1x", "invalid name"),
        ("FROM a\nCOPY a", "at least two"),
        ("FROM a\nCOPY --form=b a b", "did you mean --from?"),
        ("FROM a\nCOPY --from a b", "missing a value"),
        ("FROM a\nENV a", "two arguments"),
        ("FROM a\nENV a=b c", "can't find ="),
        ("FROM a\nENV =b", "blank"),
        ("FROM a\nSHELL x", "JSON"),
        ("FROM a\nHEALTHCHECK FOO", "Unknown type"),
        ("FROM a\nONBUILD ONBUILD RUN x", "Chaining"),
        ("FROM a\nONBUILD FROM x", "trigger"),
        ("FROM a\nRUN", "at least one"),
        ("FROM a\nWORKDIR", "exactly one"),
        ("FROM a\nSTOPSIGNAL a b", "exactly one"),
    ] {
        let e = error(text).to_string();
        assert!(e.contains(part), "{text:?}: {e}");
    }
    let e = parse(b"FROM a\nRUN \xff").unwrap_err();
    assert_eq!((e.span.start.line, e.span.start.column), (2, 5));
}

#[test]
fn dos_line_ends_and_bom() {
    let k = kinds("\u{feff}FROM a\r\nRUN x \\\r\n  y\r\n");
    assert_eq!(
        k[1],
        Kind::Run {
            command: Command::Shell("x   y".into()),
            flags: vec![],
            heredocs: vec![],
        }
    );
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn mutations_never_panic(cut in 0usize..400, insert in "[\\\\\"'<>=\\[\\] \n#$-]{0,6}") {
        let text = "FROM a AS b\nRUN --mount=type=x <<EOF cat\nfoo\nEOF\nCOPY --from=b [\"x\", \"y\"]\nENV a=\"b c\" d='e'\nLABEL x y\nHEALTHCHECK --retries=3 CMD [\"x\"]\nONBUILD COPY a b\n";
        let cut = cut.min(text.len());
        let mutated = format!("{}{insert}{}", &text[..cut], &text[cut..]);
        let _ = parse(mutated.as_bytes());
    }
}

/// The text of each test file of the product, with its path.
fn all_files() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut found = Vec::new();
    for dir in ["tests/conformance", "examples"] {
        for case in std::fs::read_dir(format!("{root}/{dir}")).unwrap() {
            let path = case.unwrap().path().join("Dockerfile");
            if let Ok(text) = std::fs::read_to_string(&path) {
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

/// The pieces are the file, and lie side by side.
fn assert_lossless(text: &str) {
    let Ok(file) = parse(text.as_bytes()) else {
        return;
    };
    assert_eq!(file.to_string(), text);
    let mut at = 0;
    for piece in &file.pieces {
        assert_eq!(piece.span.range().start, at, "{piece:?} in {text:?}");
        at = piece.span.range().end;
    }
    assert_eq!(at, text.len(), "{text:?}");
    for i in &file.instructions {
        let keyword = file.source_of(i.keyword_span());
        assert_eq!(keyword, i.keyword, "{text:?}");
        assert_eq!(i.span.start, i.keyword_span().start);
        // A word on one line is its source.
        for word in i.words(file.directives.escape) {
            let source = file.source_of(i.word_span(&word));
            if !source.contains('\n') {
                assert_eq!(source, word.text, "{text:?}");
            }
        }
    }
}

#[test]
fn every_test_file_is_given_back_byte_for_byte() {
    let files = all_files();
    assert!(files.len() > 100, "{}", files.len());
    for (path, text) in files {
        assert!(parse(text.as_bytes()).is_ok() || text.is_empty(), "{path}");
        assert_lossless(&text);
    }
}

#[test]
fn pieces() {
    let text = "\u{feff}# escape=`\r\n#c\n\n  RUN a ` \n# in\n\t b\n \nCOPY <<E /x\nl1\nE\nCMD z";
    let file = parse(text.as_bytes()).unwrap();
    assert_lossless(text);
    use PieceKind::*;
    let kinds: Vec<(PieceKind, &str)> = file
        .pieces
        .iter()
        .filter(|p| p.kind != LineEnd)
        .map(|p| (p.kind, file.source_of(p.span)))
        .collect();
    assert_eq!(
        kinds,
        [
            (Bom, "\u{feff}"),
            (Directive, "# escape=`"),
            (Comment, "#c"),
            (Space, "  "),
            (Text, "RUN a "),
            (Continuation, "` "),
            (Comment, "# in"),
            (Text, "\t b"),
            (Space, " "),
            (Text, "COPY <<E /x"),
            (Heredoc, "l1"),
            (HeredocEnd, "E"),
            (Text, "CMD z"),
        ]
    );
    let run = &file.instructions[0];
    assert_eq!(run.arguments(), "a \t b");
    assert_eq!(file.source_of(run.arguments_span()), "a ` \n# in\n\t b");
    assert_eq!((run.span.start.line, run.span.start.column), (4, 3));
}

proptest! {
    #[test]
    fn nothing_is_lost(lines in proptest::collection::vec(
        prop_oneof![
            Just("FROM a AS b".to_owned()), Just("RUN x \\".to_owned()), Just("# c".to_owned()),
            Just("  ".to_owned()), Just("\t y z \\  ".to_owned()), Just("RUN <<A <<-B".to_owned()),
            Just("A".to_owned()), Just("\tB".to_owned()), Just("ONBUILD COPY a b".to_owned()),
            Just("# escape=`".to_owned()), Just("ENV a=b \r".to_owned()), Just("é \\".to_owned()),
        ], 0..12), end in "(\r?\n)?") {
        assert_lossless(&format!("{}{end}", lines.join("\n")));
    }
}
