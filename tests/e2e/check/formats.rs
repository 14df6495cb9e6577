//! How findings are shown.

use serde_json::Value;

use super::{bad, check};

#[test]
fn text_underlines_the_source() {
    let (kiln, _project, path) = bad();
    let done = kiln.ok(check(&[], &path));
    let want = format!(
        "style[lower-case-instruction]: run is written RUN by convention, so that instructions stand out from their arguments
 --> {path}:3:1
  |
3 | run true \\
  | ^^^
  |
  = help: --fix can do it: write RUN
  = see: docs/rules/lower-case-instruction.md (ConsistentInstructionCasing)

Found 2 matters of style in 1 file; --fix mends 2 of them."
    );
    assert!(done.out().ends_with(&want), "{}", done.report());
    // A check makes no store.
    assert!(!kiln.store().exists());
}

#[test]
fn json_has_places_fixes_and_aliases() {
    let (kiln, _project, path) = bad();
    let done = kiln.ok(check(&["--format", "json"], &path));
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = all["files"][0]["findings"].as_array().unwrap();
    assert_eq!(found.len(), 2);
    let second = &found[1];
    assert_eq!(second["rule"], "lower-case-instruction");
    assert_eq!(second["aliases"][0], "ConsistentInstructionCasing");
    assert_eq!(second["span"]["start"]["line"], 3);
    // The é before it is two bytes.
    assert_eq!(second["span"]["start"]["offset"], 18);
    assert_eq!(second["fix"]["edits"][0]["text"], "RUN");
    let broken = super::Project::new("FROM a\nRNU b\n");
    let path = broken.path("Dockerfile").display().to_string();
    let done = kiln.run(["check", "--format", "json", &path]).code(1);
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    let error = &all["files"][0]["error"];
    assert_eq!(error["hint"], "did you mean RUN?");
    assert_eq!(error["span"]["start"]["line"], 2);
}

#[test]
fn sarif_is_what_the_standard_asks_for() {
    let (kiln, _project, path) = bad();
    let done = kiln.ok(check(&["--format", "sarif"], &path));
    let log: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    let index = result["ruleIndex"].as_u64().unwrap() as usize;
    let rule = &run["tool"]["driver"]["rules"][index];
    assert_eq!(rule["id"], result["ruleId"]);
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 1);
    assert_eq!(region["endColumn"], 5);
    let replacement = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(replacement["deletedRegion"]["byteLength"], 4);
    assert_eq!(replacement["insertedContent"]["text"], "FROM");
}

#[test]
fn annotations_of_github() {
    let (kiln, _project, path) = bad();
    let done = kiln.ok(check(&["--format", "github"], &path));
    let first = format!(
        "::notice file={path},line=1,endLine=1,col=1,endColumn=5,title=lower-case-instruction::from is written FROM"
    );
    assert!(done.out().starts_with(&first), "{}", done.report());
    assert_eq!(done.out().lines().count(), 2);
}

#[test]
fn rules_and_their_pages() {
    let (kiln, _project, _) = bad();
    let list = kiln.ok(["check", "--rules"]).out();
    assert!(list.contains("lower-case-instruction"), "{list}");
    let page = kiln.ok(["check", "--explain", "consistentinstructioncasing"]);
    assert!(page.out().starts_with("# lower-case-instruction"));
    let e = kiln.run(["check", "--explain", "DL9999"]).code(1).err();
    assert!(e.contains("there is no rule \"DL9999\""), "{e}");
}
