//! Tokens as a tree, by recursive descent.

use std::ops::Range;

use super::Fault;
use super::lexer::{Kind, Operator, Token, tokens};

/// Brackets within brackets and `not not …`: more is a mistake, and would use up the stack.
const DEEPEST: usize = 64;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    Compare(Operand, Operator, Operand),
    In(Operand, Vec<Operand>),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

/// A name or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    pub text: String,
    /// whether it stood in quotes
    pub quoted: bool,
    pub at: Range<usize>,
}

/// The tree of a condition.
pub fn parse(text: &str) -> Result<Tree, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.trim_end().len(),
        depth: 0,
    };
    let tree = parser.any()?;
    match parser.peek() {
        None => Ok(tree),
        Some(token) => Err(Fault::new(
            token.at.clone(),
            "expected `and`, `or`, or the end",
        )),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// Whether the next token is the word `word`, which is then taken.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.next += usize::from(found);
        found
    }

    /// Whether the next token is one of `marks`, which is then taken.
    fn takes_mark(&mut self, marks: &str) -> Option<char> {
        let Some(Kind::Mark(mark)) = self.peek().map(|token| &token.kind) else {
            return None;
        };
        let mark = Some(*mark).filter(|mark| marks.contains(*mark))?;
        self.next += 1;
        Some(mark)
    }

    fn expected(&self, what: &str) -> Fault {
        let at = self
            .peek()
            .map_or(self.end..self.end, |token| token.at.clone());
        Fault::new(at, format!("expected {what}"))
    }

    fn any(&mut self) -> Result<Tree, Fault> {
        let mut tree = self.all()?;
        while self.takes("or") {
            tree = Tree::Or(Box::new(tree), Box::new(self.all()?));
        }
        Ok(tree)
    }

    fn all(&mut self) -> Result<Tree, Fault> {
        let mut tree = self.one()?;
        while self.takes("and") {
            tree = Tree::And(Box::new(tree), Box::new(self.one()?));
        }
        Ok(tree)
    }

    fn one(&mut self) -> Result<Tree, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected(&format!("no more than {DEEPEST} levels of brackets")));
        }
        let tree = if self.takes("not") {
            Tree::Not(Box::new(self.one()?))
        } else if self.takes_mark("(").is_some() {
            let tree = self.any()?;
            if self.takes_mark(")").is_none() {
                return Err(self.expected("`)`"));
            }
            tree
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn comparison(&mut self) -> Result<Tree, Fault> {
        let name = self.name()?;
        let negated = self.takes("not");
        if self.takes("in") {
            let list = Tree::In(name, self.list()?);
            return Ok(if negated {
                Tree::Not(Box::new(list))
            } else {
                list
            });
        }
        if negated {
            return Err(self.expected("`in`"));
        }
        let Some(Kind::Operator(operator)) = self.peek().map(|token| token.kind.clone()) else {
            let fault = self.expected("a comparison");
            return Err(fault.help("one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`".to_owned()));
        };
        self.next += 1;
        Ok(Tree::Compare(name, operator, self.value()?))
    }

    fn name(&mut self) -> Result<Operand, Fault> {
        let token = match self.peek() {
            Some(token) if ["and", "or", "in"].iter().any(|word| token.is(word)) => {
                return Err(self.expected("a name"));
            }
            Some(token) => token.clone(),
            None => return Err(self.expected("a name")),
        };
        match token.kind {
            Kind::Word(text) | Kind::Ticked(text) => {
                self.next += 1;
                Ok(Operand {
                    text,
                    quoted: false,
                    at: token.at,
                })
            }
            Kind::Quoted(text) => Err(Fault::new(token.at, "expected a name, and this is a value")
                .help(format!("write a name bare, or in backticks: `{text}`"))),
            _ => Err(self.expected("a name")),
        }
    }

    /// A quoted value, or all words that follow: `diverged @ epoch 37`.
    fn value(&mut self) -> Result<Operand, Fault> {
        let token = self.peek().cloned();
        let mut value = match token.map(|token| (token.kind, token.at)) {
            Some((Kind::Quoted(text), at)) => {
                self.next += 1;
                return Ok(Operand {
                    text,
                    quoted: true,
                    at,
                });
            }
            Some((Kind::Word(text), at)) => Operand {
                text,
                quoted: false,
                at,
            },
            _ => return Err(self.expected("a value")),
        };
        self.next += 1;
        while let Some(token) = self.peek()
            && let Kind::Word(word) = &token.kind
            && !token.is("and")
            && !token.is("or")
        {
            value.text = format!("{} {word}", value.text);
            value.at.end = token.at.end;
            self.next += 1;
        }
        Ok(value)
    }

    fn list(&mut self) -> Result<Vec<Operand>, Fault> {
        let Some(open) = self.takes_mark("[(") else {
            let fault = self.expected("a list");
            return Err(fault.help("as in `loss in [bce, hinge]`".to_owned()));
        };
        let close = if open == '[' { "]" } else { ")" };
        let mut values = vec![self.value()?];
        while self.takes_mark(",").is_some() {
            if self.takes_mark(close).is_some() {
                return Ok(values);
            }
            values.push(self.value()?);
        }
        match self.takes_mark(close) {
            Some(_) => Ok(values),
            None => Err(self.expected(&format!("`,` or `{close}`"))),
        }
    }
}
