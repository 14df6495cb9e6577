//! Scripts that the shell takes, and ways to look through them.

use std::ops::Range;

use kiln_dockerfile::Span;
use shuck_ast::{
    Command, ParameterExpansionSyntax, SimpleCommand, Stmt, StmtSeq, Word, WordPart, WordPartNode,
    static_word_text,
};

use crate::shell::{Around, Script, Visitor, walk};
use crate::subject::Subject;

/// A script with its syntax tree.
#[derive(Clone, Copy)]
pub struct Tree<'s> {
    /// The number of its instruction.
    pub n: usize,
    /// The script.
    pub script: &'s Script,
    body: &'s StmtSeq,
}

/// The scripts without errors of syntax: the trees of others are guesses.
pub fn trees<'s>(subject: &'s Subject) -> impl Iterator<Item = Tree<'s>> {
    subject.scripts().filter_map(|(n, script)| {
        let parsed = script.parsed.as_ref().filter(|p| p.is_ok())?;
        Some(Tree {
            n,
            script,
            body: &parsed.file.body,
        })
    })
}

/// The bytes of a span.
pub fn range(span: shuck_ast::Span) -> Range<usize> {
    span.start.offset()..span.end.offset()
}

impl<'s> Tree<'s> {
    /// A script's tree, whatever it is worth.
    pub fn of(n: usize, script: &'s Script, body: &'s StmtSeq) -> Tree<'s> {
        Tree { n, script, body }
    }

    /// Where a stretch of the script stands in the Dockerfile.
    pub fn span(&self, span: shuck_ast::Span) -> Span {
        self.script.span(range(span))
    }

    /// The text of a stretch.
    pub fn raw(&self, span: shuck_ast::Span) -> &'s str {
        self.script.text().get(range(span)).unwrap_or_default()
    }

    /// A word's text where it is the same each time.
    pub fn fixed(&self, word: &Word) -> Option<String> {
        static_word_text(word, self.script.text()).map(|t| t.into_owned())
    }

    /// The name of a simple command.
    pub fn name(&self, command: &SimpleCommand) -> String {
        self.fixed(&command.name).unwrap_or_default()
    }

    /// Whether a text stands anywhere in the script: what can't be there needs no look.
    pub fn has(&self, text: &str) -> bool {
        self.script.text().contains(text)
    }

    /// Looks at all statements, nested ones included.
    pub fn statements(&self, look: impl FnMut(&Stmt)) {
        walk(self.body, &mut OnStatement(look));
    }

    /// Looks at all lists of statements.
    pub fn lists(&self, look: impl FnMut(&StmtSeq)) {
        walk(self.body, &mut OnList(look));
    }

    /// Looks at all simple commands.
    pub fn simple(&self, mut look: impl FnMut(&SimpleCommand)) {
        self.statements(|stmt| {
            if let Command::Simple(command) = &stmt.command {
                look(command);
            }
        });
    }

    /// Looks at all words: of commands, assignments, redirections and lists.
    pub fn words(&self, look: impl FnMut(&Word)) {
        walk(self.body, &mut OnWord(look));
    }

    /// Looks at the parts of all words, and tells which are inside double quotes.
    pub fn parts(&self, mut look: impl FnMut(&WordPartNode, bool)) {
        self.words(|word| parts(&word.parts, false, &mut look));
    }

    /// Looks at all statements, and tells whether each is inside a substitution.
    pub fn nested_statements(&self, look: impl FnMut(&Stmt, bool)) {
        let mut visitor = Nested {
            look,
            around: Vec::new(),
        };
        walk(self.body, &mut visitor);
    }
}

struct OnStatement<F>(F);

impl<F: FnMut(&Stmt)> Visitor for OnStatement<F> {
    fn command(&mut self, stmt: &Stmt) {
        (self.0)(stmt);
    }
}

struct OnList<F>(F);

impl<F: FnMut(&StmtSeq)> Visitor for OnList<F> {
    fn list(&mut self, list: &StmtSeq) {
        (self.0)(list);
    }
}

struct OnWord<F>(F);

impl<F: FnMut(&Word)> Visitor for OnWord<F> {
    fn word(&mut self, word: &Word) {
        (self.0)(word);
    }
}

struct Nested<F> {
    look: F,
    around: Vec<Around>,
}

impl<F: FnMut(&Stmt, bool)> Visitor for Nested<F> {
    fn command(&mut self, stmt: &Stmt) {
        (self.look)(stmt, self.around.contains(&Around::Substitution));
    }

    fn enter(&mut self, around: Around) {
        self.around.push(around);
    }

    fn leave(&mut self) {
        self.around.pop();
    }
}

/// Looks at parts, and at those inside double quotes.
pub fn parts(nodes: &[WordPartNode], quoted: bool, look: &mut impl FnMut(&WordPartNode, bool)) {
    for node in nodes {
        look(node, quoted);
        if let WordPart::DoubleQuoted { parts: inner, .. } = &node.kind {
            parts(inner, true, look);
        }
    }
}

/// The variable whose whole value a part stands for: `$x`, `${x}`.
pub fn variable(part: &WordPart) -> Option<&str> {
    match part {
        WordPart::Variable(name) => Some(name.as_str()),
        WordPart::Parameter(p) => match &p.syntax {
            ParameterExpansionSyntax::Bourne(shuck_ast::BourneParameterExpansion::Access {
                reference,
            }) if reference.subscript.is_none() => Some(reference.name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a literal has one of the characters without a backslash before it.
pub fn unescaped(raw: &str, wanted: &[char]) -> Option<usize> {
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if wanted.contains(&c) {
            return Some(at);
        }
    }
    None
}
