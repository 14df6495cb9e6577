#![allow(clippy::unwrap_used)]

use kiln_dockerfile::parse;

use crate::fix::apply;
use crate::layout::{List, append, merge, remove};
use crate::subject::{Subject, Surroundings};

fn with<T>(text: &str, look: impl Fn(&Subject) -> T) -> T {
    let file = parse(text.as_bytes()).unwrap();
    look(&Subject::new(&file, &Surroundings::NONE))
}

fn parts(run: &str) -> Vec<String> {
    with(&format!("FROM a\nRUN {run}\n"), |s| {
        let script = s.script(1).unwrap();
        let list = List::of(script).unwrap();
        let parts = list.parts.iter();
        parts
            .map(|p| {
                let text = script.text()[p.range.clone()].to_owned();
                match p.join {
                    Some(j) => format!("{j:?} {text}"),
                    None => text,
                }
            })
            .collect()
    })
}

fn appended(text: &str) -> Option<String> {
    with(text, |s| append(s, 1, "X").and_then(|e| apply(text, &[e])))
}

fn merged(text: &str) -> Option<String> {
    with(text, |s| {
        let runs: Vec<usize> = (1..s.instructions().len()).collect();
        let next = apply(text, &merge(s, &runs)?)?;
        assert_eq!(
            parse(next.as_bytes()).unwrap().instructions.len(),
            2,
            "{next}"
        );
        Some(next)
    })
}

fn removed(text: &str, part: usize) -> Option<String> {
    with(text, |s| remove(s, 1, part).and_then(|e| apply(text, &[e])))
}

#[test]
fn lists() {
    assert_eq!(
        parts("a 'x && y' >f 2>&1 && b | c || d; e; (f; g) && { h; } && if i; then j; fi"),
        [
            "a 'x && y' >f 2>&1",
            "And b | c",
            "Or d",
            "Then e",
            "Then (f; g)",
            "And { h; }",
            "And if i; then j; fi",
        ]
    );
    let heredoc = "<<E\n# why\n(a\n) >f\n\n # how\nb &&\n  # c\n  { d; } | e;\nf\n#\n\nE";
    assert_eq!(
        parts(heredoc),
        ["(a\n) >f", "Then b", "And { d; } | e", "Then f"]
    );
    assert_eq!(parts("! a && A=b c & d"), ["! a", "And A=b c", "Beside d"]);
    assert_eq!(
        parts("a \\\n  && b \\\n  # why\n  && c"),
        ["a", "And b", "And c"]
    );
}

#[test]
fn a_command_put_behind_the_others() {
    let cases = [
        ("FROM a\nRUN b\n", "FROM a\nRUN b && \\\n    X\n"),
        ("FROM a\nrun b && c", "FROM a\nrun b && c && \\\n    X"),
        (
            "FROM a\nRUN b \\\n  && c \\\n  && d\nCMD x\n",
            "FROM a\nRUN b \\\n  && c \\\n  && d \\\n  && X\nCMD x\n",
        ),
        (
            "FROM a\r\nRUN b && \\\r\n\tc  \r\n",
            "FROM a\r\nRUN b && \\\r\n\tc && \\\r\n\tX  \r\n",
        ),
        (
            "FROM a\n  RUN b --long \\\n      c \\\n      d\n",
            "FROM a\n  RUN b --long \\\n      c \\\n      d && \\\n      X\n",
        ),
        (
            "# escape=`\nFROM a\nRUN b && `\n  c\n",
            "# escape=`\nFROM a\nRUN b && `\n  c && `\n  X\n",
        ),
        ("FROM a\nRUN b; c\n", "FROM a\nRUN b; c && \\\n    X\n"),
        (
            "FROM a\nRUN b && \\\n  # why\n  c\n# after\n",
            "FROM a\nRUN b && \\\n  # why\n  c && \\\n  X\n# after\n",
        ),
        (
            "FROM a\nRUN b && \\\n  c \\\n",
            "FROM a\nRUN b && \\\n  c && \\\n  X \\\n",
        ),
        (
            "FROM a\nRUN <<E\nb\nc\nE\n",
            "FROM a\nRUN <<E\nb\nc &&\nX\nE\n",
        ),
        (
            "FROM a\nRUN <<-E\n\tset -eux\n\tb\nE\nCMD x\n",
            "FROM a\nRUN <<-E\n\tset -eux\n\tb\n\tX\nE\nCMD x\n",
        ),
        (
            "FROM a\nRUN <<E\n#!/bin/bash\nb\nE\n",
            "FROM a\nRUN <<E\n#!/bin/bash\nb &&\nX\nE\n",
        ),
        (
            "FROM a\nONBUILD RUN b\n",
            "FROM a\nONBUILD RUN b && \\\n    X\n",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(appended(text).as_deref(), Some(want), "{text}");
    }
    for text in [
        "FROM a\nRUN b &\n",
        "FROM a\nRUN b;\n",
        "FROM a\nRUN b # why\n",
        "FROM a\nRUN exec b\n",
        "FROM a\nRUN b && exit 0\n",
        "FROM a\nRUN set -f && b\n",
        "FROM a\nRUN [\"b\"]\n",
        "FROM a\nRUN cat <<E > f\nb\nE\n",
        "FROM a\nRUN <<E\nb # why\nE\n",
        "FROM a\nRUN if\n",
        "FROM a\nRUN <<E\n#!/usr/bin/python3\nb\nE\n",
    ] {
        assert_eq!(appended(text), None, "{text}");
    }
}

#[test]
fn runs_made_one() {
    let cases = [
        ("FROM a\nRUN b\nRUN c\n", "FROM a\nRUN b && \\\n    c\n"),
        (
            "FROM a\nRUN b\n\n# why\n\n  # and how\nrun   c && d\n\nRUN e",
            "FROM a\nRUN b && \\\n    # why\n    # and how\n    c && d && \\\n    e",
        ),
        (
            "FROM a\nRUN b\nRUN c \\\n  && d\nRUN e\n",
            "FROM a\nRUN b \\\n  && c \\\n  && d \\\n  && e\n",
        ),
        (
            "FROM a\r\nRUN b\r\nRUN c\r\n",
            "FROM a\r\nRUN b && \\\r\n    c\r\n",
        ),
        (
            "FROM a\nRUN cd /x && b\nRUN c || true\nRUN (d)\n",
            "FROM a\nRUN (cd /x && b) && \\\n    (c || true) && \\\n    (d)\n",
        ),
        (
            "FROM a\nRUN (b); c;\nRUN A=1\nRUN A=1 d\n",
            "FROM a\nRUN ( (b); c;) && \\\n    (A=1) && \\\n    A=1 d\n",
        ),
        (
            "FROM a\nRUN pip install -U pip\nRUN pip install b\n",
            "FROM a\nRUN (pip install -U pip) && \\\n    pip install b\n",
        ),
        (
            "FROM a\nRUN apt-get update\nRUN apt-get install -y \\\n      b \\\n      c\n",
            "FROM a\nRUN apt-get update && \\\n    apt-get install -y \\\n      b \\\n      c\n",
        ),
        (
            "FROM a\nRUN --mount=type=cache,target=/c \\\n  # why\n  b\nRUN --mount=type=cache,target=/c c\n",
            "FROM a\nRUN --mount=type=cache,target=/c \\\n  # why\n  b && \\\n  c\n",
        ),
        (
            "FROM a\nRUN exit 0\nRUN for x in 1; do b; done\n",
            "FROM a\nRUN (exit 0) && \\\n    (for x in 1; do b; done)\n",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(merged(text).as_deref(), Some(want), "{text}");
    }
    for text in [
        "FROM a\nRUN b &\nRUN c\n",
        "FROM a\nRUN set -e; b; c\nRUN c\n",
        "FROM a\nRUN b # x\nRUN c\n",
        "FROM a\nRUN [\"b\"]\nRUN c\n",
        "FROM a\nRUN <<E\nb\nE\nRUN c\n",
        "FROM a\nRUN service x start\nRUN c\n",
        "FROM a\nRUN ln -sf bash /bin/sh\nRUN c\n",
        "FROM a\nRUN echo x >/dev/shm/y\nRUN c\n",
        "FROM a\nRUN echo 1 x >>/etc/hosts\nRUN c\n",
        "FROM a\nRUN --mount=type=tmpfs,target=/t b\nRUN --mount=type=tmpfs,target=/t c\n",
        "FROM a\nRUN b\n# hadolint ignore=DL3059\nRUN c\n",
    ] {
        assert_eq!(merged(text), None, "{text}");
    }
}

#[test]
fn a_command_taken_out() {
    let text = "FROM a\nRUN b && \\\n    c && \\\n    d\nCMD x\n";
    let want = |t: &str| Some(t.to_owned());
    assert_eq!(
        removed(text, 0),
        want("FROM a\nRUN c && \\\n    d\nCMD x\n")
    );
    assert_eq!(
        removed(text, 1),
        want("FROM a\nRUN b && \\\n    d\nCMD x\n")
    );
    assert_eq!(
        removed(text, 2),
        want("FROM a\nRUN b && \\\n    c\nCMD x\n")
    );
    let leading = "FROM a\nRUN b \\\n  && c \\\n  && d\n";
    assert_eq!(removed(leading, 1), want("FROM a\nRUN b \\\n  && d\n"));
    assert_eq!(removed(leading, 0), want("FROM a\nRUN c \\\n  && d\n"));
    assert_eq!(
        removed("FROM a\n  RUN b\nCMD x\n", 0),
        want("FROM a\nCMD x\n")
    );
    assert_eq!(removed("FROM a\nRUN b || c\n", 0), None);
    assert_eq!(removed("FROM a\nRUN b && \\\n # why\n c\n", 1), None);
}

/// What a shell does with a script in a directory that was made for it.
fn shell(dir: &std::path::Path, script: &str) -> bool {
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(script).current_dir(dir);
    command.env("TOP", dir);
    let out = command.output().unwrap();
    out.status.success()
}

/// Names and contents.
fn files(dir: &std::path::Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            all.push((name, String::new()));
            all.extend(files(&path));
        } else {
            all.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// Scripts of all kinds; `N` is another number each time.
const SCRIPTS: [&str; 30] = [
    "echo N >> log",
    "mkdir -p d && cd d && echo N >> log",
    "cd /; echo N >> \"$TOP/log\"",
    "false || echo N >> log",
    "true || echo N >> log",
    "X=N; echo \"$X\" >> log",
    "echo \"x$X\" >> log",
    "export X=N",
    "umask 077; echo N > fN",
    "false; echo N >> log",
    "[ -e d ] && echo N >> log || echo no >> log",
    "if [ -e d ]; then echo N >> log; fi",
    "for X in 1 N; do echo \"$X\" >> log; done",
    "f() { echo \"fN\" >> log; }; f",
    "f 2>/dev/null || echo none >> log",
    "exit 0",
    "echo N >> log && exit 0",
    "exec echo N",
    "(cd / && echo N) >> log",
    "{ cd /; echo N; } >> log",
    "( (cd /); pwd | grep -c d ) >> log || true",
    "! false",
    "! true || echo N >> log",
    "set -x; echo N >> log",
    "trap 'echo N >> \"$TOP/log\"' EXIT; cd /",
    "echo \"${Y:=N}\" >> log",
    "echo \"$((Z = N))$Z\" >> log",
    "set -- a b; echo \"$#\" >> log; shift",
    "echo $# >> log;",
    "false",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]
    /// One RUN does what several did, and fails where they did.
    #[test]
    fn one_shell_does_what_several_do(picks in proptest::collection::vec(0usize..30, 2..7)) {
        let scripts = picks.iter().enumerate().map(|(n, p)| SCRIPTS[*p].replace('N', &n.to_string()));
        let scripts: Vec<String> = scripts.collect();
        let text = format!("FROM a\nRUN {}\n", scripts.join("\n# why\nRUN "));
        let one = merged(&text).unwrap();
        let one = with(&one, |s| s.script(1).unwrap().text().to_owned());
        let top = std::env::temp_dir().join(format!("kiln-merge-{}", std::process::id()));
        let run = |scripts: &[String]| {
            std::fs::create_dir_all(&top).unwrap();
            let ok = scripts.iter().all(|s| shell(&top, s));
            let files = files(&top);
            std::fs::remove_dir_all(&top).unwrap();
            (ok, files)
        };
        let (before, after) = (run(&scripts), run(std::slice::from_ref(&one)));
        // What a failed RUN leaves behind is nobody's.
        proptest::prop_assert_eq!(before.0, after.0, "{}", one);
        if before.0 {
            proptest::prop_assert_eq!(before.1, after.1, "{}", one);
        }
    }
}
