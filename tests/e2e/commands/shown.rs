//! What `images`, `history` and `inspect` print, beside docker's output for the same image.

use serde_json::Value;

use super::{app, pair};
use crate::harness::{Kiln, run};

#[test]
fn output_is_dockers() {
    let (kiln, docker) = pair();
    let lines: &[&[&str]] = &[
        &["images", "app"],
        &["images", "--no-trunc", "app"],
        &["images", "-q", "app"],
        &["images", "-q", "--no-trunc", "app:1"],
        &["images", "app:nope"],
        &[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}",
            "app",
        ],
        &[
            "images",
            "--format",
            "{{.CreatedAt}}|{{.CreatedSince}}|{{.Digest}}",
            "app",
        ],
        &[
            "images",
            "--format",
            "table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}",
            "app",
        ],
        &[
            "images",
            "--format",
            "table {{.Repository}}:{{.Tag}}",
            "example.org/app",
        ],
        &[
            "images",
            "--format",
            "{{json .Repository}} {{.ID | printf \"%.3s\"}}",
            "app",
        ],
        &["image", "ls", "app"],
        &["history", "app:1"],
        &["history", "--no-trunc", "app:1"],
        &["history", "-H=false", "app:1"],
        &["history", "--human=false", "--no-trunc", "app:1"],
        &["history", "-q", "app:1"],
        &["history", "-q", "--no-trunc", "app:1"],
        &[
            "history",
            "--format",
            "{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}}",
            "app:1",
        ],
        &[
            "history",
            "--format",
            "{{.CreatedAt}} {{.CreatedSince}}",
            "app:1",
        ],
        &[
            "history",
            "--format",
            "table {{.Size}}\\t{{.CreatedBy}}",
            "--no-trunc",
            "app:1",
        ],
        &["image", "history", "app:1"],
        &[
            "inspect",
            "--format",
            "{{.Id}} {{.Os}}/{{.Architecture}}",
            "app:1",
        ],
        &["inspect", "-f", "{{.RepoTags}}", "app:1"],
        &["inspect", "-f", "{{json .Config.Env}}", "app:1"],
        &["inspect", "-f", "{{.Config.Labels}}", "app:1"],
        &[
            "inspect",
            "-f",
            "{{.Config.Env}}|{{.Config.ExposedPorts}}",
            "app:1",
        ],
        &[
            "inspect",
            "-f",
            "{{.Config.Healthcheck.Test}}|{{.Config.ArgsEscaped}}",
            "app:1",
        ],
        &["inspect", "-f", "{{json .Config.ExposedPorts}}", "app:1"],
        &["inspect", "-f", "{{.Config.Cmd}} {{.Config.User}}", "app:1"],
        &[
            "inspect",
            "-f",
            "{{index .Config.Labels \"org.example.name\"}}",
            "app:1",
        ],
        &[
            "inspect",
            "-f",
            "{{range .RootFS.Layers}}{{println .}}{{end}}",
            "app:1",
        ],
        &[
            "inspect",
            "-f",
            "{{len .RootFS.Layers}} {{.Created}} {{.Size}}",
            "app:1",
        ],
        &[
            "inspect",
            "-f",
            "{{range $i, $e := .Config.Env}}{{$i}}={{$e}} {{end}}",
            "app:1",
        ],
        &[
            "inspect",
            "-f",
            "{{if .Config.User}}{{upper .Config.User}}{{else}}none{{end}}",
            "app:1",
        ],
        &["inspect", "-f", "{{join .Config.Cmd \", \"}}", "app:1"],
        &[
            "inspect",
            "--type",
            "image",
            "-f",
            "{{.Author}}|{{.Comment}}|{{.Parent}}",
            "app:1",
        ],
        &[
            "image",
            "inspect",
            "-f",
            "{{.Id}}",
            "app:1",
            "example.org/app:2",
        ],
    ];
    let mut report = String::new();
    for line in lines {
        let (ours, theirs) = (kiln.run(*line), run(&mut docker.command(*line)));
        if ours.stdout != theirs.stdout || ours.code != theirs.code {
            report.push_str(&format!(
                "\n{line:?}\nkiln ({:?}):\n{}\n{}\ndocker ({:?}):\n{}\n{}\n",
                ours.code,
                ours.out(),
                ours.err(),
                theirs.code,
                theirs.out(),
                theirs.err()
            ));
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn inspect_has_dockers_fields() {
    let (kiln, docker) = pair();
    let theirs: Value = serde_json::from_slice(&docker.ok(["inspect", "app:1"]).stdout).unwrap();
    let (ours, theirs) = (kiln.inspect("app:1"), &theirs[0]);
    for key in [
        "Id",
        "RepoTags",
        "RepoDigests",
        "Created",
        "Architecture",
        "Os",
        "Size",
        "RootFS",
    ] {
        let sorted = |v: &Value| match v {
            Value::Array(a) => {
                let mut a: Vec<String> = a.iter().map(Value::to_string).collect();
                a.sort();
                a.join(" ")
            }
            other => other.to_string(),
        };
        assert_eq!(sorted(&ours[key]), sorted(&theirs[key]), "{key}");
    }
    let both = kiln.run(["inspect", "app:1", "nope"]).code(1);
    let found: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(
        found.as_array().unwrap().len(),
        1,
        "what was found is shown all the same"
    );
}

#[test]
fn json_lines_are_json() {
    let kiln = Kiln::new();
    app(&kiln);
    for command in [
        ["images", "--format", "json"],
        ["images", "--format", "{{json .}}"],
    ] {
        let out = kiln.ok(command).out();
        assert_eq!(out.lines().count(), 3);
        for line in out.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert!(
                row["Repository"].is_string() && row["ID"].is_string(),
                "{row}"
            );
        }
    }
    for line in kiln
        .ok(["history", "--format", "json", "app:1"])
        .out()
        .lines()
    {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(row["CreatedBy"].is_string(), "{row}");
    }
    let whole = kiln.ok(["inspect", "--format", "json", "app:1"]).out();
    assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{whole}");
}

#[test]
fn images_are_found_by_all_their_names() {
    let kiln = Kiln::new();
    app(&kiln);
    let id = kiln.id("app:1");
    let hex = id.strip_prefix("sha256:").unwrap();
    for name in [
        "app:1",
        "docker.io/library/app:1",
        "library/app:1",
        "example.org/app:2",
        &id,
        hex,
        &hex[..12],
        &hex[..4],
        &id[..15],
    ] {
        assert_eq!(kiln.id(name), id, "{name}");
    }
    kiln.run(["inspect", "app"]).code(1);
    kiln.run(["inspect", "app:2"]).code(1);
    let all = kiln
        .ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .out();
    let mut all: Vec<&str> = all.lines().collect();
    all.sort();
    assert_eq!(all, ["app:1", "busybox:latest", "example.org/app:2"]);
    assert_eq!(kiln.ok(["images", "-q", "app"]).out(), &hex[..12]);
}

#[test]
fn broken_templates_are_errors() {
    let kiln = Kiln::new();
    let mut report = String::new();
    for template in [
        "{{",
        "{{ ",
        "{{-",
        "{{.ID",
        "{{.ID ",
        "{{.ID | ",
        "{{(.ID",
        "{{(.ID}}",
        "{{\"x",
        "{{`x",
        "{{/* x",
        "{{range .}}",
        "{{end}}",
        "{{if}}",
        "{{.Nope}}",
        "{{$x}}",
        "{{nosuch .ID}}",
        "{{template \"x\"}}",
        "{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}",
        "{{printf \"%999999999s\" .ID}}",
    ] {
        let done = kiln.run(["images", "--format", template]);
        let errors = done
            .err()
            .lines()
            .filter(|l| l.starts_with("ERROR"))
            .count();
        if done.code != Some(1) || errors != 1 {
            report.push_str(&format!("{template}: {}\n", done.report()));
        }
    }
    assert!(report.is_empty(), "{report}");
}
