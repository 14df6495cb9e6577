//! Files and patterns in commands.

use std::collections::HashSet;

use shuck_ast::{BinaryOp, Command, RedirectKind, SimpleCommand, Stmt, Word, WordPart};

use super::look::{Tree, range, trees, unescaped};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    FIND_PATTERN,
    OPTION_LIKE_GLOB,
    REDIRECTION_ORDER,
    TRUNCATED_INPUT,
    USELESS_CAT,
];

/// Programs that take files.
const FILE_PROGRAMS: [&str; 25] = [
    "rm",
    "ls",
    "chmod",
    "chown",
    "chgrp",
    "cp",
    "mv",
    "tar",
    "cat",
    "gzip",
    "bzip2",
    "xz",
    "zip",
    "du",
    "wc",
    "md5sum",
    "sha256sum",
    "dpkg",
    "strip",
    "ln",
    "touch",
    "install",
    "head",
    "tail",
    "stat",
];

/// `rm *`
const OPTION_LIKE_GLOB: Rule = Rule {
    id: "option-like-glob",
    summary: "Begin a pattern with ./ so that no file becomes an option",
    severity: Severity::Info,
    hadolint: &["SC2035"],
    check: option_like,
    ..Rule::NEW
};

fn option_like(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has(" *") || t.has(" ?")) {
        tree.simple(|command| {
            let name = tree.name(command);
            if !FILE_PROGRAMS.contains(&name.rsplit('/').next().unwrap_or_default()) {
                return;
            }
            // dpkg's patterns are names of packages, unless it installs.
            if name == "dpkg" && !command.args.iter().any(|a| tree.raw(a.span) == "-i") {
                return;
            }
            let before_end = command
                .args
                .iter()
                .take_while(|w| tree.raw(w.span) != "--");
            for word in before_end {
                let raw = tree.raw(word.span);
                if raw.starts_with(['*', '?']) {
                    findings.add(
                        tree.span(word.span),
                        format!("a file whose name begins with a dash would be an option of {name}: ./{raw} can't be"),
                    );
                }
            }
        });
    }
}

/// `find -name *.c`
const FIND_PATTERN: Rule = Rule {
    id: "find-pattern",
    summary: "Quote the patterns of find",
    hadolint: &["SC2061"],
    fixes: true,
    check: find_pattern,
    ..Rule::NEW
};

fn find_pattern(subject: &Subject, findings: &mut Findings) {
    let tests = [
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-wholename",
        "-iwholename",
        "-regex",
        "-iregex",
        "-lname",
    ];
    for tree in trees(subject).filter(|t| t.has("find")) {
        tree.simple(|command| {
            if tree.name(command).rsplit('/').next() != Some("find") {
                return;
            }
            for pair in command.args.windows(2) {
                let [test, pattern] = pair else { continue };
                let raw = tree.raw(pattern.span);
                let literal = |w: &Word| matches!(w.parts.as_slice(), [p] if matches!(p.kind, WordPart::Literal(_)));
                if !tests.contains(&tree.raw(test.span))
                    || !literal(pattern)
                    || unescaped(raw, &['*', '?', '[']).is_none()
                {
                    continue;
                }
                let span = tree.span(pattern.span);
                let finding = findings.add(
                    span,
                    format!("if a file here matches {raw}, find gets its name in place of the pattern"),
                );
                let plain = |c: char| c.is_ascii_alphanumeric() || "*?.-_/[]".contains(c);
                if tree.script.editable() && raw.chars().all(plain) {
                    finding.fix(Fix::replace(
                        "quote the pattern",
                        span.range(),
                        format!("'{raw}'"),
                    ));
                }
            }
        });
    }
}

/// `cat f | x`
const USELESS_CAT: Rule = Rule {
    id: "useless-cat",
    summary: "Give a file to the program, not to a cat before it",
    severity: Severity::Style,
    hadolint: &["SC2002"],
    check: useless_cat,
    ..Rule::NEW
};

fn useless_cat(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("cat ") && t.has("|")) {
        tree.statements(|stmt| {
            let Command::Binary(b) = &stmt.command else {
                return;
            };
            let Command::Simple(cat) = &b.left.command else {
                return;
            };
            let [file] = cat.args.as_slice() else { return };
            let raw = tree.raw(file.span);
            let one = !raw.starts_with('-')
                && (file.is_fully_quoted()
                    || (tree.fixed(file).is_some()
                        && unescaped(raw, &['*', '?', '[', '{']).is_none()));
            if b.op == BinaryOp::Pipe
                && tree.name(cat) == "cat"
                && b.left.redirects.is_empty()
                && !b.left.negated
                && one
                && raw != "\"$@\""
            {
                findings.add(
                    tree.span(cat.span),
                    format!("the next program can read {raw} itself: one process less, and its failure isn't lost in the pipe"),
                );
            }
        });
    }
}

/// `x 2>&1 > f`
const REDIRECTION_ORDER: Rule = Rule {
    id: "redirection-order",
    summary: "Redirect the output first, then the errors to it",
    hadolint: &["SC2069"],
    check: redirection_order,
    ..Rule::NEW
};

fn redirection_order(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("2>&1")) {
        let mut piped = HashSet::new();
        tree.nested_statements(|stmt, substituted| {
            if let Command::Binary(b) = &stmt.command
                && matches!(b.op, BinaryOp::Pipe | BinaryOp::PipeAll)
            {
                // There the errors go to the pipe, and that is meant.
                piped.insert(range(b.left.span));
                if let Command::Binary(inner) = &b.left.command {
                    piped.insert(range(inner.right.span));
                }
                return;
            }
            if substituted || piped.contains(&range(stmt.span)) {
                return;
            }
            for pair in stmt.redirects.windows(2) {
                let [errors, output] = pair else { continue };
                // Without a place of its own: the target is part of the operator.
                let to_output = errors.kind == RedirectKind::DupOutput
                    && tree.raw(errors.span).replace(' ', "") == "2>&1";
                if to_output
                    && matches!(output.kind, RedirectKind::Output | RedirectKind::Append)
                    && matches!(output.fd, None | Some(1))
                {
                    findings.add(
                        tree.span(errors.span),
                        "errors go where the output went before: only redirections behind it see the file",
                    );
                }
            }
        });
    }
}

/// Programs that read the files in their arguments.
const READERS: [&str; 17] = [
    "sort", "sed", "awk", "grep", "cat", "tr", "cut", "jq", "head", "tail", "uniq", "envsubst",
    "tac", "rev", "yq", "xmllint", "iconv",
];

/// `sort f > f`
const TRUNCATED_INPUT: Rule = Rule {
    id: "truncated-input",
    summary: "Write to another file than the one that is read",
    severity: Severity::Info,
    hadolint: &["SC2094"],
    check: truncated,
    ..Rule::NEW
};

fn truncated(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has(">")) {
        let mut inner = HashSet::new();
        tree.statements(|stmt| {
            // A pipeline is looked at once, as a whole.
            if inner.contains(&range(stmt.span)) {
                return;
            }
            let mut members = Vec::new();
            pipeline(stmt, &mut members);
            inner.extend(
                members
                    .iter()
                    .skip(usize::from(members.len() == 1))
                    .map(|s| range(s.span)),
            );
            if let Command::Binary(b) = &stmt.command
                && matches!(b.op, BinaryOp::Pipe | BinaryOp::PipeAll)
            {
                inner.insert(range(b.left.span));
            }
            let read: Vec<String> = members.iter().flat_map(|m| reads(&tree, m)).collect();
            for member in &members {
                for redirect in &member.redirects {
                    if redirect.kind != RedirectKind::Output {
                        continue;
                    }
                    let target = redirect.word_target().and_then(|w| tree.fixed(w));
                    if let Some(file) =
                        target.filter(|f| read.contains(f) && !f.starts_with("/dev/"))
                    {
                        findings.add(
                            tree.span(redirect.span),
                            format!("the shell empties {file} before it is read here"),
                        );
                    }
                }
            }
        });
    }
}

/// The members of a pipeline; of another statement itself.
fn pipeline<'s>(stmt: &'s Stmt, members: &mut Vec<&'s Stmt>) {
    match &stmt.command {
        Command::Binary(b) if matches!(b.op, BinaryOp::Pipe | BinaryOp::PipeAll) => {
            pipeline(&b.left, members);
            pipeline(&b.right, members);
        }
        Command::Binary(_) => {}
        _ => members.push(stmt),
    }
}

/// The files a command surely reads.
fn reads(tree: &Tree, stmt: &Stmt) -> Vec<String> {
    let mut files: Vec<String> = stmt
        .redirects
        .iter()
        .filter(|r| r.kind == RedirectKind::Input)
        .filter_map(|r| r.word_target().and_then(|w| tree.fixed(w)))
        .collect();
    if let Command::Simple(c) = &stmt.command {
        files.extend(operands(tree, c));
    }
    files
}

fn operands(tree: &Tree, command: &SimpleCommand) -> Vec<String> {
    let name = tree.name(command);
    if !READERS.contains(&name.as_str()) {
        return Vec::new();
    }
    // The first is the program of those that have one.
    let skip = usize::from(matches!(
        name.as_str(),
        "sed" | "awk" | "grep" | "jq" | "yq" | "tr"
    ));
    let words = command.args.iter().filter_map(|w| tree.fixed(w));
    let words = words.filter(|w| !w.starts_with('-'));
    words.skip(skip).collect()
}
