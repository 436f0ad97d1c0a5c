//! The containers that are open at one place of a text. Whatever comes, no more than a bounded number is kept, and what a step costs
//! does not depend on the text.

use super::{Kind, Node, spent};
use crate::location::Span;

/// What is open at most; beyond, the outer half is forgotten.
const DEPTH: usize = 128;

/// A container that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) kind: Kind,
    /// Column of a line, an item, or of those around a paragraph; -1 for what has none.
    pub(super) indent: isize,
    /// Name of an element.
    pub(super) name: Span,
    /// Where an element without content ends.
    pub(super) tag_end: usize,
    /// Index of its node, as soon as it holds a part.
    node: Option<usize>,
    /// An element that has none inside.
    leaf: bool,
    /// The count of round and square brackets outside of a curly one.
    outside: [usize; 2],
}

impl Open {
    pub(super) fn new(kind: Kind, indent: isize) -> Self {
        let name = Span { start: 0, end: 0 };
        Self { kind, indent, name, tag_end: 0, node: None, leaf: true, outside: [0; 2] }
    }
}

/// From the text itself inwards; never empty.
#[derive(Debug)]
pub(super) struct Stack {
    open: Vec<Open>,
    /// How many round and square brackets are open since the last curly one.
    brackets: [usize; 2],
    curly: usize,
    elements: usize,
    nodes: Vec<Node>,
}

impl Stack {
    pub(super) fn new() -> Self {
        let text = Open::new(Kind::Text, -1);
        Self { open: vec![text], brackets: [0; 2], curly: 0, elements: 0, nodes: Vec::new() }
    }

    pub(super) fn top(&self) -> &Open {
        self.open.last().expect("the text is never closed")
    }

    /// Too deep a stack forgets its outer half: what stands there is far away. What is kept begins anew, so that no tree gets deeper.
    pub(super) fn push(&mut self, open: Open) {
        if self.open.len() == DEPTH {
            let kept = self.open.split_off(DEPTH / 2);
            self.pop_while(|_| true);
            (self.brackets, self.curly, self.elements) = ([0; 2], 0, 0);
            for open in kept {
                self.add(Open { node: None, ..open });
            }
        }
        self.add(open);
    }

    fn add(&mut self, mut open: Open) {
        match open.kind {
            Kind::Bracket(b'}') => {
                self.curly += 1;
                open.outside = std::mem::take(&mut self.brackets);
            }
            Kind::Bracket(close) => self.brackets[usize::from(close == b']')] += 1,
            Kind::Element => self.elements += 1,
            _ => {}
        }
        self.open.push(open);
    }

    pub(super) fn pop_while(&mut self, is_over: impl Fn(&Open) -> bool) {
        while self.open.len() > 1 && is_over(self.top()) {
            spent(1);
            self.pop(false);
        }
    }

    fn pop(&mut self, closed: bool) {
        let Some(open) = self.open.pop() else {
            return;
        };
        match open.kind {
            Kind::Bracket(b'}') => {
                self.curly -= 1;
                self.brackets = open.outside;
            }
            Kind::Bracket(close) => self.brackets[usize::from(close == b']')] -= 1,
            Kind::Element => self.elements -= 1,
            _ => {}
        }
        if let Some(node) = open.node {
            self.nodes[node].closed = closed;
            self.nodes[node].leaf = open.leaf;
        }
    }

    pub(super) fn open_bracket(&mut self, bracket: u8) {
        let close = match bracket {
            b'{' => b'}',
            b'[' => b']',
            _ => b')',
        };
        self.push(Open::new(Kind::Bracket(close), -1));
    }

    /// A closing bracket ends everything since the opening one. A round or square one does not reach beyond a curly one, since
    /// one too many of those is nothing special.
    pub(super) fn close_bracket(&mut self, close: u8) {
        let open = match close {
            b'}' => self.curly,
            b']' => self.brackets[1],
            _ => self.brackets[0],
        };
        if open > 0 {
            self.pop_while(|open| open.kind != Kind::Bracket(close));
            self.pop(true);
        }
    }

    /// `tag_end` is where it is closed at once, or 0.
    pub(super) fn open_element(&mut self, name: Span, tag_end: usize) {
        spent(1);
        if let Some(around) = self.open.iter_mut().rev().find(|open| open.kind == Kind::Element) {
            around.leaf = false;
        }
        self.push(Open { name, tag_end, ..Open::new(Kind::Element, -1) });
    }

    /// Ends everything since the last such element.
    pub(super) fn end_element(&mut self, is_meant: impl Fn(&Open) -> bool) {
        let is_it = |open: &Open| open.kind == Kind::Element && is_meant(open);
        spent(if self.elements > 0 { self.open.len() } else { 0 });
        if self.elements > 0 && self.open.iter().any(is_it) {
            self.pop_while(|open| !is_it(open));
            self.pop(true);
        }
    }

    /// The node of the innermost container, which holds a part now.
    pub(super) fn hold_part(&mut self) -> usize {
        let mut parent = 0;
        for open in &mut self.open {
            parent = *open.node.get_or_insert_with(|| {
                self.nodes.push(Node { parent, kind: open.kind, closed: false, leaf: true });
                self.nodes.len() - 1
            });
        }
        parent
    }

    /// Whether something that holds parts may still be closed.
    pub(super) fn waits_for_an_end(&self) -> bool {
        self.open.iter().any(|open| open.node.is_some() && matches!(open.kind, Kind::Bracket(_) | Kind::Element))
    }

    /// Nothing is closed that is still open.
    pub(super) fn into_nodes(mut self) -> Vec<Node> {
        self.pop_while(|_| true);
        self.nodes
    }
}
