#![allow(clippy::unwrap_used)]

use kiln_dockerfile::parse;

use crate::finding::Cost;
use crate::subject::{ContextFacts, ContextFile, Surroundings};
use crate::{Rule, check, fix};

fn context() -> ContextFacts {
    let file = |path: &str, bytes: u64, mode: Option<u32>| ContextFile {
        path: path.to_owned(),
        bytes,
        dir: bytes == 0,
        ignored: false,
        mode,
    };
    ContextFacts {
        files: vec![
            file("a.sh", 10, Some(0o644)),
            file("b.sh", 20, Some(0o600)),
            file("dir", 0, None),
            file("dir/c", 30, Some(0o644)),
            file("link", 1, None),
            file("suid", 5, Some(0o4755)),
        ],
        ..ContextFacts::default()
    }
}

fn only(rule: &Rule) -> bool {
    rule.id == "copied-then-changed"
}

fn costs(text: &str) -> Vec<Option<u64>> {
    let context = context();
    let around = Surroundings {
        context: Some(&context),
        ..Surroundings::NONE
    };
    let file = parse(format!("FROM a\n{text}\n").as_bytes()).unwrap();
    let found = check(&file, &around, only).into_iter();
    found
        .map(|f| match f.cost {
            Some(Cost::Bytes(b)) => Some(b),
            _ => None,
        })
        .collect()
}

fn fixed(text: &str) -> String {
    let context = context();
    let around = Surroundings {
        context: Some(&context),
        ..Surroundings::NONE
    };
    let text = format!("FROM a\n{text}\n");
    let fixed = fix(&text, &around, only, |_, _| true).text;
    fixed
        .strip_prefix("FROM a\n")
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn what_is_stored_again_is_counted() {
    for (text, want) in [
        ("COPY a.sh /x.sh\nRUN chmod +x /x.sh", vec![Some(10)]),
        ("COPY . /x\nRUN chmod +x /x/b.sh", vec![Some(20)]),
        ("COPY . /x\nRUN chmod +x /x/dir/c /x/a.sh", vec![Some(40)]),
        ("COPY . /x\nRUN chown -R app /x", vec![Some(66)]),
        ("COPY dir /x/d\nRUN chown -R app /x", vec![Some(30)]),
        ("COPY --from=b / /x\nRUN chmod 755 /x/y", vec![None]),
        ("COPY a.sh /x/\nWORKDIR /x\nRUN mv a.sh b", vec![Some(10)]),
        // A directory alone, and what a RUN made in one.
        ("COPY . /x\nRUN chmod 755 /x /x/dir", vec![]),
        ("COPY . /x\nRUN chmod 755 /x/built", vec![]),
        ("COPY a.sh /x.sh\nRUN chmod +x /y.sh", vec![]),
        ("COPY a.sh /x.sh\nRUN cd /d && chmod +x x.sh", vec![]),
        ("COPY a.sh /x.sh\nFROM b\nRUN chmod +x /x.sh", vec![]),
    ] {
        assert_eq!(costs(text), want, "{text}");
    }
}

#[test]
fn what_can_be_said_while_copying() {
    for (text, want) in [
        ("COPY a.sh /\nRUN chmod +x /a.sh", "COPY --chmod=755 a.sh /"),
        (
            "COPY b.sh /x.sh\nRUN chmod +x /x.sh",
            "COPY --chmod=711 b.sh /x.sh",
        ),
        (
            "COPY a.sh /usr/bin\nENV A=1\nRUN apt-get update && chmod 500 /usr/bin/a.sh && x",
            "COPY --chmod=500 a.sh /usr/bin\nENV A=1\nRUN apt-get update && x",
        ),
        (
            "COPY a.sh b.sh /d/\nRUN chmod 755 /d/a.sh /d/b.sh",
            "COPY --chmod=755 a.sh b.sh /d/",
        ),
        (
            "COPY a.sh /etc/\nRUN chown 5:6 /etc/a.sh",
            "COPY --chown=5:6 a.sh /etc/",
        ),
        (
            "COPY a.sh /etc/\nRUN chown app /etc/a.sh",
            "COPY --chown=app:0 a.sh /etc/",
        ),
        (
            "COPY a.sh /bin/a\nRUN chmod 755 /bin/a",
            "COPY --chmod=755 a.sh /bin/a",
        ),
        (
            "COPY <<E /x\nx\nE\nRUN chmod u+x /x",
            "COPY --chmod=744 <<E /x\nx\nE",
        ),
    ] {
        assert_eq!(fixed(text), want, "{text}");
    }
}

#[test]
fn what_cannot_stays() {
    for text in [
        // Other files of the COPY would change as well, or not all do.
        "COPY a.sh b.sh /d/\nRUN chmod 755 /d/a.sh",
        "COPY a.sh b.sh /d/\nRUN chmod +x /d/a.sh /d/b.sh",
        "COPY dir /d\nRUN chmod -R 755 /d",
        "COPY link /d/\nRUN chmod 755 /d/link",
        "COPY --from=b /a.sh /a.sh\nRUN chmod 755 /a.sh",
        // Somebody may see the mode, or the file is another one.
        "COPY a.sh /a.sh\nRUN /a.sh\nRUN chmod 755 /a.sh",
        "COPY a.sh /a.sh\nRUN cp -p /a.sh /b && chmod 755 /a.sh",
        "COPY a.sh /a.sh\nCOPY b.sh /a.sh\nRUN chmod +x /a.sh && x || y",
        "COPY a.sh /d/\nCOPY . /d/\nRUN chmod 755 /d/a.sh",
        "COPY a.sh /a.sh\nVOLUME /\nRUN chmod 755 /a.sh",
        "COPY a.sh /a.sh\nRUN cd / && chmod 755 /a.sh",
        // The destination may be a directory of the image.
        "COPY a.sh /app\nRUN chmod 755 /app",
        // A flag is there, is none, or means another thing.
        "COPY --chmod=600 a.sh /a.sh\nRUN chmod 755 /a.sh",
        "COPY a.sh /a.sh\nRUN chmod u+s /a.sh",
        "COPY a.sh /a.sh\nRUN chmod --reference=/x /a.sh",
        "COPY a.sh /a.sh\nRUN sudo chmod 755 /a.sh",
        "COPY a.sh /a.sh\nRUN chmod 755 /a.sh || true",
        "COPY a.sh /new/a.sh\nRUN chown 1:1 /new/a.sh",
        "COPY a.sh /a.sh\nRUN useradd app && chown app /a.sh",
        "COPY suid /suid\nRUN chown 1:1 /suid",
        "COPY a.sh /a.sh\nRUN chown :1 /a.sh",
    ] {
        assert_eq!(fixed(text), text);
    }
}
