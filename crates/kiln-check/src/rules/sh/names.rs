//! Which variables a script sets, and which it uses.

use std::collections::HashSet;

use shuck_ast::{
    Assignment, AssignmentValue, BourneParameterExpansion, Command, CompoundCommand, DeclOperand,
    HeredocBodyPart, ParameterExpansionSyntax, ParameterOp, RedirectTarget, Stmt, WordPart,
};

use super::look::{Tree, parts, variable};
use super::splitting::one_word;

/// Where the values of a script's variables come from.
#[derive(Debug, Default)]
pub struct Values {
    /// Set to what a command prints, or to what is read.
    from_commands: HashSet<String>,
}

impl Values {
    /// Looks at all assignments.
    pub fn of(tree: &Tree) -> Values {
        let mut values = Values::default();
        assignments(tree, |a| {
            let AssignmentValue::Scalar(value) = &a.value else {
                return;
            };
            parts(&value.parts, false, &mut |part, _| {
                if let WordPart::CommandSubstitution { body, .. } = &part.kind
                    && !one_word(tree, body)
                {
                    values.from_commands.insert(a.target.name.to_string());
                }
            });
        });
        tree.simple(|command| {
            if tree.name(command) == "read" {
                let names = command.args.iter().filter_map(|w| tree.fixed(w));
                let names = names.filter(|n| !n.starts_with('-'));
                values.from_commands.extend(names);
            }
        });
        values
    }

    /// Whether a variable may hold anything.
    pub fn unknown(&self, name: &str) -> bool {
        self.from_commands.contains(name)
    }
}

/// Looks at all assignments, also those of `export` and the like.
fn assignments(tree: &Tree, mut look: impl FnMut(&Assignment)) {
    tree.statements(|stmt| match &stmt.command {
        Command::Simple(c) => c.assignments.iter().for_each(&mut look),
        Command::Decl(d) => {
            d.assignments.iter().for_each(&mut look);
            for operand in &d.operands {
                if let DeclOperand::Assignment(a) = operand {
                    look(a);
                }
            }
        }
        _ => {}
    });
}

/// All names that a script may set, in whatever way; nothing where it runs code that isn't seen.
pub fn set(tree: &Tree) -> Option<HashSet<String>> {
    let mut names = HashSet::new();
    let mut unseen = false;
    assignments(tree, |a| {
        names.insert(a.target.name.to_string());
    });
    tree.statements(|stmt| match &stmt.command {
        Command::Simple(c) => {
            let args = || c.args.iter().filter_map(|w| tree.fixed(w));
            match tree.name(c).as_str() {
                "eval" | "source" | "." => unseen = true,
                "read" | "mapfile" | "readarray" | "getopts" | "printf" | "unset" | "let"
                | "wait" | "set" => {
                    for arg in args() {
                        let name = arg.split(['=', '+', '-']).next().unwrap_or_default();
                        names.insert(name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Command::Decl(d) => {
            for operand in &d.operands {
                match operand {
                    DeclOperand::Name(v) => {
                        names.insert(v.name.to_string());
                    }
                    DeclOperand::Dynamic(_) => unseen = true,
                    _ => {}
                }
            }
        }
        Command::Compound(c) => compound(tree, c, &mut names),
        _ => {}
    });
    tree.statements(|stmt| {
        for redirect in &stmt.redirects {
            names.extend(redirect.fd_var.iter().map(ToString::to_string));
        }
    });
    tree.parts(|part, _| match &part.kind {
        WordPart::ArithmeticExpansion { .. } => identifiers(tree.raw(part.span), &mut names),
        WordPart::Parameter(p) => {
            if let ParameterExpansionSyntax::Bourne(BourneParameterExpansion::Operation {
                reference,
                operator,
                ..
            }) = &p.syntax
                && matches!(**operator, ParameterOp::AssignDefault)
            {
                names.insert(reference.name.to_string());
            }
        }
        _ => {}
    });
    (!unseen).then_some(names)
}

fn compound(tree: &Tree, compound: &CompoundCommand, names: &mut HashSet<String>) {
    match compound {
        CompoundCommand::For(c) => {
            for target in &c.targets {
                let name = tree.raw(target.span);
                names.insert(name.trim_start_matches('$').to_owned());
            }
        }
        CompoundCommand::Select(c) => {
            names.insert(c.variable.to_string());
        }
        CompoundCommand::Foreach(c) => {
            names.insert(c.variable.to_string());
        }
        CompoundCommand::Coproc(c) => {
            names.insert(c.name.to_string());
        }
        CompoundCommand::Arithmetic(c) => identifiers(tree.raw(c.span), names),
        CompoundCommand::ArithmeticFor(c) => identifiers(tree.raw(c.span), names),
        _ => {}
    }
}

/// Arithmetic may set each variable it names.
fn identifiers(text: &str, names: &mut HashSet<String>) {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    names.extend(words.filter(|w| !w.is_empty()).map(str::to_owned));
}

/// Looks at the variables that are used as they are: `$x`, `${x}`, `${x%y}`, but not `${x:-y}`.
pub fn used(tree: &Tree, mut look: impl FnMut(&str, shuck_ast::Span)) {
    tree.parts(|part, _| {
        if let Some(name) = variable(&part.kind) {
            look(name, part.span);
        } else if let WordPart::Parameter(p) = &part.kind
            && let ParameterExpansionSyntax::Bourne(syntax) = &p.syntax
            && let Some(name) = needed(syntax)
        {
            look(name, part.span);
        }
    });
    tree.statements(|stmt| heredocs(stmt, &mut look));
}

/// The name in an expansion that makes no sense without a value.
fn needed(syntax: &BourneParameterExpansion) -> Option<&str> {
    use ParameterOp::{RemovePrefixLong, RemovePrefixShort, RemoveSuffixLong, RemoveSuffixShort};
    match syntax {
        BourneParameterExpansion::Length { reference } => Some(reference.name.as_str()),
        BourneParameterExpansion::Operation {
            reference,
            operator,
            ..
        } => matches!(
            **operator,
            RemovePrefixShort { .. }
                | RemovePrefixLong { .. }
                | RemoveSuffixShort { .. }
                | RemoveSuffixLong { .. }
                | ParameterOp::ReplaceFirst { .. }
                | ParameterOp::ReplaceAll { .. }
        )
        .then_some(reference.name.as_str()),
        _ => None,
    }
}

fn heredocs(stmt: &Stmt, look: &mut impl FnMut(&str, shuck_ast::Span)) {
    for redirect in &stmt.redirects {
        if let RedirectTarget::Heredoc(doc) = &redirect.target {
            for part in &doc.body.parts {
                if let HeredocBodyPart::Variable(name) = &part.kind {
                    look(name.as_str(), part.span);
                }
            }
        }
    }
}
