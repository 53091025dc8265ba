use crate::abi;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What went wrong; each asks for a different reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The input or the configuration is wrong; the same call will fail again.
    Invalid = abi::TRV_ERROR_INVALID,
    /// The service did not accept the credentials.
    Unauthenticated = abi::TRV_ERROR_UNAUTHENTICATED,
    /// A grant or the service forbids it.
    Denied = abi::TRV_ERROR_DENIED,
    /// No such operation, connection or remote thing.
    NotFound = abi::TRV_ERROR_NOT_FOUND,
    /// Contradicts the state of the service.
    Conflict = abi::TRV_ERROR_CONFLICT,
    /// Over a limit of size.
    TooLarge = abi::TRV_ERROR_TOO_LARGE,
    /// Rate or quota used up.
    Exhausted = abi::TRV_ERROR_EXHAUSTED,
    /// The service or the network failed.
    Unavailable = abi::TRV_ERROR_UNAVAILABLE,
    /// The deadline passed.
    Timeout = abi::TRV_ERROR_TIMEOUT,
    /// The host asked to stop.
    Cancelled = abi::TRV_ERROR_CANCELLED,
    /// A defect of the plugin.
    Internal = abi::TRV_ERROR_INTERNAL,
}

impl Code {
    /// A number that this version does not know is `Internal`.
    pub fn of(number: i32) -> Code {
        match number {
            abi::TRV_ERROR_INVALID => Code::Invalid,
            abi::TRV_ERROR_UNAUTHENTICATED => Code::Unauthenticated,
            abi::TRV_ERROR_DENIED => Code::Denied,
            abi::TRV_ERROR_NOT_FOUND => Code::NotFound,
            abi::TRV_ERROR_CONFLICT => Code::Conflict,
            abi::TRV_ERROR_TOO_LARGE => Code::TooLarge,
            abi::TRV_ERROR_EXHAUSTED => Code::Exhausted,
            abi::TRV_ERROR_UNAVAILABLE => Code::Unavailable,
            abi::TRV_ERROR_TIMEOUT => Code::Timeout,
            abi::TRV_ERROR_CANCELLED => Code::Cancelled,
            _ => Code::Internal,
        }
    }
}

/// Why a call or a request did not succeed.
///
/// ```
/// use travertine_plugin::{Code, Failure};
/// let busy = Failure::new(Code::Exhausted, "the service takes 10 requests a minute").may_retry();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: Code,
    /// For a person: what was wrong, where, what to do.
    pub message: String,
    /// Whether the same call, with the same idempotency key, may be made again.
    pub may_retry: bool,
    /// How long to wait before a retry; zero lets the host decide.
    pub retry_after: Duration,
    /// The HTTP status of the service, 0 where there is none.
    pub status: u16,
    /// A JSON object for programs.
    pub detail: Option<Value>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
            may_retry: false,
            retry_after: Duration::ZERO,
            status: 0,
            detail: None,
        }
    }
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(Code::Invalid, message)
    }
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(Code::Internal, message)
    }
    pub(crate) fn cancelled() -> Failure {
        Failure::new(Code::Cancelled, "the call was cancelled")
    }

    /// The same call, with the same idempotency key, may be made again.
    #[must_use]
    pub fn may_retry(mut self) -> Failure {
        self.may_retry = true;
        self
    }
    /// As `may_retry`, and not before this time has passed.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Failure {
        self.may_retry = true;
        self.retry_after = time;
        self
    }
    #[must_use]
    pub fn status(mut self, status: u16) -> Failure {
        self.status = status;
        self
    }
    /// A JSON object for programs.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Failure {
        self.detail = Some(detail);
        self
    }

    /// Gives `with` the failure as the ABI writes it, valid until `with` returns.
    pub(crate) fn lend<T>(&self, with: impl FnOnce(&abi::trv_error) -> T) -> T {
        let detail = self.detail.as_ref().map(|detail| detail.to_string()).unwrap_or_default();
        with(&abi::trv_error {
            struct_size: abi::size_of::<abi::trv_error>(),
            code: self.code as i32,
            retry: if self.may_retry { abi::TRV_RETRY_SAFE } else { abi::TRV_RETRY_NEVER },
            status: i32::from(self.status),
            retry_after_ms: milliseconds(self.retry_after),
            message: abi::trv_string::borrow(&self.message),
            detail: abi::trv_bytes::borrow(detail.as_bytes()),
        })
    }

    /// # Safety
    /// `raw` points to a `trv_error`, as long as its `struct_size` says.
    pub(crate) unsafe fn copy(raw: *const abi::trv_error) -> Failure {
        if raw.is_null() || std::ptr::addr_of!((*raw).struct_size).read() < abi::TRV_ERROR_SIZE_V1 {
            return Failure::internal("an error arrived that does not say which");
        }
        let raw = &*raw;
        Failure {
            code: Code::of(raw.code),
            message: raw.message.to_text(),
            may_retry: raw.retry == abi::TRV_RETRY_SAFE,
            retry_after: Duration::from_millis(raw.retry_after_ms),
            status: u16::try_from(raw.status).unwrap_or(0),
            detail: serde_json::from_slice(raw.detail.as_slice()).ok(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
