//! Variables in the instructions of a stage.

use std::collections::BTreeMap;

use kiln_dockerfile::{
    CopyArgs, CopySource, Flag, Instruction, Kind, edit_distance, expand_heredoc, expand_word,
    nearest,
};

use super::scope::{Lookup, Vars, base_image, globals, variable_span};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::subject::{Stage, Subject};

/// The rules of this module.
pub static RULES: &[Rule] = &[Rule {
    id: "undefined-var",
    summary: "Use only variables that an ENV or ARG sets before",
    buildkit: &["UndefinedVar"],
    check: undefined_var,
    ..Rule::NEW
}];

/// What is known at the end of a stage.
#[derive(Clone, Default)]
struct Scope {
    vars: Vars,
    /// Whether the base image's variables are known.
    complete: bool,
}

fn undefined_var(subject: &Subject, findings: &mut Findings) {
    let globals = globals(subject);
    let mut ends: Vec<Scope> = Vec::with_capacity(subject.stages.len());
    for stage in &subject.stages {
        let mut scope = match stage.parent.and_then(|p| ends.get(p)) {
            Some(parent) => parent.clone(),
            None => of_base(subject, &globals, stage),
        };
        let instructions = subject.of_stage(stage);
        let mut last_arg: BTreeMap<&str, u32> = BTreeMap::new();
        for instruction in instructions {
            if let Kind::Arg(declared) = &instruction.kind {
                let line = instruction.span.start.line;
                last_arg.extend(declared.iter().map(|d| (d.key.as_str(), line)));
            }
        }
        for instruction in instructions {
            let lookup = Lookup::new(&scope.vars);
            expand(instruction, subject.file.directives.escape, &lookup);
            for name in lookup.missing() {
                if let Some(why) = why(&name, &scope, &globals, &last_arg) {
                    findings.add(
                        variable_span(instruction, &name),
                        format!("nothing sets ${name} before this line, so that it is empty{why}"),
                    );
                }
            }
            declare(instruction, &mut scope.vars);
        }
        ends.push(scope);
    }
}

fn of_base(subject: &Subject, globals: &Vars, stage: &Stage) -> Scope {
    // PATH is set in each image.
    let mut vars = Vars::from([("PATH".to_owned(), None)]);
    if stage.image == "scratch" {
        return Scope {
            vars,
            complete: true,
        };
    }
    let name = base_image(subject, globals, stage);
    let facts = name.and_then(|n| subject.around.images.image(&n));
    let complete = facts.is_some();
    for setting in facts.into_iter().flat_map(|f| f.env) {
        let name = setting.split('=').next().unwrap_or_default();
        vars.insert(name.to_owned(), None);
    }
    Scope { vars, complete }
}

/// What to say of a variable that isn't set, or nothing where the base image may set it.
fn why(
    name: &str,
    scope: &Scope,
    globals: &Vars,
    last_arg: &BTreeMap<&str, u32>,
) -> Option<String> {
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        || matches!(
            name,
            "BUILDKIT_SBOM_SCAN_CONTEXT" | "BUILDKIT_SBOM_SCAN_STAGE"
        )
    {
        return None;
    }
    if let Some(line) = last_arg.get(name) {
        return Some(format!(": its ARG comes later, in line {line}"));
    }
    let known: Vec<&str> = scope.vars.keys().map(String::as_str).collect();
    let near = nearest(name, &known);
    let hint = near.map(|n| format!(": did you mean ${n}?"));
    if scope.complete && globals.contains_key(name) {
        return Some(format!(
            ": an ARG before the first FROM is for FROM, repeat ARG {name} in this stage"
        ));
    }
    if scope.complete {
        return Some(hint.unwrap_or_default());
    }
    // The base image may set any name; one that is a slip of the pen away from another is no accident.
    let slip = |n: &str| name.len() > 3 && edit_distance(name, n) == 1;
    let proxy = name.to_ascii_lowercase().ends_with("_proxy");
    hint.filter(|_| !proxy && near.is_some_and(slip))
}

fn declare(instruction: &Instruction, vars: &mut Vars) {
    match &instruction.kind {
        Kind::Env(pairs) => vars.extend(pairs.iter().map(|p| (p.key.clone(), None))),
        Kind::Arg(declared) => vars.extend(declared.iter().map(|d| (d.key.clone(), None))),
        _ => {}
    }
}

/// Expands what the builder expands, for the sake of what is looked up.
fn expand(instruction: &Instruction, escape: char, lookup: &Lookup) {
    let word = |text: &str| {
        let _ = expand_word(text, escape, lookup);
    };
    let flags = |flags: &[Flag], names: &[&str]| {
        let of_value = flags.iter().filter(|f| names.contains(&f.name.as_str()));
        of_value.filter_map(|f| f.value.as_deref()).for_each(word);
    };
    let copy = |args: &CopyArgs| {
        flags(&args.flags, &["chown", "chmod"]);
        for source in &args.sources {
            match source {
                CopySource::Path(path) => word(path),
                CopySource::Heredoc(doc) if doc.expand => {
                    let _ = expand_heredoc(&doc.content, escape, lookup);
                }
                CopySource::Heredoc(_) => {}
            }
        }
        word(&args.dest);
    };
    match &instruction.kind {
        Kind::Env(pairs) | Kind::Label(pairs) => {
            for pair in pairs {
                word(&pair.key);
                word(&pair.value);
            }
        }
        Kind::Arg(declared) => {
            declared
                .iter()
                .filter_map(|d| d.value.as_deref())
                .for_each(word);
        }
        Kind::Copy(args) | Kind::Add(args) => copy(args),
        Kind::Run { flags: given, .. } => flags(given, &["mount"]),
        Kind::Workdir(text) | Kind::User(text) | Kind::StopSignal(text) => word(text),
        Kind::Volume(words) | Kind::Expose(words) => words.iter().for_each(|w| word(w)),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kiln_dockerfile::parse;

    use crate::subject::{ImageFacts, Images, Surroundings};

    struct Known;

    impl Images for Known {
        fn image(&self, name: &str) -> Option<ImageFacts> {
            (name == "known:1").then(|| ImageFacts {
                env: vec!["HOME_DIR=/x".to_owned()],
                ..ImageFacts::default()
            })
        }
    }

    fn names(text: &str) -> Vec<String> {
        let file = parse(text.as_bytes()).unwrap();
        let around = Surroundings {
            images: &Known,
            ..Surroundings::NONE
        };
        let found = crate::check(&file, &around, |r| r.id == "undefined-var");
        let source = |f: &crate::Finding| file.source_of(f.span).to_owned();
        found.iter().map(source).collect()
    }

    #[test]
    fn what_a_known_base_sets_and_what_not() {
        assert_eq!(
            names("FROM known:1\nCOPY $HOME_DIR ${other}/ /\n"),
            ["${other}"]
        );
        assert_eq!(names("ARG V=1\nFROM known:$V\nUSER $who\n"), ["$who"]);
        assert_eq!(names("ARG V\nFROM known:1\nLABEL v=$V\n"), ["$V"]);
        assert_eq!(
            names("FROM known:1 AS a\nARG x\nFROM a\nEXPOSE $x\n"),
            [""; 0]
        );
        assert_eq!(
            names("FROM known:1\nCOPY <<A <<'B' /x/\n$a\nA\n$b\nB\n"),
            ["<<A <<'B' /x/"]
        );
        assert_eq!(names("FROM known:1\nENV a=1 b=$a\n"), ["$a"]);
        assert_eq!(names("FROM known:1\nRUN echo $x\nCMD $y\n"), [""; 0]);
    }

    #[test]
    fn an_unknown_base_may_set_anything() {
        assert_eq!(names("FROM b\nCOPY $foo /\nENV x=$HTTP_PROXY\n"), [""; 0]);
        assert_eq!(names("FROM b\nENV PATH=$PAHT:/x\n"), ["$PAHT"]);
        assert_eq!(names("FROM b\nCOPY $foo /\nARG foo=1\n"), ["$foo"]);
    }
}
