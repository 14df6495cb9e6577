//! Compilers in the image that runs.

use super::image_name::ImageName;
use super::scope::{base_image, globals};
use super::text::list;
use crate::finding::{Cost, Findings};
use crate::rule::Rule;
use crate::shell::{Arg, Command, Script};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "compiler-in-final-stage",
        summary: "Compile in a stage of its own, and copy the result",
        lesson: Some("multi-stage builds"),
        check: compiler_image,
        ..Rule::NEW
    },
    Rule {
        id: "build-tools-left",
        summary: "Leave no compilers and header files in the image",
        lesson: Some("multi-stage builds"),
        check: tools_left,
        ..Rule::NEW
    },
];

/// Images that are there to compile, and the programs that do so.
const COMPILERS: [(&str, &[&str]); 14] = [
    ("golang", &["go", "make"]),
    ("rust", &["cargo", "rustc", "make"]),
    (
        "gcc",
        &["gcc", "g++", "cc", "c++", "make", "cmake", "ninja", "meson"],
    ),
    ("maven", &["mvn", "mvnw"]),
    ("gradle", &["gradle", "gradlew"]),
    ("sbtscala/scala-sbt", &["sbt"]),
    ("swift", &["swift"]),
    ("haskell", &["cabal", "stack", "ghc"]),
    ("mcr.microsoft.com/dotnet/sdk", &["dotnet"]),
    (
        "eclipse-temurin",
        &["javac", "mvnw", "gradlew", "mvn", "gradle"],
    ),
    ("openjdk", &["javac", "mvnw", "gradlew", "mvn", "gradle"]),
    (
        "amazoncorretto",
        &["javac", "mvnw", "gradlew", "mvn", "gradle"],
    ),
    ("emscripten/emsdk", &["emcc", "make", "cmake"]),
    ("buildpack-deps", &["gcc", "make", "cmake"]),
];

/// Whether a command makes something that could be copied.
fn builds(command: &Command, programs: &[&str]) -> bool {
    let program = command.program();
    if !programs.contains(&program) {
        return false;
    }
    let verbs: &[&str] = match program {
        "go" => &["build", "install"],
        "cargo" => &["build", "install"],
        "dotnet" => &["build", "publish"],
        "swift" => &["build"],
        "cabal" | "stack" => &["build", "install"],
        _ => return true,
    };
    let given = command.operands();
    given.iter().any(|a| verbs.contains(&a.text.as_str()))
}

fn compiler_image(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    let globals = globals(subject);
    let stages = subject.ancestry(last.index);
    let Some(root) = stages.last().and_then(|r| subject.stages.get(*r)) else {
        return;
    };
    let Some(image) = base_image(subject, &globals, root) else {
        return;
    };
    let name = ImageName::of(&image);
    let Some((_, programs)) = COMPILERS.iter().find(|(r, _)| *r == name.repository) else {
        return;
    };
    if name.tag_has(&["jre"]) {
        return;
    }
    let stages = stages.iter().filter_map(|s| subject.stages.get(*s));
    let mut scripts = stages.flat_map(|s| subject.scripts_of(s));
    let built = scripts.find_map(|(n, s)| {
        let command = s.commands.iter().find(|c| builds(c, programs))?;
        Some((n, command.program()))
    });
    let Some((n, program)) = built else {
        return;
    };
    let line = subject
        .instructions()
        .get(n)
        .map_or(0, |i| i.span.start.line);
    let words = root.from.words(subject.file.directives.escape);
    let span = words
        .first()
        .map_or(root.from.arguments_span(), |w| root.from.word_span(w));
    let finding = findings.add(
        span,
        format!("the image ships {image} with all its tools, though only what {program} makes in line {line} runs: build in a stage of its own, and COPY --from it"),
    );
    if let Some(facts) = subject.around.images.image(&image) {
        finding.cost(Cost::Bytes(facts.bytes));
    }
}

/// Whether a package is there to compile.
fn is_build_tool(package: &str) -> bool {
    let name = package
        .split(['=', '~', '<', '>', ':'])
        .next()
        .unwrap_or_default();
    const NAMES: [&str; 24] = [
        "gcc",
        "g++",
        "gcc-c++",
        "make",
        "cmake",
        "build-essential",
        "build-base",
        "clang",
        "llvm",
        "autoconf",
        "automake",
        "libtool",
        "bison",
        "flex",
        "pkg-config",
        "pkgconf",
        "ninja-build",
        "meson",
        "musl-dev",
        "libc-dev",
        "cargo",
        "rustc",
        "golang",
        "go",
    ];
    NAMES.contains(&name) || name.ends_with("-dev") || name.ends_with("-devel")
}

/// The packages an installing command names.
fn installed(command: &Command) -> Vec<&Arg> {
    let (verb, values): (&str, &[&str]) = match command.program() {
        "apt-get" | "apt" | "aptitude" => ("install", &["-t", "-o", "-c", "--target-release"]),
        "apk" => ("add", &["-t", "--virtual", "-X", "--repository"]),
        "yum" | "dnf" | "microdnf" | "zypper" | "tdnf" => ("install", &[]),
        _ => return Vec::new(),
    };
    let operands = command.operands_besides(values);
    match operands.split_first() {
        Some((first, packages)) if matches!(first.text.as_str(), v if v == verb || v == "in") => {
            packages.to_vec()
        }
        _ => Vec::new(),
    }
}

/// Whether a command removes packages; all that nothing needs, or the named ones.
fn removes(command: &Command) -> bool {
    let verbs: &[&str] = match command.program() {
        "apt-get" | "apt" | "aptitude" => &["purge", "remove", "autoremove", "autopurge"],
        "apk" => &["del"],
        "yum" | "dnf" | "microdnf" | "zypper" | "tdnf" => &["remove", "erase", "autoremove", "rm"],
        _ => return false,
    };
    let operands = command.operands_besides(&["-o", "-t", "-c"]);
    operands
        .first()
        .is_some_and(|v| verbs.contains(&v.text.as_str()))
}

/// The tools a script leaves behind.
fn left(script: &Script) -> Vec<&Arg> {
    let mut tools: Vec<(&Arg, usize)> = Vec::new();
    for command in &script.commands {
        let packages = installed(command).into_iter();
        tools.extend(
            packages
                .filter(|a| is_build_tool(&a.text))
                .map(|a| (a, command.range.start)),
        );
        if removes(command) {
            // Which goes along with what isn't known here: it was thought of.
            tools.retain(|(_, at)| *at > command.range.start);
        }
    }
    tools.into_iter().map(|(a, _)| a).collect()
}

fn tools_left(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    let stages = subject.ancestry(last.index);
    for stage in stages.iter().filter_map(|s| subject.stages.get(*s)) {
        for (_, script) in subject.scripts_of(stage) {
            let tools = left(script);
            let Some(first) = tools.first() else {
                continue;
            };
            let names: Vec<&str> = tools.iter().map(|t| t.text.as_str()).collect();
            let (stay, goes) = match names.len() {
                1 => ("stays", "it"),
                _ => ("stay", "them"),
            };
            findings.add(
                script.span(first.range.clone()),
                format!("{} {stay} in the image, but only a build needs {goes}: build in a stage of its own, or remove {goes} in the same RUN", list(&names)),
            );
        }
    }
}
