#![allow(clippy::unwrap_used)]

use super::*;

fn input(kind: &str, name: &str, value: &str) -> Input {
    Input {
        kind: kind.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// A step: its text, its key's inputs, what else is known.
struct Made(&'static str, Vec<Input>, Vec<Input>);

impl Made {
    fn facts(&self) -> Facts<'_> {
        Facts {
            text: self.0,
            inputs: &self.1,
            about: &self.2,
        }
    }

    /// Sets what is known of a kind and name.
    fn with(mut self, kind: &str, name: &str, value: &str) -> Made {
        let known = self.1.iter_mut().chain(&mut self.2);
        for i in known.filter(|i| i.kind == kind && i.name == name) {
            value.clone_into(&mut i.value);
        }
        self
    }

    fn text(mut self, text: &'static str) -> Made {
        self.0 = text;
        self
    }
}

fn run() -> Made {
    let inputs = [
        ("parent", "state", "sha256:1"),
        ("parent", "layers", "sha256:1"),
        ("platform", "", "linux/amd64/"),
        ("argv", "", "/bin/sh"),
        ("argv", "", "-c"),
        ("argv", "c", "one\ntwo"),
        ("env", "A", "1"),
        ("env", "B", "1"),
        ("user", "", ""),
        ("cwd", "", "/"),
        ("network", "", "Host"),
    ];
    let about = [
        ("op", "", "RUN"),
        ("base", "debian", "sha256:9"),
        ("arg", "A", ""),
    ];
    let all = |list: &[(&str, &str, &str)]| list.iter().map(|(k, n, v)| input(k, n, v)).collect();
    Made("RUN <<EOF", all(&inputs), all(&about))
}

fn copy() -> Made {
    let inputs = [
        ("parent", "state", "aa"),
        ("platform", "", "linux/amd64/"),
        ("content", "", "1111"),
        ("dest", "", "/x"),
    ];
    let about = [("op", "", "COPY"), ("arg", "V", "1"), ("source", "", "src")];
    let all = |list: &[(&str, &str, &str)]| list.iter().map(|(k, n, v)| input(k, n, v)).collect();
    Made("COPY src /x", all(&inputs), all(&about))
}

fn first(old: &Made, new: &Made) -> Option<(What, String)> {
    match compare(&old.facts(), &new.facts(), false, &|_, _, _| None) {
        Some(Cause::Changed { what, name, .. }) => Some((what, name)),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_input_has_its_name() {
    assert_eq!(first(&run(), &run()), None);
    let cases = [
        ("platform", "", What::Platform, ""),
        ("env", "A", What::Arg, "A"),
        ("env", "B", What::Env, "B"),
        ("user", "", What::User, ""),
        ("cwd", "", What::Workdir, ""),
        ("network", "", What::Network, ""),
    ];
    for (kind, name, what, named) in cases {
        let new = run().with(kind, name, "other");
        assert_eq!(
            first(&run(), &new),
            Some((what, named.to_owned())),
            "{kind}"
        );
    }
    let copies = [("content", What::Content), ("dest", What::Other)];
    for (kind, what) in copies {
        let found = first(&copy(), &copy().with(kind, "", "other")).unwrap();
        assert_eq!(found.0, what);
    }
}

#[test]
fn what_comes_first_is_told_first() {
    let all = run()
        .with("env", "A", "2")
        .with("argv", "c", "other")
        .with("parent", "state", "sha256:2")
        .with("platform", "", "linux/arm64/");
    let what = |old: &Made| first(old, &all).unwrap().0;
    assert_eq!(what(&run()), What::Platform);
    let old = run().with("platform", "", "linux/arm64/");
    assert_eq!(what(&old), What::Base);
    let old = old.with("parent", "state", "sha256:2");
    assert_eq!(what(&old), What::Heredoc);
    assert_eq!(
        what(
            &run()
                .with("argv", "c", "other")
                .with("parent", "state", "sha256:2")
                .with("platform", "", "linux/arm64/")
        ),
        What::Arg
    );
}

#[test]
fn a_base_is_told_with_its_name_and_a_step_by_its_key() {
    let old = run();
    let new = run()
        .with("parent", "state", "sha256:2")
        .with("base", "debian", "sha256:8");
    let cause = compare(&old.facts(), &new.facts(), false, &|_, _, _| None);
    let Some(Cause::Changed {
        what,
        old: a,
        new: b,
        ..
    }) = cause
    else {
        panic!("{cause:?}");
    };
    assert_eq!(what, What::Base);
    assert_eq!(a.unwrap(), "debian (sha256:9)");
    assert_eq!(b.unwrap(), "debian (sha256:8)");
    let new = run().with("parent", "state", "bb");
    let before = compare(&old.facts(), &new.facts(), false, &|_, _, _| None);
    assert!(matches!(before, Some(Cause::Before { .. })), "{before:?}");
    assert_eq!(
        compare(&old.facts(), &new.facts(), true, &|_, _, _| None),
        None
    );
    let stamped = run().with("parent", "state", "sha256:1@0");
    assert_eq!(first(&old, &stamped).unwrap().0, What::Epoch);
}

#[test]
fn a_text_counts_only_where_it_means_something_else() {
    // Another way to write the same copy, and another file.
    let new = copy().text("COPY ./src /x").with("content", "", "2222");
    assert_eq!(first(&copy(), &new).unwrap().0, What::Content);
    let new = copy()
        .text("COPY other /x")
        .with("source", "", "other")
        .with("content", "", "2222");
    assert_eq!(first(&copy(), &new).unwrap().0, What::Instruction);
    // The same text with another value of a variable in it.
    let new = copy().with("arg", "V", "2").with("dest", "", "/y");
    assert_eq!(first(&copy(), &new), Some((What::Arg, "V".to_owned())));
}

#[test]
fn shells_and_here_documents_are_told_apart() {
    let mut new = run();
    new.1.retain(|i| i.value != "-c");
    assert_eq!(first(&run(), &new).unwrap().0, What::Shell);
    let new = run().with("argv", "c", "one\nTWO");
    assert_eq!(
        first(&run(), &new),
        Some((What::Heredoc, "line 2".to_owned()))
    );
    let new = run().with("argv", "c", "one");
    assert_eq!(
        first(&run(), &new),
        Some((What::Heredoc, "line 2".to_owned()))
    );
}

#[test]
fn variables_come_go_and_change_places() {
    let mut new = run();
    new.1.push(input("env", "C", "1"));
    assert_eq!(first(&run(), &new), Some((What::Env, "C".to_owned())));
    assert_eq!(first(&new, &run()), Some((What::Env, "C".to_owned())));
    let mut new = run();
    new.1.swap(6, 7);
    assert_eq!(first(&run(), &new).unwrap().0, What::EnvOrder);
}
