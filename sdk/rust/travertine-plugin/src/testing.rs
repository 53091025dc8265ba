//! A host for tests: it does nothing by itself; the test says what the service answers. It speaks the ABI as travd does.
//!
//! ```ignore
//! let host = Host::start(&my_plugin::trv_entry_v1, json!({})).unwrap();
//! let output = host.call("fetch", json!({"page": "x"}), &[Answer::new(200, "text")]);
//! assert_eq!(output, Ok(json!({"content": "text"})));
//! assert_eq!(host.requests()[0].path, "/x");
//! ```
//!
//! The plugin's store is a map in memory, one for the host; a signature is the bytes `"<secret>:<data>"`, so that a test
//! can compare them; events are kept. `refuse_services` has all three fail.
//!
//! Time is not real: a call that waits for a time goes on at once, and `waited` says for how long it would have waited.

mod services;

use crate::abi;
use crate::call::Level;
use crate::failure::Failure;
use crate::guard::lock;
use serde_json::Value;
use services::{Reply, EVENT, KV, SECRET};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What the service answers to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    outcome: Result<(u16, Vec<u8>), Failure>,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { outcome: Ok((status, body.into())), headers: Vec::new() }
    }
    /// No answer arrives.
    pub fn none(failure: Failure) -> Answer {
        Answer { outcome: Err(failure), headers: Vec::new() }
    }
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }
}

/// A request as the plugin sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub connection: String,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub timeout_ms: u64,
}

/// What a call says besides operation and input.
#[derive(Clone, Debug)]
pub struct Facts {
    pub tenant: String,
    pub connection: String,
    pub idempotency_key: String,
    pub traceparent: String,
    pub attempt: u32,
    pub timeout_ms: u64,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            tenant: "acme".to_string(),
            connection: "service".to_string(),
            idempotency_key: "test-key".to_string(),
            traceparent: String::new(),
            attempt: 1,
            timeout_ms: 0,
        }
    }
}

/// An event as the plugin emitted it.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    pub kind: String,
    pub subject: String,
    pub data: Value,
}

/// A part of a call, as the plugin named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOfCall {
    pub id: u64,
    /// 0: the call.
    pub parent: u64,
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub has_ended: bool,
}

#[derive(Default)]
struct State {
    store: BTreeMap<String, (String, u64)>,
    last_revision: u64,
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
    /// (due, id)
    timers: Vec<(u64, u64)>,
    log: Vec<(Level, String)>,
    progress: Vec<(f64, String)>,
    streamed: String,
    measured: Vec<(i32, String, f64)>,
    spans: Vec<PartOfCall>,
    faults: Vec<String>,
    refusal: Option<Failure>,
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
        self.changed.notify_all();
    }
}

unsafe extern "C" fn fail_activation(host: *const abi::trv_host, error: *const abi::trv_error) {
    lock(&of(host).state).refusal = Some(Failure::copy(error));
}

unsafe extern "C" fn complete(host: *const abi::trv_host, call_id: u64, output: abi::trv_bytes) {
    match serde_json::from_slice(output.as_slice()) {
        Ok(value) => of(host).answered(call_id, Ok(value)),
        Err(error) => of(host).fault(format!("the output of call {call_id} is not JSON: {error}")),
    }
}

unsafe extern "C" fn fail(host: *const abi::trv_host, call_id: u64, error: *const abi::trv_error) {
    of(host).answered(call_id, Err(Failure::copy(error)));
}

unsafe extern "C" fn send(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    request: *const abi::trv_http_request,
) {
    let inner = of(host);
    let request = &*request;
    let headers = if request.header_count == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(request.headers, request.header_count as usize)
    };
    let mut state = lock(&inner.state);
    if state.outcomes.contains_key(&call_id) {
        state.faults.push(format!("a request for call {call_id}, which has ended"));
    }
    state.requests.push(Sent {
        connection: request.connection.to_text(),
        method: request.method.to_text(),
        path: request.path.to_text(),
        headers: headers.iter().map(|header| (header.name.to_text(), header.value.to_text())).collect(),
        body: request.body.as_slice().to_vec(),
        timeout_ms: request.timeout_ms,
    });
    state.open.push_back(request_id);
    inner.changed.notify_all();
}

unsafe extern "C" fn set(host: *const abi::trv_host, call_id: u64, timer_id: u64, after_ms: u64) {
    let inner = of(host);
    let mut state = lock(&inner.state);
    if state.outcomes.contains_key(&call_id) {
        state.faults.push(format!("a timer for call {call_id}, which has ended"));
    }
    let due = state.now_ms.saturating_add(after_ms);
    state.timers.push((due, timer_id));
    inner.changed.notify_all();
}

unsafe extern "C" fn write(host: *const abi::trv_host, level: i32, _call_id: u64, message: abi::trv_string) {
    let level = match level {
        abi::TRV_LOG_DEBUG => Level::Debug,
        abi::TRV_LOG_INFO => Level::Info,
        abi::TRV_LOG_WARNING => Level::Warning,
        _ => Level::Error,
    };
    lock(&of(host).state).log.push((level, message.to_text()));
}

unsafe extern "C" fn record(
    host: *const abi::trv_host,
    metric: i32,
    name: abi::trv_string,
    value: f64,
    _labels: *const abi::trv_header,
    _count: u32,
) {
    lock(&of(host).state).measured.push((metric, name.to_text(), value));
}

unsafe extern "C" fn progress(host: *const abi::trv_host, _call_id: u64, fraction: f64, text: abi::trv_string) {
    lock(&of(host).state).progress.push((fraction, text.to_text()));
}

unsafe extern "C" fn begin(host: *const abi::trv_host, _call_id: u64, span: *const abi::trv_span) {
    let span = &*span;
    let attributes = (0..span.attribute_count as usize)
        .map(|at| &*span.attributes.add(at))
        .map(|one| (one.name.to_text(), one.value.to_text()))
        .collect();
    lock(&of(host).state).spans.push(PartOfCall {
        id: span.span_id,
        parent: span.parent_id,
        name: span.name.to_text(),
        attributes,
        has_ended: false,
    });
}

unsafe extern "C" fn end(host: *const abi::trv_host, _call_id: u64, span_id: u64) {
    for span in lock(&of(host).state).spans.iter_mut().filter(|span| span.id == span_id) {
        span.has_ended = true;
    }
}

unsafe extern "C" fn stream(host: *const abi::trv_host, _call_id: u64, text: abi::trv_string) {
    lock(&of(host).state).streamed.push_str(&text.to_text());
}

unsafe extern "C" fn get_extension(_host: *const abi::trv_host, id: *const c_char) -> *const c_void {
    static CALL: abi::trv_host_call = abi::trv_host_call { struct_size: abi::TRV_HOST_CALL_SIZE_V1, complete, fail };
    static CALL_2: abi::trv_host_call_2 =
        abi::trv_host_call_2 { struct_size: abi::TRV_HOST_CALL_2_SIZE_V1, complete, fail, progress };
    static CALL_3: abi::trv_host_call_3 =
        abi::trv_host_call_3 { struct_size: abi::TRV_HOST_CALL_3_SIZE_V1, complete, fail, progress, stream };
    static METRICS: abi::trv_host_metrics =
        abi::trv_host_metrics { struct_size: abi::TRV_HOST_METRICS_SIZE_V1, record };
    static TRACE: abi::trv_host_trace = abi::trv_host_trace { struct_size: abi::TRV_HOST_TRACE_SIZE_V1, begin, end };
    static HTTP: abi::trv_host_http = abi::trv_host_http { struct_size: abi::TRV_HOST_HTTP_SIZE_V1, send };
    static LOG: abi::trv_host_log = abi::trv_host_log { struct_size: abi::TRV_HOST_LOG_SIZE_V1, write };
    static TIMER: abi::trv_host_timer = abi::trv_host_timer { struct_size: abi::TRV_HOST_TIMER_SIZE_V1, set };
    match CStr::from_ptr(id).to_bytes_with_nul() {
        id if id == abi::TRV_EXT_KV.as_bytes() => &KV as *const _ as *const c_void,
        id if id == abi::TRV_EXT_SECRET.as_bytes() => &SECRET as *const _ as *const c_void,
        id if id == abi::TRV_EXT_EVENT.as_bytes() => &EVENT as *const _ as *const c_void,
        id if id == abi::TRV_EXT_CALL.as_bytes() => &CALL as *const _ as *const c_void,
        id if id == abi::TRV_EXT_CALL_2.as_bytes() => &CALL_2 as *const _ as *const c_void,
        id if id == abi::TRV_EXT_CALL_3.as_bytes() => &CALL_3 as *const _ as *const c_void,
        id if id == abi::TRV_EXT_METRICS.as_bytes() => &METRICS as *const _ as *const c_void,
        id if id == abi::TRV_EXT_TRACE.as_bytes() => &TRACE as *const _ as *const c_void,
        id if id == abi::TRV_EXT_HTTP.as_bytes() => &HTTP as *const _ as *const c_void,
        id if id == abi::TRV_EXT_LOG.as_bytes() => &LOG as *const _ as *const c_void,
        id if id == abi::TRV_EXT_TIMER.as_bytes() => &TIMER as *const _ as *const c_void,
        _ => ptr::null(),
    }
}

impl Host {
    /// Loads and activates the plugin as a host does; `Err` is why it does not start.
    pub fn start(entry: &'static abi::trv_entry, configuration: Value) -> Result<Host, Failure> {
        let inner = Box::into_raw(Box::new(Inner {
            raw: abi::trv_host {
                struct_size: abi::TRV_HOST_SIZE_V1,
                abi_major: abi::TRV_ABI_MAJOR,
                abi_minor: abi::TRV_ABI_MINOR,
                context: ptr::null_mut(),
                get_extension,
                fail_activation,
            },
            state: Mutex::default(),
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
        let call_id = {
            let mut state = lock(&self.inner().state);
            state.last_call_id += 1;
            state.last_call_id
        };
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
            if self.answer_service() {
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

    /// From here on store, signatures and events fail with this; `None`: none does.
    pub fn refuse_services(&self, failure: Option<Failure>) {
        lock(&self.inner().state).refusal_of_services = failure;
    }
    /// What the plugin's store has.
    pub fn store(&self) -> BTreeMap<String, Value> {
        let state = lock(&self.inner().state);
        let read = |text: &String| serde_json::from_str(text).expect("it was JSON when it was put");
        state.store.iter().map(|(key, (value, _))| (key.clone(), read(value))).collect()
    }
    /// All events, the oldest first.
    pub fn events(&self) -> Vec<Emitted> {
        lock(&self.inner().state).events.clone()
    }

    fn has_open_request(&self) -> bool {
        !lock(&self.inner().state).open.is_empty()
    }
    fn last_sent(&self) -> Option<Sent> {
        lock(&self.inner().state).requests.last().cloned()
    }

    /// A thread of the plugin's own may be at work.
    fn await_change(&self, call_id: u64) {
        let inner = self.inner();
        let idle = |state: &mut State| {
            state.open.is_empty()
                && state.replies.is_empty()
                && state.timers.is_empty()
                && !state.outcomes.contains_key(&call_id)
        };
        let (_state, waited) = inner
            .changed
            .wait_timeout_while(lock(&inner.state), SILENCE_MAX, idle)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        assert!(!waited.timed_out(), "call {call_id} has no answer and waits for nothing that the host was asked for");
    }

    /// Answers the oldest open request. False where there is none.
    pub fn answer(&self, answer: &Answer) -> bool {
        let request_id = match lock(&self.inner().state).open.pop_front() {
            Some(request_id) => request_id,
            None => return false,
        };
        let http = self.extension::<abi::trv_plugin_http>(abi::TRV_EXT_HTTP);
        let headers: Vec<abi::trv_header> = answer
            .headers
            .iter()
            .map(|(name, value)| abi::trv_header {
                name: abi::trv_string::borrow(name),
                value: abi::trv_string::borrow(value),
            })
            .collect();
        match &answer.outcome {
            Ok((status, body)) => {
                let response = abi::trv_http_response {
                    struct_size: abi::TRV_HTTP_RESPONSE_SIZE_V1,
                    status: u32::from(*status),
                    header_count: headers.len() as u32,
                    reserved: 0,
                    headers: headers.as_ptr(),
                    body: abi::trv_bytes::borrow(body),
                };
                unsafe { (http.on_response)(self.plugin, request_id, &response) };
            }
            Err(failure) => failure.lend(|error| unsafe { (http.on_error)(self.plugin, request_id, error) }),
        }
        true
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

    /// What the plugin keeps in memory, as when its tenant switches to another version; `Err` is why there is none.
    pub fn save(&self) -> Result<Vec<u8>, String> {
        let table = self.extension::<abi::trv_plugin_state>(abi::TRV_EXT_STATE);
        let mut state = abi::trv_bytes::borrow(&[]);
        let said = unsafe { (table.save)(self.plugin, &mut state).to_text() };
        if said.is_empty() {
            Ok(unsafe { state.as_slice() }.to_vec())
        } else {
            Err(said)
        }
    }
    /// Right after `start`: what another version saved. `Err` is why it is not taken.
    pub fn restore(&self, version: &str, state: &[u8]) -> Result<(), String> {
        let table = self.extension::<abi::trv_plugin_state>(abi::TRV_EXT_STATE);
        let (version, state) = (abi::trv_string::borrow(version), abi::trv_bytes::borrow(state));
        sentence(unsafe { (table.restore)(self.plugin, version, state).to_text() })
    }
    /// `Err` is why the plugin is not well.
    pub fn check(&self) -> Result<(), String> {
        let table = self.extension::<abi::trv_plugin_health>(abi::TRV_EXT_HEALTH);
        sentence(unsafe { (table.check)(self.plugin).to_text() })
    }

    /// Asks to end a call early, as a host does when the caller gives up or the time is up.
    pub fn cancel(&self, call_id: u64) {
        unsafe { ((*self.plugin).cancel)(self.plugin, call_id) };
    }

    /// All requests, the oldest first.
    pub fn requests(&self) -> Vec<Sent> {
        lock(&self.inner().state).requests.clone()
    }
    pub fn log(&self) -> Vec<(Level, String)> {
        lock(&self.inner().state).log.clone()
    }
    /// Numbers that calls recorded, the oldest first: a kind of `abi::TRV_METRIC_…`, name and value.
    pub fn measured(&self) -> Vec<(i32, String, f64)> {
        lock(&self.inner().state).measured.clone()
    }
    /// Parts of calls, in the order in which they began.
    pub fn spans(&self) -> Vec<PartOfCall> {
        lock(&self.inner().state).spans.clone()
    }
    /// What calls have streamed, one behind the other.
    pub fn streamed(&self) -> String {
        lock(&self.inner().state).streamed.clone()
    }
    /// What calls said of how far they are, the oldest first; -1: not known.
    pub fn progress(&self) -> Vec<(f64, String)> {
        lock(&self.inner().state).progress.clone()
    }
    /// How much time came in `let_time_come`, over all calls.
    pub fn waited(&self) -> Duration {
        Duration::from_millis(lock(&self.inner().state).now_ms)
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

fn sentence(said: String) -> Result<(), String> {
    if said.is_empty() {
        Ok(())
    } else {
        Err(said)
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
