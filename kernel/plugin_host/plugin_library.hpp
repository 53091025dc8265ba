#pragma once
// A plugin's library, mapped into this process. Never unmapped: threads, thread-local destructors and unique symbols of
// a library outlive any moment at which it could be proven unused.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "sdk/abi/plugin.h"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

class PluginLibrary {
 public:
  /// Maps the library and checks what it exports before anything else of it is used: entry symbol, struct sizes, ABI
  /// major version, factory, and a descriptor of exactly this id and version. Then calls entry.init. The caller has
  /// verified the file; `path` must be one that no other content was ever loaded from. Code of the library (its
  /// constructors) runs here. Not from two threads at once for one path. Error: invalid; names the library and the
  /// defect.
  [[nodiscard]] static base::Result<std::shared_ptr<PluginLibrary>> load(const std::filesystem::path& path,
                                                                         std::string_view id, std::string_view version);
  /// Calls entry.deinit. All instances are gone by then: they hold the library.
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  [[nodiscard]] const trv_factory& factory() const noexcept { return *factory_; }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }

 private:
  PluginLibrary(const trv_entry* entry, const trv_factory* factory, std::string id, std::string version);

  const trv_entry* entry_;
  const trv_factory* factory_;
  std::string id_;
  std::string version_;
};

}  // namespace trv::plugin_host
