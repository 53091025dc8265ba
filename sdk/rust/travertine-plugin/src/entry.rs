//! What a library exports; made by `export!`.

use crate::abi;
use crate::guard::catch;
use crate::instance::Instance;
use crate::plugin::Plugin;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_void};
use std::ptr;

/// What `export!` says of a plugin.
pub trait Exports: 'static {
    const ID: &'static str;
    const VERSION: &'static str;
    fn build() -> Plugin;
}

/// The tables of one exported plugin.
pub struct Table<E: Exports>(PhantomData<E>);

impl<E: Exports> Table<E> {
    pub const ENTRY: abi::trv_entry = abi::trv_entry {
        struct_size: abi::size_of::<abi::trv_entry>(),
        abi_major: abi::TRV_ABI_MAJOR,
        abi_minor: abi::TRV_ABI_MINOR,
        init,
        deinit,
        get_factory: get_factory::<E>,
    };
    const FACTORY: &'static abi::trv_factory = &abi::trv_factory {
        struct_size: abi::size_of::<abi::trv_factory>(),
        count,
        describe: describe::<E>,
        create: create::<E>,
    };
    const DESCRIPTOR: &'static abi::trv_descriptor = &abi::trv_descriptor {
        struct_size: abi::size_of::<abi::trv_descriptor>(),
        id: abi::trv_string::borrow(E::ID),
        version: abi::trv_string::borrow(E::VERSION),
    };
}

unsafe extern "C" fn init() -> i32 {
    0
}
unsafe extern "C" fn deinit() {}
unsafe extern "C" fn count() -> u32 {
    1
}

unsafe extern "C" fn get_factory<E: Exports>(id: *const c_char) -> *const c_void {
    if id.is_null() || CStr::from_ptr(id).to_bytes() != abi::TRV_FACTORY_ID.as_bytes() {
        return ptr::null();
    }
    Table::<E>::FACTORY as *const abi::trv_factory as *const c_void
}

unsafe extern "C" fn describe<E: Exports>(index: u32) -> *const abi::trv_descriptor {
    if index == 0 {
        Table::<E>::DESCRIPTOR
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn create<E: Exports>(host: *const abi::trv_host, id: abi::trv_string) -> *const abi::trv_plugin {
    let bytes = abi::trv_bytes { data: id.data as *const u8, size: id.size };
    if host.is_null()
        || ptr::addr_of!((*host).struct_size).read() < abi::TRV_HOST_SIZE_V1
        || (*host).abi_major != abi::TRV_ABI_MAJOR
        || bytes.as_slice() != E::ID.as_bytes()
    {
        return ptr::null();
    }
    match catch(E::build) {
        Ok(plugin) => Instance::create(host, plugin),
        Err(failure) => {
            // The host may not be called yet, so its log cannot have it.
            eprintln!("{}: {}", E::ID, failure.message);
            ptr::null()
        }
    }
}

/// Defines what the library exports: `export!(id, version, build)`. Once per library; `id` and `version` as in the
/// manifest, `build` a function that makes the `Plugin` of an instance.
#[macro_export]
macro_rules! export {
    ($id:expr, $version:expr, $build:expr) => {
        struct TravertineExport;
        impl $crate::entry::Exports for TravertineExport {
            const ID: &'static str = $id;
            const VERSION: &'static str = $version;
            fn build() -> $crate::Plugin {
                $build()
            }
        }
        #[no_mangle]
        #[allow(non_upper_case_globals)]
        pub static trv_entry_v1: $crate::abi::trv_entry = $crate::entry::Table::<TravertineExport>::ENTRY;
    };
}
