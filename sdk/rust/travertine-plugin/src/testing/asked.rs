//! What the plugin asks of the host for tests: the functions of its tables.

use super::blobs::BLOB;
use super::bodies::STREAM_2;
use super::http::HTTP;
use super::of;
use super::services::{EVENT, KV, SECRET};
use super::streams::STREAM;
use super::values::PartOfCall;
use super::web::SERVE;
use crate::abi;
use crate::call::Level;
use crate::failure::Failure;
use crate::guard::lock;
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::ptr;

pub(super) unsafe extern "C" fn fail_activation(host: *const abi::trv_host, error: *const abi::trv_error) {
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
    let attributes = abi::trv_header::copy_all(span.attributes, span.attribute_count);
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

pub(super) unsafe extern "C" fn get_extension(host: *const abi::trv_host, id: *const c_char) -> *const c_void {
    static CALL: abi::trv_host_call = abi::trv_host_call { struct_size: abi::TRV_HOST_CALL_SIZE_V1, complete, fail };
    static CALL_2: abi::trv_host_call_2 =
        abi::trv_host_call_2 { struct_size: abi::TRV_HOST_CALL_2_SIZE_V1, complete, fail, progress };
    static CALL_3: abi::trv_host_call_3 =
        abi::trv_host_call_3 { struct_size: abi::TRV_HOST_CALL_3_SIZE_V1, complete, fail, progress, stream };
    static METRICS: abi::trv_host_metrics =
        abi::trv_host_metrics { struct_size: abi::TRV_HOST_METRICS_SIZE_V1, record };
    static TRACE: abi::trv_host_trace = abi::trv_host_trace { struct_size: abi::TRV_HOST_TRACE_SIZE_V1, begin, end };
    static LOG: abi::trv_host_log = abi::trv_host_log { struct_size: abi::TRV_HOST_LOG_SIZE_V1, write };
    static TIMER: abi::trv_host_timer = abi::trv_host_timer { struct_size: abi::TRV_HOST_TIMER_SIZE_V1, set };
    let id = CStr::from_ptr(id);
    if lock(&of(host).state).missing.iter().any(|missing| missing.as_bytes() == id.to_bytes()) {
        return ptr::null();
    }
    match id.to_bytes_with_nul() {
        id if id == abi::TRV_EXT_SERVE.as_bytes() => &SERVE as *const _ as *const c_void,
        id if id == abi::TRV_EXT_STREAM_2.as_bytes() => &STREAM_2 as *const _ as *const c_void,
        id if id == abi::TRV_EXT_STREAM.as_bytes() => &STREAM as *const _ as *const c_void,
        id if id == abi::TRV_EXT_KV.as_bytes() => &KV as *const _ as *const c_void,
        id if id == abi::TRV_EXT_BLOB.as_bytes() => &BLOB as *const _ as *const c_void,
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
