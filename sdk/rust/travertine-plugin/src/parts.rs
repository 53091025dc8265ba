//! Bodies in parts (trv.stream/1, trv.stream/2), as the author sees them: what comes, and what is given.

use crate::call::{other_answer, Call, Waiting};
use crate::failure::Failure;
use crate::host::Arrival;
use crate::http::Response;
use crate::web::WebResponse;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request that was sent; `await` gives the head of its answer.
#[must_use = "the answer is dropped; await it"]
pub struct Opening {
    waiting: Waiting,
    /// None where the call had ended, and once the head was given.
    incoming: Option<Incoming>,
}

impl Opening {
    pub(crate) fn new(waiting: Waiting, incoming: Option<Incoming>) -> Opening {
        Opening { waiting, incoming }
    }
}

impl Future for Opening {
    type Output = Result<Incoming, Failure>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiting.poll(context).map(|answer| match (answer?, self.incoming.take()) {
            (Arrival::Response(head), Some(mut incoming)) => {
                incoming.head = head;
                Ok(incoming)
            }
            _ => Err(other_answer()),
        })
    }
}

/// An answer that comes in parts, whatever its status. Where it is dropped before its end, the rest is not wanted.
///
/// Of what was not asked for with `next` at most 262,144 bytes are held here; behind them the service has to wait.
pub struct Incoming {
    call: Call,
    id: u64,
    head: Response,
}

impl Incoming {
    pub(crate) fn new(call: Call, id: u64) -> Incoming {
        Incoming { call, id, head: Response::default() }
    }

    pub fn status(&self) -> u16 {
        self.head.status
    }
    pub fn ok(&self) -> bool {
        self.head.ok()
    }
    pub fn headers(&self) -> &[(String, String)] {
        &self.head.headers
    }
    /// The first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
    /// As `Response::error_for_status`.
    pub fn error_for_status(self, message: impl Into<String>) -> Result<Incoming, Failure> {
        match self.head.failure(message) {
            None => Ok(self),
            Some(failure) => Err(failure),
        }
    }

    /// What has come since the part before, not empty; `None`: the answer is whole. A failure, and then the same one
    /// again, where the rest will not come.
    pub fn next(&mut self) -> Next<'_> {
        Next { call: &self.call, id: self.id }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.call.shared().drop_stream(self.id, !self.call.has_ended());
    }
}

/// The next part; `await` gives it.
#[must_use = "a part that is not awaited does not come"]
pub struct Next<'a> {
    call: &'a Call,
    id: u64,
}

impl Future for Next<'_> {
    type Output = Result<Option<Vec<u8>>, Failure>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.call.has_ended() {
            return Poll::Ready(Err(Failure::cancelled()));
        }
        self.call.shared().take_part(self.id, context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}

/// The body of a request to the plugin, its parts one after the other: `Call::read_body`. Where it is dropped before its
/// end, the rest is not wanted.
pub struct IncomingBody {
    call: Call,
    id: u64,
}

impl IncomingBody {
    pub(crate) fn new(call: Call, id: u64) -> IncomingBody {
        IncomingBody { call, id }
    }

    /// As `Incoming::next`.
    pub fn next(&mut self) -> Next<'_> {
        Next { call: &self.call, id: self.id }
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        self.call.shared().drop_stream(self.id, !self.call.has_ended());
    }
}

/// An answer in parts to a request over HTTP: the client sees each as it is written, and one that reads slowly holds up
/// who writes. Where the call ends in another way than with `end`, the client's connection is cut.
///
/// ```
/// use travertine_plugin::{Call, Failure, WebRequest, WebResponse};
///
/// async fn events(call: Call, _request: WebRequest) -> Result<WebResponse, Failure> {
///     let head = WebResponse::new(200).header("content-type", "text/event-stream");
///     let mut out = call.respond_in_parts(head);
///     for number in 1..=3 {
///         out.write(format!("data: {number}\n\n")).await?;
///     }
///     out.end()
/// }
/// ```
#[must_use = "an answer that is not ended is cut"]
pub struct Parts(Body);

impl Parts {
    pub(crate) fn new(call: Call, id: u64) -> Parts {
        Parts(Body { call, id, is_torn: false })
    }

    /// Of any size. `await` ends once the client has taken enough for all of it to be on its way.
    pub fn write<B: AsRef<[u8]> + Unpin>(&mut self, bytes: B) -> Write<'_, B> {
        self.0.write(bytes)
    }

    /// To be returned: the answer is whole.
    pub fn end(self) -> Result<WebResponse, Failure> {
        if let Some(failure) = self.0.call.shared().writing_failure(self.0.id) {
            return Err(failure);
        }
        if self.0.is_torn {
            return Err(torn("an answer in parts"));
        }
        Ok(WebResponse { stream: Some(self.0.id), ..WebResponse::new(200) })
    }
}

/// A request whose body is written, of up to 1 GiB; `A` is what `end` gives: an `Exchange`, or an `Opening` where the
/// answer comes in parts. A service that reads slowly holds up who writes. Nothing repeats such a request.
///
/// ```
/// use travertine_plugin::{Call, Failure, Request, WebRequest, WebResponse};
///
/// async fn pass_on(call: Call, mut request: WebRequest) -> Result<WebResponse, Failure> {
///     let mut upload = call.upload(Request::put("/archive").connection("archive"), None);
///     let mut body = call.read_body(&mut request);
///     while let Some(part) = body.next().await? {
///         if upload.write(part).await.is_err() {
///             break; // the service takes no more; its answer says why
///         }
///     }
///     let answer = upload.end().await?.error_for_status("the archive did not take it")?;
///     Ok(WebResponse::new(answer.status))
/// }
/// ```
#[must_use = "a body that is not ended keeps its request waiting"]
pub struct Upload<A> {
    body: Body,
    request_id: u64,
    answer: A,
}

impl<A> Upload<A> {
    pub(crate) fn new(call: Call, ids: (u64, u64), answer: A) -> Upload<A> {
        Upload { body: Body { call, id: ids.1, is_torn: false }, request_id: ids.0, answer }
    }

    /// Of any size. `await` ends once the service has taken enough for all of it to be on its way. A failure where it takes
    /// no more: the answer says why.
    pub fn write<B: AsRef<[u8]> + Unpin>(&mut self, bytes: B) -> Write<'_, B> {
        self.body.write(bytes)
    }

    /// What was written is the whole body. `await` gives the answer.
    pub fn end(self) -> A {
        let shared = self.body.call.shared();
        if shared.writing_failure(self.body.id).is_some() {
            return self.answer;
        }
        if self.body.is_torn {
            shared.give_up_upload(self.request_id, torn("the body of a request"));
        } else if !self.body.call.has_ended() {
            shared.end_parts(self.body.call.id(), self.body.id);
        }
        self.answer
    }
}

fn torn(what: &str) -> Failure {
    Failure::internal(format!("{what} was ended before all that was written had been taken"))
}

/// What is written under one stream.
struct Body {
    call: Call,
    id: u64,
    is_torn: bool,
}

impl Body {
    fn write<B: AsRef<[u8]> + Unpin>(&mut self, bytes: B) -> Write<'_, B> {
        let was_torn = self.is_torn;
        Write { body: self, bytes, sent: 0, was_torn }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.call.shared().forget_writing(self.id);
    }
}

/// Bytes that are written; `await` sends them.
#[must_use = "nothing is written before it is awaited"]
pub struct Write<'a, B> {
    body: &'a mut Body,
    bytes: B,
    sent: usize,
    was_torn: bool,
}

impl<B: AsRef<[u8]> + Unpin> Future for Write<'_, B> {
    type Output = Result<(), Failure>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let bytes = this.bytes.as_ref();
        while this.sent < bytes.len() {
            if this.body.call.has_ended() {
                return Poll::Ready(Err(Failure::cancelled()));
            }
            // Where this is dropped in between, a part of it has gone out.
            this.body.is_torn = true;
            match this.body.call.shared().write_part(this.body.id, &bytes[this.sent..], context.waker()) {
                None => return Poll::Pending,
                Some(Err(failure)) => return Poll::Ready(Err(failure)),
                Some(Ok(size)) => this.sent += size,
            }
        }
        this.body.is_torn = this.was_torn;
        Poll::Ready(match this.body.call.shared().writing_failure(this.body.id) {
            Some(failure) => Err(failure),
            None => Ok(()),
        })
    }
}
