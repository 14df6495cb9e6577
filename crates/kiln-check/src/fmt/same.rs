//! Whether two Dockerfiles say the same.

use kiln_dockerfile::{Command, Dockerfile, Flag, Healthcheck, Instruction, Kind, PieceKind, Span};

use super::quotes::{Language, squeezed};
use crate::shell::Script;
use crate::subject::{Subject, Surroundings};

/// Whether two files have the same directives, comments and instructions; commands for a shell
/// may differ in the white space between words.
pub fn files(a: &Dockerfile, b: &Dockerfile) -> bool {
    let (left, right) = (
        Subject::new(a, &Surroundings::NONE),
        Subject::new(b, &Surroundings::NONE),
    );
    let scripts = |s: &Subject, n: usize| s.script(n).map(words);
    a.directives == b.directives
        && comments(a) == comments(b)
        && a.instructions.len() == b.instructions.len()
        && a.instructions
            .iter()
            .zip(&b.instructions)
            .enumerate()
            .all(|(n, (x, y))| {
                instructions(x, y) && (x.text == y.text || scripts(&left, n) == scripts(&right, n))
            })
}

/// The words of all commands.
fn words(script: &Script) -> Vec<Vec<String>> {
    let commands = script.commands.iter();
    let words = commands.map(|c| {
        let words = c.words.iter().map(|w| w.text.clone());
        let assignments = c.assignments.iter().map(|a| a.value.clone());
        words.chain(assignments).collect()
    });
    words.collect()
}

fn comments(file: &Dockerfile) -> Vec<&str> {
    let notes = file.pieces.iter().filter(|p| p.kind == PieceKind::Comment);
    notes.map(|p| file.source_of(p.span).trim_end()).collect()
}

/// Whether two instructions say the same.
pub fn instructions(a: &Instruction, b: &Instruction) -> bool {
    if a.name() != b.name() {
        return false;
    }
    match (&a.kind, &b.kind) {
        (Kind::OnBuild(x), Kind::OnBuild(y)) => instructions(x, y),
        _ => plain(&a.kind) == plain(&b.kind),
    }
}

/// Without places, and without the white space that doesn't count.
fn plain(kind: &Kind) -> Kind {
    let mut kind = kind.clone();
    let command = |c: &mut Command| {
        if let Command::Shell(text) = c {
            *text = squeezed(text, Language::Shell);
        }
    };
    let nowhere = |flags: &mut Vec<Flag>| flags.iter_mut().for_each(|f| f.span = Span::default());
    match &mut kind {
        Kind::Run {
            command: c, flags, ..
        } => {
            command(c);
            nowhere(flags);
        }
        Kind::Cmd(c) | Kind::Entrypoint(c) => command(c),
        Kind::Healthcheck(Healthcheck::Cmd { command: c, flags }) => {
            command(c);
            nowhere(flags);
        }
        Kind::Copy(args) | Kind::Add(args) => nowhere(&mut args.flags),
        _ => {}
    }
    kind
}
