//! The host as one instance sees it, and what the instance waits for. Any thread.

mod blobs;
mod streams;

use crate::abi;
use crate::blob::Kept;
use crate::call::Level;
use crate::failure::{milliseconds, Failure};
use crate::guard::lock;
use crate::http::{Request, Response};
use crate::services::{Event, Page, SignatureKind, StoreRequest};
use crate::task::Task;
use crate::web::WebResponse;
pub(crate) use blobs::copy_blobs;
use serde_json::Value;
use std::collections::HashMap;
use std::os::raw::c_char;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use streams::{Arriving, Writing};

/// What the host answers to what it was asked for.
pub(crate) enum Arrival {
    Response(Response),
    Time,
    Store(Page),
    Signature(Vec<u8>),
    Emitted(String),
    Blobs(Kept),
}

pub(crate) type Answer = Result<Arrival, Failure>;

/// One answer or one time that has not been taken yet.
struct Wait {
    call_id: u64,
    answer: Option<Answer>,
    waker: Option<Waker>,
    /// Nobody takes it: it only brings the instance back to [main].
    is_summons: bool,
}

/// What the calls of one instance share. A call may be kept by a thread for longer than the instance lives: then the
/// gate to the host is closed.
pub(crate) struct Shared {
    host: *const abi::trv_host,
    call: AtomicPtr<abi::trv_host_call>,
    call_2: AtomicPtr<abi::trv_host_call_2>,
    call_3: AtomicPtr<abi::trv_host_call_3>,
    metrics: AtomicPtr<abi::trv_host_metrics>,
    trace: AtomicPtr<abi::trv_host_trace>,
    http: AtomicPtr<abi::trv_host_http>,
    log: AtomicPtr<abi::trv_host_log>,
    timer: AtomicPtr<abi::trv_host_timer>,
    kv: AtomicPtr<abi::trv_host_kv>,
    blob: AtomicPtr<abi::trv_host_blob>,
    secret: AtomicPtr<abi::trv_host_secret>,
    event: AtomicPtr<abi::trv_host_event>,
    serve: AtomicPtr<abi::trv_host_serve>,
    stream: AtomicPtr<abi::trv_host_stream>,
    stream_2: AtomicPtr<abi::trv_host_stream_2>,
    is_closed: AtomicBool,
    inside: AtomicUsize,
    last_id: AtomicU64,
    waits: Mutex<HashMap<u64, Wait>>,
    arriving: Mutex<HashMap<u64, Arriving>>,
    writing: Mutex<HashMap<u64, Writing>>,
    tasks: Mutex<HashMap<u64, Arc<Task>>>,
    configuration: Mutex<Arc<Value>>,
}

// The host and its tables may be used from any thread, and only while the gate is open.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

/// What trv.http/1 and trv.stream/1 have alike.
type SendTo = unsafe extern "C" fn(*const abi::trv_host, u64, u64, *const abi::trv_http_request);

struct Inside<'a>(&'a Shared);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The host's table, or null where it has none or one that is smaller than version 1.
unsafe fn service<T>(host: *const abi::trv_host, id: &'static str, size_v1: u32) -> *mut T {
    debug_assert!(id.ends_with('\0'));
    let table = ((*host).get_extension)(host, id.as_ptr() as *const c_char);
    // Every table begins with its size.
    if table.is_null() || *(table as *const u32) < size_v1 {
        return ptr::null_mut();
    }
    table as *mut T
}

impl Shared {
    pub(crate) fn new(host: *const abi::trv_host) -> Shared {
        Shared {
            host,
            call: AtomicPtr::default(),
            call_2: AtomicPtr::default(),
            call_3: AtomicPtr::default(),
            metrics: AtomicPtr::default(),
            trace: AtomicPtr::default(),
            http: AtomicPtr::default(),
            log: AtomicPtr::default(),
            timer: AtomicPtr::default(),
            kv: AtomicPtr::default(),
            blob: AtomicPtr::default(),
            secret: AtomicPtr::default(),
            event: AtomicPtr::default(),
            serve: AtomicPtr::default(),
            stream: AtomicPtr::default(),
            stream_2: AtomicPtr::default(),
            is_closed: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            last_id: AtomicU64::new(0),
            waits: Mutex::new(HashMap::new()),
            arriving: Mutex::new(HashMap::new()),
            writing: Mutex::new(HashMap::new()),
            tasks: Mutex::new(HashMap::new()),
            configuration: Mutex::new(Arc::new(Value::Null)),
        }
    }

    /// Asks the host for its services. False without trv.call/1.
    pub(crate) fn open(&self) -> bool {
        unsafe {
            self.call.store(service(self.host, abi::TRV_EXT_CALL, abi::TRV_HOST_CALL_SIZE_V1), Ordering::SeqCst);
            self.call_2.store(service(self.host, abi::TRV_EXT_CALL_2, abi::TRV_HOST_CALL_2_SIZE_V1), Ordering::SeqCst);
            self.call_3.store(service(self.host, abi::TRV_EXT_CALL_3, abi::TRV_HOST_CALL_3_SIZE_V1), Ordering::SeqCst);
            self.metrics
                .store(service(self.host, abi::TRV_EXT_METRICS, abi::TRV_HOST_METRICS_SIZE_V1), Ordering::SeqCst);
            self.trace.store(service(self.host, abi::TRV_EXT_TRACE, abi::TRV_HOST_TRACE_SIZE_V1), Ordering::SeqCst);
            self.http.store(service(self.host, abi::TRV_EXT_HTTP, abi::TRV_HOST_HTTP_SIZE_V1), Ordering::SeqCst);
            self.log.store(service(self.host, abi::TRV_EXT_LOG, abi::TRV_HOST_LOG_SIZE_V1), Ordering::SeqCst);
            self.timer.store(service(self.host, abi::TRV_EXT_TIMER, abi::TRV_HOST_TIMER_SIZE_V1), Ordering::SeqCst);
            self.kv.store(service(self.host, abi::TRV_EXT_KV, abi::TRV_HOST_KV_SIZE_V1), Ordering::SeqCst);
            self.blob.store(service(self.host, abi::TRV_EXT_BLOB, abi::TRV_HOST_BLOB_SIZE_V1), Ordering::SeqCst);
            self.secret.store(service(self.host, abi::TRV_EXT_SECRET, abi::TRV_HOST_SECRET_SIZE_V1), Ordering::SeqCst);
            self.event.store(service(self.host, abi::TRV_EXT_EVENT, abi::TRV_HOST_EVENT_SIZE_V1), Ordering::SeqCst);
            self.serve.store(service(self.host, abi::TRV_EXT_SERVE, abi::TRV_HOST_SERVE_SIZE_V1), Ordering::SeqCst);
            self.stream.store(service(self.host, abi::TRV_EXT_STREAM, abi::TRV_HOST_STREAM_SIZE_V1), Ordering::SeqCst);
            self.stream_2
                .store(service(self.host, abi::TRV_EXT_STREAM_2, abi::TRV_HOST_STREAM_2_SIZE_V1), Ordering::SeqCst);
        }
        !self.call.load(Ordering::SeqCst).is_null()
    }

    /// The host is not called any more once this returns. The gate is a count and not a lock, because the host may call
    /// back from inside.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        while self.inside.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
    }

    fn enter(&self) -> Option<Inside<'_>> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(self);
        (!self.is_closed.load(Ordering::SeqCst)).then_some(inside)
    }

    /// The table while the gate is held open.
    fn table<T>(&self, table: &AtomicPtr<T>) -> Option<(Inside<'_>, &T)> {
        let inside = self.enter()?;
        let table = unsafe { table.load(Ordering::SeqCst).as_ref() }?;
        Some((inside, table))
    }

    pub(crate) fn configuration(&self) -> Arc<Value> {
        lock(&self.configuration).clone()
    }
    pub(crate) fn configure(&self, configuration: Value) {
        *lock(&self.configuration) = Arc::new(configuration);
    }

    pub(crate) fn fail_activation(&self, failure: &Failure) {
        failure.lend(|error| unsafe { ((*self.host).fail_activation)(self.host, error) });
    }

    pub(crate) fn record(&self, metric: i32, name: &str, value: f64, labels: &[(&str, &str)]) {
        if let Some((_inside, metrics)) = self.table(&self.metrics) {
            let raw = abi::trv_header::borrow_all(labels);
            let name = abi::trv_string::borrow(name);
            unsafe { (metrics.record)(self.host, metric, name, value, raw.as_ptr(), raw.len() as u32) };
        }
    }

    /// Gives the span's id.
    pub(crate) fn begin_span(&self, call_id: u64, parent_id: u64, name: &str, attributes: &[(&str, &str)]) -> u64 {
        let span_id = self.next_id();
        if let Some((_inside, trace)) = self.table(&self.trace) {
            let raw = abi::trv_header::borrow_all(&attributes[..attributes.len().min(8)]);
            let span = abi::trv_span {
                struct_size: abi::TRV_SPAN_SIZE_V1,
                attribute_count: raw.len() as u32,
                attributes: raw.as_ptr(),
                name: abi::trv_string::borrow(name),
                span_id,
                parent_id,
            };
            unsafe { (trace.begin)(self.host, call_id, &span) };
        }
        span_id
    }

    pub(crate) fn end_span(&self, call_id: u64, span_id: u64) {
        if let Some((_inside, trace)) = self.table(&self.trace) {
            unsafe { (trace.end)(self.host, call_id, span_id) };
        }
    }

    pub(crate) fn progress(&self, call_id: u64, fraction: f64, text: &str) {
        if let Some((_inside, call)) = self.table(&self.call_2) {
            unsafe { (call.progress)(self.host, call_id, fraction, abi::trv_string::borrow(text)) };
        }
    }

    pub(crate) fn stream(&self, call_id: u64, text: &str) {
        if let Some((_inside, call)) = self.table(&self.call_3) {
            unsafe { (call.stream)(self.host, call_id, abi::trv_string::borrow(text)) };
        }
    }

    pub(crate) fn write_log(&self, level: Level, call_id: u64, text: &str) {
        if let Some((_inside, log)) = self.table(&self.log) {
            unsafe { (log.write)(self.host, level as i32, call_id, abi::trv_string::borrow(text)) };
        }
    }

    pub(crate) fn answer(&self, call_id: u64, outcome: &Result<String, Failure>) {
        if let Some((_inside, call)) = self.table(&self.call) {
            match outcome {
                Ok(output) => unsafe { (call.complete)(self.host, call_id, abi::trv_bytes::borrow(output.as_bytes())) },
                Err(failure) => failure.lend(|error| unsafe { (call.fail)(self.host, call_id, error) }),
            }
        }
    }

    pub(crate) fn respond(&self, call_id: u64, response: &WebResponse) {
        match self.table(&self.serve) {
            Some((_inside, serve)) => response.lend(|raw| unsafe { (serve.respond)(self.host, call_id, raw) }),
            None => self.answer(call_id, &Err(Failure::internal("this host takes no responses (trv.serve/1)"))),
        }
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn add_wait(&self, call_id: u64, is_summons: bool) -> u64 {
        let id = self.next_id();
        lock(&self.waits).insert(id, Wait { call_id, answer: None, waker: None, is_summons });
        id
    }

    fn refuse(&self, id: u64, failure: Failure) {
        if let Some(wait) = lock(&self.waits).get_mut(&id) {
            wait.answer = Some(Err(failure));
        }
    }

    /// Sends at once; returns the id of what is waited for.
    pub(crate) fn send(&self, call_id: u64, request: &Request, connection: &str) -> u64 {
        let id = self.add_wait(call_id, false);
        match self.table(&self.http) {
            Some((_inside, http)) => self.send_by(http.send, call_id, id, request, connection),
            None => self.refuse(id, Failure::new(crate::Code::Denied, "this host offers no HTTP (trv.http/1)")),
        }
        id
    }

    /// Within the gate.
    fn send_by(&self, send: SendTo, call_id: u64, id: u64, request: &Request, connection: &str) {
        self.lend_request(request, connection, |raw| unsafe { send(self.host, call_id, id, raw) });
    }

    /// Gives `with` the request as the ABI writes it, valid until `with` returns.
    fn lend_request(&self, request: &Request, connection: &str, with: impl FnOnce(&abi::trv_http_request)) {
        let headers = abi::trv_header::borrow_all(&request.headers);
        let raw = abi::trv_http_request {
            struct_size: abi::size_of::<abi::trv_http_request>(),
            header_count: headers.len() as u32,
            headers: headers.as_ptr(),
            connection: abi::trv_string::borrow(connection),
            method: abi::trv_string::borrow(&request.method),
            path: abi::trv_string::borrow(&request.path),
            body: abi::trv_bytes::borrow(&request.body),
            // 0 is what is left of the call's time: a shorter one than 1 ms is 1 ms.
            timeout_ms: request.timeout.map(|time| milliseconds(time).max(1)).unwrap_or(0),
        };
        with(&raw);
    }

    pub(crate) fn set_timer(&self, call_id: u64, after_ms: u64) -> u64 {
        let id = self.add_wait(call_id, false);
        match self.table(&self.timer) {
            Some((_inside, timer)) => unsafe { (timer.set)(self.host, call_id, id, after_ms) },
            None => {
                self.refuse(id, Failure::new(crate::Code::Denied, "this host offers no time to wait (trv.timer/1)"))
            }
        }
        id
    }

    /// Asks the plugin's store.
    pub(crate) fn ask(&self, call_id: u64, request: &StoreRequest<'_>) -> u64 {
        let id = self.add_wait(call_id, false);
        let kv = match self.table(&self.kv) {
            Some(kv) => kv,
            None => {
                self.refuse(id, Failure::new(crate::Code::Denied, "this host offers no store (trv.kv/1)"));
                return id;
            }
        };
        let (_inside, kv) = kv;
        let text = abi::trv_string::borrow;
        unsafe {
            match *request {
                StoreRequest::Get { key } => (kv.get)(self.host, call_id, id, text(key)),
                StoreRequest::Put { key, value, expected } => {
                    (kv.put)(self.host, call_id, id, text(key), abi::trv_bytes::borrow(value.as_bytes()), expected)
                }
                StoreRequest::Erase { key, expected } => (kv.erase)(self.host, call_id, id, text(key), expected),
                StoreRequest::List { prefix, after, count_max } => {
                    (kv.list)(self.host, call_id, id, text(prefix), text(after), count_max)
                }
            }
        }
        id
    }

    pub(crate) fn sign(&self, call_id: u64, secret: &str, kind: SignatureKind, data: &[u8]) -> u64 {
        let id = self.add_wait(call_id, false);
        match self.table(&self.secret) {
            Some((_inside, table)) => unsafe {
                let name = abi::trv_string::borrow(secret);
                (table.sign)(self.host, call_id, id, name, kind as i32, abi::trv_bytes::borrow(data))
            },
            None => self.refuse(id, Failure::new(crate::Code::Denied, "this host signs nothing (trv.secret/1)")),
        }
        id
    }

    pub(crate) fn emit(&self, call_id: u64, event: &Event) -> u64 {
        let id = self.add_wait(call_id, false);
        let data = event.data.to_string();
        let raw = abi::trv_event {
            struct_size: abi::size_of::<abi::trv_event>(),
            reserved: 0,
            type_: abi::trv_string::borrow(&event.kind),
            subject: abi::trv_string::borrow(&event.subject),
            data: abi::trv_bytes::borrow(data.as_bytes()),
        };
        match self.table(&self.event) {
            Some((_inside, table)) => unsafe { (table.emit)(self.host, call_id, id, &raw) },
            None => self.refuse(id, Failure::new(crate::Code::Denied, "this host takes no events (trv.event/1)")),
        }
        id
    }

    /// Has the host call the instance on [main]. False where it offers no timer.
    pub(crate) fn summon(&self, call_id: u64) -> bool {
        match self.table(&self.timer) {
            Some((_inside, timer)) => {
                let id = self.add_wait(call_id, true);
                unsafe { (timer.set)(self.host, call_id, id, 0) };
                true
            }
            None => false,
        }
    }

    /// The answer where it is there; otherwise `waker` is woken when it is.
    pub(crate) fn take(&self, id: u64, waker: &Waker) -> Option<Answer> {
        let mut waits = lock(&self.waits);
        match waits.get_mut(&id) {
            None => Some(Err(Failure::internal("an answer was awaited twice"))),
            Some(wait) if wait.answer.is_none() => {
                wait.waker = Some(waker.clone());
                None
            }
            Some(_) => waits.remove(&id).and_then(|wait| wait.answer),
        }
    }

    /// The answer is not wanted any more.
    pub(crate) fn forget(&self, id: u64) {
        // Dropped after the lock: it holds a waker.
        let _wait = lock(&self.waits).remove(&id);
    }

    pub(crate) fn deliver(&self, id: u64, answer: Answer) {
        let (call_id, waker) = {
            let mut waits = lock(&self.waits);
            match waits.get_mut(&id) {
                None => return,
                Some(wait) if wait.is_summons => {
                    let call_id = wait.call_id;
                    waits.remove(&id);
                    (call_id, None)
                }
                Some(wait) => {
                    if wait.answer.is_some() {
                        return;
                    }
                    wait.answer = Some(answer);
                    (wait.call_id, wait.waker.take())
                }
            }
        };
        self.wake(call_id, waker);
    }

    /// [main] What the call waits for is there.
    fn wake(&self, call_id: u64, waker: Option<Waker>) {
        let task = lock(&self.tasks).get(&call_id).cloned();
        if let Some(task) = task {
            task.wake_and_run(waker);
        }
    }

    /// False where a call of that id is open.
    pub(crate) fn add_task(&self, task: &Arc<Task>) -> bool {
        let mut tasks = lock(&self.tasks);
        if tasks.contains_key(&task.call_id()) {
            return false;
        }
        tasks.insert(task.call_id(), task.clone());
        true
    }
    pub(crate) fn task(&self, call_id: u64) -> Option<Arc<Task>> {
        lock(&self.tasks).get(&call_id).cloned()
    }
    pub(crate) fn remove_task(&self, call_id: u64) {
        let summons: Vec<Wait> = {
            let mut waits = lock(&self.waits);
            let ids: Vec<u64> = waits
                .iter()
                .filter(|(_, wait)| wait.is_summons && wait.call_id == call_id)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| waits.remove(id)).collect()
        };
        drop(summons);
        let _task = lock(&self.tasks).remove(&call_id);
    }
    pub(crate) fn all_tasks(&self) -> Vec<Arc<Task>> {
        lock(&self.tasks).values().cloned().collect()
    }
}
