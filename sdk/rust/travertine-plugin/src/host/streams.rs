//! Bodies in parts (trv.stream/1, trv.stream/2): what is on its way to a call, and what a call writes.

use super::{Answer, Arrival, Shared};
use crate::abi;
use crate::failure::{Code, Failure};
use crate::guard::lock;
use crate::http::Request;
use crate::web::WebResponse;
use std::task::Waker;

/// Not each part is reported as taken for itself.
const REPORTED_FROM: u64 = 32_768;

/// An answer to a request of the call, or the body of the request that the call answers.
pub(super) struct Arriving {
    call_id: u64,
    bytes: Vec<u8>,
    untaken: u64,
    /// The host has no streams for it.
    comes_whole: bool,
    has_ended: bool,
    failure: Option<Failure>,
    waker: Option<Waker>,
}

/// An answer of the call to a client, or the body of a request of the call.
pub(super) struct Writing {
    call_id: u64,
    room: u64,
    failure: Option<Failure>,
    waker: Option<Waker>,
}

impl Arriving {
    fn new(call_id: u64, comes_whole: bool) -> Arriving {
        Arriving { call_id, bytes: Vec::new(), untaken: 0, comes_whole, has_ended: false, failure: None, waker: None }
    }
}

impl Shared {
    /// As `send`; the id is that of the stream, too. What arrives is the head.
    pub(crate) fn send_in_parts(&self, call_id: u64, request: &Request, connection: &str) -> u64 {
        let id = self.add_wait(call_id, false);
        let stream = self.table(&self.stream);
        let arriving = Arriving::new(call_id, stream.is_none());
        lock(&self.arriving).insert(id, arriving);
        match (stream, self.table(&self.http)) {
            (Some((_inside, stream)), _) => self.send_by(stream.send, call_id, id, request, connection),
            (None, Some((_inside, http))) => self.send_by(http.send, call_id, id, request, connection),
            (None, None) => self.refuse(id, Failure::new(Code::Denied, "this host offers no HTTP (trv.http/1)")),
        }
        id
    }

    /// What has come, `None` inside where it is whole; nothing where it has to wait, and `waker` is woken then.
    pub(crate) fn take_part(&self, id: u64, waker: &Waker) -> Option<Result<Option<Vec<u8>>, Failure>> {
        let (part, report) = {
            let mut all = lock(&self.arriving);
            let arriving = match all.get_mut(&id) {
                Some(arriving) => arriving,
                None => return Some(Err(Failure::internal("the answer in parts is no longer there"))),
            };
            if arriving.bytes.is_empty() {
                if let Some(failure) = &arriving.failure {
                    return Some(Err(failure.clone()));
                }
                if arriving.has_ended {
                    return Some(Ok(None));
                }
                arriving.waker = Some(waker.clone());
                return None;
            }
            let part = std::mem::take(&mut arriving.bytes);
            arriving.untaken += part.len() as u64;
            let is_reported = !arriving.comes_whole && !arriving.has_ended && arriving.untaken >= REPORTED_FROM;
            let report = is_reported.then(|| (arriving.call_id, std::mem::take(&mut arriving.untaken)));
            (part, report)
        };
        if let (Some((call_id, byte_count)), Some((_inside, stream))) = (report, self.table(&self.stream)) {
            unsafe { (stream.take)(self.host, call_id, id, byte_count) };
        }
        Some(Ok(Some(part)))
    }

    /// The rest of the answer is not wanted; `is_open` says whether its call is.
    pub(crate) fn drop_stream(&self, id: u64, is_open: bool) {
        let arriving = lock(&self.arriving).remove(&id);
        if let Some(arriving) = arriving {
            if is_open && !arriving.has_ended && !arriving.comes_whole {
                if let Some((_inside, stream)) = self.table(&self.stream) {
                    unsafe { (stream.drop)(self.host, arriving.call_id, id) };
                }
            }
        }
    }

    /// [main] An answer with its body, or the head of one in parts.
    pub(crate) fn deliver_response(&self, id: u64, mut answer: Answer) {
        if let Some(arriving) = lock(&self.arriving).get_mut(&id) {
            match &mut answer {
                Ok(Arrival::Response(response)) if arriving.comes_whole => {
                    arriving.bytes = std::mem::take(&mut response.body);
                    arriving.has_ended = true;
                }
                // There is nothing that could be dropped.
                Err(_) => arriving.has_ended = true,
                Ok(_) => {}
            }
        }
        self.deliver(id, answer);
    }

    /// [main]
    pub(crate) fn part_came(&self, id: u64, part: &[u8]) {
        self.change(id, |arriving| arriving.bytes.extend_from_slice(part));
    }
    /// [main]
    pub(crate) fn stream_ended(&self, id: u64) {
        self.change(id, |arriving| arriving.has_ended = true);
    }
    /// [main] Of either direction.
    pub(crate) fn stream_broke(&self, id: u64, failure: Failure) {
        self.change(id, |arriving| {
            arriving.has_ended = true;
            arriving.failure = Some(failure.clone());
        });
        self.change_writing(id, |writing| writing.failure = Some(failure.clone()));
    }
    /// [main]
    pub(crate) fn room_came(&self, id: u64, byte_count: u64) {
        self.change_writing(id, |writing| writing.room = writing.room.saturating_add(byte_count));
    }

    fn change(&self, id: u64, how: impl FnOnce(&mut Arriving)) {
        let waiting = lock(&self.arriving).get_mut(&id).and_then(|arriving| {
            how(arriving);
            arriving.waker.take().map(|waker| (arriving.call_id, waker))
        });
        if let Some((call_id, waker)) = waiting {
            self.wake(call_id, Some(waker));
        }
    }

    fn change_writing(&self, id: u64, how: impl FnOnce(&mut Writing)) {
        let waiting = lock(&self.writing).get_mut(&id).and_then(|writing| {
            how(writing);
            writing.waker.take().map(|waker| (writing.call_id, waker))
        });
        if let Some((call_id, waker)) = waiting {
            self.wake(call_id, Some(waker));
        }
    }

    /// Sends the head at once, with its body as the first part.
    pub(crate) fn respond_in_parts(&self, call_id: u64, head: &WebResponse) -> u64 {
        let id = self.next_id();
        let size = head.body.len() as u64;
        let room = abi::TRV_STREAM_ROOM_BYTES.saturating_sub(size);
        let mut writing = Writing { call_id, room, failure: None, waker: None };
        let stream = self.table(&self.stream);
        if size > abi::TRV_STREAM_PART_BYTES {
            let why = format!(
                "the head of an answer in parts has a body of {size} bytes; at most {} can go with it, write() sends more",
                abi::TRV_STREAM_PART_BYTES
            );
            writing.failure = Some(Failure::new(Code::TooLarge, why));
        } else if stream.is_none() {
            let why = "this host takes no answers in parts (trv.stream/1)";
            writing.failure = Some(Failure::new(Code::Denied, why));
        }
        let has_begun = writing.failure.is_none();
        lock(&self.writing).insert(id, writing);
        if let (true, Some((_inside, stream))) = (has_begun, stream) {
            head.lend(|raw| unsafe { (stream.respond)(self.host, call_id, id, raw) });
        }
        id
    }

    /// As `send`, or where the answer comes in parts as `send_in_parts`, with a body that is written under the second id.
    pub(crate) fn upload(
        &self,
        call_id: u64,
        request: &Request,
        connection: &str,
        length: Option<u64>,
        answer_in_parts: bool,
    ) -> (u64, u64) {
        let id = self.add_wait(call_id, false);
        let stream_id = self.next_id();
        let room = abi::TRV_STREAM_ROOM_BYTES;
        let mut writing = Writing { call_id, room, failure: None, waker: None };
        let refusal = if !request.body.is_empty() {
            Some(Failure::invalid("a request whose body is written has another one; write() sends all of it"))
        } else if self.table(&self.stream_2).is_none() {
            Some(Failure::new(Code::Denied, "this host takes no bodies of requests in parts (trv.stream/2)"))
        } else {
            None
        };
        writing.failure = refusal.clone();
        lock(&self.writing).insert(stream_id, writing);
        if answer_in_parts {
            lock(&self.arriving).insert(id, Arriving::new(call_id, false));
        }
        match (refusal, self.table(&self.stream_2)) {
            (None, Some((_inside, stream))) => {
                let upload = abi::trv_upload {
                    struct_size: abi::TRV_UPLOAD_SIZE_V1,
                    answer_in_parts: u32::from(answer_in_parts),
                    stream_id,
                    length: length.unwrap_or(abi::TRV_LENGTH_UNKNOWN),
                };
                self.lend_request(request, connection, |raw| unsafe {
                    (stream.upload)(self.host, call_id, id, raw, &upload)
                });
            }
            (refusal, _) => {
                if let Some(arriving) = lock(&self.arriving).get_mut(&id) {
                    arriving.has_ended = true;
                }
                self.refuse(id, refusal.unwrap_or_else(Failure::cancelled));
            }
        }
        (id, stream_id)
    }

    /// The request will have no answer: its body is not whole.
    pub(crate) fn give_up_upload(&self, id: u64, failure: Failure) {
        self.refuse(id, failure);
    }

    /// Begins to read the body of the request that the call answers; `whole` is what has come of it with its head.
    pub(crate) fn read_body(&self, call_id: u64, whole: Vec<u8>) -> u64 {
        let id = self.next_id();
        let stream = if whole.is_empty() { self.table(&self.stream_2) } else { None };
        let mut arriving = Arriving::new(call_id, stream.is_none());
        arriving.has_ended = stream.is_none();
        arriving.bytes = whole;
        lock(&self.arriving).insert(id, arriving);
        if let Some((_inside, stream)) = stream {
            unsafe { (stream.read)(self.host, call_id, id) };
        }
        id
    }

    /// One that takes nothing, because its call has ended.
    pub(crate) fn refuse_parts(&self, call_id: u64) -> u64 {
        let id = self.next_id();
        let failure = Some(Failure::cancelled());
        lock(&self.writing).insert(id, Writing { call_id, room: 0, failure, waker: None });
        id
    }

    /// How many of the bytes are on their way; nothing where the client has to take some first, and `waker` is woken
    /// then. `bytes` is not empty.
    pub(crate) fn write_part(&self, id: u64, bytes: &[u8], waker: &Waker) -> Option<Result<usize, Failure>> {
        let (call_id, size) = {
            let mut all = lock(&self.writing);
            let writing = match all.get_mut(&id) {
                Some(writing) => writing,
                None => return Some(Err(Failure::internal("the answer in parts is no longer there"))),
            };
            if let Some(failure) = &writing.failure {
                return Some(Err(failure.clone()));
            }
            let size = (bytes.len() as u64).min(writing.room).min(abi::TRV_STREAM_PART_BYTES);
            if size == 0 {
                writing.waker = Some(waker.clone());
                return None;
            }
            writing.room -= size;
            (writing.call_id, size as usize)
        };
        match self.table(&self.stream) {
            Some((_inside, stream)) => {
                unsafe { (stream.write)(self.host, call_id, id, abi::trv_bytes::borrow(&bytes[..size])) };
                Some(Ok(size))
            }
            None => Some(Err(Failure::cancelled())),
        }
    }

    /// Why what was written cannot be the whole.
    pub(crate) fn writing_failure(&self, id: u64) -> Option<Failure> {
        lock(&self.writing).get(&id).and_then(|writing| writing.failure.clone())
    }
    pub(crate) fn forget_writing(&self, id: u64) {
        // Dropped after the lock: it holds a waker.
        let _writing = lock(&self.writing).remove(&id);
    }

    /// Ends the call, or the body of a request.
    pub(crate) fn end_parts(&self, call_id: u64, id: u64) {
        if let Some((_inside, stream)) = self.table(&self.stream) {
            unsafe { (stream.end)(self.host, call_id, id) };
        }
    }
}
