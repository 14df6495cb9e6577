//! Goes through a script's syntax tree, in the text's order.

use shuck_ast::{
    ArrayElem, Assignment, AssignmentValue, BinaryOp, BourneParameterExpansion, BuiltinCommand,
    Command, CompoundCommand, ConditionalExpr, DeclOperand, HeredocBodyPart, ParameterExpansion,
    RedirectTarget, Stmt, StmtSeq, Word, WordPart, WordPartNode,
};

/// What is around the commands that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// A branch, loop, group or function.
    Compound,
    /// `$(…)`, `<(…)`.
    Substitution,
    /// The left side of `&&`, `||`, `|`.
    Left(BinaryOp),
    /// The right side.
    Right(BinaryOp),
}

/// What [`walk`] tells of.
pub trait Visitor {
    /// A list of statements, before its first.
    fn list(&mut self, _: &StmtSeq) {}
    /// The next of a list of statements.
    fn statement(&mut self) {}
    /// A statement; its command may be of any kind.
    fn command(&mut self, _: &Stmt) {}
    /// A word, before those inside of it: of a command, an assignment, a redirection, a list.
    fn word(&mut self, _: &Word) {}
    /// What follows up to the `leave` is inside of this.
    fn enter(&mut self, _: Around) {}
    /// The end of it.
    fn leave(&mut self) {}
}

/// Goes through all statements, nested ones included.
pub fn walk(body: &StmtSeq, visitor: &mut dyn Visitor) {
    Walk { visitor }.sequence(body);
}

struct Walk<'v> {
    visitor: &'v mut dyn Visitor,
}

impl Walk<'_> {
    fn sequence(&mut self, body: &StmtSeq) {
        self.visitor.list(body);
        for stmt in body.iter() {
            self.visitor.statement();
            self.stmt(stmt);
        }
    }

    fn inside(&mut self, around: Around, body: &StmtSeq) {
        self.visitor.enter(around);
        self.sequence(body);
        self.visitor.leave();
    }

    fn side(&mut self, around: Around, stmt: &Stmt) {
        self.visitor.enter(around);
        self.stmt(stmt);
        self.visitor.leave();
    }

    fn stmt(&mut self, stmt: &Stmt) {
        self.visitor.command(stmt);
        match &stmt.command {
            Command::Simple(c) => {
                self.assignments(&c.assignments);
                self.word(&c.name);
                self.words(&c.args);
            }
            Command::Builtin(b) => {
                let (first, rest, assignments) = match b {
                    BuiltinCommand::Break(c) => (&c.depth, &c.extra_args, &c.assignments),
                    BuiltinCommand::Continue(c) => (&c.depth, &c.extra_args, &c.assignments),
                    BuiltinCommand::Return(c) => (&c.code, &c.extra_args, &c.assignments),
                    BuiltinCommand::Exit(c) => (&c.code, &c.extra_args, &c.assignments),
                };
                self.assignments(assignments);
                first.iter().for_each(|w| self.word(w));
                self.words(rest);
            }
            Command::Decl(d) => {
                self.assignments(&d.assignments);
                for operand in &d.operands {
                    match operand {
                        DeclOperand::Flag(w) | DeclOperand::Dynamic(w) => self.word(w),
                        DeclOperand::Assignment(a) => self.assignment(a),
                        DeclOperand::Name(_) => {}
                    }
                }
            }
            Command::Binary(b) => {
                self.side(Around::Left(b.op), &b.left);
                self.side(Around::Right(b.op), &b.right);
            }
            Command::Compound(c) => self.compound(c),
            Command::Function(f) => self.side(Around::Compound, &f.body),
            Command::AnonymousFunction(f) => self.side(Around::Compound, &f.body),
        }
        for redirect in &stmt.redirects {
            match &redirect.target {
                RedirectTarget::Word(w) => self.word(w),
                RedirectTarget::Heredoc(h) => {
                    for part in &h.body.parts {
                        match &part.kind {
                            HeredocBodyPart::CommandSubstitution { body, .. } => {
                                self.inside(Around::Substitution, body);
                            }
                            HeredocBodyPart::Parameter(p) => self.parameter(p),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        let inner = Around::Compound;
        match compound {
            CompoundCommand::If(c) => {
                self.inside(inner, &c.condition);
                self.inside(inner, &c.then_branch);
                for (condition, branch) in &c.elif_branches {
                    self.inside(inner, condition);
                    self.inside(inner, branch);
                }
                c.else_branch.iter().for_each(|b| self.inside(inner, b));
            }
            CompoundCommand::For(c) => {
                c.words.iter().for_each(|w| self.words(w));
                self.inside(inner, &c.body);
            }
            CompoundCommand::Repeat(c) => self.inside(inner, &c.body),
            CompoundCommand::Foreach(c) => self.inside(inner, &c.body),
            CompoundCommand::ArithmeticFor(c) => self.inside(inner, &c.body),
            CompoundCommand::While(c) => {
                self.inside(inner, &c.condition);
                self.inside(inner, &c.body);
            }
            CompoundCommand::Until(c) => {
                self.inside(inner, &c.condition);
                self.inside(inner, &c.body);
            }
            CompoundCommand::Case(c) => {
                self.word(&c.word);
                c.cases.iter().for_each(|i| self.inside(inner, &i.body));
            }
            CompoundCommand::Select(c) => {
                self.words(&c.words);
                self.inside(inner, &c.body);
            }
            CompoundCommand::Subshell(body) | CompoundCommand::BraceGroup(body) => {
                self.inside(inner, body);
            }
            CompoundCommand::Arithmetic(_) => {}
            CompoundCommand::Time(c) => c.command.iter().for_each(|s| self.stmt(s)),
            CompoundCommand::Conditional(c) => self.conditional(&c.expression),
            CompoundCommand::Coproc(c) => self.side(inner, &c.body),
            CompoundCommand::Always(c) => {
                self.inside(inner, &c.body);
                self.inside(inner, &c.always_body);
            }
        }
    }

    fn conditional(&mut self, expression: &ConditionalExpr) {
        match expression {
            ConditionalExpr::Binary(b) => {
                self.conditional(&b.left);
                self.conditional(&b.right);
            }
            ConditionalExpr::Unary(u) => self.conditional(&u.expr),
            ConditionalExpr::Parenthesized(p) => self.conditional(&p.expr),
            ConditionalExpr::Word(w) | ConditionalExpr::Regex(w) => self.word(w),
            ConditionalExpr::Pattern(_) | ConditionalExpr::VarRef(_) => {}
        }
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        assignments.iter().for_each(|a| self.assignment(a));
    }

    fn assignment(&mut self, assignment: &Assignment) {
        match &assignment.value {
            AssignmentValue::Scalar(w) => self.word(w),
            AssignmentValue::Compound(array) => {
                for element in &array.elements {
                    match element {
                        ArrayElem::Sequential(v)
                        | ArrayElem::Keyed { value: v, .. }
                        | ArrayElem::KeyedAppend { value: v, .. } => self.word(v),
                    }
                }
            }
        }
    }

    fn words(&mut self, words: &[Word]) {
        words.iter().for_each(|w| self.word(w));
    }

    fn word(&mut self, word: &Word) {
        self.visitor.word(word);
        self.parts(&word.parts);
    }

    fn parts(&mut self, parts: &[WordPartNode]) {
        for part in parts {
            match &part.kind {
                WordPart::DoubleQuoted { parts, .. } => self.parts(parts),
                WordPart::CommandSubstitution { body, .. }
                | WordPart::ProcessSubstitution { body, .. } => {
                    self.inside(Around::Substitution, body);
                }
                WordPart::ArithmeticExpansion {
                    expression_word_ast,
                    ..
                } => self.parts(&expression_word_ast.parts),
                WordPart::Parameter(p) => self.parameter(p),
                WordPart::ParameterExpansion {
                    operand_word_ast: Some(w),
                    ..
                } => self.parts(&w.parts),
                _ => {}
            }
        }
    }

    fn parameter(&mut self, parameter: &ParameterExpansion) {
        let operand = parameter
            .bourne()
            .and_then(BourneParameterExpansion::operand_word_ast);
        operand.iter().for_each(|w| self.parts(&w.parts));
    }
}
