//! What is scanned of a blob, in whichever form it comes: its own bytes, whole or in windows, and where it is an archive the members in
//! it. What the engine says of them is `sweep`'s business.

use std::collections::HashSet;
use std::io::{Read, SeekFrom};

use super::Sweep;
use super::window::{Tee, Window, Windows};
use crate::blob::{Content, ReadSeek};
use crate::finding::Hit;
use crate::location::Point;
use crate::provenance::Provenance;
use crate::source::archive::{self, Budget, Member};
use crate::source::{Sink, Skipped};

impl Sweep<'_> {
    /// Scans content as it stands and, where it is an archive, what it holds. `within` is the budget of the archive that it is a
    /// member of.
    pub(super) fn content(&self, at: &Provenance, content: Content<'_>, within: Option<&Budget>) -> Vec<Hit> {
        match content {
            Content::Bytes(bytes) => self.bytes(at, bytes, within),
            Content::Seekable(file) => self.seekable(at, file, within),
            Content::Stream(stream) => self.stream(at, stream, within),
        }
    }

    pub(super) fn bytes(&self, at: &Provenance, bytes: &[u8], within: Option<&Budget>) -> Vec<Hit> {
        self.count(1, bytes.len());
        let size = bytes.len() as u64;
        let mut hits = self.members(at, bytes, Content::Bytes(bytes), size, within);
        let whole = Window { bytes, offset: 0, start: Point::START, last: true };
        add_unknown(&mut hits, self.window(at, &whole));
        hits
    }

    fn seekable(&self, at: &Provenance, file: &mut dyn ReadSeek, within: Option<&Budget>) -> Vec<Hit> {
        self.count(1, 0);
        let opened = (|| {
            let mut head = Vec::new();
            (&mut *file).take(archive::HEAD as u64).read_to_end(&mut head)?;
            let size = file.seek(SeekFrom::End(0))?;
            file.rewind()?;
            let hits = self.members(at, &head, Content::Seekable(file), size, within);
            file.rewind()?;
            Ok(hits)
        })();
        match opened {
            Ok(mut hits) => {
                add_unknown(&mut hits, self.windows(at, file));
                hits
            }
            Err(error) => {
                self.unreadable(at, &error);
                Vec::new()
            }
        }
    }

    /// What can be read only once is scanned as it stands while its members are read out of it.
    fn stream(&self, at: &Provenance, stream: &mut dyn Read, within: Option<&Budget>) -> Vec<Hit> {
        let mut first = Vec::new();
        let window = self.options.window as u64;
        let read = (&mut *stream).take(window).read_to_end(&mut first);
        if read.is_ok() && first.len() < self.options.window {
            return self.bytes(at, &first, within);
        }
        self.count(1, 0);
        let mut failed = Failed(read.err());
        let rest: &mut dyn Read = match failed.0 {
            Some(_) => &mut failed,
            None => stream,
        };
        let mut all = first.as_slice().chain(rest);
        let mut tee = Tee { inner: &mut all, windows: Windows::new(self, at) };
        let mut hits = self.members(at, &first, Content::Stream(&mut tee), 0, within);
        add_unknown(&mut hits, tee.finish());
        hits
    }

    /// What an archive of `size` bytes that begins with `head` holds; nothing when it is none or not to be opened.
    fn members(
        &self,
        at: &Provenance,
        head: &[u8],
        content: Content<'_>,
        size: u64,
        within: Option<&Budget>,
    ) -> Vec<Hit> {
        let Some(kind) = archive::detect(head) else {
            return Vec::new();
        };
        let depth = within.map_or(0, Budget::depth);
        if depth >= self.options.archive_depth {
            if depth > 0 {
                let why = format!("archives are opened {depth} deep; a larger --archive-depth opens this one too");
                self.skipped(Skipped::new(at.to_string(), why));
            }
            return Vec::new();
        }
        let outermost = Budget::for_archive(size);
        let budget = within.unwrap_or(&outermost);
        let name = at.member.as_ref().or_else(|| at.path());
        let name = name.map_or(&b""[..], |path| path);
        let mut hits = Vec::new();
        let mut each = |member: Member<'_>, content: Content<'_>| {
            let at = at.member(member.name);
            match (member.size, self.options.max_file_size) {
                (Some(size), Some(limit)) if size > limit => self.too_large(&at, size, limit),
                _ => hits.extend(self.content(&at, content, Some(budget))),
            }
        };
        let result = archive::expand(kind, name, content, budget, &mut each);
        for problem in result {
            let what = problem.member.map_or_else(|| at.to_string(), |name| at.member(&name).to_string());
            self.skipped(Skipped::new(what, problem.why));
        }
        hits
    }

    fn windows(&self, at: &Provenance, stream: &mut dyn Read) -> Vec<Hit> {
        Tee { inner: stream, windows: Windows::new(self, at) }.finish()
    }

    pub(super) fn window(&self, at: &Provenance, window: &Window<'_>) -> Vec<Hit> {
        self.hits(at, window, self.scanner.scan(window.bytes))
    }

    pub(super) fn unreadable(&self, at: &Provenance, error: &std::io::Error) {
        self.skipped(Skipped::new(at.to_string(), format!("reading it failed: {error}; what came before was scanned")));
    }

    fn too_large(&self, at: &Provenance, size: u64, limit: u64) {
        self.skipped(Skipped::too_large(at.to_string(), size, limit));
    }
}

/// A reader's error, to be met by whoever reads on.
struct Failed(Option<std::io::Error>);

impl Read for Failed {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Adds the hits of an archive's own bytes, but for those of credentials that its members gave already.
fn add_unknown(hits: &mut Vec<Hit>, plain: Vec<Hit>) {
    let name = |hit: &Hit| (hit.access_key_id, hit.secrets.first().filter(|_| hit.access_key_id.is_none()).cloned());
    let known: HashSet<_> = hits.iter().map(name).collect();
    hits.extend(plain.into_iter().filter(|hit| hit.is_file() || !known.contains(&name(hit))));
}
