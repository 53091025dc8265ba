//! Clients that the plugin answers over HTTP.

use super::streams::Served;
use super::values::Answer;
use super::{of, Host, State};
use crate::abi;
use crate::failure::Failure;
use crate::guard::lock;
use crate::web::WebRequest;

pub(super) static SERVE: abi::trv_host_serve =
    abi::trv_host_serve { struct_size: abi::TRV_HOST_SERVE_SIZE_V1, respond };

/// What a client was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct WebAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl WebAnswer {
    /// The first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    /// The body; panics where it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

/// A request of an owner: `web_request("GET", "/notes?page=2")`. Change its members for another one.
pub fn web_request(method: &str, target: &str) -> WebRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    WebRequest {
        principal: "token:1".to_string(),
        principal_name: "Ada".to_string(),
        role: "owner".to_string(),
        method: method.to_string(),
        path: path.to_string(),
        query: query.to_string(),
        ..WebRequest::default()
    }
}

impl State {
    /// False, with a fault, where the call cannot be answered like this.
    fn serves(&mut self, call_id: u64, response: &abi::trv_serve_response, stream: Option<u64>) -> bool {
        if !self.served.contains_key(&call_id) {
            self.faults.push(format!("a response to call {call_id}, which is not of a client"));
            return false;
        }
        if self.outcomes.contains_key(&call_id) || self.served[&call_id].status != 0 {
            self.faults.push(format!("a second answer to call {call_id}"));
            return false;
        }
        let body = unsafe { response.body.as_slice() }.to_vec();
        let served = Served {
            status: u16::try_from(response.status).unwrap_or(0),
            headers: unsafe { abi::trv_header::copy_all(response.headers, response.header_count) },
            untaken: if stream.is_some() { body.len() as u64 } else { 0 },
            body,
            stream,
        };
        self.served.insert(call_id, served);
        true
    }
}

unsafe extern "C" fn respond(host: *const abi::trv_host, call_id: u64, response: *const abi::trv_serve_response) {
    let is_taken = lock(&of(host).state).serves(call_id, &*response, None);
    if is_taken {
        of(host).answered(call_id, Ok(serde_json::Value::Null));
    }
}

pub(super) unsafe extern "C" fn respond_in_parts(
    host: *const abi::trv_host,
    call_id: u64,
    stream_id: u64,
    head: *const abi::trv_serve_response,
) {
    lock(&of(host).state).serves(call_id, &*head, Some(stream_id));
    of(host).changed.notify_all();
}

impl Host {
    /// Whether the plugin answers HTTP.
    pub fn serves(&self) -> bool {
        let id = abi::TRV_EXT_SERVE.as_ptr() as *const std::os::raw::c_char;
        unsafe { !((*self.plugin).get_extension)(self.plugin, id).is_null() }
    }

    /// Sends a client's request and gives each of the plugin's own requests the next answer.
    pub fn request(&self, request: WebRequest, answers: &[Answer]) -> Result<WebAnswer, Failure> {
        let call_id = self.begin_request(request);
        self.finish_request(call_id, answers)
    }

    /// Begins a request and returns the id of its call; it has gone on until it waits.
    pub fn begin_request(&self, request: WebRequest) -> u64 {
        let call_id = self.next_call_id();
        lock(&self.inner().state).served.insert(call_id, Served::default());
        let headers = abi::trv_header::borrow_all(&request.headers);
        let text = abi::trv_string::borrow;
        let raw = abi::trv_serve_request {
            struct_size: abi::TRV_SERVE_REQUEST_SIZE_V1,
            header_count: headers.len() as u32,
            call_id,
            headers: headers.as_ptr(),
            tenant: text("acme"),
            principal: text(&request.principal),
            principal_name: text(&request.principal_name),
            role: text(&request.role),
            method: text(&request.method),
            path: text(&request.path),
            query: text(&request.query),
            idempotency_key: text("test-key"),
            traceparent: text(""),
            timeout_ms: 30_000,
            body: abi::trv_bytes::borrow(&request.body),
        };
        let serve = self.extension::<abi::trv_plugin_serve>(abi::TRV_EXT_SERVE);
        unsafe { (serve.serve)(self.plugin, &raw) };
        call_id
    }

    /// As `finish`, of a client's request.
    pub fn finish_request(&self, call_id: u64, answers: &[Answer]) -> Result<WebAnswer, Failure> {
        self.finish(call_id, answers)?;
        Ok(self.answered_so_far(call_id).expect("what was answered is there"))
    }

    /// What the client has of an answer, whole or not; `None`: not even its head.
    pub fn answered_so_far(&self, call_id: u64) -> Option<WebAnswer> {
        let state = lock(&self.inner().state);
        let served = state.served.get(&call_id).filter(|one| one.status != 0)?;
        Some(WebAnswer { status: served.status, headers: served.headers.clone(), body: served.body.clone() })
    }
}
