//! trv.blob/1, as `sdk/abi/ext/blob.h` says it.

use super::{trv_bytes, trv_error, trv_host, trv_plugin, trv_string};

pub const TRV_EXT_BLOB: &str = "trv.blob/1\0";
pub const TRV_BLOB_PART_BYTES: u64 = 262_144;
pub const TRV_BLOB_BYTES_MAX: u64 = 104_857_600;
pub const TRV_BLOB_DIGEST_CHARACTERS: u64 = 64;
pub const TRV_BLOB_ANSWER_SIZE_V1: u32 = 40;
pub const TRV_HOST_BLOB_SIZE_V1: u32 = 56;

#[repr(C)]
pub struct trv_blob_entry {
    pub digest: trv_string,
    pub byte_count: u64,
    pub media_type: trv_string,
    pub name: trv_string,
}

#[repr(C)]
pub struct trv_blob_answer {
    pub struct_size: u32,
    pub entry_count: u32,
    pub entries: *const trv_blob_entry,
    pub part: trv_bytes,
    pub has_more: u32,
    pub reserved: u32,
}

#[repr(C)]
pub struct trv_host_blob {
    pub struct_size: u32,
    pub write:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, writing_id: u64, part: trv_bytes),
    pub store: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        writing_id: u64,
        media_type: trv_string,
        name: trv_string,
    ),
    pub drop: unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, writing_id: u64),
    pub read: unsafe extern "C" fn(
        host: *const trv_host,
        call_id: u64,
        request_id: u64,
        digest: trv_string,
        offset: u64,
        length: u32,
    ),
    pub erase: unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, digest: trv_string),
    pub list:
        unsafe extern "C" fn(host: *const trv_host, call_id: u64, request_id: u64, after: trv_string, count_max: u32),
}

#[repr(C)]
pub struct trv_plugin_blob {
    pub struct_size: u32,
    pub on_answer: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, answer: *const trv_blob_answer),
    pub on_error: unsafe extern "C" fn(plugin: *const trv_plugin, request_id: u64, error: *const trv_error),
}
