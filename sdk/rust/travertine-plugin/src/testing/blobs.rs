//! Blobs of the host for tests: in memory, under their real digests.

use super::services::Reply;
use super::{of, Host, State};
use crate::abi;
use crate::failure::{Code, Failure};
use crate::guard::lock;
use std::collections::{BTreeMap, HashMap};

pub(super) static BLOB: abi::trv_host_blob =
    abi::trv_host_blob { struct_size: abi::TRV_HOST_BLOB_SIZE_V1, write, store, drop: give_up, read, erase, list };

/// Bytes, media type, name.
type Kept = (Vec<u8>, String, String);

#[derive(Default)]
pub(super) struct Blobs {
    kept: BTreeMap<String, Kept>,
    /// By call and number.
    written: HashMap<(u64, u64), Vec<u8>>,
}

/// What is answered: entries with their digests, a part, whether there is more.
#[derive(Default)]
pub(super) struct Page {
    entries: Vec<(String, u64, String, String)>,
    part: Vec<u8>,
    has_more: bool,
}

impl Blobs {
    fn entry(&self, digest: &str) -> Option<(String, u64, String, String)> {
        let (bytes, media_type, name) = self.kept.get(digest)?;
        Some((digest.to_string(), bytes.len() as u64, media_type.clone(), name.clone()))
    }
}

impl State {
    fn keep(&mut self, bytes: Vec<u8>, media_type: String, name: String) -> String {
        let digest = sha256(&bytes);
        self.blobs.kept.insert(digest.clone(), (bytes, media_type, name));
        digest
    }
}

unsafe extern "C" fn write(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    writing_id: u64,
    part: abi::trv_bytes,
) {
    let part = part.as_slice().to_vec();
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        if part.len() as u64 > abi::TRV_BLOB_PART_BYTES {
            return Err(Failure::new(Code::TooLarge, format!("a part of a blob has {} bytes", part.len())));
        }
        state.blobs.written.entry((call_id, writing_id)).or_default().extend(part);
        Ok(Page::default())
    });
}

unsafe extern "C" fn store(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    writing_id: u64,
    media_type: abi::trv_string,
    name: abi::trv_string,
) {
    let (media_type, name) = (media_type.to_text(), name.to_text());
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        let bytes = state.blobs.written.remove(&(call_id, writing_id)).unwrap_or_default();
        let digest = state.keep(bytes, media_type, name);
        Ok(Page { entries: state.blobs.entry(&digest).into_iter().collect(), ..Page::default() })
    });
}

unsafe extern "C" fn give_up(host: *const abi::trv_host, call_id: u64, request_id: u64, writing_id: u64) {
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        state.blobs.written.remove(&(call_id, writing_id));
        Ok(Page::default())
    });
}

unsafe extern "C" fn read(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    digest: abi::trv_string,
    offset: u64,
    length: u32,
) {
    let digest = digest.to_text();
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        let entry = state.blobs.entry(&digest);
        let entry = entry.ok_or_else(|| Failure::new(Code::NotFound, format!("no blob {digest} is kept")))?;
        let bytes = &state.blobs.kept[&digest].0;
        let begin = bytes.len().min(offset as usize);
        let end = bytes.len().min(begin + length as usize);
        let has_more = length > 0 && end < bytes.len();
        Ok(Page { part: bytes[begin..end].to_vec(), entries: vec![entry], has_more })
    });
}

unsafe extern "C" fn erase(host: *const abi::trv_host, call_id: u64, request_id: u64, digest: abi::trv_string) {
    let digest = digest.to_text();
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        state.blobs.kept.remove(&digest);
        Ok(Page::default())
    });
}

unsafe extern "C" fn list(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    after: abi::trv_string,
    count_max: u32,
) {
    let after = after.to_text();
    of(host).reply_later(call_id, request_id, Reply::Blobs, |state| {
        if !(1..=100).contains(&count_max) {
            return Err(Failure::invalid(format!("a list of {count_max} blobs; 1 to 100 can be asked for")));
        }
        let behind: Vec<&String> = state.blobs.kept.keys().filter(|digest| **digest > after).collect();
        let has_more = behind.len() > count_max as usize;
        let page = behind.iter().take(count_max as usize);
        Ok(Page { entries: page.filter_map(|digest| state.blobs.entry(digest)).collect(), part: Vec::new(), has_more })
    });
}

impl Host {
    /// Keeps it; gives its digest.
    pub fn put_blob(&self, bytes: impl Into<Vec<u8>>, media_type: &str, name: &str) -> String {
        lock(&self.inner().state).keep(bytes.into(), media_type.to_string(), name.to_string())
    }
    /// The bytes under a digest.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        lock(&self.inner().state).blobs.kept.get(digest).map(|kept| kept.0.clone())
    }

    pub(super) fn answer_blobs(&self, request_id: u64, answer: Result<Page, Failure>) {
        let blob = self.extension::<abi::trv_plugin_blob>(abi::TRV_EXT_BLOB);
        let page = match answer {
            Ok(page) => page,
            Err(failure) => {
                return failure.lend(|error| unsafe { (blob.on_error)(self.plugin, request_id, error) });
            }
        };
        let text = abi::trv_string::borrow;
        let lend = |(digest, size, media_type, name): &(String, u64, String, String)| abi::trv_blob_entry {
            digest: text(digest),
            byte_count: *size,
            media_type: text(media_type),
            name: text(name),
        };
        let entries: Vec<abi::trv_blob_entry> = page.entries.iter().map(lend).collect();
        let answer = abi::trv_blob_answer {
            struct_size: abi::TRV_BLOB_ANSWER_SIZE_V1,
            entry_count: entries.len() as u32,
            entries: entries.as_ptr(),
            part: abi::trv_bytes::borrow(&page.part),
            has_more: u32::from(page.has_more),
            reserved: 0,
        };
        unsafe { (blob.on_answer)(self.plugin, request_id, &answer) };
    }
}

/// FIPS 180-4, in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    const PRIMES: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ];
    let mut hash: [u32; 8] =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((bytes.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut w = [0u32; 64];
        for (word, four) in w.iter_mut().zip(block.chunks(4)) {
            *word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
        }
        for i in 16..64 {
            let a = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
            let b = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16].wrapping_add(a).wrapping_add(w[i - 7]).wrapping_add(b);
        }
        let mut v = hash;
        for i in 0..64 {
            let e = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let a = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
            let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            let one = v[7].wrapping_add(e).wrapping_add(choice).wrapping_add(PRIMES[i]).wrapping_add(w[i]);
            v.rotate_right(1);
            v[0] = one.wrapping_add(a).wrapping_add(majority);
            v[4] = v[4].wrapping_add(one);
        }
        for (word, add) in hash.iter_mut().zip(v) {
            *word = word.wrapping_add(add);
        }
    }
    hash.iter().map(|word| format!("{word:08x}")).collect()
}
