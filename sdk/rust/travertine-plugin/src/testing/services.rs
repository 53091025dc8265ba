//! Store, secrets and events of the host for tests.

use super::values::Emitted;
use super::{of, Host, Inner, State};
use crate::abi;
use crate::failure::{Code, Failure};
use crate::guard::lock;
use serde_json::Value;

pub(super) static KV: abi::trv_host_kv =
    abi::trv_host_kv { struct_size: abi::TRV_HOST_KV_SIZE_V1, get, put, erase, list };
pub(super) static SECRET: abi::trv_host_secret =
    abi::trv_host_secret { struct_size: abi::TRV_HOST_SECRET_SIZE_V1, sign };
pub(super) static EVENT: abi::trv_host_event = abi::trv_host_event { struct_size: abi::TRV_HOST_EVENT_SIZE_V1, emit };

/// What was asked of store, secrets and events, and is answered when the plugin is not being called.
pub(super) enum Reply {
    Store(Result<(Vec<Kept>, bool), Failure>),
    Signature(Result<Vec<u8>, Failure>),
    Emitted(Result<String, Failure>),
    Blobs(Result<super::blobs::Page, Failure>),
}

/// Key, value as JSON text, revision.
pub(super) type Kept = (String, String, u64);

impl Inner {
    /// Answers later what `reply` makes of the state; it may fail because a test wants it to.
    pub(super) fn reply_later<T>(
        &self,
        call_id: u64,
        request_id: u64,
        wrap: fn(Result<T, Failure>) -> Reply,
        reply: impl FnOnce(&mut State) -> Result<T, Failure>,
    ) {
        let mut state = lock(&self.state);
        if state.outcomes.contains_key(&call_id) {
            state.faults.push(format!("a request for call {call_id}, which has ended"));
        }
        let answer = match state.refusal_of_services.clone() {
            Some(failure) => Err(failure),
            None => reply(&mut state),
        };
        state.replies.push_back((request_id, wrap(answer)));
        self.changed.notify_all();
    }
}

impl State {
    fn check_revision(&self, key: &str, expected: u64) -> Result<(), Failure> {
        let revision = self.store.get(key).map_or(0, |kept| kept.1);
        if expected == abi::TRV_KV_ANY || expected == revision {
            return Ok(());
        }
        Err(Failure::new(Code::Conflict, format!("{key} has revision {revision}, not {expected}")))
    }
}

unsafe extern "C" fn get(host: *const abi::trv_host, call_id: u64, request_id: u64, key: abi::trv_string) {
    let key = key.to_text();
    of(host).reply_later(call_id, request_id, Reply::Store, |state| {
        let kept = state.store.get(&key).map(|(value, revision)| (key.clone(), value.clone(), *revision));
        Ok((kept.into_iter().collect(), false))
    });
}

unsafe extern "C" fn put(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    key: abi::trv_string,
    value: abi::trv_bytes,
    expected: u64,
) {
    let (key, value) = (key.to_text(), value.as_slice().to_vec());
    of(host).reply_later(call_id, request_id, Reply::Store, |state| {
        let value: Value = serde_json::from_slice(&value).map_err(|error| Failure::invalid(error.to_string()))?;
        state.check_revision(&key, expected)?;
        state.last_revision += 1;
        let revision = state.last_revision;
        state.store.insert(key.clone(), (value.to_string(), revision));
        Ok((vec![(key, String::new(), revision)], false))
    });
}

unsafe extern "C" fn erase(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    key: abi::trv_string,
    expected: u64,
) {
    let key = key.to_text();
    of(host).reply_later(call_id, request_id, Reply::Store, |state| {
        state.check_revision(&key, expected)?;
        state.store.remove(&key);
        Ok((Vec::new(), false))
    });
}

unsafe extern "C" fn list(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    prefix: abi::trv_string,
    after: abi::trv_string,
    count_max: u32,
) {
    let (prefix, after) = (prefix.to_text(), after.to_text());
    of(host).reply_later(call_id, request_id, Reply::Store, |state| {
        if !(1..=100).contains(&count_max) {
            return Err(Failure::invalid(format!("a list of {count_max} entries; 1 to 100 can be asked for")));
        }
        let found = state.store.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let mut all: Vec<Kept> = found.map(|(key, kept)| (key.clone(), kept.0.clone(), kept.1)).collect();
        let has_more = all.len() > count_max as usize;
        all.truncate(count_max as usize);
        Ok((all, has_more))
    });
}

unsafe extern "C" fn sign(
    host: *const abi::trv_host,
    call_id: u64,
    request_id: u64,
    secret: abi::trv_string,
    _signature: i32,
    data: abi::trv_bytes,
) {
    let bytes = [secret.to_text().as_bytes(), b":", data.as_slice()].concat();
    of(host).reply_later(call_id, request_id, Reply::Signature, |_state| Ok(bytes));
}

unsafe extern "C" fn emit(host: *const abi::trv_host, call_id: u64, request_id: u64, event: *const abi::trv_event) {
    let event = &*event;
    let (kind, subject) = (event.type_.to_text(), event.subject.to_text());
    let data = serde_json::from_slice(event.data.as_slice());
    of(host).reply_later(call_id, request_id, Reply::Emitted, |state| {
        let data = data.map_err(|error| Failure::invalid(error.to_string()))?;
        if !kind.starts_with("com.") {
            return Err(Failure::invalid(format!("an event's type begins with com.<plugin>., and not {kind}")));
        }
        state.events.push(Emitted { kind, subject, data });
        Ok(format!("event-{}", state.events.len()))
    });
}

impl Host {
    /// From here on store, blobs, signatures and events fail with this; `None`: none does.
    pub fn refuse_services(&self, failure: Option<Failure>) {
        lock(&self.inner().state).refusal_of_services = failure;
    }

    /// Answers what was asked first of store, secrets and events. False where nothing is open.
    pub fn answer_service(&self) -> bool {
        let (request_id, reply) = match lock(&self.inner().state).replies.pop_front() {
            Some(reply) => reply,
            None => return false,
        };
        match reply {
            Reply::Store(answer) => {
                let kv = self.extension::<abi::trv_plugin_kv>(abi::TRV_EXT_KV);
                match answer {
                    Ok((kept, has_more)) => self.answer_store(kv, request_id, &kept, has_more),
                    Err(failure) => failure.lend(|error| unsafe { (kv.on_error)(self.plugin, request_id, error) }),
                }
            }
            Reply::Signature(answer) => {
                let secret = self.extension::<abi::trv_plugin_secret>(abi::TRV_EXT_SECRET);
                match answer {
                    Ok(bytes) => unsafe {
                        (secret.on_signature)(self.plugin, request_id, abi::trv_bytes::borrow(&bytes))
                    },
                    Err(failure) => failure.lend(|error| unsafe { (secret.on_error)(self.plugin, request_id, error) }),
                }
            }
            Reply::Blobs(answer) => self.answer_blobs(request_id, answer),
            Reply::Emitted(answer) => {
                let event = self.extension::<abi::trv_plugin_event>(abi::TRV_EXT_EVENT);
                match answer {
                    Ok(id) => unsafe { (event.on_emitted)(self.plugin, request_id, abi::trv_string::borrow(&id)) },
                    Err(failure) => failure.lend(|error| unsafe { (event.on_error)(self.plugin, request_id, error) }),
                }
            }
        }
        true
    }

    fn answer_store(&self, kv: &abi::trv_plugin_kv, request_id: u64, kept: &[Kept], has_more: bool) {
        let entries: Vec<abi::trv_kv_entry> = kept
            .iter()
            .map(|(key, value, revision)| abi::trv_kv_entry {
                key: abi::trv_string::borrow(key),
                value: abi::trv_bytes::borrow(value.as_bytes()),
                revision: *revision,
            })
            .collect();
        let answer = abi::trv_kv_answer {
            struct_size: abi::TRV_KV_ANSWER_SIZE_V1,
            entry_count: entries.len() as u32,
            entries: entries.as_ptr(),
            has_more: u32::from(has_more),
            reserved: 0,
        };
        unsafe { (kv.on_answer)(self.plugin, request_id, &answer) };
    }
}
