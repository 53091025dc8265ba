#include "sdk/conformance/suite/library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace trv::conformance::suite {

base::Result<const trv_entry*> load_library(const std::filesystem::path& path) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::canonical(path, failure);
  if (failure)
    return base::fail(base::ErrorCode::not_found, fmt::format("library {}: {}", path.string(), failure.message()));
  void* handle = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr)
    return base::fail(base::ErrorCode::invalid, fmt::format("library {}: {}", path.string(), ::dlerror()));
  const auto* entry = static_cast<const trv_entry*>(::dlsym(handle, TRV_ENTRY_SYMBOL));
  if (entry == nullptr)
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("library {}: exports no {}", path.string(), TRV_ENTRY_SYMBOL));
  if (entry->struct_size < TRV_ENTRY_SIZE_V1 || entry->abi_major != TRV_ABI_MAJOR)
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("library {}: was made for ABI {}.{}, this is {}.{}", path.string(), entry->abi_major,
                                  entry->abi_minor, TRV_ABI_MAJOR, TRV_ABI_MINOR));
  return entry;
}

}  // namespace trv::conformance::suite
