//! The plugin's memory on its way to another version, and whether it is well.

use super::Host;
use crate::abi;

impl Host {
    /// What the plugin keeps in memory, as when its tenant switches to another version; `Err` is why there is none.
    pub fn save(&self) -> Result<Vec<u8>, String> {
        let table = self.extension::<abi::trv_plugin_state>(abi::TRV_EXT_STATE);
        let mut state = abi::trv_bytes::borrow(&[]);
        let said = unsafe { (table.save)(self.plugin, &mut state).to_text() };
        if said.is_empty() {
            Ok(unsafe { state.as_slice() }.to_vec())
        } else {
            Err(said)
        }
    }
    /// Right after `start`: what another version saved. `Err` is why it is not taken.
    pub fn restore(&self, version: &str, state: &[u8]) -> Result<(), String> {
        let table = self.extension::<abi::trv_plugin_state>(abi::TRV_EXT_STATE);
        let (version, state) = (abi::trv_string::borrow(version), abi::trv_bytes::borrow(state));
        sentence(unsafe { (table.restore)(self.plugin, version, state).to_text() })
    }
    /// `Err` is why the plugin is not well.
    pub fn check(&self) -> Result<(), String> {
        let table = self.extension::<abi::trv_plugin_health>(abi::TRV_EXT_HEALTH);
        sentence(unsafe { (table.check)(self.plugin).to_text() })
    }
}

fn sentence(said: String) -> Result<(), String> {
    if said.is_empty() {
        Ok(())
    } else {
        Err(said)
    }
}
