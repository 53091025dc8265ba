//! What the calls of an instance ask about blobs.

use super::{Answer, Arrival, Shared};
use crate::abi;
use crate::blob::{Blob, BlobRequest, Kept};
use crate::failure::{Code, Failure};
use std::ptr;

impl Shared {
    pub(crate) fn ask_blob(&self, call_id: u64, request: &BlobRequest<'_>) -> u64 {
        let id = self.add_wait(call_id, false);
        let (_inside, blob) = match self.table(&self.blob) {
            Some(blob) => blob,
            None => {
                self.refuse(id, Failure::new(Code::Denied, "this host keeps no blobs (trv.blob/1)"));
                return id;
            }
        };
        let text = abi::trv_string::borrow;
        let host = self.host;
        unsafe {
            match *request {
                BlobRequest::Write { writing_id, part } => {
                    (blob.write)(host, call_id, id, writing_id, abi::trv_bytes::borrow(part))
                }
                BlobRequest::Store { writing_id, media_type, name } => {
                    (blob.store)(host, call_id, id, writing_id, text(media_type), text(name))
                }
                BlobRequest::Drop { writing_id } => (blob.drop)(host, call_id, id, writing_id),
                BlobRequest::Read { digest, offset, length } => {
                    (blob.read)(host, call_id, id, text(digest), offset, length)
                }
                BlobRequest::Erase { digest } => (blob.erase)(host, call_id, id, text(digest)),
                BlobRequest::List { after, count_max } => (blob.list)(host, call_id, id, text(after), count_max),
            }
        }
        id
    }
}

/// `raw` is as the host gives it.
pub(crate) unsafe fn copy_blobs(raw: *const abi::trv_blob_answer) -> Answer {
    if raw.is_null() || ptr::addr_of!((*raw).struct_size).read() < abi::TRV_BLOB_ANSWER_SIZE_V1 {
        return Err(Failure::internal("the host's trv_blob_answer is too short"));
    }
    let raw = &*raw;
    let entries: &[abi::trv_blob_entry] = if raw.entry_count == 0 || raw.entries.is_null() {
        &[]
    } else {
        std::slice::from_raw_parts(raw.entries, raw.entry_count as usize)
    };
    let blobs = entries
        .iter()
        .map(|entry| Blob {
            digest: entry.digest.to_text(),
            size: entry.byte_count,
            media_type: entry.media_type.to_text(),
            name: entry.name.to_text(),
        })
        .collect();
    Ok(Arrival::Blobs(Kept { blobs, part: raw.part.as_slice().to_vec(), has_more: raw.has_more != 0 }))
}
