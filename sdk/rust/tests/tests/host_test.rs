use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use travertine_plugin::testing::{Answer, Facts, Host};
use travertine_plugin::{json, Code, Failure, Level};
use travertine_plugin_tests::{trv_entry_v1, ALIVE};

/// One at a time: they count what is alive.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn host() -> Host {
    Host::start(&trv_entry_v1, json!({"colour": "blue"})).unwrap()
}

fn alive() -> u32 {
    ALIVE.load(Ordering::SeqCst)
}

#[test]
fn a_call_has_all_that_the_host_says() {
    let host = host();
    let facts = Facts {
        tenant: "t".into(),
        connection: "c".into(),
        idempotency_key: "k".into(),
        traceparent: "00-1".into(),
        attempt: 3,
        timeout_ms: 250,
    };
    let id = host.begin("facts", json!({"a": [1, "ü"]}), facts);
    let expected = json!({
        "input": {"a": [1, "ü"]}, "configuration": {"colour": "blue"}, "operation": "facts", "tenant": "t",
        "connection": "c", "idempotency_key": "k", "attempt": 3, "traceparent": "00-1", "timeout_ms": 250,
    });
    assert_eq!(host.outcome(id), Some(Ok(expected)));
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn requests_go_out_at_once_and_are_answered_in_any_order() {
    let _alone = alone();
    let host = host();
    let second = Answer::new(200, "{\"b\":1}").header("X-Answer", "yes");
    let output = host.call("both", json!({}), &[Answer::new(200, "a"), second]);
    assert_eq!(output, Ok(json!(["a", {"b": 1}, "yes"])));
    let sent = host.requests();
    assert_eq!(
        (sent[0].method.as_str(), sent[0].path.as_str(), sent[0].connection.as_str()),
        ("GET", "/first", "service")
    );
    assert_eq!(
        (sent[1].connection.as_str(), sent[1].timeout_ms, sent[1].body.as_slice()),
        ("other", 3000, &b"[2]"[..])
    );
    let headers: Vec<_> = sent[1].headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("X-One", "1"), ("Content-Type", "application/json")]);
    assert_eq!(alive(), 0);
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn a_status_and_a_lost_answer_fail_the_call() {
    let _alone = alone();
    let host = host();
    let busy = Answer::new(429, "").header("Retry-After", "2");
    let failure = host.call("both", json!({}), &[Answer::new(200, ""), busy]).unwrap_err();
    assert_eq!((failure.code, failure.may_retry, failure.status), (Code::Exhausted, true, 429));
    assert_eq!(failure.retry_after, Duration::from_secs(2));

    let lost = Failure::new(Code::Unavailable, "refused").may_retry().detail(json!({"at": "connect"}));
    let answers = [Answer::new(200, ""), Answer::none(lost.clone())];
    assert_eq!(host.call("both", json!({}), &answers), Err(lost));
}

#[test]
fn a_failure_arrives_as_it_was_made() {
    let expected =
        Failure::new(Code::Conflict, "no").retry_after(Duration::from_secs(9)).status(409).detail(json!({"why": [1]}));
    assert_eq!(host().call("refuse", json!({}), &[]), Err(expected));
}

#[test]
fn time_passes_without_a_thread_and_never_too_little() {
    let _alone = alone();
    let host = host();
    assert_eq!(host.call("pause", json!({}), &[]), Ok(json!(null)));
    assert_eq!(host.waited(), Duration::from_millis(1501));
    assert_eq!(host.log(), [(Level::Info, "waiting".to_string())]);
    assert_eq!(alive(), 0);
}

#[test]
fn a_cancelled_call_is_dropped_where_it_waits_and_answered_once() {
    let _alone = alone();
    let host = host();
    let waiting = host.begin("pause", json!({}), Facts::default());
    let asking = host.begin("both", json!({}), Facts::default());
    assert_eq!(alive(), 2);
    for id in [waiting, asking] {
        host.cancel(id);
        host.cancel(id);
        assert_eq!(host.outcome(id).unwrap().unwrap_err().code, Code::Cancelled);
    }
    assert_eq!(alive(), 0);
    host.cancel(999);
    // What comes late is dropped.
    while host.let_time_come() {}
    while host.answer(&Answer::new(200, "late")) {}
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn a_call_is_cancelled_from_another_thread_while_answers_arrive() {
    let _alone = alone();
    for _ in 0..200 {
        let host = host();
        let id = host.begin("both", json!({}), Facts::default());
        struct Shared<'a>(&'a Host);
        unsafe impl Sync for Shared<'_> {}
        let shared = Shared(&host);
        std::thread::scope(|scope| {
            let shared = &shared;
            scope.spawn(move || shared.0.cancel(id));
            host.answer(&Answer::new(200, "a"));
            host.answer(&Answer::new(200, "1"));
        });
        let outcome = host.outcome(id).expect("an answer");
        assert!(outcome.is_ok() || outcome.unwrap_err().code == Code::Cancelled);
        assert_eq!(alive(), 0);
        assert_eq!(host.faults(), Vec::<String>::new());
    }
}

#[test]
fn what_is_open_at_the_end_is_answered() {
    let _alone = alone();
    let host = host();
    host.begin("pause", json!({}), Facts::default());
    drop(host);
    assert_eq!(alive(), 0);
}

#[test]
fn a_panic_fails_its_call_names_its_place_and_leaves_the_others_alone() {
    let _alone = alone();
    let host = host();
    let other = host.begin("pause", json!({}), Facts::default());
    for (operation, text) in
        [("panic-early", "early"), ("panic-late", "a number"), ("panic-with-a-bomb", "something that is not a text")]
    {
        let failure = host.call(operation, json!({}), &[]).unwrap_err();
        assert_eq!((failure.code, failure.may_retry), (Code::Internal, false));
        assert!(failure.message.starts_with("the plugin panicked at "), "{}", failure.message);
        assert!(failure.message.contains("lib.rs:") && failure.message.ends_with(text), "{}", failure.message);
        assert!(host.log().contains(&(Level::Error, failure.message)), "{:?}", host.log());
    }
    assert_eq!(host.finish(other, &[]), Ok(json!(null)));
    assert_eq!(host.faults(), Vec::<String>::new());
}

#[test]
fn a_destructor_that_panics_is_a_line_of_the_log() {
    let host = host();
    let id = host.begin("panic-when-dropped", json!({}), Facts::default());
    host.cancel(id);
    assert_eq!(host.outcome(id).unwrap().unwrap_err().code, Code::Cancelled);
    assert!(host.log().iter().any(|(level, line)| *level == Level::Error && line.ends_with(": dropped")));
}

#[test]
fn a_wake_up_from_a_thread_brings_the_call_back() {
    for _ in 0..200 {
        let host = host();
        assert_eq!(host.call("thread", json!({}), &[]), Ok(json!("woken")));
        assert_eq!(host.faults(), Vec::<String>::new());
    }
}

#[test]
fn a_future_that_wakes_itself_lets_others_have_their_turn() {
    let host = host();
    let id = host.begin("yields", json!({}), Facts::default());
    assert_eq!(host.outcome(id), None);
    assert_eq!(host.call("facts", json!({}), &[]).unwrap()["operation"], "facts");
    assert_eq!(host.finish(id, &[]), Ok(json!(false)));
}

#[test]
fn a_call_that_was_kept_asks_the_host_for_nothing() {
    let host = host();
    assert_eq!(host.call("keep", json!({}), &[]), Ok(json!(null)));
    assert_eq!(host.call("ask-the-kept", json!({}), &[]).unwrap_err().code, Code::Cancelled);
    assert!(host.requests().is_empty());
}

#[test]
fn what_is_not_json_and_what_is_unknown_is_refused() {
    let host = host();
    let deep = "[".repeat(100_000);
    for input in ["", "{", "nul", "{} {}", deep.as_str()] {
        let id = host.begin_with_bytes("facts", input.as_bytes(), Facts::default());
        assert_eq!(host.outcome(id).unwrap().unwrap_err().code, Code::Invalid);
    }
    let failure = host.call("unknown", json!({}), &[]).unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (Code::NotFound, "no operation \"unknown\""));
}

#[test]
fn the_operations_are_listed_for_the_host() {
    let names = host().operations();
    assert_eq!(names.len(), 19);
    assert_eq!((names[0].as_str(), names[18].as_str()), ("ask-the-kept", "yields"));
}

#[test]
fn what_the_plugin_keeps_in_memory_goes_to_another_instance() {
    let old = host();
    assert_eq!(old.call("count", json!({}), &[]), Ok(json!(1)));
    let state = old.save().unwrap();
    let new = host();
    assert_eq!(new.restore("1.2.2", &state), Ok(()));
    assert_eq!(new.check(), Ok(()));
    assert_eq!(new.call("count", json!({}), &[]), Ok(json!(2)));
    assert_eq!(new.restore("9.0.0", b"x").unwrap_err(), "9.0.0 has not saved a number");
    assert_eq!(new.restore("9.0.0", b"13"), Ok(()));
    assert_eq!(new.check().unwrap_err(), "it is unlucky");
    assert!(new.save().unwrap_err().ends_with(": unlucky"));
}

#[test]
fn how_far_a_call_is_can_be_said() {
    let host = host();
    assert_eq!(host.call("yields", json!({}), &[]), Ok(json!(false)));
    assert_eq!(host.measured(), [(1, "yields".to_string(), 2.0)]);
    let (whole, part) = (&host.spans()[0], &host.spans()[1]);
    assert_eq!((whole.name.as_str(), whole.parent, whole.has_ended), ("whole", 0, true));
    assert_eq!(whole.attributes, [("kind".to_string(), "plain".to_string())]);
    assert_eq!((part.name.as_str(), part.parent, part.has_ended), ("part", whole.id, true));
    assert_eq!(host.progress(), [(0.5, "half".to_string()), (-1.0, "on".to_string())]);
    assert_eq!(host.streamed(), "word by word");
}

#[test]
fn an_output_over_the_limit_is_refused() {
    assert_eq!(host().call("large", json!({}), &[]).unwrap_err().code, Code::TooLarge);
}

#[test]
fn a_plugin_that_does_not_start_says_why() {
    let failure = |why: &str| Host::start(&trv_entry_v1, json!({ "refuse": why })).map(|_| ()).unwrap_err();
    assert_eq!(failure("no colour"), Failure::invalid("no colour"));
    assert!(failure("panic").message.ends_with(": at the start"));
    assert_eq!(Host::start(&trv_entry_v1, json!([])).map(|_| ()).unwrap_err().code, Code::Invalid);
}
