//! Scripts out of Dockerfiles.
#![allow(clippy::unwrap_used)]

use kiln_dockerfile::{Dockerfile, parse};

use crate::shell::Script;
use crate::subject::{Subject, Surroundings};

fn with<T>(text: &str, look: impl Fn(&Dockerfile, &Script) -> T) -> T {
    let file = parse(text.as_bytes()).unwrap();
    let subject = Subject::new(&file, &Surroundings::NONE);
    let (_, script) = subject.scripts().next().unwrap();
    look(&file, script)
}

fn names(text: &str) -> Vec<String> {
    with(text, |_, s| {
        s.commands.iter().map(|c| c.name().to_owned()).collect()
    })
}

#[test]
fn commands_of_all_kinds() {
    assert_eq!(
        names(
            "FROM a\nRUN a && b; c | d || (e; { f; }) && if g; then h $(i); fi; for x in 1; do j; done\n"
        ),
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    );
    assert_eq!(
        names("FROM a\nRUN sudo -u x env A=b apt-get install y\n"),
        ["sudo", "env", "apt-get"]
    );
    assert_eq!(
        names("FROM a\nRUN [\"apt-get\", \"install\"]\n"),
        ["apt-get"]
    );
    assert_eq!(
        names("FROM a\nRUN [\"sh\", \"-c\", \"x && y\"]\n"),
        ["x", "y"]
    );
    assert_eq!(names("FROM a\nRUN <<E\nx\ny | z\nE\n"), ["x", "y", "z"]);
    assert_eq!(
        names("FROM a\nRUN cat <<E > f && b\nnot a command\nE\n"),
        ["cat", "b"]
    );
    assert_eq!(
        names("FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nRUN [[ -e x ]] && y\n"),
        ["y"]
    );
    assert_eq!(names("FROM a\nONBUILD RUN x\n"), ["x"]);
    let file = parse(b"FROM a\nRUN <<E\n#!/usr/bin/env python3\nprint(1)\nE\n").unwrap();
    assert!(Subject::new(&file, &Surroundings::NONE).script(1).is_none());
    let file = parse(b"FROM a\nSHELL [\"powershell\"]\nRUN x\n").unwrap();
    assert!(Subject::new(&file, &Surroundings::NONE).script(2).is_none());
}

#[test]
fn flags_and_operands() {
    with(
        "FROM a\nRUN DEBIAN_FRONTEND=x apt-get install -yq --no-install-recommends -o A=b -t sid 'a b' $c > /x\n",
        |_, s| {
            let c = s.calls("apt-get").next().unwrap();
            assert!(c.has_flag("y") && c.has_flag("q") && c.has_flag("no-install-recommends"));
            assert!(!c.has_flag("yes"));
            assert_eq!(c.flag_value("t"), Some("sid"));
            assert_eq!(c.flag_value("o"), Some("A=b"));
            assert_eq!(c.verb(), Some("install"));
            let operands: Vec<_> = c
                .operands_besides(&["-o", "-t"])
                .iter()
                .map(|a| a.text.clone())
                .collect();
            assert_eq!(operands, ["install", "a b", "$c"]);
            assert_eq!(c.assigned("DEBIAN_FRONTEND"), Some("x"));
            assert_eq!(c.writes[0].text, "/x");
            assert!(!c.args().last().unwrap().fixed);
        },
    );
}

#[test]
fn settings() {
    with("FROM a\nRUN a && b | c || d && (e)\n", |_, s| {
        let of = |n: &str| s.calls(n).next().unwrap().setting.clone();
        assert_eq!((of("a").part, of("b").part), (1, 2));
        assert!(of("b").piped_to && of("c").piped_from && of("d").conditional);
        assert_eq!((of("a").depth, of("e").depth), (0, 1));
    });
}

#[test]
fn places_in_the_source() {
    let text = "FROM a\nRUN --network=none \\\n  # why\n  apt-get \\\n    install é x && \\\n  y\n";
    with(text, |file, s| {
        let c = s.calls("apt-get").next().unwrap();
        assert_eq!(file.source_of(s.span(c.words[0].range.clone())), "apt-get");
        let last = c.args().last().unwrap();
        assert_eq!(file.source_of(s.span(last.range.clone())), "x");
        assert_eq!(s.span(last.range.clone()).start.line, 5);
        assert_eq!(s.span(c.range.clone()).end.column, 16);
    });
    with("FROM a\nRUN <<-E\n\t\tfoo bar\n\tE\n", |file, s| {
        let c = s.calls("foo").next().unwrap();
        assert_eq!(file.source_of(s.span(c.range.clone())), "foo bar");
    });
}
