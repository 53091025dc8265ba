//! A panic ends here, as a failure that names its place: none crosses the ABI.

use crate::failure::Failure;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The hook is that of this library's own copy of std, or of a test program; panics outside `catch` go on to what was
/// there before.
fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                return previous(info);
            }
            let place = info.location().map(|place| place.to_string());
            let _ = PLACE.try_with(|noted| *noted.borrow_mut() = place);
        }));
    });
}

fn text_of(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return text.to_string();
    }
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => {
            // Its destructor is the plugin's, too, and could panic again.
            std::mem::forget(other);
            "something that is not a text".to_string()
        }
    }
}

/// What `run` returns, or the failure that its panic is.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Failure> {
    note_places();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(run));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    result.map_err(|payload| {
        let place = PLACE.with(|noted| noted.borrow_mut().take()).unwrap_or_else(|| "an unknown place".to_string());
        Failure::internal(format!("the plugin panicked at {place}: {}", text_of(payload)))
    })
}

/// The lock, also after a panic: what it guards is changed in single steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
