//! The service that the plugin asks.

use super::streams::Coming;
use super::values::{Answer, Sent};
use super::{of, Host};
use crate::abi;
use crate::guard::lock;

pub(super) static HTTP: abi::trv_host_http = abi::trv_host_http { struct_size: abi::TRV_HOST_HTTP_SIZE_V1, send };

unsafe extern "C" fn send(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    request: *const abi::trv_http_request,
) {
    note(host, call_id, request_id, request, false);
}

/// # Safety
/// As the functions of the tables.
pub(super) unsafe fn note(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    request: *const abi::trv_http_request,
    in_parts: bool,
) {
    let inner = of(host);
    let request = &*request;
    let mut state = lock(&inner.state);
    if state.outcomes.contains_key(&call_id) {
        state.faults.push(format!("a request for call {call_id}, which has ended"));
    }
    state.requests.push(Sent {
        connection: request.connection.to_text(),
        method: request.method.to_text(),
        path: request.path.to_text(),
        headers: abi::trv_header::copy_all(request.headers, request.header_count),
        body: request.body.as_slice().to_vec(),
        timeout_ms: request.timeout_ms,
        in_parts,
    });
    state.open.push_back(request_id);
    if in_parts {
        state.in_parts.insert(request_id);
        state.coming.insert(request_id, Coming::new(call_id));
    }
    inner.changed.notify_all();
}

impl Host {
    pub(super) fn has_open_request(&self) -> bool {
        !lock(&self.inner().state).open.is_empty()
    }
    pub(super) fn last_sent(&self) -> Option<Sent> {
        lock(&self.inner().state).requests.last().cloned()
    }

    /// Answers the oldest open request; of one whose answer comes in parts this is the head. False where there is none.
    pub fn answer(&self, answer: &Answer) -> bool {
        let (request_id, in_parts) = {
            let mut state = lock(&self.inner().state);
            let request_id = match state.open.pop_front() {
                Some(request_id) => request_id,
                None => return false,
            };
            let in_parts = state.in_parts.remove(&request_id);
            if let (true, Some(coming), Ok((_, parts))) = (in_parts, state.coming.get_mut(&request_id), &answer.outcome)
            {
                coming.begin(parts, answer.breaks.clone());
            }
            (request_id, in_parts)
        };
        let http = self.extension::<abi::trv_plugin_http>(abi::TRV_EXT_HTTP);
        let headers = abi::trv_header::borrow_all(&answer.headers);
        let failure = if in_parts { None } else { answer.breaks.as_ref() };
        match (&answer.outcome, failure) {
            (Ok((status, parts)), None) => {
                let body = if in_parts { Vec::new() } else { parts.concat() };
                let response = abi::trv_http_response {
                    struct_size: abi::TRV_HTTP_RESPONSE_SIZE_V1,
                    status: u32::from(*status),
                    header_count: headers.len() as u32,
                    reserved: 0,
                    headers: headers.as_ptr(),
                    body: abi::trv_bytes::borrow(&body),
                };
                unsafe { (http.on_response)(self.plugin, request_id, &response) };
            }
            (Err(failure), _) | (Ok(_), Some(failure)) => {
                lock(&self.inner().state).coming.remove(&request_id);
                failure.lend(|error| unsafe { (http.on_error)(self.plugin, request_id, error) });
            }
        }
        true
    }
}
