//! Where parts stand in the structure of a text: lines and their indentation, paragraphs, sections, list items, brackets, elements.
//!
//! No format is parsed. One pass over the text keeps a stack of what is open, and a part's place is what is open around it, so that
//! JSON, YAML, INI, HCL, XML, CSV and code all come to the same kind of tree, and broken texts to some tree. Who belongs to whom is
//! left to `levels`.

use memchr::{memchr_iter, memchr3, memmem};

use self::stack::{Open, Stack};
use super::{Part, spent};
use crate::location::Span;

mod stack;

/// Names of elements and sections are no longer.
const NAME: usize = 128;
/// And tags no longer.
const TAG: usize = 16 << 10;

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
        while reader.stack.waits_for_an_end() && reader.at < text.len() {
            let line_end = memchr::memchr(b'\n', &text[reader.at..]).map_or(text.len(), |n| reader.at + n + 1);
            reader.read_to(line_end, text.len());
        }
        Self { nodes: reader.stack.into_nodes(), places: reader.places }
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
    stack: Stack,
    /// Where the string ends that is open, for each kind of quote.
    string_ends: [usize; 3],
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
            stack: Stack::new(),
            string_ends: [usize::MAX; 3],
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
            open @ (b'{' | b'[' | b'(') => self.stack.open_bracket(open),
            b']' if rest.starts_with(b"]]>") => taken = 3,
            close @ (b'}' | b']' | b')') => self.stack.close_bracket(close),
            b'<' if rest.starts_with(b"<![CDATA[") => taken = 9,
            b'<' if self.has_elements => taken = self.tag(),
            b'/' if rest.get(1) == Some(&b'>') => self.stack.end_element(|open| open.tag_end == self.at),
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
            self.stack.pop_while(|open| !matches!(open.kind, Kind::Text | Kind::Bracket(_) | Kind::Element));
            self.stack.push(Open::new(Kind::Section, -1));
            self.blank = false;
        }
        self.commented = self.is_comment();
        if self.commented {
            let above = if self.stack.top().kind == Kind::Line { self.stack.top().indent } else { 0 };
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
        self.stack.pop_while(is_over);
        if self.blank {
            self.stack.pop_while(|open| open.kind == Kind::Paragraph);
            self.blank = false;
        }
        let around = *self.stack.top();
        if around.kind != Kind::Paragraph {
            self.stack.push(Open::new(Kind::Paragraph, around.indent));
        }
        self.stack.push(Open::new(kind, column));
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
            let text = self.text;
            self.stack.end_element(|open| open.name.of(text) == name.of(text));
        } else {
            self.open_element(name);
        }
        name.end - self.at
    }

    fn open_element(&mut self, name: Span) {
        let rest = &self.text[name.end..];
        let end = rest.iter().take(TAG).position(|&c| c == b'>' || c == b'<');
        spent(end.unwrap_or(0));
        let tag_end = end.filter(|&n| rest[..=n].ends_with(b"/>")).map_or(0, |n| name.end + n - 1);
        self.stack.open_element(name, tag_end);
    }

    fn place(&mut self, span: Span) {
        if self.at_line_start {
            self.begin_line(span.start);
        }
        self.places.push(Place { line: self.line, node: self.stack.hold_part(), commented: self.commented });
        self.line += memchr_iter(b'\n', span.of(self.text)).count();
        self.at = self.at.max(span.end);
    }
}
