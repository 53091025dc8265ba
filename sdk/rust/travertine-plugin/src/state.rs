//! trv.state/1 and trv.health/1: the plugin's memory on its way to another version, and whether it is well.

use crate::abi;
use crate::failure::Failure;
use crate::guard::{catch, lock};
use crate::instance::of;
use std::ptr;
use std::sync::Mutex;

/// What the host has borrowed until the next function of [main].
#[derive(Default)]
pub(crate) struct Lent {
    state: Mutex<Vec<u8>>,
    sentence: Mutex<String>,
}

impl Lent {
    fn say(&self, said: Result<(), Failure>) -> abi::trv_string {
        let mut sentence = lock(&self.sentence);
        *sentence = match said {
            Ok(()) => String::new(),
            Err(failure) if failure.message.is_empty() => "it does not say why".to_string(),
            Err(failure) => failure.message,
        };
        abi::trv_string::borrow(&sentence)
    }
}

pub(crate) static STATE: abi::trv_plugin_state =
    abi::trv_plugin_state { struct_size: abi::size_of::<abi::trv_plugin_state>(), save, restore };
pub(crate) static HEALTH: abi::trv_plugin_health =
    abi::trv_plugin_health { struct_size: abi::size_of::<abi::trv_plugin_health>(), check };

unsafe extern "C" fn save(plugin: *const abi::trv_plugin, state: *mut abi::trv_bytes) -> abi::trv_string {
    let instance = of(plugin);
    let saved = catch(|| instance.plugin().save()).and_then(|result| result);
    let said = saved.map(|bytes| {
        let mut kept = lock(&instance.lent().state);
        *kept = bytes;
        ptr::write(state, abi::trv_bytes::borrow(&kept));
    });
    instance.lent().say(said)
}

unsafe extern "C" fn restore(
    plugin: *const abi::trv_plugin,
    version: abi::trv_string,
    state: abi::trv_bytes,
) -> abi::trv_string {
    let instance = of(plugin);
    let version = version.to_text();
    instance.lent().say(catch(|| instance.plugin().restore(&version, state.as_slice())).and_then(|result| result))
}

unsafe extern "C" fn check(plugin: *const abi::trv_plugin) -> abi::trv_string {
    let instance = of(plugin);
    instance.lent().say(catch(|| instance.plugin().check()).and_then(|result| result))
}
