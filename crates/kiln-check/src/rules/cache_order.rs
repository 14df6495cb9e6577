//! The order that keeps the cache: first what seldom changes.

use kiln_dockerfile::{Kind, Span};

use super::taken::{FromContext, from_context};
use crate::finding::{Cost, Findings};
use crate::rule::Rule;
use crate::shell::Command;
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "copy-all-before-install",
    summary: "Install dependencies before copying the sources",
    lesson: Some("cache-friendly order"),
    check: copy_before_install,
    ..Rule::NEW
}];

/// How a package manager installs what a project needs.
struct Manager {
    /// Its name for readers, and for telling one from another.
    name: &'static str,
    programs: &'static [&'static str],
    /// The first operand; none at all counts where there is an empty one.
    verbs: &'static [&'static str],
    /// The files it reads.
    manifests: &'static [&'static str],
}

const fn manager(
    name: &'static str,
    programs: &'static [&'static str],
    verbs: &'static [&'static str],
    manifests: &'static [&'static str],
) -> Manager {
    Manager {
        name,
        programs,
        verbs,
        manifests,
    }
}

const MANAGERS: [Manager; 17] = [
    manager(
        "npm",
        &["npm"],
        &["ci", "install", "i", "clean-install"],
        &["package.json", "package-lock.json", "npm-shrinkwrap.json"],
    ),
    manager(
        "yarn",
        &["yarn"],
        &["", "install"],
        &["package.json", "yarn.lock"],
    ),
    manager(
        "pnpm",
        &["pnpm"],
        &["install", "i", "fetch"],
        &["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"],
    ),
    manager(
        "bun",
        &["bun"],
        &["install", "i"],
        &["package.json", "bun.lock", "bun.lockb"],
    ),
    manager(
        "pip",
        &["pip", "pip3", "python", "python3"],
        &["install"],
        &["requirements.txt", "pyproject.toml"],
    ),
    manager(
        "pipenv",
        &["pipenv"],
        &["install", "sync"],
        &["Pipfile", "Pipfile.lock"],
    ),
    manager(
        "poetry",
        &["poetry"],
        &["install", "sync"],
        &["pyproject.toml", "poetry.lock"],
    ),
    manager("uv", &["uv"], &["sync"], &["pyproject.toml", "uv.lock"]),
    manager("go", &["go"], &["mod"], &["go.mod", "go.sum"]),
    manager(
        "cargo",
        &["cargo"],
        &["build", "install", "fetch"],
        &["Cargo.toml", "Cargo.lock"],
    ),
    manager(
        "bundler",
        &["bundle", "bundler"],
        &["", "install"],
        &["Gemfile", "Gemfile.lock"],
    ),
    manager(
        "composer",
        &["composer"],
        &["install"],
        &["composer.json", "composer.lock"],
    ),
    manager(
        "maven",
        &["mvn", "mvnw"],
        &[
            "package",
            "install",
            "verify",
            "compile",
            "clean",
            "dependency:go-offline",
            "dependency:resolve",
        ],
        &["pom.xml"],
    ),
    manager(
        "gradle",
        &["gradle", "gradlew"],
        &[
            "build",
            "assemble",
            "bootJar",
            "shadowJar",
            "jar",
            "installDist",
            "clean",
            "dependencies",
        ],
        &[
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
            "gradle.lockfile",
        ],
    ),
    manager(
        "dotnet",
        &["dotnet"],
        &["restore", "build", "publish"],
        &["*.csproj", "*.fsproj", "*.sln"],
    ),
    manager("mix", &["mix"], &["deps.get"], &["mix.exs", "mix.lock"]),
    manager(
        "deno",
        &["deno"],
        &["install", "cache"],
        &["deno.json", "deno.lock"],
    ),
];

/// What a manager needs where the context doesn't tell.
fn usual(manager: &Manager) -> Vec<String> {
    let count = match manager.name {
        "pip" | "maven" | "dotnet" => 1,
        _ => 2,
    };
    manager
        .manifests
        .iter()
        .take(count)
        .map(|m| (*m).to_owned())
        .collect()
}

/// The manager by which a command installs what the project's files list.
fn installs(command: &Command) -> Option<&'static Manager> {
    let program = command.program();
    let manager = MANAGERS.iter().find(|m| m.programs.contains(&program))?;
    let operands: Vec<&str> = command
        .operands_besides(&[
            "-r",
            "--requirement",
            "--prefix",
            "--cwd",
            "-C",
            "--dir",
            "-c",
            "-f",
        ])
        .iter()
        .map(|a| a.text.as_str())
        .collect();
    let first = operands.first().copied().unwrap_or_default();
    let fits = match manager.name {
        "pip" => {
            let install = match program {
                "python" | "python3" => {
                    command.flag_value("m") == Some("pip") && operands.contains(&"install")
                }
                _ => first == "install",
            };
            let project = operands.iter().any(|o| *o == "." || o.starts_with(".["));
            install && (project || command.has_any_flag(&["r", "requirement"]))
        }
        // With a package's name, it is a tool that is installed.
        "npm" | "yarn" | "pnpm" | "bun" => {
            manager.verbs.contains(&first)
                && operands.len() <= 1
                && !command.has_any_flag(&["g", "global"])
        }
        "go" => first == "mod" && operands.get(1) == Some(&"download"),
        "cargo" => {
            manager.verbs.contains(&first) && (first != "install" || command.has_flag("path"))
        }
        "maven" => operands.iter().any(|o| manager.verbs.contains(o)),
        "gradle" => operands.iter().any(|o| {
            manager
                .verbs
                .iter()
                .any(|v| o.trim_start_matches(':') == *v)
        }),
        _ => manager.verbs.contains(&first),
    };
    fits.then_some(manager)
}

fn copy_before_install(subject: &Subject, findings: &mut Findings) {
    let copies = from_context(subject);
    for stage in &subject.stages {
        of_stage(subject, stage, &copies, findings);
    }
}

fn of_stage(subject: &Subject, stage: &Stage, copies: &[FromContext], findings: &mut Findings) {
    let mut before: Vec<&str> = Vec::new();
    let mut wide: Option<(&FromContext, Span)> = None;
    let mut copied = copies
        .iter()
        .filter(|c| stage.range.contains(&c.index))
        .peekable();
    for (n, script) in subject.scripts_of(stage) {
        while let Some(copy) = copied.next_if(|c| c.index < n) {
            if wide.is_none()
                && let Some(span) = wide_source(subject, copy)
            {
                wide = Some((copy, span));
            }
        }
        let managers = script.commands.iter().filter_map(installs);
        let managers: Vec<&Manager> = managers.collect();
        let Some((copy, span)) = wide else {
            before.extend(managers.iter().map(|m| m.name));
            continue;
        };
        // What is installed from a cache of its own is not fetched again.
        let Some(manager) = managers
            .iter()
            .find(|m| !before.contains(&m.name))
            .filter(|_| !cached(subject, n))
        else {
            continue;
        };
        let line = subject
            .instructions()
            .get(n)
            .map_or(0, |i| i.span.start.line);
        let files = manifests(subject, copy, manager);
        let hint = match manager.name {
            "cargo" => "give that RUN a cache by --mount=type=cache, or fetch them first from",
            _ => "copy first",
        };
        findings
            .add(
                span,
                format!(
                    "any change of a file makes line {line} install all dependencies of {} again: {hint} {}, and the rest after that",
                    manager.name,
                    files.join(" ")
                ),
            )
            .cost(Cost::Misses(1));
        return;
    }
}

/// Where a COPY takes the whole context, or a directory of it with a manifest inside.
fn wide_source(subject: &Subject, copy: &FromContext) -> Option<Span> {
    let escape = subject.file.directives.escape;
    copy.sources().find_map(|(path, written)| {
        let all = matches!(path.as_str(), "." | "*");
        let files = subject.around.context.map_or(&[][..], |c| &c.files);
        let dir = files.iter().any(|f| f.dir && f.path == path);
        let known = |f: &str| {
            let name = f.strip_prefix(&path).and_then(|r| r.strip_prefix('/'));
            name.is_some_and(|n| MANAGERS.iter().any(|m| m.manifests.contains(&n)))
        };
        let project = dir && files.iter().any(|f| known(&f.path));
        (all || project).then(|| copy.span_of(escape, written))
    })
}

/// The files to copy first: those that are there.
fn manifests(subject: &Subject, copy: &FromContext, manager: &Manager) -> Vec<String> {
    let Some(context) = subject.around.context else {
        return usual(manager);
    };
    let mut found = Vec::new();
    for (source, _) in copy.sources() {
        let base = match source.as_str() {
            "." | "*" => String::new(),
            dir => format!("{dir}/"),
        };
        for wanted in manager.manifests {
            let fits = |path: &str| match (path.strip_prefix(&base), wanted.strip_prefix('*')) {
                (Some(name), Some(ending)) => name.ends_with(ending),
                (Some(name), None) => name == *wanted,
                _ => false,
            };
            let files = context.files.iter().filter(|f| !f.dir && !f.ignored);
            found.extend(files.filter(|f| fits(&f.path)).map(|f| f.path.clone()));
        }
    }
    found.truncate(6);
    if found.is_empty() {
        usual(manager)
    } else {
        found
    }
}

/// Whether a RUN has a cache mount.
fn cached(subject: &Subject, n: usize) -> bool {
    let instruction = subject.instructions().get(n);
    instruction.is_some_and(|i| match &i.kind {
        Kind::Run { flags, .. } => flags.iter().any(|f| {
            let value = f.value.as_deref().unwrap_or_default();
            f.name == "mount" && value.split(',').any(|v| v == "type=cache")
        }),
        _ => false,
    })
}
