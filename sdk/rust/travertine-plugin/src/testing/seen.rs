//! What the plugin has said and sent so far.

use super::values::{Emitted, PartOfCall, Sent};
use super::Host;
use crate::call::Level;
use crate::guard::lock;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

impl Host {
    /// All requests, the oldest first.
    pub fn requests(&self) -> Vec<Sent> {
        lock(&self.inner().state).requests.clone()
    }
    pub fn log(&self) -> Vec<(Level, String)> {
        lock(&self.inner().state).log.clone()
    }
    /// Numbers that calls recorded, the oldest first: a kind of `abi::TRV_METRIC_…`, name and value.
    pub fn measured(&self) -> Vec<(i32, String, f64)> {
        lock(&self.inner().state).measured.clone()
    }
    /// Parts of calls, in the order in which they began.
    pub fn spans(&self) -> Vec<PartOfCall> {
        lock(&self.inner().state).spans.clone()
    }
    /// What calls have streamed, one behind the other.
    pub fn streamed(&self) -> String {
        lock(&self.inner().state).streamed.clone()
    }
    /// What calls said of how far they are, the oldest first; -1: not known.
    pub fn progress(&self) -> Vec<(f64, String)> {
        lock(&self.inner().state).progress.clone()
    }
    /// How much time came in `let_time_come`, over all calls.
    pub fn waited(&self) -> Duration {
        Duration::from_millis(lock(&self.inner().state).now_ms)
    }
    /// How many answers in parts the plugin did not want to their end.
    pub fn dropped(&self) -> usize {
        lock(&self.inner().state).dropped
    }
    /// What the plugin's store has.
    pub fn store(&self) -> BTreeMap<String, Value> {
        let state = lock(&self.inner().state);
        let read = |text: &String| serde_json::from_str(text).expect("it was JSON when it was put");
        state.store.iter().map(|(key, (value, _))| (key.clone(), read(value))).collect()
    }
    /// All events, the oldest first.
    pub fn events(&self) -> Vec<Emitted> {
        lock(&self.inner().state).events.clone()
    }
}
