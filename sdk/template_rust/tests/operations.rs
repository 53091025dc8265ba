//! cargo test: in the tests you are the service.

use sample_plugin::trv_entry_v1;
use std::time::Duration;
use travertine_plugin::testing::{Answer, Host};
use travertine_plugin::{json, Code};

fn host() -> Host {
    Host::start(&trv_entry_v1, json!({})).unwrap()
}

#[test]
fn the_manifest_has_the_operations_of_the_plugin() {
    host().check_manifest("manifest.json");
}

#[test]
fn echo_gives_the_text_back() {
    assert_eq!(host().call("echo", json!({"text": "hello"}), &[]), Ok(json!({"text": "hello"})));
    assert_eq!(host().call("echo", json!({"text": 7}), &[]).unwrap_err().code, Code::Invalid);
}

#[test]
fn fetch_reads_a_page() {
    let host = host();
    let output = host.call("fetch", json!({"page": "a/b"}), &[Answer::new(200, "text")]);
    assert_eq!(output, Ok(json!({"content": "text"})));
    assert_eq!(host.requests()[0].path, "/a%2Fb");
    assert!(host.faults().is_empty());
}

#[test]
fn a_service_that_is_busy_is_asked_again_later() {
    let busy = Answer::new(503, "").header("Retry-After", "7");
    let failure = host().call("fetch", json!({"page": "x"}), &[busy]).unwrap_err();
    assert_eq!((failure.code, failure.may_retry), (Code::Unavailable, true));
    assert_eq!(failure.retry_after, Duration::from_secs(7));
}
