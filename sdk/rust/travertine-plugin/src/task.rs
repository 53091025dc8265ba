//! One open call: its future, polled when an answer or a time has come, and exactly one answer to the host.

use crate::call::Level;
use crate::failure::{Code, Failure};
use crate::guard::{catch, lock};
use crate::host::Shared;
use crate::web::WebResponse;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

const OUTPUT_BYTES_MAX: usize = 1_000_000;

/// What a call is answered with.
pub(crate) enum Reply {
    Output(Value),
    Response(WebResponse),
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// What a call's handles and its task both see.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) is_cancelled: AtomicBool,
    pub(crate) has_ended: AtomicBool,
}

#[derive(Default)]
struct State {
    future: Option<Running>,
    is_polling: bool,
    /// deliver() is about to run it: a waker need not ask the host.
    is_expected: bool,
    is_woken: bool,
    is_summoned: bool,
    has_ended: bool,
}

pub(crate) struct Task {
    call_id: u64,
    shared: Weak<Shared>,
    life: Arc<Life>,
    state: Mutex<State>,
}

impl Wake for Task {
    /// From a combinator inside the future, from deliver(), or from a thread of the plugin's own. A future runs on [main]
    /// only; there the host alone leads, so a wake-up from elsewhere asks it for a call by a timer without time.
    fn wake(self: Arc<Self>) {
        {
            let mut state = lock(&self.state);
            state.is_woken = true;
            if state.has_ended || state.is_polling || state.is_expected || state.is_summoned {
                return;
            }
            state.is_summoned = true;
        }
        if let Some(shared) = self.shared.upgrade() {
            if !shared.summon(self.call_id) {
                lock(&self.state).is_summoned = false;
                shared.write_log(
                    Level::Warning,
                    self.call_id,
                    "woken by another thread, but this host has no trv.timer/1: the call goes on with its next answer",
                );
            }
        }
    }
}

impl Task {
    pub(crate) fn new(call_id: u64, shared: &Arc<Shared>, life: Arc<Life>) -> Arc<Task> {
        Arc::new(Task { call_id, shared: Arc::downgrade(shared), life, state: Mutex::default() })
    }

    pub(crate) fn call_id(&self) -> u64 {
        self.call_id
    }

    /// [main] Begins the call.
    pub(crate) fn begin(self: &Arc<Self>, start: impl FnOnce() -> Option<Running>) {
        // Until there is a future, the call counts as being polled: cancel() leaves it to its poll.
        lock(&self.state).is_polling = true;
        match catch(start) {
            Ok(Some(future)) => {
                {
                    let mut state = lock(&self.state);
                    state.future = Some(future);
                    state.is_polling = false;
                    state.is_woken = true;
                    state.is_expected = true;
                }
                self.run();
            }
            Ok(None) => self.end(Err(Failure::new(Code::NotFound, "no operation of that name"))),
            Err(failure) => self.end(Err(failure)),
        }
    }

    /// [main] Ends a call that has not begun.
    pub(crate) fn refuse(self: &Arc<Self>, failure: Failure) {
        self.begin(|| Some(Box::pin(async { Err(failure) })));
    }

    /// [main] What the call waited for is there.
    pub(crate) fn wake_and_run(self: &Arc<Self>, waker: Option<Waker>) {
        lock(&self.state).is_expected = true;
        if let Some(waker) = waker {
            // The waker may be that of a combinator of the plugin's.
            if let Err(failure) = catch(|| waker.wake()) {
                self.log_defect(&failure);
            }
        }
        self.run();
    }

    fn run(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            let mut future = {
                let mut state = lock(&self.state);
                state.is_expected = false;
                if state.has_ended || state.is_polling || !state.is_woken {
                    return;
                }
                state.is_woken = false;
                state.is_summoned = false;
                state.is_polling = true;
                match state.future.take() {
                    Some(future) => future,
                    None => return,
                }
            };
            let outcome = match catch(|| future.as_mut().poll(&mut context)) {
                Ok(Poll::Pending) => {
                    let mut state = lock(&self.state);
                    if !self.life.is_cancelled.load(Ordering::SeqCst) {
                        state.is_polling = false;
                        state.future = Some(future);
                        if !state.is_woken {
                            return;
                        }
                        // It woke itself: others get their turn first, where the host can call back.
                        state.is_summoned = true;
                        drop(state);
                        match self.shared.upgrade() {
                            Some(shared) if shared.summon(self.call_id) => return,
                            _ => continue,
                        }
                    }
                    Err(Failure::cancelled())
                }
                Ok(Poll::Ready(result)) => result,
                Err(failure) => Err(failure),
            };
            self.drop_future(future);
            return self.end(outcome);
        }
    }

    /// [any] Ends the call where it waits; one that is being polled ends when it waits next.
    pub(crate) fn cancel(self: &Arc<Self>) {
        let future = {
            let mut state = lock(&self.state);
            self.life.is_cancelled.store(true, Ordering::SeqCst);
            if state.has_ended || state.is_polling {
                return;
            }
            state.has_ended = true;
            state.future.take()
        };
        if let Some(future) = future {
            self.drop_future(future);
        }
        self.answer(Err(Failure::cancelled()));
    }

    fn end(self: &Arc<Self>, outcome: Result<Reply, Failure>) {
        {
            let mut state = lock(&self.state);
            state.has_ended = true;
            state.is_polling = false;
        }
        self.answer(outcome);
    }

    fn answer(&self, outcome: Result<Reply, Failure>) {
        self.life.has_ended.store(true, Ordering::SeqCst);
        let shared = match self.shared.upgrade() {
            Some(shared) => shared,
            None => return,
        };
        let outcome = outcome.and_then(within_limits);
        if let Err(failure) = &outcome {
            if failure.code == Code::Internal {
                shared.write_log(Level::Error, self.call_id, &failure.message);
            }
        }
        shared.remove_task(self.call_id);
        match outcome {
            Ok(Ready::Response(response)) => match response.stream {
                Some(stream) => shared.end_parts(self.call_id, stream),
                None => shared.respond(self.call_id, &response),
            },
            Ok(Ready::Output(output)) => shared.answer(self.call_id, &Ok(output)),
            Err(failure) => shared.answer(self.call_id, &Err(failure)),
        }
    }

    /// Destructors are the plugin's code.
    fn drop_future(&self, future: Running) {
        if let Err(failure) = catch(|| drop(future)) {
            self.log_defect(&failure);
        }
    }

    fn log_defect(&self, failure: &Failure) {
        if let Some(shared) = self.shared.upgrade() {
            shared.write_log(Level::Error, self.call_id, &failure.message);
        }
    }
}

/// A reply as the host takes it.
enum Ready {
    Output(String),
    Response(WebResponse),
}

fn within_limits(reply: Reply) -> Result<Ready, Failure> {
    let (what, size, ready) = match reply {
        Reply::Output(output) => {
            let text = output.to_string();
            ("output", text.len(), Ready::Output(text))
        }
        Reply::Response(response) => ("body of the response", response.body.len(), Ready::Response(response)),
    };
    if size > OUTPUT_BYTES_MAX {
        let message = format!("the {what} has {size} bytes; at most {OUTPUT_BYTES_MAX} are possible");
        return Err(Failure::new(Code::TooLarge, message));
    }
    Ok(ready)
}
