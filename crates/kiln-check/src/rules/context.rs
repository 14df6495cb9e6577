//! What COPY takes along from the context, and what the ignore file should keep out.

use super::secrets::secret_file;
use super::taken::{FromContext, from_context, takes};
use super::text::{list, size};
use crate::finding::{Cost, Findings, Fix};
use crate::rule::Rule;
use crate::shell::Command;
use crate::subject::{ContextFacts, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "no-dockerignore",
        summary: "Keep out of the context what the image doesn't need, by a .dockerignore",
        lesson: Some(".dockerignore"),
        fixes: true,
        check: none_there,
        ..Rule::NEW
    },
    Rule {
        id: "dockerignore-gap",
        summary: "Let the .dockerignore name all that the image doesn't need",
        lesson: Some(".dockerignore"),
        check: gaps,
        ..Rule::NEW
    },
    Rule {
        id: "large-file-copied",
        summary: "Don't copy archives, dumps and disk images along with the rest",
        lesson: Some(".dockerignore"),
        check: large,
        ..Rule::NEW
    },
];

/// When a kind of file is useless.
enum When {
    /// In any image.
    Always,
    /// If a command of a RUN makes it anew.
    Made(fn(&Command) -> bool),
    /// If no command of a RUN may ask for the history.
    NoHistory,
}

/// Names of files and directories that are of no use, `*.x` for endings.
const USELESS: [(&str, When); 27] = [
    (".git", When::NoHistory),
    (".svn", When::NoHistory),
    (".hg", When::NoHistory),
    ("node_modules", When::Made(installs_modules)),
    ("bower_components", When::Made(|c| c.program() == "bower")),
    ("target", When::Made(builds_target)),
    (
        ".gradle",
        When::Made(|c| matches!(c.program(), "gradle" | "gradlew")),
    ),
    ("dist", When::Made(builds_script)),
    ("build", When::Made(builds_script)),
    (".next", When::Made(builds_script)),
    ("obj", When::Made(|c| c.program() == "dotnet")),
    ("_build", When::Made(|c| c.program() == "mix")),
    (".venv", When::Always),
    ("__pycache__", When::Always),
    (".pytest_cache", When::Always),
    (".mypy_cache", When::Always),
    (".ruff_cache", When::Always),
    (".tox", When::Always),
    (".cache", When::Always),
    (".terraform", When::Always),
    (".idea", When::Always),
    (".vscode", When::Always),
    (".DS_Store", When::Always),
    ("*.swp", When::Always),
    ("*.log", When::Always),
    ("*.pyc", When::Always),
    ("core", When::Always),
];

const NODE: [&str; 4] = ["npm", "yarn", "pnpm", "bun"];

fn installs_modules(command: &Command) -> bool {
    let verb = command.verb();
    let bare = verb.is_none() && command.program() == "yarn";
    let install = matches!(verb, Some("install" | "i" | "ci" | "clean-install"));
    NODE.contains(&command.program())
        && (bare || install)
        && !command.has_any_flag(&["g", "global"])
}

fn builds_target(command: &Command) -> bool {
    match command.program() {
        "cargo" => command.verb() == Some("build"),
        "mvn" | "mvnw" | "sbt" => true,
        _ => false,
    }
}

/// `npm run build`, `yarn build:prod`, `gradle build`
fn builds_script(command: &Command) -> bool {
    let runner =
        NODE.contains(&command.program()) || matches!(command.program(), "gradle" | "gradlew");
    let build = |text: &str| text == "build" || text.starts_with("build:");
    runner && command.operands().iter().any(|a| build(&a.text))
}

/// Whether a command may read the version from the history: `git describe`, and what builds a
/// Python package.
fn reads_history(command: &Command) -> bool {
    match command.program() {
        "git" | "hg" | "svn" | "make" | "hatch" | "pdm" => true,
        "pip" | "pip3" | "python" | "python3" | "uv" | "poetry" => {
            let package =
                |t: &str| t.starts_with('.') || matches!(t, "build" | "sync" | "setup.py");
            command.args().iter().any(|a| package(&a.text))
        }
        _ => false,
    }
}

/// A pattern for the ignore file, and what it would save.
struct Useless {
    pattern: String,
    bytes: u64,
    files: usize,
    secret: bool,
}

/// What the wide COPYs take that is of no use, by pattern; the largest first.
fn useless(subject: &Subject, context: &ContextFacts, copies: &[FromContext]) -> Vec<Useless> {
    let wide = copies.iter().filter(|c| c.takes_all());
    let wide: Vec<String> = wide
        .flat_map(|c| c.sources().map(|(path, _)| path))
        .collect();
    if wide.is_empty() {
        return Vec::new();
    }
    let commands = || subject.scripts().flat_map(|(_, s)| &s.commands);
    let history = commands().any(reads_history);
    let on = |when: &When| match when {
        When::Always => true,
        When::Made(makes) => commands().any(makes),
        When::NoHistory => !history,
    };
    let names: Vec<&str> = USELESS
        .iter()
        .filter(|(_, w)| on(w))
        .map(|(n, _)| *n)
        .collect();
    // What is named is wanted: by a COPY, or a mount of a RUN.
    let named: Vec<String> = copies
        .iter()
        .flat_map(|c| c.sources().map(|(path, _)| path))
        .filter(|p| !matches!(p.as_str(), "." | "*"))
        .chain(mounted(subject))
        .collect();
    let mut found: Vec<Useless> = Vec::new();
    for file in context.files.iter().filter(|f| !f.ignored) {
        if !wide.iter().any(|source| takes(source, &file.path)) {
            continue;
        }
        let Some((pattern, at, secret)) = pattern_for(&file.path, file.dir, &names) else {
            continue;
        };
        let touches = |n: &String| takes(n, at) || takes(at, n);
        if named.iter().any(touches) {
            continue;
        }
        match found.iter_mut().find(|u| u.pattern == pattern) {
            Some(known) => {
                known.bytes += file.bytes;
                known.files += usize::from(!file.dir);
            }
            None => found.push(Useless {
                pattern,
                bytes: file.bytes,
                files: usize::from(!file.dir),
                secret,
            }),
        }
    }
    // An empty directory is no matter.
    found.retain(|u| u.files > 0);
    found.sort_by(|a, b| {
        b.bytes
            .cmp(&a.bytes)
            .then_with(|| a.pattern.cmp(&b.pattern))
    });
    found
}

fn mounted(subject: &Subject) -> Vec<String> {
    let flags = subject.instructions().iter().flat_map(|i| match &i.kind {
        kiln_dockerfile::Kind::Run { flags, .. } => flags.as_slice(),
        _ => &[],
    });
    let fields = flags
        .filter_map(|f| f.value.as_deref())
        .flat_map(|v| v.split(','));
    let sources = fields.filter_map(|f| f.strip_prefix("source=").or(f.strip_prefix("src=")));
    sources
        .map(super::taken::clean)
        .filter(|p| p != ".")
        .collect()
}

/// The pattern that keeps a path out, the part of the path that it matches, and whether it is a
/// secret.
fn pattern_for<'p>(path: &'p str, dir: bool, names: &[&str]) -> Option<(String, &'p str, bool)> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        let head = path.get(..end)?;
        let is_file = end == path.len() && !dir;
        let hit = names.iter().find(|n| match n.strip_prefix('*') {
            Some(ending) => is_file && part.ends_with(ending) && part != ending,
            // A file of such a name is a program's, a core dump is one.
            None => **n == part && (!is_file || matches!(**n, "core" | ".DS_Store" | ".git")),
        });
        let hit = hit.filter(|n| **n != "core" || is_file);
        if let Some(name) = hit {
            let top = !head.contains('/') && !name.starts_with('*');
            let everywhere = matches!(*name, "node_modules" | "__pycache__" | ".DS_Store");
            return Some(match top && !everywhere {
                true => ((*name).to_owned(), head, false),
                false => (format!("**/{name}"), head, false),
            });
        }
        end += 1;
    }
    secret_file(path)?;
    Some((path.to_owned(), path, true))
}

fn describe(useless: &[Useless]) -> String {
    let text = |u: &Useless| match u.secret {
        true => format!("{} (a secret)", u.pattern),
        false => format!("{} ({})", u.pattern, size(u.bytes)),
    };
    let all: Vec<String> = useless.iter().map(text).collect();
    list(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn none_there(subject: &Subject, findings: &mut Findings) {
    let Some(context) = subject.around.context.filter(|c| c.ignore.is_none()) else {
        return;
    };
    let copies = from_context(subject);
    let useless = useless(subject, context, &copies);
    if useless.is_empty() {
        return;
    }
    let bytes = useless.iter().map(|u| u.bytes).sum();
    let lines: String = useless.iter().map(|u| format!("{}\n", u.pattern)).collect();
    findings
        .add_to_file(format!(
            "there is no .dockerignore, and COPY takes the whole context: {} come along, and a change of them costs the cache",
            describe(&useless)
        ))
        .in_ignore_file()
        .cost(Cost::Bytes(bytes))
        .fix(Fix {
            title: "write a .dockerignore".to_owned(),
            edits: Vec::new(),
            ignore_file: Some(lines),
        });
}

fn gaps(subject: &Subject, findings: &mut Findings) {
    let Some(context) = subject.around.context else {
        return;
    };
    let Some((name, _)) = &context.ignore else {
        return;
    };
    let copies = from_context(subject);
    for one in useless(subject, context, &copies) {
        findings
            .add_to_file(format!(
                "{name} lets {} through, and COPY takes the whole context",
                describe(std::slice::from_ref(&one))
            ))
            .in_ignore_file()
            .cost(Cost::Bytes(one.bytes));
    }
}

/// A file that is smaller isn't worth a word.
const LARGE: u64 = 50_000_000;

fn large(subject: &Subject, findings: &mut Findings) {
    let Some(context) = subject.around.context else {
        return;
    };
    const ENDINGS: [&str; 17] = [
        ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip", ".7z", ".rar", ".iso", ".img",
        ".qcow2", ".vmdk", ".sql", ".dump", ".bak", ".mp4", ".mov",
    ];
    for copy in from_context(subject).iter().filter(|c| c.takes_all()) {
        for (path, written) in copy
            .sources()
            .filter(|(p, _)| matches!(p.as_str(), "." | "*"))
        {
            let heavy = |name: &str| ENDINGS.iter().any(|e| name.ends_with(e));
            let files = copy.files(context, &path);
            for file in files.filter(|f| !f.dir && f.bytes >= LARGE && heavy(&f.path)) {
                findings
                    .add(
                        copy.span_of(subject.file.directives.escape, written),
                        format!("{written} takes {} along ({}): ignore it, or copy it by name if it is meant", file.path, size(file.bytes)),
                    )
                    .cost(Cost::Bytes(file.bytes));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kiln_dockerfile::parse;

    use crate::subject::{ContextFacts, ContextFile, Surroundings};
    use crate::{Finding, Place};

    fn found(text: &str, paths: &[(&str, u64)]) -> Vec<Finding> {
        let file = |(path, bytes): &(&str, u64)| ContextFile {
            path: path.trim_end_matches('/').to_string(),
            bytes: *bytes,
            dir: path.ends_with('/'),
            ignored: false,
            mode: None,
        };
        let facts = ContextFacts {
            files: paths.iter().map(file).collect(),
            ignore: None,
        };
        let around = Surroundings {
            context: Some(&facts),
            ..Surroundings::NONE
        };
        let file = parse(text.as_bytes()).unwrap();
        crate::check(&file, &around, |r| r.id == "no-dockerignore")
    }

    fn proposal(text: &str, paths: &[(&str, u64)]) -> String {
        let found = found(text, paths);
        assert!(found.iter().all(|f| f.place == Place::Ignore));
        let fix = found.first().and_then(|f| f.fix.clone());
        fix.and_then(|f| f.ignore_file).unwrap_or_default()
    }

    const FILES: [(&str, u64); 9] = [
        (".env", 10),
        (".git/", 0),
        (".git/HEAD", 500),
        ("app/", 0),
        ("app/__pycache__/", 0),
        ("app/__pycache__/a.pyc", 100),
        ("node_modules/", 0),
        ("node_modules/a/index.js", 9000),
        ("package.json", 1),
    ];

    #[test]
    fn proposes_what_is_there_and_not_wanted() {
        let text = "FROM a\nCOPY . .\nRUN npm ci\n";
        assert_eq!(
            proposal(text, &FILES),
            "**/node_modules\n.git\n**/__pycache__\n.env\n"
        );
        // Without an installation, the modules of the context are those of the image.
        let text = "FROM a\nCOPY . .\n";
        assert_eq!(proposal(text, &FILES), ".git\n**/__pycache__\n.env\n");
        let text = "FROM a\nCOPY . .\nRUN npm run build\n";
        let built = [("dist/a.js", 5), ("node_modules/a/index.js", 9000)];
        assert_eq!(proposal(text, &built), "dist\n");
        assert_eq!(
            proposal("FROM a\nCOPY . .\nRUN npm ci\n", &built),
            "**/node_modules\n"
        );
        let text = "FROM a\nCOPY . .\nCOPY .env /etc/\nRUN git describe\n";
        assert_eq!(proposal(text, &FILES), "**/__pycache__\n");
        let text = "FROM a\nRUN --mount=type=bind,source=.git,target=/g true\nCOPY . .\n";
        assert_eq!(proposal(text, &FILES), "**/__pycache__\n.env\n");
        assert_eq!(proposal("FROM a\nCOPY app /app\n", &FILES), "");
        assert_eq!(
            proposal("FROM a\nCOPY . .\n", &[("core/", 0), ("core/a.c", 9)]),
            ""
        );
        assert_eq!(proposal("FROM a\nCOPY . .\n", &[("core", 9)]), "core\n");
    }
}
