//! A plugin that does what plugins may do, and what they must not.

mod parts;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use travertine_plugin::{json, Call, Code, Failure, Level, Plugin, Request, Value};

/// How many of these are alive: what a dropped call leaves behind.
pub static ALIVE: AtomicU32 = AtomicU32::new(0);

struct Counted;

impl Counted {
    fn new() -> Counted {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Counted
    }
}
impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

struct PanicsWhenDropped;
impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

struct PanicsWhenDroppedAsPayload;
impl Drop for PanicsWhenDroppedAsPayload {
    fn drop(&mut self) {
        panic!("a payload that panics again");
    }
}

/// Ends when a thread of the plugin's own says so.
#[derive(Default)]
struct Signal {
    is_set: bool,
    waker: Option<Waker>,
}
struct FromThread(Arc<Mutex<Signal>>);
impl Future for FromThread {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut signal = self.0.lock().unwrap();
        if signal.is_set {
            return Poll::Ready(());
        }
        signal.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Wakes itself so many times.
struct Yields(u32);
impl Future for Yields {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn facts(call: Call) -> Result<Value, Failure> {
    Ok(json!({
        "input": call.input(), "configuration": call.configuration(), "operation": call.operation(),
        "tenant": call.tenant(), "connection": call.connection(), "idempotency_key": call.idempotency_key(),
        "attempt": call.attempt(), "traceparent": call.traceparent(),
        "timeout_ms": call.timeout().map(|time| time.as_millis() as u64),
    }))
}

/// Two requests at the same time, answered in any order.
async fn both(call: Call) -> Result<Value, Failure> {
    let _counted = Counted::new();
    let first = call.http(Request::get("/first"));
    let second = call.http(
        Request::post("/second")
            .header("X-One", "1")
            .json(&json!([2]))
            .connection("other")
            .timeout(Duration::from_secs(3)),
    );
    let second = second.await?.error_for_status("second")?;
    let first = first.await?.error_for_status("first")?;
    Ok(json!([first.text()?, second.json()?, second.header("x-answer")]))
}

async fn pause(call: Call) -> Result<Value, Failure> {
    let _counted = Counted::new();
    call.log(Level::Info, "waiting");
    call.wait(Duration::from_millis(1500)).await?;
    call.wait(Duration::from_micros(1)).await?;
    Ok(Value::Null)
}

async fn refuse(_call: Call) -> Result<Value, Failure> {
    let failure = Failure::new(Code::Conflict, "no").retry_after(Duration::from_secs(9)).status(409);
    Err(failure.detail(json!({"why": [1]})))
}

async fn panic_late(call: Call) -> Result<Value, Failure> {
    call.wait(Duration::ZERO).await?;
    let none: Option<u32> = None;
    Ok(json!(none.expect("a number")))
}

async fn panic_when_dropped(call: Call) -> Result<Value, Failure> {
    let _bomb = PanicsWhenDropped;
    call.wait(Duration::from_secs(1)).await?;
    Ok(Value::Null)
}

async fn panic_with_a_bomb(_call: Call) -> Result<Value, Failure> {
    std::panic::panic_any(PanicsWhenDroppedAsPayload)
}

async fn thread(call: Call) -> Result<Value, Failure> {
    let signal = Arc::new(Mutex::new(Signal::default()));
    let theirs = signal.clone();
    let thread = std::thread::spawn(move || {
        call.log(Level::Info, "from the thread");
        let waker = {
            let mut signal = theirs.lock().unwrap();
            signal.is_set = true;
            signal.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    FromThread(signal).await;
    thread.join().map_err(|_| Failure::internal("the thread panicked"))?;
    Ok(json!("woken"))
}

async fn yields(call: Call) -> Result<Value, Failure> {
    call.count("yields", 2.0, &[("kind", "plain")]);
    call.progress(Some(0.5), "half");
    call.stream("word by ");
    call.stream("word");
    call.progress(None, "on");
    let whole = call.span("whole", &[("kind", "plain")]);
    drop(whole.span("part", &[]));
    Yields(1000).await;
    Ok(json!(call.is_cancelled()))
}

async fn large(_call: Call) -> Result<Value, Failure> {
    Ok(json!("x".repeat(1_000_000)))
}

fn plugin() -> Plugin {
    let seen = Arc::new(AtomicU32::new(0));
    let (counts, saves, takes, checks) = (seen.clone(), seen.clone(), seen.clone(), seen);
    let kept: Arc<Mutex<Option<Call>>> = Arc::default();
    let (keeps, asks) = (kept.clone(), kept);
    Plugin::new()
        .on_begin(|configuration| match configuration.get("refuse") {
            Some(Value::String(why)) if why == "panic" => panic!("at the start"),
            Some(Value::String(why)) => Err(Failure::invalid(why.as_str())),
            _ => Ok(()),
        })
        .operation("facts", facts)
        .operation("both", both)
        .operation("pause", pause)
        .operation("refuse", refuse)
        .operation("panic-late", panic_late)
        .operation("panic-early", |_call| -> std::future::Ready<Result<Value, Failure>> { panic!("early") })
        .operation("panic-when-dropped", panic_when_dropped)
        .operation("panic-with-a-bomb", panic_with_a_bomb)
        .operation("thread", thread)
        .operation("yields", yields)
        .operation("large", large)
        .operation("read", parts::read)
        .operation("read-one", parts::read_one)
        .operation("read-beyond", parts::read_beyond)
        .operation("read-late", parts::read_late)
        .operation("confused", parts::confused)
        .serve(parts::serve)
        .operation("count", move |_call| {
            let count = counts.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(json!(count)) }
        })
        .keeps_state(
            move || match saves.load(Ordering::SeqCst) {
                13 => panic!("unlucky"),
                count => Ok(count.to_string().into_bytes()),
            },
            move |version, state| {
                let text = std::str::from_utf8(state).map_err(|error| Failure::invalid(error.to_string()))?;
                let count = text.parse().map_err(|_| Failure::invalid(format!("{version} has not saved a number")))?;
                takes.store(count, Ordering::SeqCst);
                Ok(())
            },
        )
        .on_check(move || match checks.load(Ordering::SeqCst) {
            13 => Err(Failure::internal("it is unlucky")),
            _ => Ok(()),
        })
        .operation("keep", move |call| {
            *keeps.lock().unwrap() = Some(call);
            async { Ok(Value::Null) }
        })
        .operation("ask-the-kept", move |_call| {
            let kept = asks.lock().unwrap().take();
            async move {
                let kept = kept.expect("a call is kept");
                kept.http(Request::get("/late")).await.map(|_| Value::Null)
            }
        })
}

travertine_plugin::export!("under-test", "1.2.3", plugin);
