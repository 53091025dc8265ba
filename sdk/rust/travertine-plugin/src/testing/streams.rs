//! Bodies in parts: those of the service, as far as the plugin gives room, and those that a client takes.

use super::{of, Host, State};
use crate::abi;
use crate::failure::Failure;
use crate::guard::lock;
use std::collections::VecDeque;

pub(super) static STREAM: abi::trv_host_stream = abi::trv_host_stream {
    struct_size: abi::TRV_HOST_STREAM_SIZE_V1,
    respond: super::web::respond_in_parts,
    write,
    end,
    send,
    take,
    drop: drop_rest,
};

/// An answer of the service on its way.
pub(super) struct Coming {
    pub(super) call_id: u64,
    has_begun: bool,
    parts: VecDeque<Vec<u8>>,
    breaks: Option<Failure>,
    room: u64,
    untaken: u64,
}

impl Coming {
    pub(super) fn new(call_id: u64) -> Coming {
        Coming {
            call_id,
            has_begun: false,
            parts: VecDeque::new(),
            breaks: None,
            room: abi::TRV_STREAM_ROOM_BYTES,
            untaken: 0,
        }
    }

    pub(super) fn begin(&mut self, parts: &[Vec<u8>], breaks: Option<Failure>) {
        self.has_begun = true;
        self.breaks = breaks;
        let chunks = parts.iter().flat_map(|part| part.chunks(abi::TRV_STREAM_PART_BYTES as usize));
        self.parts = chunks.map(<[u8]>::to_vec).collect();
    }

    fn can_go_on(&self) -> bool {
        self.has_begun && (self.parts.is_empty() || self.room > 0)
    }

    /// As much of the next part as there is room for.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut part = self.parts.pop_front()?;
        if part.len() as u64 > self.room {
            let rest = part.split_off(self.room as usize);
            self.parts.push_front(rest);
        }
        self.room -= part.len() as u64;
        self.untaken += part.len() as u64;
        Some(part)
    }
}

/// An answer of the plugin to a client.
#[derive(Default)]
pub(super) struct Served {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) stream: Option<u64>,
    /// Of what was written; the room is what is left of TRV_STREAM_ROOM_BYTES.
    pub(super) untaken: u64,
}

impl State {
    pub(super) fn has_parts(&self) -> bool {
        self.upload_to_take().is_some()
            || self.coming.values().any(Coming::can_go_on)
            || self.client_that_takes().is_some()
    }

    fn client_that_takes(&self) -> Option<u64> {
        if self.client_waits {
            return None;
        }
        let takes =
            |call: &u64, one: &Served| one.stream.is_some() && one.untaken > 0 && !self.outcomes.contains_key(call);
        self.served.iter().find(|(call, one)| takes(call, one)).map(|(call, _)| *call)
    }

    /// The call's answer in parts; notes a fault where there is none.
    fn writing(&mut self, call_id: u64, stream_id: u64, what: &str) -> Option<&mut Served> {
        if self.outcomes.contains_key(&call_id) {
            self.faults.push(format!("{what} of an answer in parts to call {call_id}, which has ended"));
            return None;
        }
        let is_there = self.served.get(&call_id).map_or(false, |one| one.stream == Some(stream_id));
        if !is_there {
            self.faults.push(format!("{what} of an answer in parts that call {call_id} has not begun"));
            return None;
        }
        self.served.get_mut(&call_id)
    }
}

pub(super) unsafe extern "C" fn write(host: *const abi::trv_host, call_id: u64, stream_id: u64, part: abi::trv_bytes) {
    let mut state = lock(&of(host).state);
    let part = part.as_slice();
    if part.len() as u64 > abi::TRV_STREAM_PART_BYTES {
        state.faults.push(format!("a part of {} bytes; at most {} are", part.len(), abi::TRV_STREAM_PART_BYTES));
    }
    let is_upload = state.uploads_of(call_id).any(|id| *id == stream_id);
    if is_upload {
        state.upload_written(stream_id, part);
    } else if let Some(served) = state.writing(call_id, stream_id, "a part") {
        served.body.extend_from_slice(part);
        served.untaken += part.len() as u64;
        if served.untaken > abi::TRV_STREAM_ROOM_BYTES {
            state.faults.push(format!("call {call_id} writes over the room of its answer"));
        }
    }
    of(host).changed.notify_all();
}

pub(super) unsafe extern "C" fn end(host: *const abi::trv_host, call_id: u64, stream_id: u64) {
    {
        let mut state = lock(&of(host).state);
        if state.uploads_of(call_id).any(|id| *id == stream_id) {
            state.upload_ended(stream_id);
            return of(host).changed.notify_all();
        }
    }
    let is_there = lock(&of(host).state).writing(call_id, stream_id, "the end").is_some();
    if is_there {
        of(host).answered(call_id, Ok(serde_json::Value::Null));
    }
}

pub(super) unsafe extern "C" fn send(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    request: *const abi::trv_http_request,
) {
    super::http::note(host, call_id, request_id, request, true);
}

pub(super) unsafe extern "C" fn take(host: *const abi::trv_host, call_id: u64, stream_id: u64, byte_count: u64) {
    let mut state = lock(&of(host).state);
    let mut fault = None;
    match state.coming.get_mut(&stream_id).filter(|coming| coming.call_id == call_id) {
        Some(coming) if byte_count <= coming.untaken => {
            coming.untaken -= byte_count;
            coming.room += byte_count;
        }
        Some(_) => fault = Some(format!("call {call_id} takes more of an answer than has come")),
        None => fault = Some(format!("call {call_id} takes of an answer in parts that is not there")),
    }
    state.faults.extend(fault);
    of(host).changed.notify_all();
}

pub(super) unsafe extern "C" fn drop_rest(host: *const abi::trv_host, call_id: u64, stream_id: u64) {
    let mut state = lock(&of(host).state);
    if state.coming.remove(&stream_id).is_none() {
        state.faults.push(format!("call {call_id} drops an answer in parts that is not there"));
    }
    state.open.retain(|open| *open != stream_id);
    state.dropped += 1;
}

impl Host {
    /// Brings the next part of an answer that has room, the end of one that has no more, or tells the plugin what a
    /// client has taken. False where there is none of these.
    pub fn let_parts_come(&self) -> bool {
        enum News {
            Part(Vec<u8>),
            End(Option<Failure>),
        }
        let next = {
            let mut state = lock(&self.inner().state);
            let id = state.coming.iter().find(|(_, coming)| coming.can_go_on()).map(|(id, _)| *id);
            id.and_then(|id| {
                let coming = state.coming.get_mut(&id)?;
                if let Some(part) = coming.next() {
                    return Some((id, News::Part(part)));
                }
                state.coming.remove(&id).map(|coming| (id, News::End(coming.breaks)))
            })
        };
        let (id, news) = match next {
            Some(next) => next,
            None => return self.let_service_take() || self.let_client_take(),
        };
        let stream = self.extension::<abi::trv_plugin_stream>(abi::TRV_EXT_STREAM);
        unsafe {
            match news {
                News::Part(part) => (stream.on_part)(self.plugin, id, abi::trv_bytes::borrow(&part)),
                News::End(None) => (stream.on_end)(self.plugin, id),
                News::End(Some(failure)) => failure.lend(|error| (stream.on_error)(self.plugin, id, error)),
            }
        }
        true
    }

    fn let_client_take(&self) -> bool {
        let call_id = lock(&self.inner().state).client_that_takes();
        match call_id {
            Some(call_id) => self.client_takes(call_id, u64::MAX),
            None => false,
        }
    }

    /// From here on clients take nothing of answers in parts but with `client_takes`.
    pub fn client_waits(&self) {
        lock(&self.inner().state).client_waits = true;
    }

    /// The client takes at most so many of the bytes that were written. False where there are none.
    pub fn client_takes(&self, call_id: u64, byte_count: u64) -> bool {
        let (stream_id, taken) = {
            let mut state = lock(&self.inner().state);
            let served = state.served.get_mut(&call_id).filter(|one| one.untaken > 0);
            match served.and_then(|one| one.stream.map(|stream| (stream, one))) {
                None => return false,
                Some((stream_id, one)) => {
                    let taken = one.untaken.min(byte_count);
                    one.untaken -= taken;
                    (stream_id, taken)
                }
            }
        };
        let stream = self.extension::<abi::trv_plugin_stream>(abi::TRV_EXT_STREAM);
        unsafe { (stream.on_room)(self.plugin, stream_id, taken) };
        true
    }

    /// The client will take nothing more.
    pub fn client_breaks(&self, call_id: u64, failure: &Failure) {
        let stream_id = lock(&self.inner().state).served.get(&call_id).and_then(|one| one.stream);
        let stream = self.extension::<abi::trv_plugin_stream>(abi::TRV_EXT_STREAM);
        if let Some(stream_id) = stream_id {
            failure.lend(|error| unsafe { (stream.on_error)(self.plugin, stream_id, error) });
        }
    }
}
