//! The plugin ABI 1.0, as the C headers of `sdk/abi` say it; `sdk/rust/tests` holds every size and offset against them.
//! Authors of plugins need none of this.
#![allow(non_camel_case_types)]

mod blob;

pub use blob::*;
use std::os::raw::{c_char, c_void};

pub const TRV_ABI_MAJOR: u16 = 1;
pub const TRV_ABI_MINOR: u16 = 0;

pub const TRV_FACTORY_ID: &str = "trv.factory/1";
pub const TRV_EXT_CALL: &str = "trv.call/1\0";
pub const TRV_EXT_CALL_2: &str = "trv.call/2\0";
pub const TRV_EXT_CALL_3: &str = "trv.call/3\0";
pub const TRV_EXT_METRICS: &str = "trv.metrics/1\0";
pub const TRV_EXT_TRACE: &str = "trv.trace/1\0";
pub const TRV_EXT_HTTP: &str = "trv.http/1\0";
pub const TRV_EXT_LOG: &str = "trv.log/1\0";
pub const TRV_EXT_TIMER: &str = "trv.timer/1\0";
pub const TRV_EXT_SERVE: &str = "trv.serve/1\0";
pub const TRV_EXT_STREAM: &str = "trv.stream/1\0";
pub const TRV_EXT_STREAM_2: &str = "trv.stream/2\0";

pub const TRV_EXT_OPERATION: &str = "trv.operation/1\0";
pub const TRV_EXT_KV: &str = "trv.kv/1\0";
pub const TRV_EXT_SECRET: &str = "trv.secret/1\0";
pub const TRV_EXT_EVENT: &str = "trv.event/1\0";

pub const TRV_EXT_STATE: &str = "trv.state/1\0";
pub const TRV_EXT_HEALTH: &str = "trv.health/1\0";

pub const TRV_STATE_BYTES_MAX: u64 = 1_000_000;
pub const TRV_STREAM_ROOM_BYTES: u64 = 262_144;
pub const TRV_STREAM_PART_BYTES: u64 = 65_536;
pub const TRV_LENGTH_UNKNOWN: u64 = u64::MAX;

pub const TRV_KV_ABSENT: u64 = 0;
pub const TRV_KV_ANY: u64 = u64::MAX;

pub const TRV_SIGNATURE_HMAC_SHA256: i32 = 1;
pub const TRV_SIGNATURE_ED25519: i32 = 2;
pub const TRV_SIGNATURE_RSA_SHA256: i32 = 3;

pub const TRV_ERROR_INVALID: i32 = 1;
pub const TRV_ERROR_UNAUTHENTICATED: i32 = 2;
pub const TRV_ERROR_DENIED: i32 = 3;
pub const TRV_ERROR_NOT_FOUND: i32 = 4;
pub const TRV_ERROR_CONFLICT: i32 = 5;
pub const TRV_ERROR_TOO_LARGE: i32 = 6;
pub const TRV_ERROR_EXHAUSTED: i32 = 7;
pub const TRV_ERROR_UNAVAILABLE: i32 = 8;
pub const TRV_ERROR_TIMEOUT: i32 = 9;
pub const TRV_ERROR_CANCELLED: i32 = 10;
pub const TRV_ERROR_INTERNAL: i32 = 11;

pub const TRV_RETRY_NEVER: i32 = 0;
pub const TRV_RETRY_SAFE: i32 = 1;

pub const TRV_LOG_DEBUG: i32 = 0;
pub const TRV_LOG_INFO: i32 = 1;
pub const TRV_LOG_WARNING: i32 = 2;
pub const TRV_LOG_ERROR: i32 = 3;

pub const TRV_HOST_SIZE_V1: u32 = 32;
pub const TRV_CALL_SIZE_V1: u32 = 120;
pub const TRV_ERROR_SIZE_V1: u32 = 56;
pub const TRV_HOST_CALL_SIZE_V1: u32 = 24;
pub const TRV_HOST_CALL_2_SIZE_V1: u32 = 32;
pub const TRV_HOST_CALL_3_SIZE_V1: u32 = 40;
pub const TRV_METRIC_COUNTER: i32 = 1;
pub const TRV_METRIC_GAUGE: i32 = 2;
pub const TRV_METRIC_HISTOGRAM: i32 = 3;

pub const TRV_HOST_METRICS_SIZE_V1: u32 = 16;
pub const TRV_SPAN_SIZE_V1: u32 = 48;
pub const TRV_HOST_TRACE_SIZE_V1: u32 = 24;
pub const TRV_HOST_LOG_SIZE_V1: u32 = 16;
pub const TRV_HOST_HTTP_SIZE_V1: u32 = 16;
pub const TRV_HOST_TIMER_SIZE_V1: u32 = 16;
pub const TRV_HOST_KV_SIZE_V1: u32 = 40;
pub const TRV_HOST_SECRET_SIZE_V1: u32 = 16;
pub const TRV_HOST_EVENT_SIZE_V1: u32 = 16;
pub const TRV_KV_ANSWER_SIZE_V1: u32 = 24;
pub const TRV_EVENT_SIZE_V1: u32 = 56;
pub const TRV_HTTP_REQUEST_SIZE_V1: u32 = 88;
pub const TRV_HTTP_RESPONSE_SIZE_V1: u32 = 40;
pub const TRV_SERVE_REQUEST_SIZE_V1: u32 = 192;
pub const TRV_SERVE_RESPONSE_SIZE_V1: u32 = 40;
pub const TRV_HOST_SERVE_SIZE_V1: u32 = 16;
pub const TRV_HOST_STREAM_SIZE_V1: u32 = 56;
pub const TRV_HOST_STREAM_2_SIZE_V1: u32 = 72;
pub const TRV_UPLOAD_SIZE_V1: u32 = 24;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct trv_bytes {
    pub data: *const u8,
    pub size: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct trv_string {
    pub data: *const c_char,
    pub size: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct trv_header {
    pub name: trv_string,
    pub value: trv_string,
}

#[repr(C)]
pub struct trv_error {
    pub struct_size: u32,
    pub code: i32,
    pub retry: i32,
    pub status: i32,
    pub retry_after_ms: u64,
    pub message: trv_string,
    pub detail: trv_bytes,
}

#[repr(C)]
pub struct trv_host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub context: *mut c_void,
    pub get_extension: unsafe extern "C" fn(host: *const trv_host, id: *const c_char) -> *const c_void,
    pub fail_activation: unsafe extern "C" fn(host: *const trv_host, error: *const trv_error),
}

#[repr(C)]
pub struct trv_call {
    pub struct_size: u32,
    pub attempt: u32,
    pub call_id: u64,
    pub operation: trv_string,
    pub tenant: trv_string,
    pub connection: trv_string,
    pub idempotency_key: trv_string,
    pub traceparent: trv_string,
    pub timeout_ms: u64,
    pub input: trv_bytes,
}

#[repr(C)]
pub struct trv_plugin {
    pub struct_size: u32,
    pub instance: *mut c_void,
    pub activate: unsafe extern "C" fn(plugin: *const trv_plugin, config: trv_bytes) -> i32,
    pub invoke: unsafe extern "C" fn(plugin: *const trv_plugin, call: *const trv_call),
    pub cancel: unsafe extern "C" fn(plugin: *const trv_plugin, call_id: u64),
    pub deactivate: unsafe extern "C" fn(plugin: *const trv_plugin),
    pub destroy: unsafe extern "C" fn(plugin: *const trv_plugin),
    pub get_extension: unsafe extern "C" fn(plugin: *const trv_plugin, id: *const c_char) -> *const c_void,
}

#[repr(C)]
pub struct trv_descriptor {
    pub struct_size: u32,
    pub id: trv_string,
    pub version: trv_string,
}

#[repr(C)]
pub struct trv_factory {
    pub struct_size: u32,
    pub count: unsafe extern "C" fn() -> u32,
    pub describe: unsafe extern "C" fn(index: u32) -> *const trv_descriptor,
    pub create: unsafe extern "C" fn(host: *const trv_host, id: trv_string) -> *const trv_plugin,
}

#[repr(C)]
pub struct trv_entry {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub init: unsafe extern "C" fn() -> i32,
    pub deinit: unsafe extern "C" fn(),
    pub get_factory: unsafe extern "C" fn(id: *const c_char) -> *const c_void,
}

#[repr(C)]
pub struct trv_host_call {
    pub struct_size: u32,
    pub complete: unsafe extern "C" fn(host: *const trv_host, call_id: u64, output: trv_bytes),
    pub fail: unsafe extern "C" fn(host: *const trv_host, call_id: u64, error: *const trv_error),
}

#[repr(C)]
pub struct trv_host_call_2 {
    pub struct_size: u32,
    pub complete: unsafe extern "C" fn(host: *const trv_host, call_id: u64, output: trv_bytes),
    pub fail: unsafe extern "C" fn(host: *const trv_host, call_id: u64, error: *const trv_error),
    pub progress: unsafe extern "C" fn(host: *const trv_host, call_id: u64, fraction: f64, text: trv_string),
}

#[repr(C)]
pub struct trv_host_call_3 {
    pub struct_size: u32,
    pub complete: unsafe extern "C" fn(host: *const trv_host, call_id: u64, output: trv_bytes),
    pub fail: unsafe extern "C" fn(host: *const trv_host, call_id: u64, error: *const trv_error),
    pub progress: unsafe extern "C" fn(host: *const trv_host, call_id: u64, fraction: f64, text: trv_string),
    pub stream: unsafe extern "C" fn(host: *const trv_host, call_id: u64, text: trv_string),
}

#[repr(C)]
pub struct trv_http_request {
    pub struct_size: u32,
    pub header_count: u32,
    pub headers: *const trv_header,
    pub connection: trv_string,
    pub method: trv_string,
    pub path: trv_string,
    pub body: trv_bytes,
    pub timeout_ms: u64,
}

#[repr(C)]
pub struct trv_http_response {
    pub struct_size: u32,
    pub status: u32,
    pub header_count: u32,
    pub reserved: u32,
    pub headers: *const trv_header,
    pub body: trv_bytes,
}

#[repr(C)]
pub struct trv_host_http {
    pub struct_size: u32,
    pub send:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, request: *const trv_http_request),
}

#[repr(C)]
pub struct trv_plugin_http {
    pub struct_size: u32,
    pub on_response:
        unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, response: *const trv_http_response),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, error: *const trv_error),
}

#[repr(C)]
pub struct trv_host_log {
    pub struct_size: u32,
    pub write: unsafe extern "C" fn(host: *const trv_host, level: i32, call_id: u64, message: trv_string),
}

#[repr(C)]
pub struct trv_host_timer {
    pub struct_size: u32,
    pub set: unsafe extern "C" fn(host: *const trv_host, call_id: u64, timer_id: u64, after_ms: u64),
}

#[repr(C)]
pub struct trv_plugin_timer {
    pub struct_size: u32,
    pub on_time: unsafe extern "C" fn(plugin: *const trv_plugin, timer_id: u64),
}

#[repr(C)]
pub struct trv_kv_entry {
    pub key: trv_string,
    pub value: trv_bytes,
    pub revision: u64,
}

#[repr(C)]
pub struct trv_kv_answer {
    pub struct_size: u32,
    pub entry_count: u32,
    pub entries: *const trv_kv_entry,
    pub has_more: u32,
    pub reserved: u32,
}

#[repr(C)]
pub struct trv_host_kv {
    pub struct_size: u32,
    pub get: unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, key: trv_string),
    pub put: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        key: trv_string,
        value: trv_bytes,
        expected: u64,
    ),
    pub erase:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, key: trv_string, expected: u64),
    pub list: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        prefix: trv_string,
        after: trv_string,
        count_max: u32,
    ),
}

#[repr(C)]
pub struct trv_plugin_kv {
    pub struct_size: u32,
    pub on_answer: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, answer: *const trv_kv_answer),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, error: *const trv_error),
}

#[repr(C)]
pub struct trv_host_secret {
    pub struct_size: u32,
    pub sign: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        secret: trv_string,
        signature: i32,
        data: trv_bytes,
    ),
}

#[repr(C)]
pub struct trv_plugin_secret {
    pub struct_size: u32,
    pub on_signature: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, signature: trv_bytes),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, error: *const trv_error),
}

#[repr(C)]
pub struct trv_event {
    pub struct_size: u32,
    pub reserved: u32,
    pub type_: trv_string,
    pub subject: trv_string,
    pub data: trv_bytes,
}

#[repr(C)]
pub struct trv_host_event {
    pub struct_size: u32,
    pub emit: unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, event: *const trv_event),
}

#[repr(C)]
pub struct trv_plugin_event {
    pub struct_size: u32,
    pub on_emitted: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, id: trv_string),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, error: *const trv_error),
}

#[repr(C)]
pub struct trv_plugin_operation {
    pub struct_size: u32,
    pub count: unsafe extern "C" fn(plugin: *const trv_plugin) -> u32,
    pub name: unsafe extern "C" fn(plugin: *const trv_plugin, index: u32) -> trv_string,
}

#[repr(C)]
pub struct trv_host_metrics {
    pub struct_size: u32,
    pub record: unsafe extern "C" fn(
        host: *const trv_host,
        metric: i32,
        name: trv_string,
        value: f64,
        labels: *const trv_header,
        label_count: u32,
    ),
}

#[repr(C)]
pub struct trv_span {
    pub struct_size: u32,
    pub attribute_count: u32,
    pub attributes: *const trv_header,
    pub name: trv_string,
    pub span_id: u64,
    pub parent_id: u64,
}

#[repr(C)]
pub struct trv_host_trace {
    pub struct_size: u32,
    pub begin: unsafe extern "C" fn(host: *const trv_host, call_id: u64, span: *const trv_span),
    pub end: unsafe extern "C" fn(host: *const trv_host, call_id: u64, span_id: u64),
}

#[repr(C)]
pub struct trv_plugin_state {
    pub struct_size: u32,
    pub save: unsafe extern "C" fn(plugin: *const trv_plugin, state: *mut trv_bytes) -> trv_string,
    pub restore: unsafe extern "C" fn(plugin: *const trv_plugin, version: trv_string, state: trv_bytes) -> trv_string,
}

#[repr(C)]
pub struct trv_plugin_health {
    pub struct_size: u32,
    pub check: unsafe extern "C" fn(plugin: *const trv_plugin) -> trv_string,
}

#[repr(C)]
pub struct trv_serve_request {
    pub struct_size: u32,
    pub header_count: u32,
    pub call_id: u64,
    pub headers: *const trv_header,
    pub tenant: trv_string,
    pub principal: trv_string,
    pub principal_name: trv_string,
    pub role: trv_string,
    pub method: trv_string,
    pub path: trv_string,
    pub query: trv_string,
    pub idempotency_key: trv_string,
    pub traceparent: trv_string,
    pub timeout_ms: u64,
    pub body: trv_bytes,
}

#[repr(C)]
pub struct trv_serve_response {
    pub struct_size: u32,
    pub status: u32,
    pub header_count: u32,
    pub reserved: u32,
    pub headers: *const trv_header,
    pub body: trv_bytes,
}

#[repr(C)]
pub struct trv_host_serve {
    pub struct_size: u32,
    pub respond: unsafe extern "C" fn(host: *const trv_host, call_id: u64, response: *const trv_serve_response),
}

#[repr(C)]
pub struct trv_plugin_serve {
    pub struct_size: u32,
    pub serve: unsafe extern "C" fn(plugin: *const trv_plugin, request: *const trv_serve_request),
}

#[repr(C)]
pub struct trv_host_stream {
    pub struct_size: u32,
    pub respond:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, head: *const trv_serve_response),
    pub write: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, part: trv_bytes),
    pub end: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64),
    pub send:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, request: *const trv_http_request),
    pub take: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, byte_count: u64),
    pub drop: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64),
}

#[repr(C)]
pub struct trv_upload {
    pub struct_size: u32,
    pub answer_in_parts: u32,
    pub stream_id: u64,
    pub length: u64,
}

#[repr(C)]
pub struct trv_host_stream_2 {
    pub struct_size: u32,
    pub respond:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, head: *const trv_serve_response),
    pub write: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, part: trv_bytes),
    pub end: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64),
    pub send:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, request: *const trv_http_request),
    pub take: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64, byte_count: u64),
    pub drop: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64),
    pub upload: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        request: *const trv_http_request,
        upload: *const trv_upload,
    ),
    pub read: unsafe extern "C" fn(host: *const trv_host, call_id: u64, stream_id: u64),
}

#[repr(C)]
pub struct trv_plugin_stream {
    pub struct_size: u32,
    pub on_part: unsafe extern "C" fn(plugin: *const trv_plugin, stream_id: u64, part: trv_bytes),
    pub on_end: unsafe extern "C" fn(plugin: *const trv_plugin, stream_id: u64),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, stream_id: u64, error: *const trv_error),
    pub on_room: unsafe extern "C" fn(plugin: *const trv_plugin, stream_id: u64, byte_count: u64),
}

/// A struct's size as the ABI writes it.
pub const fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

impl trv_string {
    /// Borrowed: valid as long as the text.
    pub const fn borrow(text: &str) -> trv_string {
        trv_string { data: text.as_ptr() as *const c_char, size: text.len() as u64 }
    }

    /// # Safety
    /// `data` and `size` describe readable memory, as the ABI promises.
    pub unsafe fn to_text(self) -> String {
        String::from_utf8_lossy(trv_bytes { data: self.data as *const u8, size: self.size }.as_slice()).into_owned()
    }
}

impl trv_header {
    /// Borrowed: valid as long as the texts.
    pub fn borrow_all<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Vec<trv_header> {
        headers
            .iter()
            .map(|(name, value)| trv_header {
                name: trv_string::borrow(name.as_ref()),
                value: trv_string::borrow(value.as_ref()),
            })
            .collect()
    }

    /// # Safety
    /// `headers` points to `count` of them, or is null; their texts are readable memory.
    pub unsafe fn copy_all(headers: *const trv_header, count: u32) -> Vec<(String, String)> {
        if count == 0 || headers.is_null() {
            return Vec::new();
        }
        let all = std::slice::from_raw_parts(headers, count as usize);
        all.iter().map(|header| (header.name.to_text(), header.value.to_text())).collect()
    }
}

impl trv_bytes {
    /// Borrowed: valid as long as the bytes.
    pub const fn borrow(bytes: &[u8]) -> trv_bytes {
        trv_bytes { data: bytes.as_ptr(), size: bytes.len() as u64 }
    }

    /// # Safety
    /// `data` and `size` describe memory that can be read for as long as the slice is used.
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.size == 0 || self.data.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(self.data, self.size as usize)
    }
}

// Tables of functions and of texts that never change.
unsafe impl Sync for trv_entry {}
unsafe impl Sync for trv_descriptor {}
