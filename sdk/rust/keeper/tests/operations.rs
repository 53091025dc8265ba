use keeper::trv_entry_v1;
use travertine_plugin::testing::{web_request, Answer, Emitted, Facts, Host};
use travertine_plugin::{json, Code, Failure, Value};

fn host() -> Host {
    Host::start(&trv_entry_v1, json!({"signing": "key"})).unwrap()
}

fn count(host: &Host, name: &str) -> Result<Value, Failure> {
    host.call("count", json!({ "name": name }), &[])
}

#[test]
fn the_manifest_names_what_there_is() {
    host().check_manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json"));
}

#[test]
fn what_is_put_is_there_in_the_next_call_and_each_is_an_event() {
    let host = host();
    assert_eq!(count(&host, "a"), Ok(json!({"count": 1})));
    assert_eq!(count(&host, "a"), Ok(json!({"count": 2})));
    assert_eq!(host.store().get("count/a"), Some(&json!(2)));
    let event = |number: u64| Emitted {
        kind: "com.keeper.counted".to_string(),
        subject: "a".to_string(),
        data: json!({ "count": number }),
    };
    assert_eq!(host.events(), [event(1), event(2)]);
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn of_two_calls_that_read_the_same_one_reads_again() {
    let host = host();
    let first = host.begin("count", json!({"name": "a"}), Facts::default());
    let second = host.begin("count", json!({"name": "a"}), Facts::default());
    let mut counts = [host.finish(first, &[]).unwrap(), host.finish(second, &[]).unwrap()];
    counts.sort_by_key(|output| output["count"].as_u64());
    assert_eq!(counts, [json!({"count": 1}), json!({"count": 2})]);
    assert_eq!(host.store().get("count/a"), Some(&json!(2)));
}

#[test]
fn a_list_goes_page_by_page_and_what_is_erased_is_gone() {
    let host = host();
    for name in ["c", "a", "e", "b", "d"] {
        count(&host, name).unwrap();
    }
    assert_eq!(host.call("list", json!({}), &[]), Ok(json!({"names": ["a", "b", "c", "d", "e"]})));
    assert_eq!(host.call("forget", json!({"name": "b"}), &[]), Ok(json!({})));
    assert_eq!(host.call("forget", json!({"name": "b"}), &[]), Ok(json!({})));
    assert_eq!(host.call("list", json!({}), &[]), Ok(json!({"names": ["a", "c", "d", "e"]})));
}

#[test]
fn the_host_signs_by_the_name_that_is_configured() {
    let expected: String = "key:hello".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(host().call("sign", json!({"text": "hello"}), &[]), Ok(json!({ "signature": expected })));
    let without = Host::start(&trv_entry_v1, json!({})).unwrap();
    assert_eq!(without.call("sign", json!({"text": "x"}), &[]).unwrap_err().code, Code::Invalid);
}

#[test]
fn a_refusal_of_the_host_fails_the_call() {
    let host = host();
    let refusal = Failure::new(Code::Denied, "the tenant has not granted kv");
    host.refuse_services(Some(refusal.clone()));
    for (operation, input) in [("count", json!({"name": "a"})), ("list", json!({})), ("sign", json!({"text": ""}))] {
        assert_eq!(host.call(operation, input, &[]), Err(refusal.clone()));
    }
    assert!(host.store().is_empty() && host.events().is_empty());
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_for_its_store_is_answered_once() {
    let host = host();
    let call = host.begin("count", json!({"name": "a"}), Facts::default());
    host.cancel(call);
    assert_eq!(host.outcome(call).unwrap().unwrap_err().code, Code::Cancelled);
    while host.answer_service() {}
    assert!(host.store().is_empty());
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn an_export_of_any_length_is_measured() {
    let host = host();
    let export = "a line\n".repeat(100_000);
    let answer = Answer::new(200, export).header("Content-Length", "700000");
    let output = host.call("measure", json!({"export": "all.csv"}), &[answer]);
    assert_eq!(output, Ok(json!({"bytes": 700_000, "lines": 100_000})));
    assert_eq!(host.progress().last(), Some(&(1.0, "700000 bytes".to_string())));
    assert!(host.spans()[0].has_ended);
    let failure = host.call("measure", json!({"export": "x"}), &[Answer::new(404, "")]).unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (Code::NotFound, "the service answered 404 for x"));
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn clients_see_what_was_counted_and_what_the_service_has() {
    let host = host();
    for name in ["c", "a", "b", "a"] {
        count(&host, name).unwrap();
    }
    let get = |target: &str, answers: &[Answer]| host.request(web_request("GET", target), answers);
    assert_eq!(get("/counts", &[]).unwrap().text(), r#"{"a":2,"b":1,"c":1}"#);
    assert_eq!(get("/counts.csv", &[]).unwrap().text(), "a,2\nb,1\nc,1\n");
    let export = get("/export/x", &[Answer::parts(200, ["one", "two"])]).unwrap();
    assert_eq!((export.text(), export.header("content-type")), ("onetwo", Some("text/csv")));
    assert_eq!(get("/export/x", &[Answer::new(500, "")]).unwrap_err().code, Code::Unavailable);
    let put = host.begin_request_in_parts(web_request("PUT", "/export/y"), ["three", "four"], None);
    assert_eq!(host.finish_request(put, &[Answer::new(201, "")]).unwrap().status, 201);
    assert_eq!(host.requests().last().unwrap().body, b"threefour");
    assert_eq!(get("/other", &[]).unwrap_err().code, Code::NotFound);
    assert_eq!(host.faults(), Vec::<String>::new());
}
