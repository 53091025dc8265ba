use crate::failure::{Code, Failure};
use serde_json::Value;
use std::time::Duration;

const RETRY_AFTER_S_MAX: u64 = 24 * 60 * 60;

/// An HTTP request through a connection of the tenant. The host adds base URL, credentials and, for methods other than
/// GET, HEAD and OPTIONS, the Idempotency-Key.
///
/// ```
/// use travertine_plugin::{json, Request};
/// let request = Request::post("/things").header("Accept", "text/plain").json(&json!({"name": "x"}));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) connection: Option<String>,
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// `path` begins with '/', may have a query, and is appended to the path of the base URL.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            connection: None,
            timeout: None,
        }
    }
    pub fn get(path: impl Into<String>) -> Request {
        Request::new("GET", path)
    }
    pub fn post(path: impl Into<String>) -> Request {
        Request::new("POST", path)
    }
    pub fn put(path: impl Into<String>) -> Request {
        Request::new("PUT", path)
    }
    pub fn patch(path: impl Into<String>) -> Request {
        Request::new("PATCH", path)
    }
    pub fn delete(path: impl Into<String>) -> Request {
        Request::new("DELETE", path)
    }

    /// Authorization, Cookie, Host, Content-Length and Transfer-Encoding are the host's: refused.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }
    /// At most 1,000,000 bytes.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Request {
        self.body = bytes.into();
        self
    }
    /// The body and the header `Content-Type: application/json`.
    #[must_use]
    pub fn json(self, value: &Value) -> Request {
        self.body(value.to_string()).header("Content-Type", "application/json")
    }
    /// Instead of the connection that the call names.
    #[must_use]
    pub fn connection(mut self, name: impl Into<String>) -> Request {
        self.connection = Some(name.into());
        self
    }
    /// Instead of what is left of the call's time.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Request {
        self.timeout = Some(time);
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, where it is UTF-8.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.body).map_err(|error| {
            Failure::invalid(format!("the service's answer is not UTF-8: {error}")).status(self.status)
        })
    }

    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::invalid(format!("the service's answer is not JSON: {error}")).status(self.status))
    }

    /// The response itself where its status is 2xx, otherwise the failure that the status means: 408, 429 and 5xx may
    /// be retried with the same idempotency key, after the time that the service asks for.
    pub fn error_for_status(self, message: impl Into<String>) -> Result<Response, Failure> {
        match self.failure(message) {
            None => Ok(self),
            Some(failure) => Err(failure),
        }
    }

    /// What a status outside 2xx means.
    pub(crate) fn failure(&self, message: impl Into<String>) -> Option<Failure> {
        if self.ok() {
            return None;
        }
        let code = code_of_status(self.status);
        let failure = Failure::new(code, message).status(self.status);
        Some(match code {
            Code::Timeout | Code::Exhausted | Code::Unavailable => failure.retry_after(self.retry_after()),
            _ => failure,
        })
    }

    /// How long the service asks to wait, by Retry-After: seconds, or a date that is measured against the answer's own
    /// Date. At most one day; zero where it does not say.
    pub fn retry_after(&self) -> Duration {
        let value = match self.header("Retry-After") {
            Some(value) => value,
            None => return Duration::ZERO,
        };
        let seconds = decimal(value).or_else(|| {
            let now = seconds_of_date(self.header("Date")?)?;
            Some(seconds_of_date(value)?.saturating_sub(now))
        });
        Duration::from_secs(seconds.unwrap_or(0).min(RETRY_AFTER_S_MAX))
    }
}

fn code_of_status(status: u16) -> Code {
    match status {
        401 => Code::Unauthenticated,
        402 | 403 => Code::Denied,
        404 | 410 => Code::NotFound,
        408 => Code::Timeout,
        409 | 412 => Code::Conflict,
        413 => Code::TooLarge,
        429 => Code::Exhausted,
        status if status >= 500 => Code::Unavailable,
        _ => Code::Invalid,
    }
}

/// A number of at most 12 digits, nothing else.
fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Seconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
fn seconds_of_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = text.split(' ').collect();
    if words.len() != 6 || !words[0].ends_with(',') || words[2].len() != 3 || words[5] != "GMT" {
        return None;
    }
    let month = MONTHS.find(words[2]).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let (day, year) = (decimal(words[1])?, decimal(words[3])?);
    let clock: Vec<u64> = words[4].split(':').map(decimal).collect::<Option<_>>()?;
    if clock.len() != 3 || clock[0] > 23 || clock[1] > 59 || clock[2] > 60 {
        return None;
    }
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // A year that begins in March has its leap day at its end.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + clock[0]) * 60 + clock[1]) * 60 + clock[2])
}

/// Percent-encodes all but the unreserved characters of RFC 3986, for values of a query.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The text that the %xy of `text` mean; what is not an escape stays as it is, and what is not UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str) -> String {
    let digit = |at: usize| text.as_bytes().get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text.as_bytes()[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The text as one segment of a path. Empty, "." and ".." would lead to another place: refused.
pub fn path_segment(text: &str) -> Result<String, Failure> {
    if matches!(text, "" | "." | "..") {
        return Err(Failure::invalid(format!("\"{text}\" cannot be a part of a path")));
    }
    Ok(percent_encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Response { status, headers, body: Vec::new() }
    }

    #[test]
    fn a_status_says_whether_a_retry_is_safe() {
        for (status, code, may_retry) in [
            (400, Code::Invalid, false),
            (401, Code::Unauthenticated, false),
            (404, Code::NotFound, false),
            (408, Code::Timeout, true),
            (409, Code::Conflict, false),
            (429, Code::Exhausted, true),
            (503, Code::Unavailable, true),
        ] {
            let failure = answer(status, &[("retry-after", "7")]).error_for_status("x").unwrap_err();
            assert_eq!((failure.code, failure.may_retry, failure.status), (code, may_retry, status));
            assert_eq!(failure.retry_after, Duration::from_secs(if may_retry { 7 } else { 0 }));
        }
        assert!(answer(204, &[]).error_for_status("x").is_ok());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seconds_of_date(date.1), Some(784_111_777));
        assert_eq!(seconds_of_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds_of_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        let wait = |value: &str| answer(503, &[date, ("Retry-After", value)]).retry_after().as_secs();
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:00 GMT"), 23);
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), 0);
        assert_eq!(wait("999999999999"), 86_400);
        for strange in ["", "soon", "-1", "99999999999999999999", "Sun, 06 Nov 1994", "Sun, 06 Xxx 1994 08:49:37 GMT"] {
            assert_eq!(wait(strange), 0, "{strange}");
        }
    }

    #[test]
    fn a_segment_leads_nowhere_else() {
        assert_eq!(path_segment("a b/ü").unwrap(), "a%20b%2F%C3%BC");
        for strange in ["", ".", ".."] {
            assert_eq!(path_segment(strange).unwrap_err().code, Code::Invalid);
        }
    }
}
