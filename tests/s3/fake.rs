//! A fake of S3 for what real servers of it can't be made to do on one machine: other regions, archives, requests that are refused, cut, stalled or
//! late by script, names of every kind, and objects larger than the memory. It answers as real S3 was seen to, and logs every request.
//! Whether a signature is right is not looked at, only whether there is one and for which region.

mod answer;
mod bucket;
mod call;
mod faults;
mod list;
mod log;
mod object;
mod settings;
mod tests;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::answer::{Answer, Ending};
pub(crate) use self::answer::{Refusal, date};
pub(crate) use self::bucket::{Bucket, Object, Region, World};
pub(crate) use self::call::Call;
pub(crate) use self::faults::Fault;
use self::faults::Script;
pub(crate) use self::log::Log;
use crate::request::Request;

/// The server. It is gone when it is dropped.
pub(crate) struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was logged, or the server is gone.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    world: World,
    script: Script,
    log: Vec<Call>,
    /// How many there are of each operation in it.
    counts: BTreeMap<&'static str, usize>,
    streams: Vec<TcpStream>,
    is_gone: bool,
}

/// How long a test waits for something that has to come, and an answer that stalls for whoever asked to lose patience.
const PATIENCE: Duration = Duration::from_secs(60);

impl Fake {
    /// On a free port of the loopback interface, without buckets.
    pub(crate) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let of_server = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &of_server));
        Self { shared, address }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the buckets, or changes them.
    pub(crate) fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.state().world)
    }

    /// Looks at a bucket, or changes it; it is made when there is none of that name.
    pub(crate) fn bucket<T>(&self, name: &str, change: impl FnOnce(&mut Bucket) -> T) -> T {
        self.world(|world| change(world.bucket(name)))
    }

    /// Something is to go wrong: with those requests from now on for `operation` at `place`, a bucket or an object (`bucket/key`), that have
    /// these numbers, from 1.
    pub(crate) fn fault(&self, operation: &str, place: &str, calls: RangeInclusive<usize>, fault: Fault) {
        self.shared.state().script.add(operation, place, calls, fault);
    }

    /// The same with each of them.
    pub(crate) fn always(&self, operation: &str, place: &str, fault: Fault) {
        self.fault(operation, place, 1..=usize::MAX, fault);
    }

    /// Nothing is to go wrong any more.
    pub(crate) fn heal(&self) {
        self.shared.state().script = Script::default();
    }

    /// Every request so far.
    pub(crate) fn log(&self) -> Log {
        Log(self.shared.state().log.clone())
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        let mut state = self.shared.state();
        state.log.clear();
        state.counts.clear();
    }

    /// How many requests of an operation there were.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.shared.state().counts.get(operation).copied().unwrap_or(0)
    }

    /// Waits until so many requests of an operation have come, or `unless` says that there will be no more.
    pub(crate) fn wait_for(&self, operation: &str, calls: usize, mut unless: impl FnMut() -> bool) {
        let mut state = self.shared.state();
        while state.counts.get(operation).is_none_or(|&count| count < calls) && !unless() {
            (state, _) = self.shared.changed.wait_timeout(state, Duration::from_millis(20)).unwrap();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_gone = true;
        for stream in state.streams.drain(..) {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(state);
        self.shared.changed.notify_all();
        // For whoever waits for the next connection to see that there will be none.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let mut state = shared.state();
        if state.is_gone {
            return;
        }
        state.streams.push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // Whoever hangs up in the middle is free to.
            drop(serve(&stream, &shared));
            drop(stream.shutdown(Shutdown::Both));
        });
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut reader)? {
        let (answer, ending) = shared.receive(&request);
        answer.write(stream, request.method == "HEAD", ending)?;
        match ending {
            Ending::Kept => {}
            Ending::Cut(_) => return Ok(()),
            Ending::Stalled(_) => {
                shared.wait(PATIENCE);
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Shared {
    /// A thread that panicked is a request that gets no answer; the others go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a request and answers it, unless something is to go wrong.
    fn receive(&self, request: &Request) -> (Answer, Ending) {
        let mut call = Call::of(request);
        let mut state = self.state();
        let fault = state.script.next(&call);
        let ending = match &fault {
            Some(Fault::Cut(after)) => Ending::Cut(*after),
            Some(Fault::Stall(after)) => Ending::Stalled(*after),
            _ => Ending::Kept,
        };
        if let Some(Fault::Late(by)) = fault {
            drop(state);
            self.wait(by);
            state = self.state();
        }
        let answer = match fault {
            Some(Fault::Refuse(refusal)) => Err(refusal),
            Some(Fault::Meanwhile(change)) => {
                change(&mut state.world);
                state.world.answer(&call)
            }
            _ => state.world.answer(&call),
        };
        let answer = answer.unwrap_or_else(Answer::from);
        call.status = answer.status;
        *state.counts.entry(call.operation).or_insert(0) += 1;
        state.log.push(call);
        drop(state);
        self.changed.notify_all();
        (answer, ending)
    }

    /// Waits that long, or until the server is gone.
    fn wait(&self, by: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout_while(state, by, |state| !state.is_gone));
    }
}

impl World {
    fn answer(&mut self, call: &Call) -> Result<Answer, Refusal> {
        match call.operation {
            "GetCallerIdentity" => return Ok(settings::caller()),
            "ListBuckets" => return self.list_buckets(call),
            "GetAccountPublicAccessBlock" => return Err(settings::no_block()),
            _ => {}
        }
        let bucket = self.reached(call)?;
        match call.operation {
            "HeadBucket" => Ok(Answer::new(200).with("x-amz-bucket-region", bucket.region())),
            "ListObjectsV2" => list::objects(bucket, call),
            "ListObjectVersions" => list::versions(bucket, call),
            "GetObject" | "HeadObject" => object::content(bucket, call),
            "GetObjectTagging" => object::tags(bucket, call),
            _ => settings::answer(bucket, call),
        }
    }
}
