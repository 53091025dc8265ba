//! Bodies of requests in parts (trv.stream/2): those that the plugin writes to the service, and those of clients.

use super::streams::Coming;
use super::{of, Host, State};
use crate::abi;
use crate::failure::Failure;
use crate::guard::lock;
use crate::web::WebRequest;

pub(super) static STREAM_2: abi::trv_host_stream_2 = abi::trv_host_stream_2 {
    struct_size: abi::TRV_HOST_STREAM_2_SIZE_V1,
    respond: super::web::respond_in_parts,
    write: super::streams::write,
    end: super::streams::end,
    send: super::streams::send,
    take: super::streams::take,
    drop: super::streams::drop_rest,
    upload,
    read,
};

/// A body that the plugin writes.
pub(super) struct Uploading {
    pub(super) call_id: u64,
    request_id: u64,
    /// Its place among the requests.
    sent: usize,
    length: u64,
    untaken: u64,
}

impl State {
    pub(super) fn uploads_of(&self, call_id: u64) -> impl Iterator<Item = &u64> + '_ {
        self.uploading.iter().filter(move |(_, one)| one.call_id == call_id).map(|(id, _)| id)
    }

    pub(super) fn upload_written(&mut self, stream_id: u64, part: &[u8]) {
        let fault = self.uploading.get_mut(&stream_id).and_then(|one| {
            self.requests[one.sent].body.extend_from_slice(part);
            one.untaken += part.len() as u64;
            (one.untaken > abi::TRV_STREAM_ROOM_BYTES)
                .then(|| format!("call {} writes over the room of a body", one.call_id))
        });
        self.faults.extend(fault);
    }

    /// What was written is whole: the request can be answered.
    pub(super) fn upload_ended(&mut self, stream_id: u64) {
        if let Some(one) = self.uploading.remove(&stream_id) {
            let size = self.requests[one.sent].body.len() as u64;
            if one.length != abi::TRV_LENGTH_UNKNOWN && one.length != size {
                self.faults.push(format!("a body of {size} bytes that was to have {}", one.length));
            }
            if self.open_unwritten.remove(&one.request_id) {
                self.open.push_back(one.request_id);
            }
        }
    }

    /// The first body of which something was written that the service has not taken.
    pub(super) fn upload_to_take(&self) -> Option<u64> {
        self.uploading.iter().find(|(_, one)| one.untaken > 0).map(|(id, _)| *id)
    }
}

unsafe extern "C" fn upload(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    request: *const abi::trv_http_request,
    upload: *const abi::trv_upload,
) {
    let upload = &*upload;
    super::http::note(host, call_id, request_id, request, upload.answer_in_parts != 0);
    let mut state = lock(&of(host).state);
    state.open.retain(|open| *open != request_id);
    state.open_unwritten.insert(request_id);
    let sent = state.requests.len() - 1;
    state
        .uploading
        .insert(upload.stream_id, Uploading { call_id, request_id, sent, length: upload.length, untaken: 0 });
}

unsafe extern "C" fn read(host: *const abi::trv_host, call_id: u64, stream_id: u64) {
    let mut state = lock(&of(host).state);
    let (parts, breaks) = state.bodies.remove(&call_id).unwrap_or_default();
    let mut coming = Coming::new(call_id);
    coming.begin(&parts, breaks);
    state.coming.insert(stream_id, coming);
    of(host).changed.notify_all();
}

impl Host {
    /// The service takes what was written of a body. False where there is nothing.
    pub(super) fn let_service_take(&self) -> bool {
        let taken = {
            let mut state = lock(&self.inner().state);
            let id = state.upload_to_take();
            id.and_then(|id| state.uploading.get_mut(&id).map(|one| (id, std::mem::take(&mut one.untaken))))
        };
        let (stream_id, byte_count) = match taken {
            Some(taken) => taken,
            None => return false,
        };
        let stream = self.extension::<abi::trv_plugin_stream>(abi::TRV_EXT_STREAM);
        unsafe { (stream.on_room)(self.plugin, stream_id, byte_count) };
        true
    }

    /// The service answers before it has the whole of the first body that is being written: nothing more of it is taken, and
    /// `answer` gives the answer. False where none is being written.
    pub fn refuse_body(&self) -> bool {
        let refused = {
            let mut state = lock(&self.inner().state);
            let first = state.uploading.keys().next().copied();
            first.and_then(|id| state.uploading.remove(&id).map(|one| (id, one.request_id))).map(|(id, request_id)| {
                state.open_unwritten.remove(&request_id);
                state.open.push_back(request_id);
                id
            })
        };
        let stream_id = match refused {
            Some(stream_id) => stream_id,
            None => return false,
        };
        let stream = self.extension::<abi::trv_plugin_stream>(abi::TRV_EXT_STREAM);
        let failure = Failure::new(crate::Code::Unavailable, "the service takes no more of the body");
        failure.lend(|error| unsafe { (stream.on_error)(self.plugin, stream_id, error) });
        true
    }

    /// As `begin_request`, with a body that comes in these parts once the plugin reads it, and then breaks where a failure is
    /// given.
    pub fn begin_request_in_parts<B: Into<Vec<u8>>>(
        &self,
        request: WebRequest,
        parts: impl IntoIterator<Item = B>,
        breaks: Option<Failure>,
    ) -> u64 {
        let parts: Vec<Vec<u8>> = parts.into_iter().map(Into::into).collect();
        let call_id = lock(&self.inner().state).last_call_id + 1;
        lock(&self.inner().state).bodies.insert(call_id, (parts, breaks));
        self.begin_request(request)
    }
}
