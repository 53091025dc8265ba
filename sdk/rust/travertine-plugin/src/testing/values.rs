//! What a test says, and what it reads.

use crate::failure::Failure;
use serde_json::Value;

/// What the service answers to one request. Where the plugin asked for parts, they come one by one, within the room that
/// it has given; elsewhere they are one body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) outcome: Result<(u16, Vec<Vec<u8>>), Failure>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) breaks: Option<Failure>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer::parts(status, [body])
    }
    pub fn parts<B: Into<Vec<u8>>>(status: u16, parts: impl IntoIterator<Item = B>) -> Answer {
        let parts = parts.into_iter().map(Into::into).filter(|part: &Vec<u8>| !part.is_empty()).collect();
        Answer { outcome: Ok((status, parts)), headers: Vec::new(), breaks: None }
    }
    /// No answer arrives.
    pub fn none(failure: Failure) -> Answer {
        Answer { outcome: Err(failure), headers: Vec::new(), breaks: None }
    }
    /// What follows its parts does not come. A request that is not answered in parts has no answer then.
    #[must_use]
    pub fn breaks(mut self, failure: Failure) -> Answer {
        self.breaks = Some(failure);
        self
    }
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }
}

/// A request as the plugin sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub connection: String,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub timeout_ms: u64,
    pub in_parts: bool,
}

/// What a call says besides operation and input.
#[derive(Clone, Debug)]
pub struct Facts {
    pub tenant: String,
    pub connection: String,
    pub idempotency_key: String,
    pub traceparent: String,
    pub attempt: u32,
    pub timeout_ms: u64,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            tenant: "acme".to_string(),
            connection: "service".to_string(),
            idempotency_key: "test-key".to_string(),
            traceparent: String::new(),
            attempt: 1,
            timeout_ms: 0,
        }
    }
}

/// An event as the plugin emitted it.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    pub kind: String,
    pub subject: String,
    pub data: Value,
}

/// A part of a call, as the plugin named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOfCall {
    pub id: u64,
    /// 0: the call.
    pub parent: u64,
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub has_ended: bool,
}
