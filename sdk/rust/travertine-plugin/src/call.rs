use crate::abi;
use crate::blob::Blobs;
use crate::failure::{milliseconds, Failure};
use crate::host::{Answer, Arrival, Shared};
use crate::http::{Request, Response};
use crate::parts::{Incoming, IncomingBody, Opening, Parts, Upload};
use crate::services::{Asked, Event, Kv, SignatureKind};
use crate::task::Life;
use crate::typed::Typed;
use crate::web::{WebRequest, WebResponse};
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    Debug = abi::TRV_LOG_DEBUG,
    Info = abi::TRV_LOG_INFO,
    Warning = abi::TRV_LOG_WARNING,
    Error = abi::TRV_LOG_ERROR,
}

struct Facts {
    id: u64,
    attempt: u32,
    timeout_ms: u64,
    operation: String,
    tenant: String,
    connection: String,
    idempotency_key: String,
    traceparent: String,
    input: Value,
    configuration: Arc<Value>,
    life: Arc<Life>,
    shared: Arc<Shared>,
}

/// One call of an operation. Clones are handles of the same call, for any thread; once the call has ended, what they ask
/// of the host fails.
#[derive(Clone)]
pub struct Call(Arc<Facts>);

/// A named part of a call, whose time the host takes until it is dropped.
pub struct Span {
    call: Call,
    id: u64,
}

impl Span {
    fn begin(call: &Call, parent_id: u64, name: &str, attributes: &[(&str, &str)]) -> Span {
        Span { call: call.clone(), id: call.0.shared.begin_span(call.0.id, parent_id, name, attributes) }
    }

    /// A part of this part.
    #[must_use = "a span that is dropped at once takes no time"]
    pub fn span(&self, name: &str, attributes: &[(&str, &str)]) -> Span {
        Span::begin(&self.call, self.id, name, attributes)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.call.0.shared.end_span(self.call.0.id, self.id);
    }
}

impl Call {
    /// # Safety
    /// `raw` is a call as the ABI describes it, at least of version 1.
    pub(crate) unsafe fn copy(raw: &abi::trv_call, input: Value, shared: &Arc<Shared>, life: Arc<Life>) -> Call {
        Call(Arc::new(Facts {
            id: raw.call_id,
            attempt: raw.attempt,
            timeout_ms: raw.timeout_ms,
            operation: raw.operation.to_text(),
            tenant: raw.tenant.to_text(),
            connection: raw.connection.to_text(),
            idempotency_key: raw.idempotency_key.to_text(),
            traceparent: raw.traceparent.to_text(),
            input,
            configuration: shared.configuration(),
            life,
            shared: shared.clone(),
        }))
    }

    /// A request over HTTP, which has neither operation nor input.
    ///
    /// # Safety
    /// As `copy`.
    pub(crate) unsafe fn of_request(raw: &abi::trv_serve_request, shared: &Arc<Shared>, life: Arc<Life>) -> Call {
        Call(Arc::new(Facts {
            id: raw.call_id,
            attempt: 1,
            timeout_ms: raw.timeout_ms,
            operation: String::new(),
            tenant: raw.tenant.to_text(),
            connection: String::new(),
            idempotency_key: raw.idempotency_key.to_text(),
            traceparent: raw.traceparent.to_text(),
            input: Value::Null,
            configuration: shared.configuration(),
            life,
            shared: shared.clone(),
        }))
    }

    /// Valid for the operation's input schema where a kernel is the host.
    pub fn input(&self) -> &Value {
        &self.0.input
    }

    /// The input as a type that `trav plugin generate` made of the manifest.
    pub fn input_as<T: Typed>(&self) -> Result<T, Failure> {
        T::from_json(&self.0.input)
    }

    /// The member of the input that has to be text.
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        match self.0.input.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Failure::invalid(format!("the input's {name} is not text"))),
            None => Err(Failure::invalid(format!("the input has no {name}"))),
        }
    }

    /// What the tenant has set for this plugin, a JSON object.
    pub fn configuration(&self) -> &Value {
        &self.0.configuration
    }
    pub fn operation(&self) -> &str {
        &self.0.operation
    }
    /// Who the call is for.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }
    /// The tenant's connection that the operation is to use; may be empty.
    pub fn connection(&self) -> &str {
        &self.0.connection
    }
    /// The same over every retry and restart.
    pub fn idempotency_key(&self) -> &str {
        &self.0.idempotency_key
    }
    /// From 1; grows with each retry of the same effect.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }
    /// W3C trace context; may be empty.
    pub fn traceparent(&self) -> &str {
        &self.0.traceparent
    }
    /// The time that was left when the call began. The host watches it, the plugin need not.
    pub fn timeout(&self) -> Option<Duration> {
        (self.0.timeout_ms != 0).then(|| Duration::from_millis(self.0.timeout_ms))
    }
    /// Whether the host asked to stop. A call that waits is ended without being asked; only one that computes for long
    /// has to look.
    pub fn is_cancelled(&self) -> bool {
        self.0.life.is_cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
    pub(crate) fn has_ended(&self) -> bool {
        self.0.life.has_ended.load(Ordering::SeqCst)
    }

    /// Sends a request now, through the tenant's connection; the answer is there after `await`, whatever its status.
    /// Several may be on their way at the same time; dropping one means that its answer is not wanted.
    pub fn http(&self, request: Request) -> Exchange {
        if self.has_ended() {
            return Exchange(Waiting { shared: self.0.shared.clone(), id: None });
        }
        let connection = request.connection.as_deref().unwrap_or(&self.0.connection);
        let id = self.0.shared.send(self.0.id, &request, connection);
        Exchange(Waiting { shared: self.0.shared.clone(), id: Some(id) })
    }

    /// As `http`, with an answer of up to 1 GiB that comes in parts (trv.stream/1): `await` gives its head, and
    /// `Incoming::next` each part. The request's timeout is the time until the head. On a host without trv.stream/1 the
    /// answer comes whole, within the limits of `http`, as one part.
    ///
    /// ```
    /// use travertine_plugin::{json, Call, Failure, Request, Value};
    ///
    /// async fn count(call: Call) -> Result<Value, Failure> {
    ///     let answer = call.http_in_parts(Request::get("/export")).await?;
    ///     let mut answer = answer.error_for_status("there is no export")?;
    ///     let mut size = 0;
    ///     while let Some(part) = answer.next().await? {
    ///         size += part.len();
    ///     }
    ///     Ok(json!({ "size": size }))
    /// }
    /// ```
    pub fn http_in_parts(&self, request: Request) -> Opening {
        let shared = self.0.shared.clone();
        if self.has_ended() {
            return Opening::new(Waiting { shared, id: None }, None);
        }
        let connection = request.connection.as_deref().unwrap_or(&self.0.connection);
        let id = shared.send_in_parts(self.0.id, &request, connection);
        Opening::new(Waiting { shared, id: Some(id) }, Some(Incoming::new(self.clone(), id)))
    }

    /// Sends a request now whose body is written then (trv.stream/2), of `length` bytes where that is known. The request's
    /// timeout is the time without progress.
    pub fn upload(&self, request: Request, length: Option<u64>) -> Upload<Exchange> {
        let (ids, waiting) = self.begin_upload(request, length, false);
        Upload::new(self.clone(), ids, Exchange(waiting))
    }

    /// As `upload`, with an answer that comes in parts.
    pub fn upload_in_parts(&self, request: Request, length: Option<u64>) -> Upload<Opening> {
        let (ids, waiting) = self.begin_upload(request, length, true);
        let incoming = waiting.id.map(|id| Incoming::new(self.clone(), id));
        Upload::new(self.clone(), ids, Opening::new(waiting, incoming))
    }

    fn begin_upload(&self, request: Request, length: Option<u64>, in_parts: bool) -> ((u64, u64), Waiting) {
        let shared = self.0.shared.clone();
        if self.has_ended() {
            return ((0, shared.refuse_parts(self.0.id)), Waiting { shared, id: None });
        }
        let connection = request.connection.as_deref().unwrap_or(&self.0.connection);
        let ids = shared.upload(self.0.id, &request, connection, length, in_parts);
        (ids, Waiting { shared, id: Some(ids.0) })
    }

    /// Reads the body of the request that the call answers in parts, where the manifest says `"bodies": "in-parts"`; the
    /// client waits while nobody reads. A body that came whole is taken out of `request` and is one part. Once.
    pub fn read_body(&self, request: &mut WebRequest) -> IncomingBody {
        let whole = std::mem::take(&mut request.body);
        IncomingBody::new(self.clone(), self.0.shared.read_body(self.0.id, whole))
    }

    /// Answers a request over HTTP in parts (trv.stream/1): status, headers and, as the first part, a body of at most
    /// 65,536 bytes go out now. Once, and only in what `Plugin::serve` runs.
    pub fn respond_in_parts(&self, head: WebResponse) -> Parts {
        let shared = &self.0.shared;
        let id =
            if self.has_ended() { shared.refuse_parts(self.0.id) } else { shared.respond_in_parts(self.0.id, &head) };
        Parts::new(self.clone(), id)
    }

    /// Lets time pass without holding a thread; the time begins now.
    pub fn wait(&self, time: Duration) -> Pause {
        if self.has_ended() {
            return Pause(Waiting { shared: self.0.shared.clone(), id: None });
        }
        // Never earlier than asked for.
        let after_ms = milliseconds(time).saturating_add(u64::from(time.subsec_nanos() % 1_000_000 != 0));
        let id = self.0.shared.set_timer(self.0.id, after_ms);
        Pause(Waiting { shared: self.0.shared.clone(), id: Some(id) })
    }

    /// Asks through `ask`, which gives the id of what is waited for.
    pub(crate) fn ask<T>(&self, read: fn(Arrival) -> Option<T>, ask: impl FnOnce(&Shared, u64) -> u64) -> Asked<T> {
        let id = (!self.has_ended()).then(|| ask(&self.0.shared, self.0.id));
        Asked::new(Waiting { shared: self.0.shared.clone(), id }, read)
    }

    /// What the plugin keeps between calls: a store of JSON that the tenant has for it (trv.kv/1). The manifest asks for
    /// it: `"permissions": ["kv"]`.
    pub fn kv(&self) -> Kv<'_> {
        Kv::new(self)
    }

    /// The large things that the plugin keeps in the tenant (trv.blob/1). The manifest asks for it:
    /// `"permissions": ["blobs"]`.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self)
    }

    /// For what the plugin names by a number of its own.
    pub(crate) fn next_id(&self) -> u64 {
        self.0.shared.next_id()
    }

    /// Has the host sign at most 65,536 bytes, now, by a secret that the plugin never sees (trv.secret/1). `secret` is
    /// what the configuration gives in a field that its schema marks with `"secret": true`.
    pub fn sign(&self, secret: &str, kind: SignatureKind, data: impl AsRef<[u8]>) -> Asked<Vec<u8>> {
        self.ask(
            |arrival| if let Arrival::Signature(bytes) = arrival { Some(bytes) } else { None },
            |shared, call_id| shared.sign(call_id, secret, kind, data.as_ref()),
        )
    }

    /// Emits an event of the tenant now, which starts and wakes workflows (trv.event/1); its id is there after `await`. A
    /// call that is made again does not double what it emits in the same order.
    pub fn emit(&self, event: Event) -> Asked<String> {
        self.ask(
            |arrival| if let Arrival::Emitted(id) = arrival { Some(id) } else { None },
            |shared, call_id| shared.emit(call_id, &event),
        )
    }

    /// Adds to a number of the plugin among those of the host, of all tenants together. Names are of a-z, 0-9 and _; at
    /// most 4 labels with few values, and nothing personal.
    pub fn count(&self, name: &str, by: f64, labels: &[(&str, &str)]) {
        self.0.shared.record(crate::abi::TRV_METRIC_COUNTER, name, by, labels);
    }
    /// As `count`; takes the place of the value before.
    pub fn gauge(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.0.shared.record(crate::abi::TRV_METRIC_GAUGE, name, value, labels);
    }
    /// As `count`; for times in seconds.
    pub fn observe(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.0.shared.record(crate::abi::TRV_METRIC_HISTOGRAM, name, value, labels);
    }

    /// Says how far the call is, for people who look at its workflow: from 0 to 1; `None`: not known. The last word
    /// counts, and nothing waits for it.
    pub fn progress(&self, fraction: Option<f64>, text: impl AsRef<str>) {
        if !self.has_ended() {
            self.0.shared.progress(self.0.id, fraction.unwrap_or(-1.0), text.as_ref());
        }
    }

    /// Begins a named part of the call, so that operators see how long what takes; it ends where it is dropped. Never
    /// secrets or personal data.
    ///
    /// ```ignore
    /// let reading = call.span("read page", &[("page", "3")]);
    /// ```
    #[must_use = "a span that is dropped at once takes no time"]
    pub fn span(&self, name: &str, attributes: &[(&str, &str)]) -> Span {
        Span::begin(self, 0, name, attributes)
    }

    /// Adds text to what the call has given so far, for people who look while it runs, as the answer of a model comes
    /// word by word. It is not the output; the last 65,536 bytes are kept until the call ends.
    pub fn stream(&self, text: impl AsRef<str>) {
        if !self.has_ended() {
            self.0.shared.stream(self.0.id, text.as_ref());
        }
    }

    /// One line for the operator's log. Never secrets or personal data.
    pub fn log(&self, level: Level, text: impl AsRef<str>) {
        let call_id = if self.has_ended() { 0 } else { self.0.id };
        self.0.shared.write_log(level, call_id, text.as_ref());
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.0.operation.is_empty() { "a request over HTTP" } else { &self.0.operation };
        write!(out, "Call({} of {of})", self.0.id)
    }
}

pub(crate) struct Waiting {
    shared: Arc<Shared>,
    /// None where the call had ended.
    id: Option<u64>,
}

impl Waiting {
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Answer> {
        match self.id {
            None => Poll::Ready(Err(Failure::cancelled())),
            Some(id) => self.shared.take(id, context.waker()).map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.forget(id);
        }
    }
}

/// A request that was sent; `await` gives the answer.
#[must_use = "the answer is dropped; await it"]
pub struct Exchange(Waiting);

impl Future for Exchange {
    type Output = Result<Response, Failure>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context).map(|answer| match answer? {
            Arrival::Response(response) => Ok(response),
            _ => Err(other_answer()),
        })
    }
}

pub(crate) fn other_answer() -> Failure {
    Failure::internal("the host answered something else than was asked for")
}

/// A time that passes; `await` ends when it has come, and fails where this host has no timers.
#[must_use = "no time passes; await it"]
pub struct Pause(Waiting);

impl Future for Pause {
    type Output = Result<(), Failure>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context).map(|answer| answer.map(|_| ()))
    }
}
