//! A host for tests: it does nothing by itself; the test says what the service answers. It speaks the ABI as travd does.
//!
//! ```ignore
//! let host = Host::start(&my_plugin::trv_entry_v1, json!({})).unwrap();
//! let output = host.call("fetch", json!({"page": "x"}), &[Answer::new(200, "text")]);
//! assert_eq!(output, Ok(json!({"content": "text"})));
//! assert_eq!(host.requests()[0].path, "/x");
//! ```
//!
//! A client of a plugin that serves HTTP is `request`. Clients take what is written in parts at once, or, after
//! `client_waits`, as much as `client_takes` says; an answer of the service comes in the parts of `Answer::parts`.
//!
//! The plugin's store is a map in memory, one for the host; a signature is the bytes `"<secret>:<data>"`, so that a test
//! can compare them; events are kept. Blobs are in memory, under their SHA-256. `refuse_services` has all of these fail.
//!
//! Time is not real: a call that waits for a time goes on at once, and `waited` says for how long it would have waited.

mod asked;
mod blobs;
mod bodies;
mod http;
mod seen;
mod services;
mod state;
mod streams;
mod values;
mod web;

use crate::abi;
use crate::call::Level;
use crate::failure::Failure;
use crate::guard::lock;
use asked::{fail_activation, get_extension};
use bodies::Uploading;
use serde_json::Value;
use services::Reply;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use streams::{Coming, Served};
pub use values::{Answer, Emitted, Facts, PartOfCall, Sent};
pub use web::{web_request, WebAnswer};

const SILENCE_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    store: BTreeMap<String, (String, u64)>,
    last_revision: u64,
    blobs: blobs::Blobs,
    events: Vec<Emitted>,
    refusal_of_services: Option<Failure>,
    /// Asked and not answered.
    replies: VecDeque<(u64, Reply)>,
    last_call_id: u64,
    now_ms: u64,
    outcomes: HashMap<u64, Result<Value, Failure>>,
    requests: Vec<Sent>,
    /// Sent and not answered.
    open: VecDeque<u64>,
    /// Of `open`, those whose answer comes in parts.
    in_parts: HashSet<u64>,
    coming: BTreeMap<u64, Coming>,
    served: HashMap<u64, Served>,
    client_waits: bool,
    uploading: BTreeMap<u64, Uploading>,
    /// Requests whose bodies are being written: they are answered once they are whole.
    open_unwritten: HashSet<u64>,
    /// Of clients' requests that have not been read, and how they break.
    bodies: HashMap<u64, (Vec<Vec<u8>>, Option<Failure>)>,
    dropped: usize,
    /// (due, id)
    timers: Vec<(u64, u64)>,
    log: Vec<(Level, String)>,
    progress: Vec<(f64, String)>,
    streamed: String,
    measured: Vec<(i32, String, f64)>,
    spans: Vec<PartOfCall>,
    faults: Vec<String>,
    refusal: Option<Failure>,
    /// Services that this host does not have.
    missing: Vec<String>,
}

struct Inner {
    raw: abi::trv_host,
    state: Mutex<State>,
    changed: Condvar,
}

/// An activated plugin and the host that it runs in. Ended when dropped.
pub struct Host {
    // The plugin has its address.
    inner: *mut Inner,
    plugin: *const abi::trv_plugin,
    descriptor: (String, String),
    has_ended: bool,
}

unsafe fn of<'a>(host: *const abi::trv_host) -> &'a Inner {
    &*((*host).context as *const Inner)
}

impl Inner {
    fn fault(&self, text: String) {
        lock(&self.state).faults.push(text);
    }
    fn answered(&self, call_id: u64, outcome: Result<Value, Failure>) {
        let mut state = lock(&self.state);
        if call_id == 0 || call_id > state.last_call_id {
            state.faults.push(format!("an answer to call {call_id}, which was never made"));
        } else if state.outcomes.insert(call_id, outcome).is_some() {
            state.faults.push(format!("a second answer to call {call_id}"));
        }
        state.coming.retain(|_, coming| coming.call_id != call_id);
        state.uploading.retain(|_, one| one.call_id != call_id);
        self.changed.notify_all();
    }
}

impl Host {
    /// Loads and activates the plugin as a host does; `Err` is why it does not start.
    pub fn start(entry: &'static abi::trv_entry, configuration: Value) -> Result<Host, Failure> {
        Host::start_without(entry, configuration, &[])
    }

    /// As a host that does not have these services, such as `trv.stream/1`.
    pub fn start_without(
        entry: &'static abi::trv_entry,
        configuration: Value,
        missing: &[&str],
    ) -> Result<Host, Failure> {
        let missing = missing.iter().map(|id| id.to_string()).collect();
        let inner = Box::into_raw(Box::new(Inner {
            raw: abi::trv_host {
                struct_size: abi::TRV_HOST_SIZE_V1,
                abi_major: abi::TRV_ABI_MAJOR,
                abi_minor: abi::TRV_ABI_MINOR,
                context: ptr::null_mut(),
                get_extension,
                fail_activation,
            },
            state: Mutex::new(State { missing, ..State::default() }),
            changed: Condvar::new(),
        }));
        unsafe {
            (*inner).raw.context = inner as *mut c_void;
            assert_eq!((entry.init)(), 0, "the library does not start");
            let factory = (entry.get_factory)(b"trv.factory/1\0".as_ptr() as *const c_char) as *const abi::trv_factory;
            assert!(!factory.is_null(), "the library has no trv.factory/1");
            let descriptor = &*((*factory).describe)(0);
            let plugin = ((*factory).create)(ptr::addr_of!((*inner).raw), descriptor.id);
            assert!(!plugin.is_null(), "the plugin cannot be made; why is on standard error");
            let mut host = Host {
                inner,
                plugin,
                descriptor: (descriptor.id.to_text(), descriptor.version.to_text()),
                has_ended: false,
            };
            let text = configuration.to_string();
            if ((*plugin).activate)(plugin, abi::trv_bytes::borrow(text.as_bytes())) == 0 {
                return Ok(host);
            }
            // What was never active is not deactivated.
            host.has_ended = true;
            let refusal = lock(&host.inner().state).refusal.take();
            Err(refusal.unwrap_or_else(|| Failure::internal("the plugin does not start and does not say why")))
        }
    }

    fn inner(&self) -> &Inner {
        unsafe { &*self.inner }
    }

    /// Calls an operation and gives each of its requests the next answer.
    pub fn call(&self, operation: &str, input: Value, answers: &[Answer]) -> Result<Value, Failure> {
        let call_id = self.begin(operation, input, Facts::default());
        self.finish(call_id, answers)
    }

    /// Begins a call and returns its id; it has gone on until it waits.
    pub fn begin(&self, operation: &str, input: Value, facts: Facts) -> u64 {
        self.begin_with_bytes(operation, input.to_string().as_bytes(), facts)
    }

    /// As `begin`, with an input that need not be JSON.
    pub fn begin_with_bytes(&self, operation: &str, input: &[u8], facts: Facts) -> u64 {
        let call_id = self.next_call_id();
        let call = abi::trv_call {
            struct_size: abi::TRV_CALL_SIZE_V1,
            attempt: facts.attempt,
            call_id,
            operation: abi::trv_string::borrow(operation),
            tenant: abi::trv_string::borrow(&facts.tenant),
            connection: abi::trv_string::borrow(&facts.connection),
            idempotency_key: abi::trv_string::borrow(&facts.idempotency_key),
            traceparent: abi::trv_string::borrow(&facts.traceparent),
            timeout_ms: facts.timeout_ms,
            input: abi::trv_bytes::borrow(input),
        };
        unsafe { ((*self.plugin).invoke)(self.plugin, &call) };
        call_id
    }

    fn next_call_id(&self) -> u64 {
        let mut state = lock(&self.inner().state);
        state.last_call_id += 1;
        state.last_call_id
    }

    /// What became of a call, where it has ended.
    pub fn outcome(&self, call_id: u64) -> Option<Result<Value, Failure>> {
        lock(&self.inner().state).outcomes.get(&call_id).cloned()
    }

    /// Answers requests in the order in which they were sent, lets times come, and returns what became of the call.
    pub fn finish(&self, call_id: u64, answers: &[Answer]) -> Result<Value, Failure> {
        let mut answers = answers.iter();
        loop {
            if let Some(outcome) = self.outcome(call_id) {
                return outcome;
            }
            if self.answer_service() || self.let_parts_come() {
                continue;
            }
            if self.has_open_request() {
                let answer =
                    answers.next().unwrap_or_else(|| panic!("the test has no answer to {:?}", self.last_sent()));
                self.answer(answer);
            } else if !self.let_time_come() {
                self.await_change(call_id);
            }
        }
    }

    /// A thread of the plugin's own may be at work.
    fn await_change(&self, call_id: u64) {
        let inner = self.inner();
        let idle = |state: &mut State| {
            state.open.is_empty()
                && state.replies.is_empty()
                && state.timers.is_empty()
                && !state.has_parts()
                && !state.outcomes.contains_key(&call_id)
        };
        let (_state, waited) = inner
            .changed
            .wait_timeout_while(lock(&inner.state), SILENCE_MAX, idle)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        assert!(!waited.timed_out(), "call {call_id} has no answer and waits for nothing that the host was asked for");
    }

    /// Moves on to the next time that a call waits for. False where none does.
    pub fn let_time_come(&self) -> bool {
        let timer_id = {
            let mut state = lock(&self.inner().state);
            let next = match (0..state.timers.len()).min_by_key(|at| state.timers[*at]) {
                Some(next) => next,
                None => return false,
            };
            let (due, timer_id) = state.timers.remove(next);
            state.now_ms = state.now_ms.max(due);
            timer_id
        };
        let timer = self.extension::<abi::trv_plugin_timer>(abi::TRV_EXT_TIMER);
        unsafe { (timer.on_time)(self.plugin, timer_id) };
        true
    }

    fn extension<T>(&self, id: &'static str) -> &T {
        let table = unsafe { ((*self.plugin).get_extension)(self.plugin, id.as_ptr() as *const c_char) };
        assert!(!table.is_null(), "the plugin has no {id}");
        unsafe { &*(table as *const T) }
    }

    /// Asks to end a call early, as a host does when the caller gives up or the time is up.
    pub fn cancel(&self, call_id: u64) {
        unsafe { ((*self.plugin).cancel)(self.plugin, call_id) };
    }

    /// What broke a rule of the ABI. It must be empty.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.inner().state).faults.clone()
    }

    /// Panics where the manifest names another plugin, another version or other operations than the plugin has.
    pub fn check_manifest(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let manifest: Value =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(manifest["id"], self.descriptor.0.as_str(), "the manifest's id, and that of export!");
        assert_eq!(manifest["version"], self.descriptor.1.as_str(), "the manifest's version, and that of export!");
        let operations = manifest["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut said: Vec<&str> = operations.iter().filter_map(|operation| operation["name"].as_str()).collect();
        said.sort_unstable();
        assert_eq!(said, self.operations(), "the operations of the manifest, and those of the plugin");
    }

    /// The operations that the plugin has, in the order of the alphabet.
    pub fn operations(&self) -> Vec<String> {
        let table = self.extension::<abi::trv_plugin_operation>(abi::TRV_EXT_OPERATION);
        unsafe {
            let count = (table.count)(self.plugin);
            (0..count).map(|index| (table.name)(self.plugin, index).to_text()).collect()
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        unsafe {
            if !self.has_ended {
                ((*self.plugin).deactivate)(self.plugin);
            }
            ((*self.plugin).destroy)(self.plugin);
            drop(Box::from_raw(self.inner));
        }
    }
}
