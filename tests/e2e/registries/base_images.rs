//! FROM an image that is in a registry.

use super::registry::Registry;
use super::told_digest;
use crate::harness::{Done, Kiln, Project, assert_all_cached, assert_nothing_left, executed};

/// Pushes an image whose `/text` says something.
fn push_base(kiln: &Kiln, name: &str, text: &str) -> String {
    let project = Project::new("FROM busybox\nCOPY text /\n").with("text", text);
    kiln.build(project.dir(), &["-t", name]);
    told_digest(&kiln.ok(["push", name]))
}

/// The one line that says why a build failed.
#[track_caller]
fn failure(done: Done) -> String {
    let done = done.code(1);
    let err = done.err();
    let errors: Vec<&str> = err.lines().filter(|l| l.starts_with("ERROR: ")).collect();
    assert_eq!(errors.len(), 1, "{}", done.report());
    errors[0].to_owned()
}

#[test]
fn an_absent_base_is_pulled() {
    let registry = Registry::start();
    let (kiln, base) = (Kiln::new(), registry.name("base:1"));
    push_base(&kiln, &base, "first");
    let other = Kiln::empty();
    let project = Project::new(&format!(
        "FROM {base} AS a\nRUN rm /text && echo a > /a\nFROM {base}\nCOPY --from=a /a /a\n\
         COPY --from={base} /text /copied\nRUN cat /a /text /copied > /seen\n"
    ));
    registry.forget();
    let build = other.build(project.dir(), &["-t", "built"]);
    assert!(
        build.err().contains(&format!("pull {base}")),
        "{}",
        build.report()
    );
    assert_eq!(other.cat("built", "seen"), "a\nfirstfirst");
    // It is fetched once, however often it is named, and has its name afterwards.
    let manifests = registry.asked(&["GET", "HEAD"]).into_iter();
    let manifests: Vec<String> = manifests.filter(|a| a.contains("/manifests/")).collect();
    assert_eq!(manifests, ["GET /v2/base/manifests/1"]);
    assert_eq!(other.id(&base), kiln.id(&base));

    // From then on nobody is asked.
    registry.forget();
    assert_all_cached(&other.build(project.dir(), &["-t", "built"]));
    assert_eq!(registry.seen(), []);
    assert_nothing_left(&other);

    // A copy from an image that is in no stage.
    let third = Kiln::empty();
    let project = Project::new(&format!("FROM scratch\nCOPY --from={base} /text /\n"));
    third.build(project.dir(), &["-t", "built"]);
    assert_eq!(third.cat("built", "text"), "first");
}

#[test]
fn a_moved_tag_is_picked_up_when_asked() {
    let registry = Registry::start();
    let (kiln, base) = (Kiln::new(), registry.name("base:1"));
    push_base(&kiln, &base, "first");
    let other = Kiln::empty();
    let project = Project::new(&format!("FROM {base}\nRUN cat /text > /seen\n"));
    other.build(project.dir(), &["-t", "built"]);
    push_base(&kiln, &base, "second");
    assert_all_cached(&other.build(project.dir(), &["-t", "built"]));
    assert_eq!(other.cat("built", "seen"), "first");

    let pulled = other.build(project.dir(), &["-t", "built", "--pull"]);
    let ran = executed(&pulled);
    assert!(ran.contains(&"RUN cat /text > /seen".to_owned()), "{ran:?}");
    assert_eq!(other.cat("built", "seen"), "second");
    assert_eq!(other.id(&base), kiln.id(&base));
    // It hasn't moved: the registry is asked for the manifest only, and all is cached.
    registry.forget();
    let again = other.build(project.dir(), &["-t", "built", "--pull"]);
    assert_eq!(
        registry
            .asked(&["GET"])
            .iter()
            .filter(|a| a.contains("/blobs/"))
            .count(),
        0
    );
    let ran = executed(&again);
    assert!(ran.iter().all(|s| !s.starts_with("RUN")), "{ran:?}");

    // What can't be fetched anew is an error, though it is there.
    drop(registry);
    let error = failure(other.try_build(project.dir(), &["--pull"]));
    assert!(error.contains(&base), "{error}");
    assert_all_cached(&other.build(project.dir(), &[]));
}

#[test]
fn a_base_that_is_nowhere() {
    let registry = Registry::start();
    let (kiln, base) = (Kiln::new(), registry.name("base:1"));
    push_base(&kiln, &base, "first");
    let absent = registry.name("base:2");
    let project = Project::new(&format!("FROM {absent}\nRUN true\n"));
    let error = failure(kiln.try_build(project.dir(), &[]));
    assert!(
        error.contains(&absent) && error.contains("not found"),
        "{error}"
    );
    assert!(error.contains("Dockerfile:1"), "{error}");
    assert_nothing_left(&kiln);

    // One of another platform than the registry's.
    let project = Project::new(&format!("FROM {base}\nRUN true\n"));
    let other = Kiln::empty();
    let error = failure(other.try_build(project.dir(), &["--platform", "linux/s390x"]));
    assert!(
        error.contains("linux/s390x") && error.contains(&base),
        "{error}"
    );
}
