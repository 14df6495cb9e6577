//! `kiln fmt`.

use crate::harness::{Kiln, Project, run, run_with};

const UGLY: &str = "from   busybox\nrun true&&\\\n  true  # é";
const FINE: &str = "FROM busybox\nRUN true&& \\\n    true  # é\n";

#[test]
fn files_are_written_shown_or_judged() {
    let kiln = Kiln::empty();
    let project = Project::new(UGLY).with("sub/x.Dockerfile", FINE);
    let fmt = |args: &[&str]| run(kiln.command(["fmt"]).args(args).current_dir(project.dir()));
    let said = fmt(&["--check"]).code(1).out();
    assert_eq!(said, "./Dockerfile would change");
    let diff = fmt(&["--diff", "Dockerfile"]).code(1).out();
    assert!(diff.contains("-from   busybox\n"), "{diff}");
    assert!(diff.contains("+FROM busybox\n"), "{diff}");
    fmt(&[]).ok();
    let text = std::fs::read_to_string(project.path("Dockerfile")).unwrap();
    assert_eq!(text, FINE);
    fmt(&["--check"]).ok();
    assert_eq!(fmt(&["--diff"]).ok().out(), "");
}

#[test]
fn standard_input_and_errors() {
    let kiln = Kiln::empty();
    let done = run_with(&mut kiln.command(["fmt", "-"]), UGLY.into()).ok();
    assert_eq!(String::from_utf8_lossy(&done.stdout), FINE);
    let done = run_with(&mut kiln.command(["fmt", "-"]), b"FROM a\nRNU b\n".to_vec()).code(1);
    assert!(
        done.err().contains("-:2:1: unknown instruction: RNU"),
        "{}",
        done.report()
    );
    let done = kiln.run(["fmt", "/nowhere"]).code(1);
    assert!(done.err().contains("reading /nowhere"), "{}", done.report());
}
