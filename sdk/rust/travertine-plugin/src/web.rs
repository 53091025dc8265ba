//! HTTP that a plugin serves to the clients of its tenant (trv.serve/1).

use crate::abi;
use crate::failure::Failure;
use crate::http::percent_decode;
use serde_json::Value;

/// A request of a client that the host knows and lets in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebRequest {
    /// Who asks, as in events: `token:<id>`.
    pub principal: String,
    /// For people.
    pub principal_name: String,
    /// `owner` or `viewer`.
    pub role: String,
    /// In capitals. GET and HEAD must change nothing.
    pub method: String,
    /// Below the prefix, as it came, percent-encoded; begins with '/'.
    pub path: String,
    /// As it came, without '?'.
    pub query: String,
    /// Those that the host lets through, names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl WebRequest {
    /// # Safety
    /// `raw` is a request as the ABI describes it, at least of version 1.
    pub(crate) unsafe fn copy(raw: &abi::trv_serve_request) -> WebRequest {
        WebRequest {
            principal: raw.principal.to_text(),
            principal_name: raw.principal_name.to_text(),
            role: raw.role.to_text(),
            method: raw.method.to_text(),
            path: raw.path.to_text(),
            query: raw.query.to_text(),
            headers: abi::trv_header::copy_all(raw.headers, raw.header_count),
            body: raw.body.as_slice().to_vec(),
        }
    }

    /// The first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first parameter of that name in the query, decoded; '+' is a space.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        self.query.split('&').filter(|one| !one.is_empty()).find_map(|one| {
            let (own, value) = one.split_once('=').unwrap_or((one, ""));
            (decode(own) == name).then(|| decode(value))
        })
    }

    /// The body as a value of JSON. The failure is a 400.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::invalid(format!("the body is not JSON: {error}")))
    }
}

/// What a client is answered. Which headers go through, `docs/guides/serving.md` says; with any other it gets a 502.
///
/// ```
/// use travertine_plugin::{json, WebResponse};
/// let response = WebResponse::json(201, &json!({"id": 7})).header("etag", "\"7\"");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a response is returned by what serves"]
pub struct WebResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The answer has gone out, in parts.
    pub(crate) stream: Option<u64>,
}

impl WebResponse {
    /// Without a body. `status` is 200 to 599.
    pub fn new(status: u16) -> WebResponse {
        WebResponse { status, headers: Vec::new(), body: Vec::new(), stream: None }
    }
    pub fn text(status: u16, text: impl Into<String>) -> WebResponse {
        WebResponse::new(status).header("content-type", "text/plain; charset=utf-8").body(text.into())
    }
    pub fn json(status: u16, value: &Value) -> WebResponse {
        WebResponse::new(status).header("content-type", "application/json").body(value.to_string())
    }
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> WebResponse {
        self.headers.push((name.into(), value.into()));
        self
    }
    /// At most 1,000,000 bytes.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> WebResponse {
        self.body = bytes.into();
        self
    }

    /// Gives `with` the response as the ABI writes it, valid until `with` returns.
    pub(crate) fn lend<T>(&self, with: impl FnOnce(&abi::trv_serve_response) -> T) -> T {
        let headers = abi::trv_header::borrow_all(&self.headers);
        with(&abi::trv_serve_response {
            struct_size: abi::size_of::<abi::trv_serve_response>(),
            status: u32::from(self.status),
            header_count: headers.len() as u32,
            reserved: 0,
            headers: headers.as_ptr(),
            body: abi::trv_bytes::borrow(&self.body),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_first_of_a_name_counts() {
        let request = WebRequest { query: "a=1&b=x+y%26&a=2&c&%C3%BC=%zz%4&&=e".into(), ..WebRequest::default() };
        let given = |name: &str| request.parameter(name);
        assert_eq!((given("a").as_deref(), given("b").as_deref()), (Some("1"), Some("x y&")));
        assert_eq!((given("c").as_deref(), given("ü").as_deref()), (Some(""), Some("%zz%4")));
        assert_eq!((given("").as_deref(), given("d")), (Some("e"), None));
        assert_eq!(WebRequest::default().parameter(""), None);
    }
}
