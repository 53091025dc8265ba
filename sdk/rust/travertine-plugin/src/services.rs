//! What a call asks of the host besides HTTP and time: the plugin's store, signatures, events.

use crate::abi;
use crate::call::{other_answer, Call, Waiting};
use crate::failure::Failure;
use crate::host::Arrival;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What was asked for, at once; `await` gives the answer. Several may be on their way at the same time; dropping one means
/// that its answer is not wanted, not that it does not happen.
#[must_use = "the answer is dropped; await it"]
pub struct Asked<T> {
    waiting: Waiting,
    read: fn(Arrival) -> Option<T>,
}

impl<T> Asked<T> {
    pub(crate) fn new(waiting: Waiting, read: fn(Arrival) -> Option<T>) -> Asked<T> {
        Asked { waiting, read }
    }
}

impl<T> Future for Asked<T> {
    type Output = Result<T, Failure>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let read = self.read;
        self.waiting.poll(context).map(|answer| read(answer?).ok_or_else(other_answer))
    }
}

/// One entry of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub value: Value,
    /// From 1; of the store, so that none comes twice.
    pub revision: u64,
}

/// Entries in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// There are more behind the last of them.
    pub has_more: bool,
}

pub(crate) enum StoreRequest<'a> {
    Get { key: &'a str },
    Put { key: &'a str, value: &'a str, expected: u64 },
    Erase { key: &'a str, expected: u64 },
    List { prefix: &'a str, after: &'a str, count_max: u32 },
}

/// The plugin's store of the call's tenant: what is put there outlives calls, processes and versions.
///
/// ```
/// use travertine_plugin::{json, Call, Failure, Value};
///
/// async fn count(call: Call) -> Result<Value, Failure> {
///     let read = call.kv().get("count").await?;
///     let next = read.as_ref().and_then(|entry| entry.value.as_u64()).unwrap_or(0) + 1;
///     call.kv().put_if("count", &json!(next), read.map_or(0, |entry| entry.revision)).await?;
///     Ok(json!({ "count": next }))
/// }
/// ```
///
/// A key has at most 256 bytes, a value 65,536 bytes of JSON, a store 10 MiB in 10,000 entries. A call may be made again
/// after it was answered: put what is right to put twice, or expect the revision that was read.
pub struct Kv<'a>(&'a Call);

impl<'a> Kv<'a> {
    pub(crate) fn new(call: &'a Call) -> Kv<'a> {
        Kv(call)
    }

    /// The entry, where there is one.
    pub fn get(&self, key: &str) -> Asked<Option<Entry>> {
        self.0.ask(
            |arrival| if let Arrival::Store(page) = arrival { Some(page.entries.into_iter().next()) } else { None },
            |shared, call_id| shared.ask(call_id, &StoreRequest::Get { key }),
        )
    }

    /// Whatever there is; gives the new revision.
    pub fn put(&self, key: &str, value: &Value) -> Asked<u64> {
        self.put_if(key, value, abi::TRV_KV_ANY)
    }

    /// Where the entry has this revision, or there is none and it is 0; otherwise the failure is `Code::Conflict`, and
    /// nothing is changed. Gives the new revision.
    pub fn put_if(&self, key: &str, value: &Value, revision: u64) -> Asked<u64> {
        self.0.ask(
            |arrival| {
                if let Arrival::Store(page) = arrival {
                    page.entries.first().map(|one| one.revision)
                } else {
                    None
                }
            },
            |shared, call_id| {
                shared.ask(call_id, &StoreRequest::Put { key, value: &value.to_string(), expected: revision })
            },
        )
    }

    /// What is not there is erased, too.
    pub fn erase(&self, key: &str) -> Asked<()> {
        self.erase_if(key, abi::TRV_KV_ANY)
    }

    /// As `put_if`.
    pub fn erase_if(&self, key: &str, revision: u64) -> Asked<()> {
        self.0.ask(
            |arrival| matches!(arrival, Arrival::Store(_)).then_some(()),
            |shared, call_id| shared.ask(call_id, &StoreRequest::Erase { key, expected: revision }),
        )
    }

    /// Keys that begin with `prefix` and come behind `after`, which may be empty; at most `count_max`, from 1 to 100.
    pub fn list(&self, prefix: &str, after: &str, count_max: u32) -> Asked<Page> {
        self.0.ask(
            |arrival| if let Arrival::Store(page) = arrival { Some(page) } else { None },
            |shared, call_id| shared.ask(call_id, &StoreRequest::List { prefix, after, count_max }),
        )
    }
}

/// How the host signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SignatureKind {
    /// The secret is the key; 32 bytes.
    HmacSha256 = abi::TRV_SIGNATURE_HMAC_SHA256,
    /// The secret is a private key in PEM; 64 bytes.
    Ed25519 = abi::TRV_SIGNATURE_ED25519,
    /// The same; PKCS #1 v1.5, as RS256 of JSON Web Tokens.
    RsaSha256 = abi::TRV_SIGNATURE_RSA_SHA256,
}

/// An event of the tenant; the host gives it source, time and id.
///
/// ```
/// use travertine_plugin::{json, Event};
/// let event = Event::new("com.hello.greeted", json!({"name": "x"})).subject("x");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) data: Value,
}

impl Event {
    /// `kind` is the event's type: `com.<plugin>.…`.
    pub fn new(kind: impl Into<String>, data: Value) -> Event {
        Event { kind: kind.into(), subject: String::new(), data }
    }
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Event {
        self.subject = subject.into();
        self
    }
}
