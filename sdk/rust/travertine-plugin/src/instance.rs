//! One instance between the ABI and the author's Plugin.

use crate::abi;
use crate::call::{Call, Level};
use crate::failure::{Code, Failure};
use crate::guard::catch;
use crate::host::{copy_blobs, Answer, Arrival, Shared};
use crate::http::Response;
use crate::plugin::Plugin;
use crate::services::{Entry, Page};
use crate::state::{Lent, HEALTH, STATE};
use crate::task::{Life, Running, Task};
use crate::web::WebRequest;
use serde_json::Value;
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

type Start<'a> = Box<dyn FnOnce() -> Option<Running> + 'a>;

pub(crate) struct Instance {
    raw: abi::trv_plugin,
    shared: Arc<Shared>,
    plugin: Plugin,
    lent: Lent,
}

impl Instance {
    /// The instance is freed by the table's destroy.
    pub(crate) fn create(host: *const abi::trv_host, plugin: Plugin) -> *const abi::trv_plugin {
        let instance = Box::into_raw(Box::new(Instance {
            raw: abi::trv_plugin {
                struct_size: abi::size_of::<abi::trv_plugin>(),
                instance: ptr::null_mut(),
                activate,
                invoke,
                cancel,
                deactivate,
                destroy,
                get_extension,
            },
            shared: Arc::new(Shared::new(host)),
            plugin,
            lent: Lent::default(),
        }));
        unsafe {
            (*instance).raw.instance = instance as *mut c_void;
            ptr::addr_of!((*instance).raw)
        }
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }
    pub(crate) fn lent(&self) -> &Lent {
        &self.lent
    }

    fn begin(&self, configuration: &[u8]) -> Result<(), Failure> {
        if !self.shared.open() {
            return Err(Failure::internal("this host offers no trv.call/1"));
        }
        let configuration: Value = if configuration.is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            serde_json::from_slice(configuration)
                .map_err(|error| Failure::invalid(format!("the configuration is not JSON: {error}")))?
        };
        if !configuration.is_object() {
            return Err(Failure::invalid("the configuration is not a JSON object"));
        }
        catch(|| self.plugin.begin(&configuration)).and_then(|result| result)?;
        self.shared.configure(configuration);
        Ok(())
    }

    unsafe fn invoke(&self, raw: *const abi::trv_call) {
        if raw.is_null() || ptr::addr_of!((*raw).struct_size).read() < abi::TRV_CALL_SIZE_V1 {
            let message = "the host's trv_call is too short";
            return self.shared.write_log(Level::Error, 0, message);
        }
        let raw = &*raw;
        self.begin_call(raw.call_id, |life| {
            let operation = raw.operation.to_text();
            if !self.plugin.has(&operation) {
                return Err(Failure::new(Code::NotFound, format!("no operation \"{operation}\"")));
            }
            let input = serde_json::from_slice::<Value>(raw.input.as_slice())
                .map_err(|error| Failure::invalid(format!("the input is not JSON: {error}")))?;
            let call = Call::copy(raw, input, &self.shared, life);
            Ok(Box::new(move || self.plugin.start(call)))
        });
    }

    unsafe fn serve(&self, raw: *const abi::trv_serve_request) {
        if raw.is_null() || ptr::addr_of!((*raw).struct_size).read() < abi::TRV_SERVE_REQUEST_SIZE_V1 {
            let message = "the host's trv_serve_request is too short";
            return self.shared.write_log(Level::Error, 0, message);
        }
        let raw = &*raw;
        self.begin_call(raw.call_id, |life| {
            let (call, request) = (Call::of_request(raw, &self.shared, life), WebRequest::copy(raw));
            Ok(Box::new(move || self.plugin.start_serving(call, request)))
        });
    }

    /// `prepare` gives what starts the author's code, or why it is not started.
    fn begin_call<'a>(&'a self, call_id: u64, prepare: impl FnOnce(Arc<Life>) -> Result<Start<'a>, Failure>) {
        let life = Arc::new(Life::default());
        let task = Task::new(call_id, &self.shared, life.clone());
        if !self.shared.add_task(&task) {
            let message = "the host used the id of an open call again; the second is ignored";
            return self.shared.write_log(Level::Error, call_id, message);
        }
        match prepare(life) {
            Err(failure) => task.refuse(failure),
            Ok(start) => task.begin(start),
        }
    }

    fn end_all_calls(&self) {
        for task in self.shared.all_tasks() {
            task.cancel();
        }
    }
}

pub(crate) unsafe fn of<'a>(plugin: *const abi::trv_plugin) -> &'a Instance {
    &*((*plugin).instance as *const Instance)
}

/// The last net: what the layer itself does wrong is logged, and does not cross the ABI.
fn run(instance: &Instance, body: impl FnOnce()) {
    if let Err(failure) = catch(body) {
        let _ = catch(|| instance.shared.write_log(Level::Error, 0, &failure.message));
    }
}

unsafe extern "C" fn activate(plugin: *const abi::trv_plugin, config: abi::trv_bytes) -> i32 {
    let instance = of(plugin);
    let begun = catch(|| instance.begin(config.as_slice())).and_then(|result| result);
    match begun {
        Ok(()) => 0,
        Err(failure) => {
            run(instance, || instance.shared.fail_activation(&failure));
            1
        }
    }
}

unsafe extern "C" fn invoke(plugin: *const abi::trv_plugin, call: *const abi::trv_call) {
    let instance = of(plugin);
    run(instance, || instance.invoke(call));
}

unsafe extern "C" fn serve(plugin: *const abi::trv_plugin, request: *const abi::trv_serve_request) {
    let instance = of(plugin);
    run(instance, || instance.serve(request));
}

unsafe extern "C" fn cancel(plugin: *const abi::trv_plugin, call_id: u64) {
    let instance = of(plugin);
    run(instance, || {
        if let Some(task) = instance.shared.task(call_id) {
            task.cancel();
        }
    });
}

unsafe extern "C" fn deactivate(plugin: *const abi::trv_plugin) {
    let instance = of(plugin);
    run(instance, || {
        instance.end_all_calls();
        instance.plugin.end();
    });
}

unsafe extern "C" fn destroy(plugin: *const abi::trv_plugin) {
    let instance = Box::from_raw((*plugin).instance as *mut Instance);
    run(&instance, || instance.end_all_calls());
    instance.shared.close();
    // The captures of operations are the author's.
    let _ = catch(|| drop(instance));
}

unsafe extern "C" fn get_extension(plugin: *const abi::trv_plugin, id: *const c_char) -> *const c_void {
    static HTTP: abi::trv_plugin_http =
        abi::trv_plugin_http { struct_size: abi::size_of::<abi::trv_plugin_http>(), on_response, on_error };
    static TIMER: abi::trv_plugin_timer =
        abi::trv_plugin_timer { struct_size: abi::size_of::<abi::trv_plugin_timer>(), on_time };
    static OPERATION: abi::trv_plugin_operation = abi::trv_plugin_operation {
        struct_size: abi::size_of::<abi::trv_plugin_operation>(),
        count: operation_count,
        name: operation_name,
    };
    static KV: abi::trv_plugin_kv =
        abi::trv_plugin_kv { struct_size: abi::size_of::<abi::trv_plugin_kv>(), on_answer, on_error };
    static BLOB: abi::trv_plugin_blob =
        abi::trv_plugin_blob { struct_size: abi::size_of::<abi::trv_plugin_blob>(), on_answer: on_blobs, on_error };
    static SECRET: abi::trv_plugin_secret =
        abi::trv_plugin_secret { struct_size: abi::size_of::<abi::trv_plugin_secret>(), on_signature, on_error };
    static EVENT: abi::trv_plugin_event =
        abi::trv_plugin_event { struct_size: abi::size_of::<abi::trv_plugin_event>(), on_emitted, on_error };
    static SERVE: abi::trv_plugin_serve =
        abi::trv_plugin_serve { struct_size: abi::size_of::<abi::trv_plugin_serve>(), serve };
    static STREAM: abi::trv_plugin_stream = abi::trv_plugin_stream {
        struct_size: abi::size_of::<abi::trv_plugin_stream>(),
        on_part,
        on_end,
        on_error: on_stream_error,
        on_room,
    };
    if id.is_null() {
        return ptr::null();
    }
    match CStr::from_ptr(id).to_bytes_with_nul() {
        id if id == abi::TRV_EXT_HTTP.as_bytes() => &HTTP as *const _ as *const c_void,
        id if id == abi::TRV_EXT_TIMER.as_bytes() => &TIMER as *const _ as *const c_void,
        id if id == abi::TRV_EXT_KV.as_bytes() => &KV as *const _ as *const c_void,
        id if id == abi::TRV_EXT_BLOB.as_bytes() => &BLOB as *const _ as *const c_void,
        id if id == abi::TRV_EXT_SECRET.as_bytes() => &SECRET as *const _ as *const c_void,
        id if id == abi::TRV_EXT_EVENT.as_bytes() => &EVENT as *const _ as *const c_void,
        id if id == abi::TRV_EXT_OPERATION.as_bytes() => &OPERATION as *const _ as *const c_void,
        id if id == abi::TRV_EXT_STREAM.as_bytes() => &STREAM as *const _ as *const c_void,
        id if id == abi::TRV_EXT_SERVE.as_bytes() && of(plugin).plugin.has_serve() => {
            &SERVE as *const _ as *const c_void
        }
        id if id == abi::TRV_EXT_STATE.as_bytes() && of(plugin).plugin.has_state() => {
            &STATE as *const _ as *const c_void
        }
        id if id == abi::TRV_EXT_HEALTH.as_bytes() && of(plugin).plugin.has_check() => {
            &HEALTH as *const _ as *const c_void
        }
        _ => ptr::null(),
    }
}

unsafe extern "C" fn operation_count(plugin: *const abi::trv_plugin) -> u32 {
    of(plugin).plugin.names().len() as u32
}

unsafe extern "C" fn operation_name(plugin: *const abi::trv_plugin, index: u32) -> abi::trv_string {
    abi::trv_string::borrow(of(plugin).plugin.names().get(index as usize).copied().unwrap_or(""))
}

unsafe extern "C" fn on_response(
    plugin: *const abi::trv_plugin,
    request_id: u64,
    response: *const abi::trv_http_response,
) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver_response(request_id, copy_response(response)));
}

unsafe fn copy_response(raw: *const abi::trv_http_response) -> Answer {
    if raw.is_null() || ptr::addr_of!((*raw).struct_size).read() < abi::TRV_HTTP_RESPONSE_SIZE_V1 {
        return Err(Failure::internal("the host's trv_http_response is too short"));
    }
    let raw = &*raw;
    Ok(Arrival::Response(Response {
        status: u16::try_from(raw.status).unwrap_or(0),
        headers: abi::trv_header::copy_all(raw.headers, raw.header_count),
        body: raw.body.as_slice().to_vec(),
    }))
}

unsafe extern "C" fn on_error(plugin: *const abi::trv_plugin, request_id: u64, error: *const abi::trv_error) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver_response(request_id, Err(Failure::copy(error))));
}

unsafe extern "C" fn on_time(plugin: *const abi::trv_plugin, timer_id: u64) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver(timer_id, Ok(Arrival::Time)));
}

unsafe extern "C" fn on_answer(plugin: *const abi::trv_plugin, request_id: u64, answer: *const abi::trv_kv_answer) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver(request_id, copy_page(answer)));
}

unsafe extern "C" fn on_blobs(plugin: *const abi::trv_plugin, request_id: u64, answer: *const abi::trv_blob_answer) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver(request_id, copy_blobs(answer)));
}

unsafe fn copy_page(raw: *const abi::trv_kv_answer) -> Answer {
    if raw.is_null() || ptr::addr_of!((*raw).struct_size).read() < abi::TRV_KV_ANSWER_SIZE_V1 {
        return Err(Failure::internal("the host's trv_kv_answer is too short"));
    }
    let raw = &*raw;
    let entries: &[abi::trv_kv_entry] = if raw.entry_count == 0 || raw.entries.is_null() {
        &[]
    } else {
        std::slice::from_raw_parts(raw.entries, raw.entry_count as usize)
    };
    let mut page = Page { entries: Vec::with_capacity(entries.len()), has_more: raw.has_more != 0 };
    for entry in entries {
        let text = entry.value.as_slice();
        // The answer to put has no value.
        let value = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(text) };
        let key = entry.key.to_text();
        let value = value.map_err(|error| Failure::internal(format!("the store's {key} is not JSON: {error}")))?;
        page.entries.push(Entry { key, value, revision: entry.revision });
    }
    Ok(Arrival::Store(page))
}

unsafe extern "C" fn on_signature(plugin: *const abi::trv_plugin, request_id: u64, signature: abi::trv_bytes) {
    let instance = of(plugin);
    run(instance, || {
        let bytes = signature.as_slice().to_vec();
        instance.shared.deliver(request_id, Ok(Arrival::Signature(bytes)));
    });
}

unsafe extern "C" fn on_emitted(plugin: *const abi::trv_plugin, request_id: u64, id: abi::trv_string) {
    let instance = of(plugin);
    run(instance, || instance.shared.deliver(request_id, Ok(Arrival::Emitted(id.to_text()))));
}

unsafe extern "C" fn on_part(plugin: *const abi::trv_plugin, stream_id: u64, part: abi::trv_bytes) {
    let instance = of(plugin);
    run(instance, || instance.shared.part_came(stream_id, part.as_slice()));
}

unsafe extern "C" fn on_end(plugin: *const abi::trv_plugin, stream_id: u64) {
    let instance = of(plugin);
    run(instance, || instance.shared.stream_ended(stream_id));
}

unsafe extern "C" fn on_stream_error(plugin: *const abi::trv_plugin, stream_id: u64, error: *const abi::trv_error) {
    let instance = of(plugin);
    run(instance, || instance.shared.stream_broke(stream_id, Failure::copy(error)));
}

unsafe extern "C" fn on_room(plugin: *const abi::trv_plugin, stream_id: u64, byte_count: u64) {
    let instance = of(plugin);
    run(instance, || instance.shared.room_came(stream_id, byte_count));
}
