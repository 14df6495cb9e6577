//! Which files are checked, by which rules; fixing; exit codes.

use std::os::unix::fs::PermissionsExt;

use super::{BAD, bad, check};
use crate::harness::{Kiln, Project, run, run_with};

#[test]
fn severities_and_exit_codes() {
    let (kiln, _project, path) = bad();
    kiln.run(check(&["--fail-on", "style"], &path)).code(1);
    kiln.run(check(&["--rule", "lower-case-instruction=error"], &path))
        .code(1);
    kiln.run(check(
        &[
            "--fail-on",
            "never",
            "--rule",
            "lower-case-instruction=error",
        ],
        &path,
    ))
    .code(0);
    let e = kiln.run(["check", "--rule", "DL30=off", &path]).code(1);
    assert!(
        e.err().contains("there is no rule \"DL30\""),
        "{}",
        e.report()
    );
    let e = kiln.run(["check", "/nowhere/Dockerfile"]).code(1).err();
    assert!(e.contains("reading /nowhere/Dockerfile"), "{e}");
    kiln.run(["check", "--no-such-flag"]).code(125);
}

#[test]
fn comments_and_configuration_switch_rules_off() {
    let kiln = Kiln::empty();
    let project = Project::new(&format!("# check=error=true\n{BAD}"))
        .with("sub/dev.Dockerfile", BAD)
        .with("node_modules/x/Dockerfile", BAD)
        .with(".hidden/Dockerfile", BAD)
        .with("old/Dockerfile", BAD);
    let dir = project.dir();
    let found = |code: i32| {
        let mut command = kiln.command(check(&["--format", "github"], "."));
        let out = run(command.current_dir(dir)).code(code).out();
        out.lines().count()
    };
    // `error=true` of one file lets its findings fail.
    assert_eq!(found(1), 6);
    project.write("kiln.toml", "[check]\nexclude = [\"old\"]\n");
    assert_eq!(found(1), 4);
    project.write(
        "Dockerfile",
        format!("# check=skip=ConsistentInstructionCasing;error=true\n{BAD}"),
    );
    assert_eq!(found(0), 2);
    project.write(
        "sub/dev.Dockerfile",
        format!("# hadolint ignore=ConsistentInstructionCasing\n{BAD}"),
    );
    assert_eq!(found(0), 1);
    project.write("kiln.toml", "[check]\nfail-on = \"no\"\n");
    let mut command = kiln.command(["check", "."]);
    let e = run(command.current_dir(dir)).code(1).err();
    assert!(e.contains("kiln.toml: fail-on = \"no\": expected"), "{e}");
    project.write("kiln.toml", "[check.rules]\nDL999 = \"off\"\n");
    let mut command = kiln.command(["check", "sub"]);
    let e = run(command.current_dir(dir)).code(1).err();
    assert!(e.contains("there is no rule \"DL999\""), "{e}");
}

#[test]
fn fixes_are_written_and_keep_the_rest() {
    let (kiln, project, path) = bad();
    let file = project.path("Dockerfile");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let diff = kiln.run(check(&["--diff"], &path)).code(1).out();
    let want = "-from busybox\n+FROM busybox\n # é\n-run true \\\n+RUN true \\\n   && true";
    assert!(diff.ends_with(want), "{diff}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), BAD);
    let done = kiln.ok(check(&["--fix", "--fail-on", "style"], &path));
    assert!(
        done.out().contains("no warnings found"),
        "{}",
        done.report()
    );
    let fixed = BAD.replace("from", "FROM").replace("run", "RUN");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), fixed);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(kiln.ok(check(&["--diff"], &path)).out(), "");
}

#[test]
fn standard_input() {
    let kiln = Kiln::empty();
    let mut command = kiln.command(check(&["--fail-on", "style"], "-"));
    let done = run_with(&mut command, BAD.into()).code(1);
    assert!(done.out().contains("--> -:1:1"), "{}", done.report());
    let mut command = kiln.command(check(&[], "-"));
    let done = run_with(&mut command, b"FROM a\nRUN \xff\n".to_vec()).code(1);
    assert!(done.out().contains("not UTF-8"), "{}", done.report());
}

#[test]
fn ordinary_users_need_no_namespace() {
    let (_, project, path) = bad();
    project.chmod("Dockerfile", 0o644);
    // A user namespace would be refused here: check needs none.
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid", "12345", "--regid", "12345", "--clear-groups"])
        .args(["sh", "-c", "HOME=/nowhere \"$0\" \"$@\""])
        .arg(Kiln::binary())
        .args(check(&[], &path));
    let done = run(&mut command).code(0);
    assert!(
        done.out().contains("2 matters of style"),
        "{}",
        done.report()
    );
}
