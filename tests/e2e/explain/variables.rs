//! Changes of build arguments and environment.

use super::{build, changed, file};
use crate::harness::{Kiln, Project};

fn pair(text: &str) -> (Kiln, Project) {
    (
        Kiln::new(),
        Project::new(text).with("a", "1").with("b", "2"),
    )
}

const ONE: &str = "RUN echo one > /one";
const TWO: &str = "RUN echo two > /two";

#[test]
fn an_argument_that_is_used() {
    let (kiln, project) = pair("FROM busybox\nARG V=1\nRUN echo $V > /v\n");
    build(&kiln, &project, &[]);
    build(&kiln, &project, &["--build-arg", "V=2"]).because(
        "RUN echo $V > /v",
        changed("arg", "V", "1", "2"),
        &[],
    );
}

#[test]
fn an_argument_that_no_command_uses() {
    let text = format!("FROM busybox\n{ONE}\nARG V=1\n{TWO}\nCOPY a /a\n");
    let (kiln, project) = pair(&text);
    build(&kiln, &project, &[]);
    // It is in the environment of what follows it.
    let told = build(&kiln, &project, &["--build-arg", "V=2"]);
    told.because(TWO, changed("arg", "V", "1", "2"), &["COPY a /a"]);
    // The copy has no environment.
    let only_parent = &told.step("COPY a /a")["cause"];
    assert_eq!(only_parent["why"], "parent");
    assert!(only_parent["also"].is_null());
    let (kiln, project) = pair(&format!("FROM busybox\n{ONE}\nCOPY a /a\nARG V=1\n"));
    build(&kiln, &project, &[]);
    build(&kiln, &project, &["--build-arg", "V=2"]).all_cached();
}

#[test]
fn an_argument_that_none_declares() {
    let (kiln, project) = pair(&format!("FROM busybox\n{ONE}\n"));
    build(&kiln, &project, &[]);
    build(&kiln, &project, &["--build-arg", "W=2"]).all_cached();
}

#[test]
fn an_argument_that_is_new() {
    let (kiln, project) = pair(&format!("FROM busybox\n{ONE}\n{TWO}\n"));
    build(&kiln, &project, &[]);
    project.write(
        "Dockerfile",
        format!("FROM busybox\n{ONE}\nARG V=1\n{TWO}\n"),
    );
    let new = changed("arg", "V", None::<&str>, "1");
    build(&kiln, &project, &[]).because(TWO, new, &[]);
}

#[test]
fn an_argument_in_the_words_of_copy() {
    let text = "FROM busybox\nARG SRC=a\nARG OTHER=x\nCOPY $SRC /file\nRUN echo\n";
    let (kiln, project) = pair(text);
    build(&kiln, &project, &[]);
    build(&kiln, &project, &["--build-arg", "SRC=b"]).because(
        "COPY $SRC /file",
        changed("arg", "SRC", "a", "b"),
        &["RUN echo"],
    );
    let told = build(&kiln, &project, &["--build-arg", "OTHER=y"]);
    told.because("RUN echo", changed("arg", "OTHER", "x", "y"), &[]);
    project.write("a", "changed");
    build(&kiln, &project, &[]).because("COPY $SRC /file", file("a", "content"), &["RUN echo"]);
}

#[test]
fn environment() {
    let text = |env: &str| format!("FROM busybox\n{env}\n{ONE}\n{TWO}\n");
    let (kiln, project) = pair(&text("ENV A=1 B=1"));
    build(&kiln, &project, &[]);
    let then = |env: &str| {
        project.write("Dockerfile", text(env));
        build(&kiln, &project, &[])
    };
    then("ENV A=1 B=2").because(ONE, changed("env", "B", "1", "2"), &[TWO]);
    then("ENV A=1 B=2 C=3").because(ONE, changed("env", "C", None::<&str>, "3"), &[TWO]);
    let told = then("ENV B=2 A=1 C=3");
    let path = "PATH";
    let order = |names: &str| format!("{path} {names}");
    told.because(
        ONE,
        changed("env-order", "", order("A B C"), order("B A C")),
        &[TWO],
    );
    then("ENV B=2 A=1").because(ONE, changed("env", "C", "3", None::<&str>), &[TWO]);
    then("ENV A=1 B=1").all_cached();
}

#[test]
fn environment_of_the_base() {
    let kiln = Kiln::new();
    let base = Project::new("FROM busybox\nENV B=1\n");
    build(&kiln, &base, &["-t", "base"]);
    let project = Project::new(&format!("FROM base\n{ONE}\n"));
    build(&kiln, &project, &[]);
    base.write("Dockerfile", "FROM busybox\nENV B=2\n");
    build(&kiln, &base, &["-t", "base"]);
    build(&kiln, &project, &[]).because(ONE, changed("base-env", "B", "1", "2"), &[]);
}

#[test]
fn what_a_victim_has_of_its_own_is_told_too() {
    let text = |v: &str| format!("FROM busybox\nENV A={v}\n{ONE}\nCOPY a /a\n{TWO}\n");
    let (kiln, project) = pair(&text("1"));
    build(&kiln, &project, &[]);
    project.write("Dockerfile", text("2"));
    project.write("a", "changed");
    let told = build(&kiln, &project, &[]);
    told.because(ONE, changed("env", "A", "1", "2"), &["COPY a /a", TWO]);
    let also = &told.step("COPY a /a")["cause"]["also"];
    assert_eq!(also["first"]["path"], "a");
    assert_eq!(told.step(TWO)["cause"]["also"]["name"], "A");
}
