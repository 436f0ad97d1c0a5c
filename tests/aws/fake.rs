//! A fake of IAM, STS and Organizations, for what other emulators get wrong and for what goes wrong on the way: it answers as real AWS
//! was seen to, logs every request, and breaks by script. Signatures are checked, and so are permissions; of everything else it knows
//! what keysweep asks for and no more.

mod access;
mod answer;
mod call;
mod faults;
mod http;
mod iam;
mod ids;
mod log;
mod organizations;
mod report;
mod request;
mod sts;
mod tests;
mod world;

use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use self::answer::Answer;
pub(crate) use self::answer::Refusal;
use self::call::{Call, Request};
use self::faults::Script;
pub(crate) use self::faults::{Done, Fault};
use self::http::Ending;
pub(crate) use self::ids::{id_of, old_id, secret_of};
pub(crate) use self::log::Log;
pub(crate) use self::world::{Permissions, World};

/// The server. It is gone when it is dropped.
pub(crate) struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// The access key id and the secret of somebody who may do everything in the account of [`Fake::new`].
    pub(crate) caller: (String, String),
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was logged, or the network is gone.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    world: World,
    script: Script,
    log: Vec<Call>,
    streams: Vec<TcpStream>,
    is_gone: bool,
    /// How often all that was late was let go.
    released: usize,
}

/// The user that [`Fake::caller`] is.
pub(crate) const CALLER: &str = "responder";

/// How long a test waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

impl Fake {
    /// On a free port of the loopback interface, with one account in which there is nobody but the caller.
    pub(crate) fn new(account: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let caller = {
            let world = &mut shared.state.lock().unwrap().world;
            let key = world.account(account).key(CALLER, 0, 1_600_000_000);
            (key.id.clone(), key.secret.clone())
        };
        let address = listen(&shared);
        Self { shared, address, caller }
    }

    /// The network is back, at another port; nothing is to go wrong any more.
    pub(crate) fn reconnect(&mut self) {
        self.heal();
        self.shared.state().is_gone = false;
        self.address = listen(&self.shared);
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world, or changes it.
    pub(crate) fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.state().world)
    }

    /// Something is to go wrong: with those calls of `operation` from now on, or of all operations with `*`, that have these numbers,
    /// from 1.
    pub(crate) fn fault(&self, operation: &str, calls: RangeInclusive<usize>, fault: Fault) {
        self.shared.state().script.add(operation, calls, fault);
    }

    /// Nothing is to go wrong any more.
    pub(crate) fn heal(&self) {
        self.shared.state().script.clear();
    }

    /// Answers that are late come now.
    pub(crate) fn release(&self) {
        self.shared.state().released += 1;
        self.shared.changed.notify_all();
    }

    /// Every request so far.
    pub(crate) fn log(&self) -> Log {
        Log(self.shared.state().log.clone())
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        self.shared.state().log.clear();
    }

    /// Waits until so many calls of an operation have come. What they ask for need not be done.
    #[track_caller]
    pub(crate) fn wait_for(&self, operation: &str, calls: usize) {
        let come = |state: &State| state.log.iter().filter(|call| call.operation == operation).count();
        let state = self.shared.state();
        let (state, _) = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| come(state) < calls).unwrap();
        assert!(come(&state) >= calls, "only {} calls of {operation}", come(&state));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.lose_network(self.address);
    }
}

impl Shared {
    /// A thread that panicked is a request that gets no answer; the others go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose_network(&self, address: SocketAddr) {
        let mut state = self.state();
        state.is_gone = true;
        for stream in state.streams.drain(..) {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(state);
        self.changed.notify_all();
        // For whoever waits for the next connection to see that there will be none.
        drop(TcpStream::connect(address));
    }
}

fn listen(shared: &Arc<Shared>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::clone(shared);
    thread::spawn(move || accept(&listener, &shared));
    address
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let address = listener.local_addr().unwrap();
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
            drop(serve(&stream, &shared, address));
            drop(stream.shutdown(Shutdown::Both));
        });
    }
}

fn serve(stream: &TcpStream, shared: &Shared, address: SocketAddr) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let connection = stream.peer_addr()?.port();
    while let Some(request) = Request::read(&mut reader)? {
        let (answer, ending) = shared.receive(&request, connection, address);
        let Some(answer) = answer else { return Ok(()) };
        let now = now() + shared.state().world.clock_ahead;
        if !http::respond(stream, &answer, now, ending)? {
            return Ok(());
        }
    }
    Ok(())
}

impl Shared {
    /// Logs a request and answers it, unless something is to go wrong.
    fn receive(&self, request: &Request, connection: u16, address: SocketAddr) -> (Option<Answer>, Ending) {
        let mut call = Call::of(request, now(), connection);
        let mut state = self.state();
        let fault = state.script.next(&call.operation);
        call.fault = fault.as_ref().map(|fault| format!("{fault:?}"));
        let (number, released) = (state.log.len(), state.released);
        state.log.push(call.clone());
        drop(state);
        self.changed.notify_all();
        let done = || Some(self.carry_out(request, &call, number));
        let as_told = |when| if when == Done::Never { None } else { done() };
        match fault {
            None => (done(), Ending::Kept),
            Some(Fault::Refuse(refusal)) => {
                (Some(Answer::to(call.protocol(), &call.operation, Err(refusal))), Ending::Kept)
            }
            Some(Fault::Silence(when)) => {
                as_told(when);
                (None, Ending::Kept)
            }
            // Of an answer to what was never done there is nothing to cut.
            Some(Fault::Cut(when)) => (as_told(when), Ending::Cut),
            Some(Fault::Late(by, when)) => {
                let first = (when == Done::First).then(done).flatten();
                self.wait(by, released);
                (if when == Done::Last { done() } else { first }, Ending::Kept)
            }
            Some(Fault::HalfClose) => (done(), Ending::HalfClosed),
            Some(Fault::Portal) => {
                let body = "<!DOCTYPE html><title>Sign in to the network</title>".to_owned();
                (Some(Answer { status: 200, content_type: "text/html", body }), Ending::Kept)
            }
            Some(Fault::Gone(when)) => {
                as_told(when);
                self.lose_network(address);
                (None, Ending::Kept)
            }
            Some(Fault::Meanwhile(change)) => {
                change(&mut self.state().world);
                (done(), Ending::Kept)
            }
        }
    }

    /// Does what was asked for, when the caller may.
    fn carry_out(&self, request: &Request, call: &Call, number: usize) -> Answer {
        let mut state = self.state();
        let answer = state.world.answer(request, call);
        // It may have been forgotten meanwhile.
        if let Some(logged) = state.log.get_mut(number) {
            logged.status = answer.status;
        }
        answer
    }

    /// Waits until the network is gone, or everything was let go since `released` times.
    fn wait(&self, by: Duration, released: usize) {
        let state = self.state();
        let goes_on = |state: &mut State| !state.is_gone && state.released == released;
        drop(self.changed.wait_timeout_while(state, by, goes_on));
    }
}

impl World {
    fn answer(&mut self, request: &Request, call: &Call) -> Answer {
        let now = call.at + self.clock_ahead;
        let outcome = self.caller(request, call).and_then(|who| match call.service.as_str() {
            "iam" => iam::answer(self, &who, call, now),
            "sts" => sts::answer(self, &who, call, now),
            "organizations" => organizations::answer(self, &who, call),
            other => Err(Refusal::new(404, "UnknownOperationException", format!("no {other} here"))),
        });
        Answer::to(call.protocol(), &call.operation, outcome)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}
