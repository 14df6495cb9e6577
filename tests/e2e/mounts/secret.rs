//! Secrets: seen by their step, and by nothing else.

use std::path::Path;

use super::out_of;
use crate::harness::{Kiln, Project, assert_all_cached, assert_nothing_left};

const SECRET: &str = "s3cr3t-VALUE-73920";

/// The files below a directory that have the secret in them, or have it as their name.
fn holders(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let has = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
        if has(path.as_os_str().as_encoded_bytes())
            || kind.is_file() && has(&std::fs::read(&path).unwrap())
        {
            found.push(path.display().to_string());
        }
        if kind.is_dir() {
            found.extend(holders(&path));
        }
    }
    found
}

fn given(kiln: &Kiln, value: &str) -> String {
    let path = kiln.file("the-secret");
    std::fs::write(&path, value).unwrap();
    format!("id=s,src={}", path.display())
}

#[test]
fn in_no_layer_config_record_or_message() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\n\
         RUN --mount=type=secret,id=s,required wc -c < /run/secrets/s > /out; stat -c '%a %u:%g' /run/secrets/s >> /out; \
         mount | grep /run/secrets/s | cut -d' ' -f5 >> /out\n\
         RUN --mount=type=secret,id=s,target=/etc/token,uid=1000,gid=50,mode=0440 stat -c '%a %u:%g' /etc/token >> /out\n\
         RUN --mount=type=secret,id=s,env=TOKEN echo ${#TOKEN} >> /out; test ! -e /run/secrets\n\
         RUN --mount=type=secret,id=e,env=TOKEN,target=/both test $TOKEN = $(cat /both) && echo both >> /out\n",
    );
    let file = given(&kiln, SECRET);
    let mut build = kiln.command(["build", "--progress", "plain", "-t", "out"]);
    build
        .args(["--secret", &file, "--secret", "id=e,env=SECRET_OF_THE_TEST"])
        .env("SECRET_OF_THE_TEST", SECRET)
        .arg(project.dir());
    let done = crate::harness::run(&mut build).ok();
    assert_eq!(
        kiln.cat("out", "/out"),
        "18\n400 0:0\ntmpfs\n440 1000:50\n18\nboth\n"
    );
    for text in [
        done.stdout.clone(),
        done.stderr.clone(),
        kiln.save("out"),
        kiln.ok(["history", "--no-trunc", "out"]).stdout,
        kiln.ok(["inspect", "out"]).stdout,
    ] {
        assert!(!String::from_utf8_lossy(&text).contains(SECRET));
    }
    assert_eq!(holders(kiln.store()), Vec::<String>::new());
    assert_nothing_left(&kiln);
}

#[test]
fn in_no_error_either() {
    let kiln = Kiln::new();
    let secret = given(&kiln, SECRET);
    for run in [
        "--mount=type=secret,id=s,env=TOKEN sh -c 'exit 3'",
        "--mount=type=secret,id=s,env=TOKEN [\"no-such-program\"]",
        "--mount=type=secret,id=s,target=/etc/passwd/x true",
        "--mount=type=secret,id=s,target=/bin true",
    ] {
        let project = Project::new(&format!("FROM busybox\nRUN {run}\n"));
        let done = kiln
            .try_build(project.dir(), &["--secret", &secret])
            .code(1);
        assert!(!done.err().contains(SECRET), "{}", done.err());
    }
    given(&kiln, &format!("{SECRET}\0"));
    let project = Project::new("FROM busybox\nRUN --mount=type=secret,id=s,env=TOKEN true\n");
    let done = kiln
        .try_build(project.dir(), &["--secret", &secret])
        .code(1);
    assert!(
        done.err().contains("secret s is not text"),
        "{}",
        done.err()
    );
    assert!(!done.err().contains(SECRET));
    assert_eq!(holders(kiln.store()), Vec::<String>::new());
}

#[test]
fn another_content_is_a_hit() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=type=secret,id=s,required wc -c /run/secrets/s > /out\n",
    );
    let first = given(&kiln, "one");
    assert_eq!(
        out_of(&kiln, &project, &["--secret", &first]),
        "3 /run/secrets/s\n"
    );
    let second = given(&kiln, "another");
    assert_all_cached(&kiln.build(project.dir(), &["--secret", &second]));
    assert_all_cached(&kiln.build(project.dir(), &[]));
}

#[test]
fn one_that_is_not_given() {
    let kiln = Kiln::new();
    let optional = Project::new(
        "FROM busybox\nRUN --mount=type=secret,id=s,env=S --mount=type=secret,id=t test ! -e /run/secrets/t && echo \"[$S]\" > /out\n",
    );
    assert_eq!(out_of(&kiln, &optional, &[]), "[]\n");
    let required =
        Project::new("FROM busybox\n\nRUN --mount=type=secret,id=s,required=true true\n");
    let done = kiln
        .try_build(required.dir(), &["--secret", "id=other,env=HOME"])
        .code(1);
    let err = done.err();
    assert!(err.contains("Dockerfile:3:5: secret s: not found"), "{err}");
    assert!(err.contains("--secret id=s,src=FILE"), "{err}");
}

#[test]
fn bad_ones() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN --mount=type=secret,id=s true\n");
    let big = given(&kiln, &"x".repeat((500 << 10) + 1));
    for (spec, wanted) in [
        (big.as_str(), "500 KiB"),
        ("id=s,src=/nonexistent", "/nonexistent: No such file"),
        ("src=/etc/hostname", "the id is missing"),
        ("id=s,srk=x", "unexpected key \"srk\""),
        ("s", "must be key=value"),
        ("id=s,type=vault", "unsupported secret type"),
    ] {
        let done = kiln.try_build(project.dir(), &["--secret", spec]).code(1);
        assert!(done.err().contains(wanted), "{spec}: {}", done.err());
    }
    let just = given(&kiln, &"x".repeat(500 << 10));
    kiln.build(project.dir(), &["--secret", &just]);
}

#[test]
fn seen_by_another_user_only_if_said() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nUSER app\n\
         RUN --mount=type=secret,id=s --mount=type=secret,id=s,target=/mine,uid=1000 \
         cat /run/secrets/s > /tmp/out 2>/dev/null || echo denied > /tmp/out; wc -c < /mine >> /tmp/out\n",
    );
    let secret = given(&kiln, SECRET);
    kiln.build(project.dir(), &["-t", "x", "--secret", &secret]);
    assert_eq!(kiln.cat("x", "/tmp/out"), "denied\n18\n");
}
