//! HTTP that a plugin serves, and bodies in parts, both ways.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use travertine_plugin::testing::{web_request, Answer, Facts, Host};
use travertine_plugin::{json, Code, Failure, WebRequest};
use travertine_plugin_tests::{trv_entry_v1, ALIVE};

const ROOM: usize = 262_144;

/// One at a time: they count what is alive.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn host() -> Host {
    Host::start(&trv_entry_v1, json!({})).unwrap()
}

fn get(target: &str) -> WebRequest {
    web_request("GET", target)
}

fn check(host: &Host) {
    assert_eq!(host.faults(), Vec::<String>::new());
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_has_all_that_the_host_says_and_is_answered_whole() {
    let _alone = alone();
    let host = host();
    assert!(host.serves());
    let request = WebRequest {
        headers: vec![("content-type".into(), "application/json".into())],
        body: b"[1]".to_vec(),
        ..web_request("POST", "/facts?a=b%20c&a=2")
    };
    let answer = host.request(request, &[]).unwrap();
    assert_eq!(
        (answer.status, answer.header("Content-Type"), answer.header("etag")),
        (201, Some("application/json"), Some("\"1\""))
    );
    let expected = json!({
        "principal": "token:1", "name": "Ada", "role": "owner", "method": "POST", "query": "a=b%20c&a=2", "a": "b c",
        "type": "application/json", "body": [1], "tenant": "acme", "key": "test-key", "operation": "", "input": null,
        "timeout_ms": 30_000,
    });
    assert_eq!(serde_json_of(&answer.body), expected);
    assert_eq!(host.request(get("/asks"), &[Answer::new(200, "pong")]).unwrap().text(), "pong");
    check(&host);
}

fn serde_json_of(text: &[u8]) -> travertine_plugin::Value {
    travertine_plugin::serde_json::from_slice(text).unwrap()
}

#[test]
fn what_goes_wrong_is_a_failure_of_its_request_alone() {
    let _alone = alone();
    let host = host();
    let failure = |target: &str| host.request(get(target), &[]).unwrap_err();
    assert_eq!(failure("/nothing").code, Code::NotFound);
    assert_eq!(failure("/facts").code, Code::Invalid);
    assert_eq!(failure("/too-large").code, Code::TooLarge);
    assert!(failure("/panics").message.ends_with(": a defect"));
    assert!(failure("/panics-midway").message.ends_with(": midway"));
    assert_eq!(failure("/large-head").code, Code::TooLarge);
    assert_eq!(host.call("yields", json!({}), &[]), Ok(json!(false)));
    check(&host);
}

#[test]
fn parts_go_out_one_by_one_and_make_one_answer() {
    let _alone = alone();
    let host = host();
    let lines = host.request(get("/lines"), &[]).unwrap();
    assert_eq!((lines.status, lines.text()), (200, "line 0\nline 1\nline 2\nline 3\n"));
    assert_eq!(lines.header("content-type"), Some("text/plain"));
    let call = host.begin_request(get("/lines"));
    assert_eq!(host.answered_so_far(call).unwrap().text(), "line 0\n");
    assert!(host.finish_request(call, &[]).is_ok());
    assert_eq!(host.request(get("/large"), &[]).unwrap().body, vec![b'x'; 3_000_000]);
    check(&host);
}

#[test]
fn a_client_that_takes_nothing_holds_up_who_writes() {
    let _alone = alone();
    let host = host();
    host.client_waits();
    let call = host.begin_request(get("/large"));
    let size = || host.answered_so_far(call).unwrap().body.len();
    assert_eq!(size(), ROOM);
    assert!(host.client_takes(call, 1_000));
    assert_eq!(size(), ROOM + 1_000);
    assert_eq!(host.outcome(call), None);
    for _ in 0..100 {
        host.client_takes(call, 100_000);
    }
    assert_eq!((host.outcome(call), size()), (Some(Ok(json!(null))), 3_000_000));
    check(&host);
}

#[test]
fn a_client_that_goes_ends_who_writes() {
    let _alone = alone();
    let host = host();
    host.client_waits();
    let gone = Failure::new(Code::Cancelled, "the client has gone");
    let broken = host.begin_request(get("/large"));
    host.client_breaks(broken, &gone);
    assert_eq!(host.outcome(broken), Some(Err(gone)));
    let cancelled = host.begin_request(get("/large"));
    host.cancel(cancelled);
    assert_eq!(host.outcome(cancelled).unwrap().unwrap_err().code, Code::Cancelled);
    assert!(host.client_takes(cancelled, 1));
    check(&host);
}

#[test]
fn an_answer_of_which_a_part_was_given_up_is_no_whole_one() {
    let _alone = alone();
    let host = host();
    let failure = host.request(get("/torn"), &[]).unwrap_err();
    assert!(failure.message.contains("ended before all that was written"), "{failure}");
    check(&host);
}

#[test]
fn an_answer_of_the_service_is_read_part_by_part() {
    let _alone = alone();
    let host = host();
    let answer = Answer::parts(200, ["one", "two!"]).header("X-Answer", "yes");
    assert_eq!(host.call("read", json!({}), &[answer]), Ok(json!([200, "yes", [3, 4], 7, "wo!"])));
    assert!(host.requests()[0].in_parts);
    assert_eq!(host.requests()[0].headers, [("X-A".to_string(), "b".to_string())]);
    let nothing = Answer::parts(200, Vec::<Vec<u8>>::new());
    assert_eq!(host.call("read", json!({}), &[nothing]), Ok(json!([200, null, [], 0, ""])));
    let large = Answer::new(200, vec![b'x'; 1_000_000]);
    let output = host.call("read", json!({}), &[large]).unwrap();
    assert_eq!((&output[3], &output[4]), (&json!(1_000_000), &json!("xxx")));
    let busy = host.call("read", json!({}), &[Answer::new(503, "").header("Retry-After", "3")]).unwrap_err();
    assert_eq!((busy.code, busy.retry_after), (Code::Unavailable, Duration::from_secs(3)));
    assert_eq!(host.dropped(), 1, "the body of what failed is not wanted");
    let lost = Failure::new(Code::Unavailable, "refused");
    assert_eq!(host.call("read", json!({}), &[Answer::none(lost.clone())]), Err(lost));
    check(&host);
}

#[test]
fn a_service_has_to_wait_for_who_does_not_read() {
    let _alone = alone();
    let host = host();
    let call = host.begin("read-late", json!({}), Facts::default());
    host.answer(&Answer::new(200, vec![b'x'; 1_000_000]));
    while host.let_parts_come() {}
    assert_eq!(host.outcome(call), None);
    assert_eq!(host.finish(call, &[]), Ok(json!(ROOM)));
    assert_eq!(host.dropped(), 1);
    check(&host);
}

#[test]
fn what_breaks_is_a_failure_and_stays_one() {
    let _alone = alone();
    let host = host();
    let broke = Failure::new(Code::Unavailable, "the connection broke");
    let half = Answer::parts(200, ["half"]).breaks(broke.clone());
    assert_eq!(host.call("read", json!({}), &[half.clone()]), Err(broke));
    let said = json!(["half", "the connection broke", "the connection broke"]);
    assert_eq!(host.call("read-beyond", json!({}), &[half]), Ok(said));
    assert_eq!(host.call("read-beyond", json!({}), &[Answer::new(200, "all")]), Ok(json!(["all", "end", "end"])));
    assert_eq!(host.dropped(), 0);
    check(&host);
}

#[test]
fn what_is_not_read_to_its_end_is_dropped() {
    let _alone = alone();
    let host = host();
    let answer = Answer::parts(200, ["one", "two"]);
    assert_eq!(host.call("read-one", json!({}), &[answer]), Ok(json!(3)));
    assert_eq!(host.dropped(), 1);
    let waiting = host.begin("read", json!({}), Facts::default());
    host.cancel(waiting);
    assert_eq!(host.dropped(), 2, "before its head has come");
    check(&host);
}

#[test]
fn one_answer_is_passed_on_as_the_client_takes_it() {
    let _alone = alone();
    let host = host();
    host.client_waits();
    let call = host.begin_request(get("/passes-on"));
    host.answer(&Answer::new(200, vec![b'x'; 2_000_000]));
    while host.let_parts_come() {}
    let size = || host.answered_so_far(call).unwrap().body.len();
    assert_eq!(size(), ROOM, "what the client has not taken stops the service");
    while host.outcome(call).is_none() {
        assert!(host.client_takes(call, 100_000) || host.let_parts_come());
    }
    assert_eq!(size(), 2_000_000);
    check(&host);
}

#[test]
fn a_host_without_parts_gives_an_answer_whole_and_takes_none_in_parts() {
    let _alone = alone();
    let host = Host::start_without(&trv_entry_v1, json!({}), &["trv.stream/1"]).unwrap();
    let answer = Answer::parts(200, ["one", "two"]);
    assert_eq!(host.call("read", json!({}), &[answer]), Ok(json!([200, null, [6], 6, "two"])));
    assert_eq!(host.call("read-one", json!({}), &[Answer::new(200, "one")]), Ok(json!(3)));
    let failure = host.request(get("/large"), &[]).unwrap_err();
    assert!(failure.code == Code::Denied && failure.message.contains("trv.stream/1"), "{failure}");
    check(&host);
}

#[test]
fn the_fake_notes_who_answers_an_operation_in_parts() {
    let _alone = alone();
    let host = host();
    let _ = host.call("confused", json!({}), &[]);
    assert!(host.faults()[0].contains("not of a client"), "{:?}", host.faults());
}

#[test]
fn a_body_is_passed_on_part_by_part() {
    let _alone = alone();
    let host = host();
    let put = |target: &str| web_request("PUT", target);
    let parts: Vec<Vec<u8>> = (0..30_u8).map(|number| vec![number; 100_000]).collect();
    let call = host.begin_request_in_parts(put("/pass-on?length=3000000"), parts.clone(), None);
    assert_eq!(host.finish_request(call, &[Answer::new(201, "kept")]).unwrap().text(), "kept");
    assert_eq!((host.requests()[0].method.as_str(), host.requests()[0].body == parts.concat()), ("PUT", true));
    let whole = WebRequest { body: b"all at once".to_vec(), ..put("/pass-on") };
    assert!(host.request(whole, &[Answer::new(201, "")]).is_ok());
    assert_eq!(host.requests()[1].body, b"all at once");
    assert!(host.request(put("/pass-on"), &[Answer::new(204, "")]).is_ok());
    assert_eq!(host.requests()[2].body, b"");
    let uploaded = host.request(put("/upload"), &[Answer::parts(200, ["a", "bc"])]).unwrap();
    assert_eq!((uploaded.text(), host.requests()[3].body.as_slice()), ("3", &b"one, two"[..]));
    check(&host);
}

#[test]
fn a_service_that_takes_no_more_of_a_body_answers_all_the_same() {
    let _alone = alone();
    let host = host();
    let parts = (0..10).map(|_| vec![b'x'; 100_000]);
    let call = host.begin_request_in_parts(web_request("PUT", "/pass-on"), parts, None);
    assert!(host.let_parts_come() && host.refuse_body());
    let answer = host.finish_request(call, &[Answer::new(413, "too much")]).unwrap();
    assert_eq!((answer.status, answer.text()), (413, "too much"));
    assert!(host.requests()[0].body.len() < 1_000_000);
    check(&host);
}

#[test]
fn a_body_that_breaks_and_one_that_is_not_read_to_its_end() {
    let _alone = alone();
    let host = host();
    let broke = Failure::new(Code::Cancelled, "the client has gone");
    let call = host.begin_request_in_parts(web_request("PUT", "/pass-on"), ["half"], Some(broke.clone()));
    assert_eq!(host.finish_request(call, &[]), Err(broke));
    let call = host.begin_request_in_parts(web_request("PUT", "/reads-one"), ["one", "two"], None);
    assert_eq!(host.finish_request(call, &[]).unwrap().text(), "3");
    assert_eq!(host.dropped(), 1);
    let failure = host.request(web_request("PUT", "/torn-upload"), &[]).unwrap_err();
    assert!(failure.message.contains("ended before all that was written"), "{failure}");
    check(&host);
}

#[test]
fn a_host_without_bodies_in_parts_gives_them_whole_and_takes_none() {
    let _alone = alone();
    let host = Host::start_without(&trv_entry_v1, json!({}), &["trv.stream/2"]).unwrap();
    let whole = WebRequest { body: b"all".to_vec(), ..web_request("PUT", "/reads-one") };
    assert_eq!(host.request(whole, &[]).unwrap().text(), "3");
    let failure = host.request(web_request("PUT", "/pass-on"), &[]).unwrap_err();
    assert!(failure.code == Code::Denied && failure.message.contains("trv.stream/2"), "{failure}");
    check(&host);
}
