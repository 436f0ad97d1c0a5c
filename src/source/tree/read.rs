//! Reads what stands at one path. A tree under scan is in use, or made by somebody else: what was listed as a file may be a pipe by
//! now, may grow, or be gone.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::Path;

use bstr::{BString, ByteVec};

use crate::blob::{Blob, Content};
use crate::provenance::{Origin, Provenance};
use crate::source::{Sink, Skipped};

/// Files of up to this many bytes are read as a whole: one for each thread is in memory at a time.
const WHOLE: u64 = 8 << 20;
/// Room for what is longer than it tells, at first.
const LEAST: usize = 64 << 10;

/// What a symbolic link stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Links {
    /// What it leads to.
    Follow,
    /// Its own text.
    AreContent,
}

/// Hands what stands at `path` to the sink, or says why not. `buffer` is room to be used again.
pub(super) fn visit(path: &Path, links: Links, buffer: &mut Vec<u8>, sink: &dyn Sink) {
    let result = match look(path, links) {
        Ok(metadata) if metadata.is_symlink() => link(path, sink),
        metadata => metadata.and_then(regular).and_then(|_| file(path, links, buffer, sink)),
    };
    if let Err(why) = result {
        sink.skipped(Skipped::new(path.display().to_string(), why));
    }
}

/// The text of a link is a blob, as in git. One that leads nowhere is told of: whatever it stood for was not read.
fn link(path: &Path, sink: &dyn Sink) -> Result<(), String> {
    let target = fs::read_link(path).map_err(|error| why(&error))?;
    sink.blob(Blob::alone(provenance(path), Content::Bytes(&Vec::from_path_lossy(&target))));
    match fs::metadata(path) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(format!("it is a symbolic link that leads nowhere ({error}); remove it or restore what it led to"))
        }
        _ => Ok(()),
    }
}

fn file(path: &Path, links: Links, buffer: &mut Vec<u8>, sink: &dyn Sink) -> Result<(), String> {
    let (mut file, mut metadata) = opened(path, links)?;
    match sink.max_size() {
        Some(limit) if metadata.len() > limit => {
            let what = path.display().to_string();
            sink.skipped(Skipped::too_large(what, metadata.len(), limit));
            return Ok(());
        }
        _ => {}
    }
    let failed = |error| format!("reading it failed: {error}");
    if hand_over(&mut file, &metadata, provenance(path), buffer, sink, false).map_err(failed)? {
        return Ok(());
    }
    metadata = file.rewind().and_then(|()| file.metadata()).map_err(failed)?;
    if hand_over(&mut file, &metadata, provenance(path), buffer, sink, true).map_err(failed)? {
        return Ok(());
    }
    Err("it changed while it was read, twice; what was read was scanned".to_owned())
}

/// Reads a file from its start and says whether it stayed as it was `before`. If it did not, a small file is handed over only the
/// `last` time.
fn hand_over(
    file: &mut File,
    before: &Metadata,
    provenance: Provenance,
    buffer: &mut Vec<u8>,
    sink: &dyn Sink,
    last: bool,
) -> io::Result<bool> {
    let read = read_whole(file, before.len(), buffer)?;
    if read as u64 > WHOLE {
        file.rewind()?;
        sink.blob(Blob::alone(provenance, Content::Seekable(file)));
        return Ok(is_same(before, &file.metadata()?));
    }
    let steady = is_same(before, &file.metadata()?) && read as u64 >= before.len();
    if steady || last {
        sink.blob(Blob::alone(provenance, Content::Bytes(&buffer[..read])));
    }
    Ok(steady)
}

/// Reads all of a file, or just more than [`WHOLE`] of it, to the start of the buffer, and says how much that is.
fn read_whole(file: &mut File, told: u64, buffer: &mut Vec<u8>) -> io::Result<usize> {
    const MOST: usize = WHOLE as usize + 1;
    let mut read = 0;
    // One byte of room more, so that the end is met without growing.
    let mut room = told.min(WHOLE) as usize + 1;
    while read < MOST {
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
        let asked = buffer.len().min(MOST) - read;
        match file.read(&mut buffer[read..read + asked]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // What a file tells of its size is relied on only where it seems to end there: those of /proc tell zero.
        if read as u64 == told && read < asked {
            break;
        }
        if read == buffer.len() {
            room = (2 * read).clamp(LEAST, MOST);
        }
    }
    Ok(read)
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

/// Reads a file of which no honest one is large. Pipes and devices are refused, and so is what is larger than a quarter of a GiB.
///
/// # Errors
/// Those of reading; `NotFound` where there is nothing.
#[cfg(feature = "git")]
pub(in crate::source) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    const LIMIT: u64 = 256 << 20;
    fs::metadata(path)?;
    let (file, _) = open(path, Links::Follow).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    if file.take(LIMIT + 1).read_to_end(&mut bytes)? as u64 > LIMIT {
        return Err(io::Error::other("it is larger than any of its kind should be"));
    }
    Ok(bytes)
}

/// Opens a regular file, and nothing else: opening a pipe may wait forever and opening a device may do anything.
///
/// # Errors
/// Why it was not opened, and what to try.
pub(in crate::source) fn open(path: &Path, links: Links) -> Result<(File, Metadata), String> {
    look(path, links).and_then(regular)?;
    opened(path, links)
}

fn look(path: &Path, links: Links) -> Result<Metadata, String> {
    let look = match links {
        Links::Follow => fs::metadata,
        Links::AreContent => fs::symlink_metadata,
    };
    look(path).map_err(|error| why(&error))
}

/// Opens what was seen to be a regular file; it may have been replaced in the meantime.
fn opened(path: &Path, links: Links) -> Result<(File, Metadata), String> {
    let file = options(links).open(path).map_err(|error| why(&error))?;
    let metadata = file.metadata().map_err(|error| why(&error)).and_then(regular)?;
    Ok((file, metadata))
}

/// Never waits for the other end of a pipe, never takes over a terminal.
fn options(links: Links) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let no_follow = match links {
            Links::Follow => 0,
            Links::AreContent => libc::O_NOFOLLOW,
        };
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | no_follow);
    }
    #[cfg(not(unix))]
    let _ = links;
    options
}

fn regular(metadata: Metadata) -> Result<Metadata, String> {
    if metadata.is_file() { Ok(metadata) } else { Err(why_not_a_file(metadata.file_type()).to_owned()) }
}

fn why_not_a_file(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "it is a named pipe, which might never end; to scan what comes out of it, pipe it in";
        } else if kind.is_socket() {
            return "it is a socket, which can't be opened as a file";
        } else if kind.is_block_device() || kind.is_char_device() {
            return "it is a device, which might never end; to scan what is on it, pipe it in";
        }
    }
    if kind.is_dir() || kind.is_symlink() {
        "it was replaced during the scan; scan again"
    } else {
        "it is not a regular file"
    }
}

/// An I/O error in the words of who has to do something about it.
pub(super) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it vanished during the scan".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied; scan as a user who may read it".to_owned(),
        _ => format!("reading it failed: {error}"),
    }
}

/// The same for the target itself, which was named and not found in a listing.
pub(super) fn why_no_root(root: &Path, error: &io::Error) -> String {
    match fs::read_link(root) {
        Ok(_) => format!("it is a symbolic link that leads nowhere ({error})"),
        Err(_) if error.kind() == io::ErrorKind::NotFound => {
            "it does not exist; check the spelling and the directory you are in".to_owned()
        }
        Err(_) => why(error),
    }
}

fn provenance(path: &Path) -> Provenance {
    Provenance::new(Origin::File { path: BString::from(Vec::from_path_lossy(path).into_owned()) })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::*;
    use crate::source::Taken;
    use crate::source::tree::tests::{Recorder, pipe};

    fn file_of(size: u64) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        File::create(&path).unwrap().set_len(size).unwrap();
        (temp, path)
    }

    /// Whether each blob was whole in memory; does something to the file whenever one comes.
    struct Meddler<F: Fn() + Sync> {
        whole: Mutex<Vec<bool>>,
        skipped: Mutex<Vec<Skipped>>,
        meddle: F,
    }

    impl<F: Fn() + Sync> Sink for Meddler<F> {
        fn blob(&self, blob: Blob<'_>) -> Taken {
            let is_whole = matches!(blob.content, Content::Bytes(_));
            self.whole.lock().unwrap().push(is_whole);
            (self.meddle)();
            Taken::default()
        }

        fn skipped(&self, skipped: Skipped) {
            self.skipped.lock().unwrap().push(skipped);
        }

        fn max_size(&self) -> Option<u64> {
            None
        }
    }

    fn visited(path: &Path, meddle: impl Fn() + Sync) -> (Vec<bool>, Vec<Skipped>) {
        let sink = Meddler { whole: Mutex::default(), skipped: Mutex::default(), meddle };
        visit(path, Links::AreContent, &mut Vec::new(), &sink);
        (sink.whole.into_inner().unwrap(), sink.skipped.into_inner().unwrap())
    }

    #[test]
    fn small_files_are_in_memory_and_large_ones_are_not() {
        for (size, whole) in [(0, true), (WHOLE, true), (WHOLE + 1, false)] {
            let (_temp, path) = file_of(size);
            assert_eq!(visited(&path, || {}), (vec![whole], vec![]), "{size}");
        }
    }

    #[test]
    fn a_large_file_stands_at_its_start() {
        let (_temp, path) = file_of(WHOLE + 1);
        let recorder = Recorder::default();
        visit(&path, Links::AreContent, &mut Vec::new(), &recorder);
        assert_eq!(recorder.blobs()[0].1.len() as u64, WHOLE + 1);
    }

    #[test]
    fn the_buffer_holds_nothing_of_the_file_before() {
        let (temp, path) = file_of(100);
        let other = temp.path().join("other");
        fs::write(&other, "short").unwrap();
        let (recorder, mut buffer) = (Recorder::default(), Vec::new());
        visit(&path, Links::AreContent, &mut buffer, &recorder);
        visit(&other, Links::AreContent, &mut buffer, &recorder);
        assert_eq!(recorder.blobs()[1].1, b"short");
    }

    #[test]
    fn a_file_above_the_limit_is_told_of() {
        let (_temp, path) = file_of(11);
        for (limit, read) in [(10, 0), (11, 1)] {
            let mut recorder = Recorder::default();
            recorder.limit = Some(limit);
            visit(&path, Links::AreContent, &mut Vec::new(), &recorder);
            assert_eq!(recorder.blobs().len(), read);
            assert_eq!(recorder.skipped().len(), 1 - read);
        }
    }

    #[test]
    fn a_file_that_keeps_changing_is_read_twice_and_told_of() {
        let (_temp, path) = file_of(WHOLE + 1);
        let grow = || {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(b"more").unwrap();
        };
        let (blobs, skipped) = visited(&path, grow);
        assert_eq!(blobs.len(), 2);
        assert!(skipped[0].why.contains("changed while it was read"));
    }

    #[test]
    fn a_file_that_changes_once_is_read_again_and_all_is_well() {
        let (_temp, path) = file_of(WHOLE + 1);
        let times = Mutex::new(0);
        let (blobs, skipped) = visited(&path, || {
            let mut times = times.lock().unwrap();
            *times += 1;
            if *times == 1 {
                File::create(&path).unwrap().write_all(b"cut").unwrap();
            }
        });
        // The second time it is small.
        assert_eq!(blobs, [false, true]);
        assert_eq!(skipped, []);
    }

    #[test]
    fn a_change_of_size_or_time_is_seen() {
        let (_temp, path) = file_of(3);
        let before = fs::metadata(&path).unwrap();
        assert!(is_same(&before, &fs::metadata(&path).unwrap()));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(!is_same(&before, &fs::metadata(&path).unwrap()));
        file.set_modified(before.modified().unwrap()).unwrap();
        assert!(is_same(&before, &fs::metadata(&path).unwrap()));
        file.set_len(4).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        assert!(!is_same(&before, &fs::metadata(&path).unwrap()));
    }

    #[test]
    fn a_file_that_tells_no_size_is_read() {
        let path = Path::new("/proc/self/status");
        if !path.exists() {
            return;
        }
        let recorder = Recorder::default();
        visit(path, Links::AreContent, &mut Vec::new(), &recorder);
        assert!(recorder.blobs()[0].1.starts_with(b"Name:"));
        assert_eq!(recorder.skipped(), []);
    }

    #[test]
    fn all_is_read_whatever_a_file_tells_of_its_size_and_whatever_room_there_is() {
        for size in [0, 1, LEAST, 3 * LEAST + 1, WHOLE as usize, WHOLE as usize + 9] {
            let (_temp, path) = file_of(0);
            let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
            fs::write(&path, &bytes).unwrap();
            for told in [0, 1, size, size + 1, usize::MAX] {
                for room in [0, 1, size, size + 7] {
                    let mut buffer = vec![0; room];
                    let read = read_whole(&mut File::open(&path).unwrap(), told as u64, &mut buffer).unwrap();
                    assert_eq!(read, size.min(WHOLE as usize + 1), "{told} {room}");
                    assert!(buffer[..read] == bytes[..read]);
                }
            }
        }
    }

    /// The look beforehand finds pipes; this is for one that comes after the look.
    #[test]
    fn opening_a_pipe_does_not_wait_and_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pipe");
        pipe(&path);
        for links in [Links::Follow, Links::AreContent] {
            let file = options(links).open(&path).unwrap();
            assert!(regular(file.metadata().unwrap()).is_err());
        }
    }

    #[test]
    fn a_link_put_in_the_place_of_a_file_is_not_followed() {
        let (temp, path) = file_of(1);
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(options(Links::AreContent).open(&link).is_err());
        assert!(options(Links::Follow).open(&link).is_ok());
    }
}
