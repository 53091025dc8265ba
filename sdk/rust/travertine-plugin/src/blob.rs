//! The large things that a plugin keeps (trv.blob/1).

use crate::abi;
use crate::call::Call;
use crate::failure::Failure;
use crate::host::Arrival;
use crate::services::Asked;

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of its bytes in 64 hexadecimal digits.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    pub media_type: String,
    pub name: String,
}

/// Some bytes of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobPart {
    pub bytes: Vec<u8>,
    pub blob: Blob,
    /// There are more behind them.
    pub has_more: bool,
}

/// Blobs in the order of their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobPage {
    pub blobs: Vec<Blob>,
    /// There are more behind the last of them.
    pub has_more: bool,
}

/// What the host answers.
pub(crate) struct Kept {
    pub blobs: Vec<Blob>,
    pub part: Vec<u8>,
    pub has_more: bool,
}

pub(crate) enum BlobRequest<'a> {
    Write { writing_id: u64, part: &'a [u8] },
    Store { writing_id: u64, media_type: &'a str, name: &'a str },
    Drop { writing_id: u64 },
    Read { digest: &'a str, offset: u64, length: u32 },
    Erase { digest: &'a str },
    List { after: &'a str, count_max: u32 },
}

/// What the plugin keeps in the call's tenant, the same for all its versions.
///
/// ```
/// use travertine_plugin::{json, Call, Failure, Value};
///
/// async fn export(call: Call) -> Result<Value, Failure> {
///     let mut blob = call.blobs().begin();
///     for number in 0..1_000 {
///         blob.write(format!("line {number}\n")).await?;
///     }
///     let kept = blob.store("text/plain", "lines.txt").await?;
///     Ok(json!({ "digest": kept.digest }))
/// }
///
/// async fn size(call: Call) -> Result<Value, Failure> {
///     let mut size = 0;
///     loop {
///         let part = call.blobs().read(call.text("digest")?, size).await?;
///         size += part.bytes.len() as u64;
///         if !part.has_more {
///             return Ok(json!({ "size": size }));
///         }
///     }
/// }
/// ```
pub struct Blobs<'a>(&'a Call);

impl<'a> Blobs<'a> {
    pub(crate) fn new(call: &'a Call) -> Blobs<'a> {
        Blobs(call)
    }

    /// A new blob, at most 104,857,600 bytes; a call writes 4 at a time.
    pub fn begin(&self) -> BlobWriting<'a> {
        BlobWriting { call: self.0, writing_id: self.0.next_id(), is_begun: false }
    }

    /// At most 262,144 bytes from `offset` on. `Code::NotFound` where the plugin does not keep such a blob in this
    /// tenant.
    pub fn read(&self, digest: &str, offset: u64) -> Asked<BlobPart> {
        self.0.ask(
            |arrival| {
                let kept = kept(arrival)?;
                let blob = kept.blobs.into_iter().next()?;
                Some(BlobPart { bytes: kept.part, blob, has_more: kept.has_more })
            },
            |shared, call_id| {
                let length = abi::TRV_BLOB_PART_BYTES as u32;
                shared.ask_blob(call_id, &BlobRequest::Read { digest, offset, length })
            },
        )
    }

    /// What is known of it; fails as `read`.
    pub fn find(&self, digest: &str) -> Asked<Blob> {
        self.0.ask(
            |arrival| kept(arrival)?.blobs.into_iter().next(),
            |shared, call_id| shared.ask_blob(call_id, &BlobRequest::Read { digest, offset: 0, length: 0 }),
        )
    }

    /// What is not there is erased, too.
    pub fn erase(&self, digest: &str) -> Asked<()> {
        self.0.ask(
            |arrival| kept(arrival).map(|_| ()),
            |shared, call_id| shared.ask_blob(call_id, &BlobRequest::Erase { digest }),
        )
    }

    /// Those behind the digest `after`, which may be empty; at most `count_max`, from 1 to 100.
    pub fn list(&self, after: &str, count_max: u32) -> Asked<BlobPage> {
        self.0.ask(
            |arrival| kept(arrival).map(|kept| BlobPage { blobs: kept.blobs, has_more: kept.has_more }),
            |shared, call_id| shared.ask_blob(call_id, &BlobRequest::List { after, count_max }),
        )
    }
}

/// A blob that a call writes. Where it is dropped before `store`, nothing of it is kept.
pub struct BlobWriting<'a> {
    call: &'a Call,
    writing_id: u64,
    is_begun: bool,
}

impl BlobWriting<'_> {
    /// Adds bytes, of any number. After a failure it takes no more.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        self.is_begun = true;
        let writing_id = self.writing_id;
        for part in bytes.as_ref().chunks(abi::TRV_BLOB_PART_BYTES as usize) {
            self.call
                .ask(
                    |arrival| kept(arrival).map(|_| ()),
                    |shared, call_id| shared.ask_blob(call_id, &BlobRequest::Write { writing_id, part }),
                )
                .await?;
        }
        Ok(())
    }

    /// What was written is whole: it is kept from the answer on.
    pub async fn store(mut self, media_type: &str, name: &str) -> Result<Blob, Failure> {
        self.is_begun = false;
        let writing_id = self.writing_id;
        self.call
            .ask(
                |arrival| kept(arrival)?.blobs.into_iter().next(),
                |shared, call_id| shared.ask_blob(call_id, &BlobRequest::Store { writing_id, media_type, name }),
            )
            .await
    }
}

impl Drop for BlobWriting<'_> {
    fn drop(&mut self) {
        if self.is_begun {
            let writing_id = self.writing_id;
            drop(self.call.ask(
                |arrival| kept(arrival).map(|_| ()),
                |shared, call_id| shared.ask_blob(call_id, &BlobRequest::Drop { writing_id }),
            ));
        }
    }
}

fn kept(arrival: Arrival) -> Option<Kept> {
    if let Arrival::Blobs(kept) = arrival {
        Some(kept)
    } else {
        None
    }
}
