//! The bindings against the headers: a C program prints every size, offset and constant, and so does this.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use travertine_plugin::abi::*;

/// What is bound; a header that comes later is bound with what uses it.
const HEADERS: [&str; 18] = [
    "types.h",
    "host.h",
    "plugin.h",
    "ext/call.h",
    "ext/http.h",
    "ext/log.h",
    "ext/timer.h",
    "ext/kv.h",
    "ext/blob.h",
    "ext/secret.h",
    "ext/event.h",
    "ext/operation.h",
    "ext/state.h",
    "ext/health.h",
    "ext/metrics.h",
    "ext/trace.h",
    "ext/serve.h",
    "ext/stream.h",
];

/// Names that C has and Rust cannot have.
fn name_in_c(name: &str) -> &str {
    name.strip_suffix('_').unwrap_or(name)
}

macro_rules! layout {
    ($($name:ident { $($field:ident),* })*) => {{
        let mut facts: BTreeMap<String, u64> = BTreeMap::new();
        let mut c = String::new();
        $(
            facts.insert(stringify!($name).to_string(), std::mem::size_of::<$name>() as u64);
            c += concat!("  PRINT(", stringify!($name), ", sizeof(", stringify!($name), "));\n");
            $({
                let whole = std::mem::MaybeUninit::<$name>::uninit();
                let base = whole.as_ptr();
                let at = unsafe { std::ptr::addr_of!((*base).$field) } as usize - base as usize;
                let field = name_in_c(stringify!($field));
                facts.insert(format!("{}.{field}", stringify!($name)), at as u64);
                c += &format!("  PRINT({0}.{field}, offsetof({0}, {field}));\n", stringify!($name));
            })*
        )*
        (facts, c)
    }};
}

macro_rules! numbers {
    ($facts:ident, $c:ident, $($name:ident)*) => {$(
        $facts.insert(stringify!($name).to_string(), $name as u64);
        $c += concat!("  PRINT(", stringify!($name), ", (", stringify!($name), "));\n");
    )*};
}

#[test]
fn the_bindings_are_those_of_the_headers() {
    let (mut facts, mut c) = layout! {
        trv_bytes { data, size }
        trv_string { data, size }
        trv_header { name, value }
        trv_error { struct_size, code, retry, status, retry_after_ms, message, detail }
        trv_host { struct_size, abi_major, abi_minor, context, get_extension, fail_activation }
        trv_call {
            struct_size, attempt, call_id, operation, tenant, connection, idempotency_key, traceparent, timeout_ms, input
        }
        trv_plugin { struct_size, instance, activate, invoke, cancel, deactivate, destroy, get_extension }
        trv_descriptor { struct_size, id, version }
        trv_factory { struct_size, count, describe, create }
        trv_entry { struct_size, abi_major, abi_minor, init, deinit, get_factory }
        trv_host_call { struct_size, complete, fail }
        trv_host_call_2 { struct_size, complete, fail, progress }
        trv_host_call_3 { struct_size, complete, fail, progress, stream }
        trv_http_request { struct_size, header_count, headers, connection, method, path, body, timeout_ms }
        trv_http_response { struct_size, status, header_count, reserved, headers, body }
        trv_host_http { struct_size, send }
        trv_plugin_http { struct_size, on_response, on_error }
        trv_host_log { struct_size, write }
        trv_host_timer { struct_size, set }
        trv_plugin_timer { struct_size, on_time }
        trv_kv_entry { key, value, revision }
        trv_kv_answer { struct_size, entry_count, entries, has_more, reserved }
        trv_host_kv { struct_size, get, put, erase, list }
        trv_plugin_kv { struct_size, on_answer, on_error }
        trv_blob_entry { digest, byte_count, media_type, name }
        trv_blob_answer { struct_size, entry_count, entries, part, has_more, reserved }
        trv_host_blob { struct_size, write, store, drop, read, erase, list }
        trv_plugin_blob { struct_size, on_answer, on_error }
        trv_host_secret { struct_size, sign }
        trv_plugin_secret { struct_size, on_signature, on_error }
        trv_event { struct_size, reserved, type_, subject, data }
        trv_host_event { struct_size, emit }
        trv_plugin_operation { struct_size, count, name }
        trv_plugin_state { struct_size, save, restore }
        trv_plugin_health { struct_size, check }
        trv_host_metrics { struct_size, record }
        trv_span { struct_size, attribute_count, attributes, name, span_id, parent_id }
        trv_host_trace { struct_size, begin, end }
        trv_plugin_event { struct_size, on_emitted, on_error }
        trv_serve_request {
            struct_size, header_count, call_id, headers, tenant, principal, principal_name, role, method, path, query,
            idempotency_key, traceparent, timeout_ms, body
        }
        trv_serve_response { struct_size, status, header_count, reserved, headers, body }
        trv_host_serve { struct_size, respond }
        trv_plugin_serve { struct_size, serve }
        trv_host_stream { struct_size, respond, write, end, send, take, drop }
        trv_upload { struct_size, answer_in_parts, stream_id, length }
        trv_host_stream_2 { struct_size, respond, write, end, send, take, drop, upload, read }
        trv_plugin_stream { struct_size, on_part, on_end, on_error, on_room }
    };
    numbers!(facts, c, TRV_ABI_MAJOR TRV_ABI_MINOR
        TRV_STATE_BYTES_MAX TRV_KV_ABSENT TRV_KV_ANY TRV_SIGNATURE_HMAC_SHA256 TRV_SIGNATURE_ED25519 TRV_SIGNATURE_RSA_SHA256
        TRV_ERROR_INVALID TRV_ERROR_UNAUTHENTICATED TRV_ERROR_DENIED TRV_ERROR_NOT_FOUND TRV_ERROR_CONFLICT
        TRV_ERROR_TOO_LARGE TRV_ERROR_EXHAUSTED TRV_ERROR_UNAVAILABLE TRV_ERROR_TIMEOUT TRV_ERROR_CANCELLED
        TRV_ERROR_INTERNAL TRV_RETRY_NEVER TRV_RETRY_SAFE
        TRV_LOG_DEBUG TRV_LOG_INFO TRV_LOG_WARNING TRV_LOG_ERROR
        TRV_HOST_SIZE_V1 TRV_CALL_SIZE_V1 TRV_ERROR_SIZE_V1 TRV_HOST_CALL_SIZE_V1 TRV_HOST_CALL_2_SIZE_V1 TRV_HOST_CALL_3_SIZE_V1 TRV_HOST_METRICS_SIZE_V1 TRV_SPAN_SIZE_V1 TRV_HOST_TRACE_SIZE_V1 TRV_METRIC_COUNTER TRV_METRIC_GAUGE TRV_METRIC_HISTOGRAM TRV_HOST_LOG_SIZE_V1
        TRV_HOST_HTTP_SIZE_V1 TRV_HOST_TIMER_SIZE_V1 TRV_HTTP_REQUEST_SIZE_V1 TRV_HTTP_RESPONSE_SIZE_V1
        TRV_HOST_KV_SIZE_V1 TRV_HOST_SECRET_SIZE_V1 TRV_HOST_EVENT_SIZE_V1 TRV_KV_ANSWER_SIZE_V1 TRV_EVENT_SIZE_V1
        TRV_HOST_BLOB_SIZE_V1 TRV_BLOB_ANSWER_SIZE_V1 TRV_BLOB_PART_BYTES TRV_BLOB_BYTES_MAX TRV_BLOB_DIGEST_CHARACTERS
        TRV_SERVE_REQUEST_SIZE_V1 TRV_SERVE_RESPONSE_SIZE_V1 TRV_HOST_SERVE_SIZE_V1 TRV_HOST_STREAM_SIZE_V1
        TRV_HOST_STREAM_2_SIZE_V1 TRV_UPLOAD_SIZE_V1 TRV_LENGTH_UNKNOWN
        TRV_STREAM_ROOM_BYTES TRV_STREAM_PART_BYTES);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join("layout.c"), folder.join("layout"));
    // The texts of ids differ from C only by their NUL.
    let texts = [
        ("TRV_FACTORY_ID", TRV_FACTORY_ID),
        ("TRV_EXT_CALL", TRV_EXT_CALL.trim_end_matches('\0')),
        ("TRV_EXT_TRACE", TRV_EXT_TRACE.trim_end_matches('\0')),
        ("TRV_EXT_METRICS", TRV_EXT_METRICS.trim_end_matches('\0')),
        ("TRV_EXT_CALL_2", TRV_EXT_CALL_2.trim_end_matches('\0')),
        ("TRV_EXT_CALL_3", TRV_EXT_CALL_3.trim_end_matches('\0')),
        ("TRV_EXT_HTTP", TRV_EXT_HTTP.trim_end_matches('\0')),
        ("TRV_EXT_LOG", TRV_EXT_LOG.trim_end_matches('\0')),
        ("TRV_EXT_TIMER", TRV_EXT_TIMER.trim_end_matches('\0')),
        ("TRV_EXT_OPERATION", TRV_EXT_OPERATION.trim_end_matches('\0')),
        ("TRV_EXT_STATE", TRV_EXT_STATE.trim_end_matches('\0')),
        ("TRV_EXT_HEALTH", TRV_EXT_HEALTH.trim_end_matches('\0')),
        ("TRV_EXT_KV", TRV_EXT_KV.trim_end_matches('\0')),
        ("TRV_EXT_BLOB", TRV_EXT_BLOB.trim_end_matches('\0')),
        ("TRV_EXT_SECRET", TRV_EXT_SECRET.trim_end_matches('\0')),
        ("TRV_EXT_SERVE", TRV_EXT_SERVE.trim_end_matches('\0')),
        ("TRV_EXT_STREAM", TRV_EXT_STREAM.trim_end_matches('\0')),
        ("TRV_EXT_STREAM_2", TRV_EXT_STREAM_2.trim_end_matches('\0')),
        ("TRV_EXT_EVENT", TRV_EXT_EVENT.trim_end_matches('\0')),
    ];
    for (name, _) in texts {
        c += &format!("  printf(\"{name}=%s\\n\", {name});\n");
    }
    let includes: String = HEADERS.iter().map(|header| format!("#include \"sdk/abi/{header}\"\n")).collect();
    let text = format!(
        "#include <stddef.h>\n#include <stdio.h>\n{includes}\
         #define PRINT(name, value) printf(\"%s=%llu\\n\", #name, (unsigned long long)(value))\n\
         int main(void) {{\n{c}  return 0;\n}}\n"
    );
    std::fs::write(&source, text).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let built =
        Command::new(compiler).arg("-std=c11").arg("-I").arg(&root).arg(&source).arg("-o").arg(&program).status();
    assert!(built.expect("a C compiler as cc, or in CC").success());
    let printed = String::from_utf8(Command::new(&program).output().unwrap().stdout).unwrap();
    let mut theirs: BTreeMap<&str, &str> = printed.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, text) in texts {
        assert_eq!(theirs.remove(name), Some(text), "{name}");
    }
    let ours: BTreeMap<String, String> = facts.into_iter().map(|(name, number)| (name, number.to_string())).collect();
    let theirs: BTreeMap<String, String> = theirs.into_iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    assert_eq!(ours, theirs);
}

/// What the bindings do not have would not be missed above.
#[test]
fn every_struct_of_the_headers_is_bound() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let source = root.join("sdk/rust/travertine-plugin/src");
    let bindings: String =
        ["abi.rs", "abi/blob.rs"].iter().map(|file| std::fs::read_to_string(source.join(file)).unwrap()).collect();
    let mut structs = 0;
    for header in HEADERS {
        for line in std::fs::read_to_string(root.join("sdk/abi").join(header)).unwrap().lines() {
            if let Some(name) = line.strip_prefix("typedef struct ").and_then(|rest| rest.strip_suffix(" {")) {
                assert!(bindings.contains(&format!("pub struct {name} {{")), "{name} of {header}");
                structs += 1;
            }
        }
    }
    assert!(structs >= 27, "{structs}");
}
