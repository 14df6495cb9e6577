#![allow(clippy::unwrap_used)]

use kiln_store::Input;

use super::*;

fn input(kind: &str, name: &str, value: &str) -> Input {
    Input {
        kind: kind.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn record(shape: &str, text: &str, parent: &str, env: &str) -> CacheRecord {
    CacheRecord {
        key: String::new(),
        shape: shape.to_owned(),
        layer: None,
        created: String::new(),
        took_ms: 0,
        text: text.to_owned(),
        inputs: vec![input("parent", "state", parent), input("env", "A", env)],
        about: vec![input("op", "", "RUN"), input("base", "debian", "")],
    }
}

/// What is nearest to `RUN make` at `p/s/2` on a state of steps.
fn pick(records: &[CacheRecord]) -> Option<usize> {
    let new = record("p/s/2", "RUN make", "aa", "1");
    let texts = HashSet::from(["RUN make", "RUN elsewhere"]);
    let place = Place {
        project: "p",
        shape: "p/s/2",
        texts: &texts,
    };
    nearest(&Facts::of(&new), &place, records, &|_| true)
}

#[test]
fn the_same_text_wins_wherever_it_stood() {
    let place = record("p/s/2", "RUN other", "bb", "1");
    let text = record("p/s/7", "RUN make", "cc", "1");
    assert_eq!(pick(&[place.clone(), text]), Some(1));
    assert_eq!(pick(&[place]), Some(0));
}

#[test]
fn of_several_the_likest_and_then_the_latest() {
    let far = record("p/s/2", "RUN make", "aa", "2");
    let near = record("p/s/2", "RUN make", "aa", "1");
    assert_eq!(pick(&[far.clone(), near.clone()]), Some(1));
    assert_eq!(pick(&[near.clone(), near.clone(), far]), Some(0));
    let state = record("p/s/2", "RUN make", "bb", "1");
    assert_eq!(pick(&[state, near]), Some(1));
}

#[test]
fn a_text_that_another_step_has_is_that_ones() {
    assert_eq!(pick(&[record("p/s/2", "RUN elsewhere", "aa", "1")]), None);
}

#[test]
fn own_records_go_before_those_of_others() {
    let other = record("q/s/2", "RUN make", "bb", "1");
    let own = record("p/s/2", "RUN make", "bb", "2");
    assert_eq!(pick(&[other.clone(), own]), Some(1));
    // In a copy of the project elsewhere there is only this.
    assert_eq!(pick(&[other]), Some(0));
}

#[test]
fn what_has_nothing_in_common_is_not_compared() {
    let mut base = record("q/s/2", "RUN make", "sha256:1", "1");
    base.about[1] = input("base", "alpine", "");
    assert_eq!(pick(&[base]), None);
    assert_eq!(
        pick(&[record("q/s/2", "RUN quite another thing", "aa", "1")]),
        None
    );
    assert_eq!(pick(&[record("q/s/2", "RUN other", "bb", "1")]), None);
    let mut copy = record("p/s/2", "RUN make", "aa", "1");
    copy.about[0] = input("op", "", "COPY");
    assert_eq!(pick(&[copy]), None);
    // An edited instruction on the very same steps is known again.
    assert_eq!(pick(&[record("q/s/2", "RUN make", "aa", "2")]), Some(0));
    assert_eq!(pick(&[record("q/t/9", "RUN make all", "aa", "1")]), Some(0));
    assert_eq!(pick(&[record("p/t/9", "RUN something", "aa", "1")]), None);
}
