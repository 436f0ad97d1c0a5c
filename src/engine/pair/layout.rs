//! Where parts stand in the structure of a text: lines and their indentation, paragraphs, sections, list items, brackets, elements.
//!
//! No format is parsed. One pass over the text keeps a stack of what is open, and a part's place is what is open around it, so that
//! JSON, YAML, INI, HCL, XML, CSV and code all come to the same kind of tree, and broken texts to some tree. Who belongs to whom is
//! left to `levels`.

use memchr::{memchr_iter, memchr3, memmem};

use super::{Part, spent};
use crate::location::Span;

/// What is open at most; beyond, the outer half is forgotten.
const DEPTH: usize = 128;
/// Names of elements and sections are no longer.
const NAME: usize = 128;

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole text.
    Text,
    /// What follows `[name]`.
    Section,
    /// Lines without a blank one or a rule between them, within one container.
    Paragraph,
    /// A line and the lines below it that are indented deeper.
    Line,
    /// The same of what begins with a dash.
    Item,
    /// What stands between brackets; the closing one.
    Bracket(u8),
    /// An element of XML or HTML.
    Element,
}

/// A container that holds parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The container around it, which stands before it in [`Layout::nodes`]; the text is its own.
    pub(super) parent: usize,
    pub(super) kind: Kind,
    /// Both its ends were seen.
    pub(super) closed: bool,
    /// An element that has none inside.
    pub(super) leaf: bool,
}

/// Where one part stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Lines before it.
    pub(super) line: usize,
    /// The innermost container.
    pub(super) node: usize,
    /// Its line is a comment.
    pub(super) commented: bool,
}

/// The containers of a text that hold parts, and for each part its place.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
    pub(super) places: Vec<Place>,
}

impl Layout {
    /// Of parts in order of place that do not overlap.
    pub(super) fn of(text: &[u8], parts: &[Part]) -> Self {
        let has_elements = memmem::find(text, b"</").is_some() || memmem::find(text, b"/>").is_some();
        let mut reader = Reader::new(text, has_elements);
        for part in parts {
            reader.read_to(part.span.start, part.span.start);
            reader.place(part.span);
        }
        while reader.waits_for_an_end() && reader.at < text.len() {
            let line_end = memchr::memchr(b'\n', &text[reader.at..]).map_or(text.len(), |n| reader.at + n + 1);
            reader.read_to(line_end, text.len());
        }
        reader.drop_down_to(0);
        Self { nodes: reader.nodes, places: reader.places }
    }
}

/// A container that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    /// Column of a line, an item, or of those around a paragraph; -1 for what has none.
    indent: isize,
    /// Set as soon as it holds a part.
    node: Option<usize>,
    /// Of an element.
    name: Span,
    /// Where an element without content ends.
    tag_end: usize,
    leaf: bool,
    /// How many round and square brackets were open around a curly one, since the curly one around that.
    outer: [usize; 2],
}

impl Open {
    fn new(kind: Kind, indent: isize) -> Self {
        let name = Span { start: 0, end: 0 };
        Self { kind, indent, node: None, name, tag_end: 0, leaf: true, outer: [0; 2] }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    has_elements: bool,
    at: usize,
    line: usize,
    at_line_start: bool,
    commented: bool,
    /// A blank line came before.
    blank: bool,
    stack: Vec<Open>,
    /// Round and square brackets since the last curly one, and curly ones.
    open: [usize; 2],
    curly: usize,
    elements: usize,
    /// Where the string ends that is open, for each kind of quote.
    string_ends: [usize; 3],
    nodes: Vec<Node>,
    places: Vec<Place>,
}

/// Where the reader has to look closer.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let signs = b"\n\"'`\\{}[]()</";
    let mut i = 0;
    while i < signs.len() {
        stops[signs[i] as usize] = true;
        i += 1;
    }
    stops
};

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], has_elements: bool) -> Self {
        Self {
            text,
            has_elements,
            at: 0,
            line: 0,
            at_line_start: true,
            commented: false,
            blank: false,
            stack: vec![Open::new(Kind::Text, -1)],
            open: [0; 2],
            curly: 0,
            elements: 0,
            string_ends: [usize::MAX; 3],
            nodes: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Reads on up to `end`. Strings that end before `part`, where the next one stands, are passed over.
    fn read_to(&mut self, end: usize, part: usize) {
        while self.at < end {
            spent(1);
            if self.at_line_start {
                self.begin_line(end);
                continue;
            }
            match self.text[self.at..end].iter().position(|&c| STOPS[usize::from(c)]) {
                None => self.at = end,
                Some(n) => {
                    self.at += n;
                    self.read_sign(end, part);
                }
            }
        }
    }

    fn read_sign(&mut self, end: usize, part: usize) {
        let rest = &self.text[self.at..];
        let mut taken = 1;
        match rest[0] {
            b'\n' => {
                self.line += 1;
                self.at_line_start = true;
            }
            b'\\' if matches!(rest.get(1), Some(b'"' | b'\'' | b'`' | b'\\')) => taken = 2,
            quote @ (b'"' | b'\'' | b'`') => taken = self.string(quote, part),
            open @ (b'{' | b'[' | b'(') => self.open_bracket(open),
            b']' if rest.starts_with(b"]]>") => taken = 3,
            close @ (b'}' | b']' | b')') => self.close_bracket(close),
            b'<' if rest.starts_with(b"<![CDATA[") => taken = 9,
            b'<' if self.has_elements => taken = self.tag(),
            b'/' if rest.get(1) == Some(&b'>') => self.end_empty_element(),
            _ => {}
        }
        self.at = (self.at + taken).min(end.max(self.at + 1));
    }

    /// How far to go on from a quote: past the string that it opens, or into it when it holds the next part.
    fn string(&mut self, quote: u8, part: usize) -> usize {
        let known = &mut self.string_ends[match quote {
            b'"' => 0,
            b'\'' => 1,
            _ => 2,
        }];
        let is_apostrophe = quote == b'\'' && self.at > 0 && self.text[self.at - 1].is_ascii_alphanumeric();
        if *known == self.at || is_apostrophe {
            return 1;
        }
        let mut from = self.at + 1;
        while let Some(n) = memchr3(quote, b'\\', b'\n', &self.text[from..]) {
            spent(1);
            let found = from + n;
            match self.text[found] {
                b'\\' => from = (found + 2).min(self.text.len()),
                b'\n' => break,
                _ if found <= part => return found + 1 - self.at,
                _ => {
                    *known = found;
                    break;
                }
            }
        }
        1
    }

    /// Takes the indentation of a line, and what it begins with.
    fn begin_line(&mut self, end: usize) {
        self.at_line_start = false;
        let line_start = self.at;
        let mut column = self.indentation(0);
        let end = end.max(self.at);
        if matches!(self.text.get(self.at), None | Some(b'\n')) || self.is_rule(end) {
            self.blank = true;
            return;
        }
        if self.is_section_header(end) {
            self.pop_while(|open| !matches!(open.kind, Kind::Text | Kind::Bracket(_) | Kind::Element));
            self.push(Open::new(Kind::Section, -1));
            self.blank = false;
        }
        self.commented = self.is_comment();
        if self.commented {
            let above = self.stack.last().filter(|open| open.kind == Kind::Line).map_or(0, |open| open.indent);
            column = column.max(above);
        }
        while self.text[self.at..].starts_with(b"- ") {
            self.push_line(Kind::Item, column);
            self.at += 1;
            column = self.indentation(self.at - line_start);
        }
        self.push_line(Kind::Line, column);
    }

    /// Passes over white space; the column it leads to.
    fn indentation(&mut self, mut column: usize) -> isize {
        while let Some(&c) = self.text.get(self.at) {
            match c {
                b' ' => column += 1,
                b'\t' => column = (column / 8 + 1) * 8,
                b'\r' | b'\0' | 0xEF | 0xBB | 0xBF => {}
                _ => break,
            }
            self.at += 1;
            spent(1);
        }
        column as isize
    }

    fn push_line(&mut self, kind: Kind, column: isize) {
        let is_over =
            |open: &Open| matches!(open.kind, Kind::Line | Kind::Item | Kind::Paragraph) && open.indent >= column;
        self.pop_while(is_over);
        if self.blank {
            self.pop_while(|open| open.kind == Kind::Paragraph);
            self.blank = false;
        }
        let around = self.stack[self.stack.len() - 1];
        if around.kind != Kind::Paragraph {
            self.push(Open::new(Kind::Paragraph, around.indent));
        }
        self.push(Open::new(kind, column));
    }

    /// A line of signs only, as tables and documents are divided with. A blank line ends a paragraph, and so does this.
    fn is_rule(&mut self, end: usize) -> bool {
        let line = &self.text[self.at..end];
        let signs = line.iter().take_while(|c| b"-+=|*_~: \t\r".contains(c)).count();
        spent(signs);
        let is_rule = signs >= 3 && line.get(signs) == Some(&b'\n');
        if is_rule {
            self.at += signs;
        }
        is_rule
    }

    /// `[name]` and nothing else on the line but a comment.
    fn is_section_header(&self, end: usize) -> bool {
        let line = &self.text[self.at..end.min(self.at + NAME)];
        let Some(name) = line.strip_prefix(b"[") else {
            return false;
        };
        let name = name.strip_prefix(b"[").unwrap_or(name);
        let Some(length) = name.iter().position(|c| b"],{}\n".contains(c)) else {
            return false;
        };
        let rest = name[length..].iter().skip_while(|&&c| c == b']').find(|c| !b" \t\r".contains(c));
        let starts = name[0].is_ascii_alphanumeric() || b"-_.".contains(&name[0]);
        length > 0 && starts && name[length] == b']' && matches!(rest, None | Some(b'\n' | b'#' | b';'))
    }

    fn is_comment(&self) -> bool {
        let rest = &self.text[self.at..];
        let starts = |marks: &[&[u8]]| marks.iter().any(|mark| rest.starts_with(mark));
        starts(&[b"#", b"//", b";", b"-- ", b"<!--", b"rem ", b"REM "]) && !starts(&[b"#define", b"#["])
    }

    fn open_bracket(&mut self, bracket: u8) {
        let close = match bracket {
            b'{' => b'}',
            b'[' => b']',
            _ => b')',
        };
        let mut open = Open::new(Kind::Bracket(close), -1);
        match close {
            b'}' => {
                self.curly += 1;
                open.outer = std::mem::take(&mut self.open);
            }
            _ => self.open[usize::from(close == b']')] += 1,
        }
        self.push(open);
    }

    /// A closing bracket ends everything since the opening one. A round or square one does not reach beyond a curly one, since
    /// one too many of those is nothing special.
    fn close_bracket(&mut self, close: u8) {
        let is_open = match close {
            b'}' => self.curly,
            b']' => self.open[1],
            _ => self.open[0],
        };
        if is_open > 0 {
            self.pop_while(|open| open.kind != Kind::Bracket(close));
            self.pop(true);
        }
    }

    /// A tag of an element; how many bytes of it are done with.
    fn tag(&mut self) -> usize {
        let rest = &self.text[self.at + 1..];
        let closes = rest.first() == Some(&b'/');
        let rest = if closes { &rest[1..] } else { rest };
        let is_name = |c: &u8| c.is_ascii_alphanumeric() || b"_.:-".contains(c);
        let length = rest.iter().take(NAME).take_while(|&c| is_name(c)).count();
        spent(length);
        let starts = rest.first().is_some_and(u8::is_ascii_alphabetic);
        if !starts || !matches!(rest.get(length), Some(b'>' | b' ' | b'/' | b'\n' | b'\t' | b'\r')) {
            return 1;
        }
        let start = self.at + 1 + usize::from(closes);
        let name = Span { start, end: start + length };
        if closes {
            self.end_element(name);
        } else {
            self.open_element(name);
        }
        name.end - self.at
    }

    fn open_element(&mut self, name: Span) {
        let rest = &self.text[name.end..];
        let end = rest.iter().take(DEPTH * NAME).position(|&c| c == b'>' || c == b'<');
        spent(end.unwrap_or(0));
        let tag_end = end.filter(|&n| rest[..=n].ends_with(b"/>")).map_or(0, |n| name.end + n - 1);
        if let Some(around) = self.stack.iter_mut().rev().find(|open| open.kind == Kind::Element) {
            around.leaf = false;
        }
        self.elements += 1;
        self.push(Open { name, tag_end, ..Open::new(Kind::Element, -1) });
    }

    fn end_element(&mut self, name: Span) {
        let text = self.text;
        spent(self.stack.len());
        let is_it = |open: &Open| open.kind == Kind::Element && open.name.of(text) == name.of(text);
        if self.elements > 0 && self.stack.iter().any(is_it) {
            self.pop_while(|open| !is_it(open));
            self.pop(true);
        }
    }

    fn end_empty_element(&mut self) {
        let at = self.at;
        let is_it = |open: &Open| open.kind == Kind::Element && open.tag_end == at;
        if self.elements > 0 && self.stack.iter().any(is_it) {
            self.pop_while(|open| !is_it(open));
            self.pop(true);
        }
    }

    /// Too deep a stack forgets its outer half: what stands there is far away. What is kept begins anew, so that no tree gets deeper.
    fn push(&mut self, open: Open) {
        if self.stack.len() == DEPTH {
            let kept = self.stack.split_off(DEPTH / 2);
            self.drop_down_to(1);
            self.open = [0; 2];
            (self.curly, self.elements) = (0, 0);
            for mut open in kept {
                open.node = None;
                match open.kind {
                    Kind::Bracket(b'}') => {
                        self.curly += 1;
                        open.outer = std::mem::take(&mut self.open);
                    }
                    Kind::Bracket(close) => self.open[usize::from(close == b']')] += 1,
                    Kind::Element => self.elements += 1,
                    _ => {}
                }
                self.stack.push(open);
            }
        }
        self.stack.push(open);
    }

    fn pop_while(&mut self, over: impl Fn(&Open) -> bool) {
        while self.stack.len() > 1 && over(&self.stack[self.stack.len() - 1]) {
            spent(1);
            self.pop(false);
        }
    }

    fn drop_down_to(&mut self, depth: usize) {
        while self.stack.len() > depth {
            self.pop(false);
        }
    }

    fn pop(&mut self, closed: bool) {
        let Some(open) = self.stack.pop() else {
            return;
        };
        match open.kind {
            Kind::Bracket(b'}') => {
                self.curly = self.curly.saturating_sub(1);
                self.open = open.outer;
            }
            Kind::Bracket(close) => {
                let count = &mut self.open[usize::from(close == b']')];
                *count = count.saturating_sub(1);
            }
            Kind::Element => self.elements = self.elements.saturating_sub(1),
            _ => {}
        }
        if let Some(node) = open.node {
            self.nodes[node].closed = closed;
            self.nodes[node].leaf = open.leaf;
        }
    }

    fn place(&mut self, span: Span) {
        if self.at_line_start {
            self.begin_line(span.start);
        }
        let mut parent = 0;
        for open in &mut self.stack {
            let node = *open.node.get_or_insert_with(|| {
                self.nodes.push(Node { parent, kind: open.kind, closed: false, leaf: true });
                self.nodes.len() - 1
            });
            parent = node;
        }
        self.places.push(Place { line: self.line, node: parent, commented: self.commented });
        self.line += memchr_iter(b'\n', span.of(self.text)).count();
        self.at = self.at.max(span.end);
    }

    /// Whether something that holds parts may still be closed.
    fn waits_for_an_end(&self) -> bool {
        self.stack.iter().any(|open| open.node.is_some() && matches!(open.kind, Kind::Bracket(_) | Kind::Element))
    }
}
