#include "kernel/plugin_host/plugin_library.hpp"

#include <boost/dll/shared_library.hpp>
#include <dlfcn.h>
#include <fmt/format.h>

#include <exception>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::uint32_t descriptors_max = 64;

std::unexpected<base::Error> refuse(const std::filesystem::path& path, std::string_view why) {
  // The loader's own texts name the whole path, which does not concern the sender of the package.
  std::string text(why);
  const std::string whole = path.string();
  const std::string name = path.filename().string();
  for (std::size_t at = text.find(whole); at != std::string::npos; at = text.find(whole, at + name.size())) {
    text.replace(at, whole.size(), name);
  }
  return base::fail(ErrorCode::invalid, fmt::format("library '{}' {}", name, text));
}

base::Result<const trv_entry*> map(const std::filesystem::path& path) {
  namespace dll = boost::dll;
  // Boost.DLL has no name for RTLD_NODELETE; its modes are the numbers of dlopen.
  const auto mode = static_cast<dll::load_mode::type>(dll::load_mode::rtld_now | RTLD_LOCAL | RTLD_NODELETE);
  try {
    const dll::shared_library library(path.string(), mode);
    if (!library.has(TRV_ENTRY_SYMBOL)) return refuse(path, "does not export " TRV_ENTRY_SYMBOL);
    return &library.get<const trv_entry>(TRV_ENTRY_SYMBOL);
  } catch (const std::exception& error) {
    return refuse(path, fmt::format("does not load: {}", error.what()));
  }
}

base::Status check_size(const std::filesystem::path& path, std::string_view name, std::uint32_t size,
                        std::uint32_t size_v1) {
  if (size >= size_v1) return {};
  return refuse(path,
                fmt::format("has a {} of {} bytes, ABI {}.0 has at least {}", name, size, TRV_ABI_MAJOR, size_v1));
}

base::Status check_entry(const std::filesystem::path& path, const trv_entry& entry) {
  // Size and version are at the same place in every version of the struct.
  if (entry.abi_major != TRV_ABI_MAJOR) {
    return refuse(path, fmt::format("was built for plugin ABI {}.{}, this host has {}.{}; build it with a matching SDK",
                                    entry.abi_major, entry.abi_minor, TRV_ABI_MAJOR, TRV_ABI_MINOR));
  }
  TRV_TRY(check_size(path, "trv_entry", entry.struct_size, TRV_ENTRY_SIZE_V1));
  if (entry.init == nullptr || entry.deinit == nullptr || entry.get_factory == nullptr) {
    return refuse(path, "has a trv_entry with a null function");
  }
  return {};
}

base::Status check_factory(const std::filesystem::path& path, const trv_factory* factory, std::string_view id,
                           std::string_view version) {
  if (factory == nullptr) return refuse(path, "has no factory " TRV_FACTORY_ID);
  TRV_TRY(check_size(path, "trv_factory", factory->struct_size, TRV_FACTORY_SIZE_V1));
  if (factory->count == nullptr || factory->describe == nullptr || factory->create == nullptr) {
    return refuse(path, "has a trv_factory with a null function");
  }
  std::string found;
  const std::uint32_t count = factory->count();
  if (count > descriptors_max) return refuse(path, fmt::format("claims {} plugins", count));
  for (std::uint32_t index = 0; index < count; ++index) {
    const trv_descriptor* descriptor = factory->describe(index);
    if (descriptor == nullptr) return refuse(path, fmt::format("has no trv_descriptor {}", index));
    TRV_TRY(check_size(path, "trv_descriptor", descriptor->struct_size, TRV_DESCRIPTOR_SIZE_V1));
    const std::string_view its_id = view(descriptor->id);
    const std::string_view its_version = view(descriptor->version);
    if (its_id == id && its_version == version) return {};
    found += fmt::format("{}'{}' {}", found.empty() ? "" : ", ", its_id.substr(0, 80), its_version.substr(0, 80));
  }
  return refuse(path,
                fmt::format("holds {}, but the manifest says '{}' {}", found.empty() ? "nothing" : found, id, version));
}

}  // namespace

base::Result<std::shared_ptr<PluginLibrary>> PluginLibrary::load(const std::filesystem::path& path, std::string_view id,
                                                                 std::string_view version) {
  TRV_EXPECTS(path.is_absolute());
  TRV_TRY_ASSIGN(const trv_entry* entry, map(path));
  TRV_TRY(check_entry(path, *entry));
  if (const std::int32_t code = entry->init(); code != 0) {
    return refuse(path, fmt::format("did not start: init returned {}", code));
  }
  const auto* factory = static_cast<const trv_factory*>(entry->get_factory(TRV_FACTORY_ID));
  if (base::Status checked = check_factory(path, factory, id, version); !checked) {
    entry->deinit();
    return base::fail(std::move(checked).error());
  }
  return std::shared_ptr<PluginLibrary>(new PluginLibrary(entry, factory, std::string(id), std::string(version)));
}

PluginLibrary::PluginLibrary(const trv_entry* entry, const trv_factory* factory, std::string id, std::string version)
    : entry_(entry), factory_(factory), id_(std::move(id)), version_(std::move(version)) {}

PluginLibrary::~PluginLibrary() {
  entry_->deinit();
}

}  // namespace trv::plugin_host
