//! What bash's language has and that of `sh` has not.

use shuck_ast::{
    ArithmeticExpansionSyntax, Assignment, AssignmentValue, BinaryOp, BourneParameterExpansion,
    BraceQuoteContext, BraceSyntaxKind, Command, CompoundCommand, DeclOperand, FunctionDef,
    ParameterExpansionSyntax, ParameterOp, RedirectKind, Span, Stmt, WordPart, WordPartNode,
};

use super::look::{Tree, trees};
use super::shells::{Shell, shell};
use crate::finding::Findings;
use crate::rule::Rule;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    SH_APPEND,
    SH_ARITHMETIC,
    SH_ARRAYS,
    SH_BRACE_EXPANSION,
    SH_DOUBLE_BRACKET,
    SH_EXPANSION,
    SH_FUNCTION_KEYWORD,
    SH_QUOTING,
    SH_REDIRECTION,
];

/// The scripts whose shell takes less than bash; with `ash`, those of busybox too.
pub fn posix<'s>(subject: &'s Subject, ash: bool) -> impl Iterator<Item = Tree<'s>> {
    trees(subject).filter(move |t| match shell(subject, t) {
        Shell::Sh => true,
        Shell::Ash => ash,
        Shell::Bash | Shell::Other => false,
    })
}

/// `[[ a ]]`
const SH_DOUBLE_BRACKET: Rule = Rule {
    id: "sh-double-bracket",
    summary: "Test with [ in sh: [[ is a word of bash",
    hadolint: &["SC3010"],
    check: double_bracket,
    ..Rule::NEW
};

fn double_bracket(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("[[")) {
        tree.statements(|stmt| {
            if let Command::Compound(CompoundCommand::Conditional(c)) = &stmt.command {
                findings.add(
                    tree.span(c.left_bracket_span),
                    "sh has no [[: it fails like a program that isn't there, and the test is never true",
                );
            }
        });
    }
}

/// `a=(b c)`
const SH_ARRAYS: Rule = Rule {
    id: "sh-arrays",
    summary: "Use lists of words in sh: arrays are bash's",
    hadolint: &["SC3030", "SC3054"],
    check: arrays,
    ..Rule::NEW
};

fn arrays(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true) {
        each_assignment(&tree, |a| {
            let array = matches!(a.value, AssignmentValue::Compound(_));
            if array || a.target.subscript.is_some() {
                findings.add(
                    tree.span(a.span),
                    "sh has no arrays: it can't read this script",
                );
            }
        });
        if tree.has("[") {
            tree.parts(|part, _| {
                if indexed(part) {
                    findings.add(
                        tree.span(part.span),
                        "sh has no arrays: it stops at this expansion as a bad substitution",
                    );
                }
            });
        }
    }
}

fn indexed(part: &WordPartNode) -> bool {
    match &part.kind {
        WordPart::ArrayAccess(_) | WordPart::ArrayLength(_) | WordPart::ArrayIndices(_) => true,
        WordPart::Parameter(p) => match &p.syntax {
            ParameterExpansionSyntax::Bourne(
                BourneParameterExpansion::Access { reference }
                | BourneParameterExpansion::Length { reference }
                | BourneParameterExpansion::Indices { reference }
                | BourneParameterExpansion::Operation { reference, .. },
            ) => reference.subscript.is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// `a+=b`
const SH_APPEND: Rule = Rule {
    id: "sh-append",
    summary: "Append with x=\"$x…\" in sh: += is bash's",
    hadolint: &["SC3024"],
    check: append,
    ..Rule::NEW
};

fn append(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true).filter(|t| t.has("+=")) {
        each_assignment(&tree, |a| {
            if a.append {
                let name = &a.target.name;
                findings.add(
                    tree.span(a.span),
                    format!("sh has no +=: it looks for a program with this name, and {name} stays as it was"),
                );
            }
        });
    }
}

fn each_assignment(tree: &Tree, mut look: impl FnMut(&Assignment)) {
    tree.statements(|stmt| match &stmt.command {
        Command::Simple(c) => c.assignments.iter().for_each(&mut look),
        Command::Decl(d) => d.operands.iter().for_each(|o| {
            if let DeclOperand::Assignment(a) = o {
                look(a);
            }
        }),
        _ => {}
    });
}

/// `{a,b}`
const SH_BRACE_EXPANSION: Rule = Rule {
    id: "sh-brace-expansion",
    summary: "Write words out in sh: braces are expanded by bash only",
    hadolint: &["SC3009"],
    check: braces,
    ..Rule::NEW
};

fn braces(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true).filter(|t| t.has("{")) {
        tree.simple(|command| {
            for brace in command.args.iter().flat_map(|w| &w.brace_syntax) {
                let expands = matches!(brace.kind, BraceSyntaxKind::Expansion(_));
                if expands && brace.quote_context == BraceQuoteContext::Unquoted {
                    let raw = tree.raw(brace.span);
                    findings.add(
                        tree.span(brace.span),
                        format!("sh doesn't expand {raw}: the program gets it as it is written"),
                    );
                }
            }
        });
    }
}

/// `((x++))`
const SH_ARITHMETIC: Rule = Rule {
    id: "sh-arithmetic",
    summary: "Calculate with $((…)) in sh, without ++ and **",
    hadolint: &["SC3005", "SC3006", "SC3007", "SC3018", "SC3019"],
    check: arithmetic,
    ..Rule::NEW
};

fn arithmetic(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true).filter(|t| t.has("((") || t.has("$[")) {
        tree.statements(|stmt| {
            let Command::Compound(c) = &stmt.command else {
                return;
            };
            let (span, what) = match c {
                CompoundCommand::Arithmetic(c) => (c.left_paren_span, "((…)) as a command"),
                CompoundCommand::ArithmeticFor(c) => (c.left_paren_span, "for ((…))"),
                _ => return,
            };
            findings.add(tree.span(span), format!("sh has no {what}"));
        });
        let ash = shell(subject, &tree) == Shell::Ash;
        tree.parts(|part, _| {
            let WordPart::ArithmeticExpansion { syntax, .. } = &part.kind else {
                return;
            };
            let raw = tree.raw(part.span);
            if *syntax == ArithmeticExpansionSyntax::LegacyBracket {
                findings.add(
                    tree.span(part.span),
                    "sh has no $[…]: the text stays as it is",
                );
            } else if !ash && (raw.contains("++") || raw.contains("**")) {
                findings.add(
                    tree.span(part.span),
                    "sh can't calculate this: it has neither ++ nor **",
                );
            }
        });
    }
}

/// `${x/a/b}`
const SH_EXPANSION: Rule = Rule {
    id: "sh-expansion",
    summary: "Change text with sed or ${x%…} in sh: other expansions are bash's",
    hadolint: &["SC3053", "SC3057", "SC3059", "SC3060"],
    check: expansion,
    ..Rule::NEW
};

fn expansion(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true).filter(|t| t.has("${")) {
        let ash = shell(subject, &tree) == Shell::Ash;
        tree.parts(|part, _| {
            let WordPart::Parameter(p) = &part.kind else {
                return;
            };
            let ParameterExpansionSyntax::Bourne(syntax) = &p.syntax else {
                return;
            };
            use ParameterOp::{
                LowerAll, LowerFirst, ReplaceAll, ReplaceFirst, UpperAll, UpperFirst,
            };
            let (what, in_ash) = match syntax {
                BourneParameterExpansion::Slice { .. } => ("parts of a value by numbers", true),
                BourneParameterExpansion::Indirect { .. } => {
                    ("values by a variable's value", false)
                }
                BourneParameterExpansion::Operation { operator, .. } => match **operator {
                    ReplaceFirst { .. } | ReplaceAll { .. } => ("replacement in a value", true),
                    UpperFirst | UpperAll | LowerFirst | LowerAll => ("change of letters", false),
                    _ => return,
                },
                _ => return,
            };
            if !(ash && in_ash) {
                findings.add(
                    tree.span(part.span),
                    format!("sh has no {what}: it stops here with a bad substitution"),
                );
            }
        });
    }
}

/// `$'a\n'`
const SH_QUOTING: Rule = Rule {
    id: "sh-quoting",
    summary: "Make special characters with printf in sh: $'…' is bash's",
    hadolint: &["SC3003", "SC3004"],
    check: quoting,
    ..Rule::NEW
};

fn quoting(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("$'") || t.has("$\"")) {
        tree.parts(|part, _| {
            if matches!(
                part.kind,
                WordPart::SingleQuoted { dollar: true, .. }
                    | WordPart::DoubleQuoted { dollar: true, .. }
            ) {
                findings.add(
                    tree.span(part.span),
                    "sh takes the dollar sign before these quotes as it is, and escapes nothing in them",
                );
            }
        });
    }
}

/// `x &> y`
const SH_REDIRECTION: Rule = Rule {
    id: "sh-redirection",
    summary: "Redirect with > file 2>&1 in sh: &>, <<< and <(…) are bash's",
    hadolint: &["SC3001", "SC3011", "SC3020", "SC3029"],
    check: redirection,
    ..Rule::NEW
};

fn redirection(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, true) {
        let ash = shell(subject, &tree) == Shell::Ash;
        tree.statements(|stmt: &Stmt| {
            for redirect in &stmt.redirects {
                match redirect.kind {
                    RedirectKind::OutputBoth if !ash => {
                        findings.add(
                            tree.span(redirect.span),
                            "sh takes this & for the command's end: it goes on in the background, and its output isn't redirected",
                        );
                    }
                    RedirectKind::HereString => {
                        findings.add(tree.span(redirect.span), "sh has no <<<");
                    }
                    _ => {}
                }
            }
            if let Command::Binary(b) = &stmt.command
                && b.op == BinaryOp::PipeAll
            {
                findings.add(tree.span(b.op_span), "sh has no |&");
            }
        });
        let mut processes: Vec<Span> = Vec::new();
        tree.parts(|part, _| {
            if !ash && matches!(part.kind, WordPart::ProcessSubstitution { .. }) {
                processes.push(part.span);
            }
        });
        for span in processes {
            findings.add(tree.span(span), "sh has no <(…): it can't read this script");
        }
    }
}

/// `function f { x; }`
const SH_FUNCTION_KEYWORD: Rule = Rule {
    id: "sh-function-keyword",
    summary: "Define functions with f() in sh: function is a word of bash",
    hadolint: &["SC2112", "SC2113"],
    check: function_keyword,
    ..Rule::NEW
};

fn function_keyword(subject: &Subject, findings: &mut Findings) {
    for tree in posix(subject, false).filter(|t| t.has("function")) {
        tree.statements(|stmt| {
            if let Command::Function(FunctionDef { header, .. }) = &stmt.command
                && let Some(span) = header.function_keyword_span
            {
                findings.add(
                    tree.span(span),
                    "sh takes function for a program, and stops at what follows",
                );
            }
        });
    }
}
