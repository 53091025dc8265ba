//! Plugins for Travertine in Rust. An operation is an `async fn`:
//!
//! ```
//! use travertine_plugin::{json, path_segment, Call, Failure, Plugin, Request, Value};
//!
//! async fn fetch(call: Call) -> Result<Value, Failure> {
//!     let page = path_segment(call.text("page")?)?;
//!     let answer = call.http(Request::get(format!("/{page}"))).await?;
//!     let answer = answer.error_for_status("the service has no such page")?;
//!     Ok(json!({"content": answer.text()?}))
//! }
//!
//! fn plugin() -> Plugin {
//!     Plugin::new().operation("fetch", fetch)
//! }
//!
//! travertine_plugin::export!("pages", "1.0.0", plugin);
//! ```
//!
//! Each call is answered exactly once: with what its future gives, as cancelled where the host stops it while it waits,
//! or as internal where it panics. A call that is stopped is dropped where it waits, with all that lives in it.
//! Futures are polled one at a time, on whichever thread the host picks: what they share is `Send` and `Sync`, and
//! nothing may block. Everything that works without a runtime of its own can be awaited; a wake-up from a thread of the
//! plugin's own is handed to the host.

pub mod abi;
mod blob;
mod call;
pub mod entry;
mod failure;
mod guard;
mod host;
mod http;
mod instance;
mod parts;
mod plugin;
mod services;
mod state;
mod task;
pub mod testing;
pub mod typed;
mod web;

pub use blob::{Blob, BlobPage, BlobPart, BlobWriting, Blobs};
pub use call::{Call, Exchange, Level, Pause, Span};
pub use failure::{Code, Failure};
pub use http::{path_segment, percent_decode, percent_encode, Request, Response};
pub use parts::{Incoming, IncomingBody, Next, Opening, Parts, Upload, Write};
pub use plugin::Plugin;
pub use serde_json::{self, json, Value};
pub use services::{Asked, Entry, Event, Kv, Page, SignatureKind};
pub use typed::Typed;
pub use web::{WebRequest, WebResponse};
