//! Assignments that don't assign what they seem to.

use shuck_ast::{AssignmentValue, Command, CompoundCommand, DeclOperand, SimpleCommand, WordPart};

use super::look::{Tree, parts, trees, variable};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    ARRAY_BRACES,
    ASSIGNMENT_DOLLAR,
    ASSIGNMENT_EQUALS,
    ASSIGNMENT_SPACES,
    FOR_DOLLAR,
    MASKED_RESULT,
];

/// `x = 1`, `x= 1`
const ASSIGNMENT_SPACES: Rule = Rule {
    id: "assignment-spaces",
    summary: "Write assignments without spaces around the equals sign",
    severity: Severity::Error,
    hadolint: &["SC1007", "SC1068", "SC2283"],
    check: spaces,
    ..Rule::NEW
};

fn spaces(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject) {
        tree.simple(|command| {
            let name = tree.raw(command.name.span);
            if let Some(first) = command.args.first()
                && is_name(name)
                && matches!(tree.raw(first.span), "=" | "+=")
            {
                findings.add(
                    tree.span(first.span),
                    format!("with spaces around it this is no assignment: the shell looks for a program {name}"),
                );
            }
            space_behind(&tree, command, findings);
        });
    }
}

/// `x= value`: `value` is run, with an empty `x`. That is meant where it looks like a command in an
/// environment.
fn space_behind(tree: &Tree, command: &SimpleCommand, findings: &mut Findings) {
    let Some(last) = command.assignments.last() else {
        return;
    };
    let name = last.target.name.as_str();
    let raw = tree.raw(last.span);
    let follows = tree.raw(command.name.span);
    let environment = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let no_program = |c: char| matches!(c, '"' | '\'' | '$' | '`') || c.is_ascii_digit();
    if raw.ends_with('=')
        && !follows.is_empty()
        && name != "IFS"
        && (!environment || follows.starts_with(no_program))
    {
        findings.add(
            tree.span(last.span),
            format!("{name} is set to nothing, and {follows} is run as a command: the space behind the equals sign ends the assignment"),
        );
    }
}

/// `$x=1`
const ASSIGNMENT_DOLLAR: Rule = Rule {
    id: "assignment-dollar",
    summary: "Assign to a variable's name, without a dollar sign",
    severity: Severity::Error,
    hadolint: &["SC1066", "SC2281"],
    check: dollar,
    ..Rule::NEW
};

fn dollar(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("=")) {
        tree.simple(|command| {
            if let [first, second, ..] = command.name.parts.as_slice()
                && let Some(name) = variable(&first.kind).filter(|n| is_name(n))
                && matches!(second.kind, WordPart::Literal(_))
                && tree.raw(second.span).starts_with('=')
            {
                findings.add(
                    tree.span(first.span),
                    format!("this assigns nothing: the value of {name}, an equals sign and what follows are run as a command"),
                );
            }
        });
    }
}

/// `x==1`
const ASSIGNMENT_EQUALS: Rule = Rule {
    id: "assignment-equals",
    summary: "Assign with one equals sign, compare in a test",
    severity: Severity::Error,
    hadolint: &["SC1097"],
    check: equals,
    ..Rule::NEW
};

fn equals(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("==")) {
        tree.simple(|command| {
            for assignment in &command.assignments {
                let AssignmentValue::Scalar(value) = &assignment.value else {
                    continue;
                };
                if tree.raw(value.span).starts_with('=') {
                    let name = &assignment.target.name;
                    findings.add(
                        tree.span(assignment.span),
                        format!("this doesn't compare: {name} gets a value that begins with an equals sign"),
                    );
                }
            }
        });
    }
}

/// `for $x in`
const FOR_DOLLAR: Rule = Rule {
    id: "for-dollar",
    summary: "Name a loop's variable without a dollar sign",
    severity: Severity::Error,
    hadolint: &["SC1086"],
    check: for_dollar,
    ..Rule::NEW
};

fn for_dollar(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("for")) {
        tree.statements(|stmt| {
            let Command::Compound(CompoundCommand::For(c)) = &stmt.command else {
                return;
            };
            for target in &c.targets {
                let first = target.word.parts.first();
                if let Some(name) = first.and_then(|p| variable(&p.kind)) {
                    findings.add(
                        tree.span(target.span),
                        format!("the shell refuses ${name} as the name of a loop's variable"),
                    );
                }
            }
        });
    }
}

/// `$x[1]`
const ARRAY_BRACES: Rule = Rule {
    id: "array-braces",
    summary: "Take an array's element in braces",
    severity: Severity::Error,
    hadolint: &["SC1087"],
    check: array_braces,
    ..Rule::NEW
};

fn array_braces(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("[")) {
        let mut found: Vec<(shuck_ast::Span, String, String)> = Vec::new();
        let mut before: Option<(shuck_ast::Span, String)> = None;
        tree.parts(|part, _| {
            if let Some((span, name)) = before.take()
                && span.end == part.span.start
                && matches!(part.kind, WordPart::Literal(_))
                && let Some(index) = index(tree.raw(part.span))
            {
                found.push((span, name, index.to_owned()));
            }
            let braced = tree.raw(part.span).starts_with("${");
            before = variable(&part.kind)
                .filter(|n| !braced && is_name(n))
                .map(|n| (part.span, n.to_owned()));
        });
        for (span, name, index) in found {
            findings.add(
                tree.span(span),
                format!("this is the whole of {name} and then the text [{index}]: an element is ${{{name}[{index}]}}"),
            );
        }
    }
}

/// What is in the brackets, where it can only mean an element.
fn index(text: &str) -> Option<&str> {
    let (index, _) = text.strip_prefix('[')?.split_once(']')?;
    let number = !index.is_empty() && index.chars().all(|c| c.is_ascii_digit());
    // One digit may as well be a pattern's class.
    ((number && index.len() > 1) || matches!(index, "@" | "*" | "0" | "1")).then_some(index)
}

/// `export x=$(y)`
const MASKED_RESULT: Rule = Rule {
    id: "masked-result",
    summary: "Assign a command's output first, then export it",
    hadolint: &["SC2155"],
    check: masked,
    ..Rule::NEW
};

fn masked(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject) {
        tree.statements(|stmt| {
            let Command::Decl(d) = &stmt.command else {
                return;
            };
            for operand in &d.operands {
                let DeclOperand::Assignment(a) = operand else {
                    continue;
                };
                let AssignmentValue::Scalar(value) = &a.value else {
                    continue;
                };
                let mut substitutes = false;
                parts(&value.parts, false, &mut |p, _| {
                    substitutes |= matches!(p.kind, WordPart::CommandSubstitution { .. });
                });
                if substitutes {
                    let (kind, name) = (&d.variant, &a.target.name);
                    findings.add(
                        tree.span(a.span),
                        format!("{kind} succeeds even if the command for {name} fails, so the build goes on without the value"),
                    );
                }
            }
        });
    }
}

/// Whether a text can be a variable's name.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
