#include "kernel/plugin_host/plugin_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "kernel/plugin_host/webhook.hpp"
#include "sdk/abi/types.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::string_view archive_name = "package.trvp";
constexpr std::string_view library_name = "plugin.so";
constexpr std::string_view unfinished_prefix = ".install-";

base::Error disk_error(std::string_view doing, const std::filesystem::path& path, const std::error_code& error) {
  return {ErrorCode::unavailable, fmt::format("cannot {} '{}': {}", doing, path.string(), error.message())};
}

// What the package says of itself, once its archive has been checked.
base::Result<Installed> describe(package::Package&& package, std::filesystem::path library_path) {
  TRV_TRY(check_manifest(package.manifest));
  const package::Library* library = package.manifest.find_library(package::this_platform());
  const base::Digest library_digest = library->sha256;
  return Installed{.manifest = std::move(package.manifest),
                   .package_digest = package.digest,
                   .library_digest = library_digest,
                   .library = std::move(library_path)};
}

}  // namespace

base::Status check_manifest(const package::Manifest& manifest) {
  if (manifest.abi_major != abi_major_supported) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("abi.major: the plugin was built for plugin ABI {}, this host has {}",
                                  manifest.abi_major, abi_major_supported));
  }
  if (manifest.find_library(package::this_platform()) == nullptr) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("libraries: the package has no library for {}", package::this_platform()));
  }
  if (manifest.isolation == package::Isolation::sandboxed) {
    return base::fail(ErrorCode::invalid,
                      "isolation: the manifest asks for \"sandboxed\", which this version does not have; it runs every "
                      "plugin within travd. Write \"in-process\" where that is good enough, and pack the plugin again");
  }
  for (std::size_t index = 0; index < manifest.webhooks.size(); ++index) TRV_TRY(compile_webhook(manifest, index));
  return {};
}

base::Result<std::unique_ptr<PluginStore>> PluginStore::open_folder(std::filesystem::path folder,
                                                                    base::Random& random) {
  std::error_code error;
  folder = std::filesystem::absolute(folder, error).lexically_normal();
  std::filesystem::create_directories(folder, error);
  if (error) return base::fail(disk_error("make folder", folder, error));
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return base::fail(disk_error("read folder", folder, error));
  for (const auto& entry : entries) {
    if (!entry.path().filename().string().starts_with(unfinished_prefix)) continue;
    std::filesystem::remove_all(entry.path(), error);
    if (error) return base::fail(disk_error("remove", entry.path(), error));
  }
  return std::unique_ptr<PluginStore>(new PluginStore(std::move(folder), random));
}

PluginStore::PluginStore(std::filesystem::path folder, base::Random& random)
    : folder_(std::move(folder)), random_(random) {}

std::filesystem::path PluginStore::folder_of(const base::Digest& package_digest) const {
  return folder_ / base::to_hex(package_digest);
}

base::Result<Installed> PluginStore::install(base::BytesView bytes) {
  TRV_TRY_ASSIGN(package::Package package, package::read(bytes));
  const base::Digest digest = package.digest;
  const std::lock_guard lock(mutex_);
  const std::filesystem::path target = folder_of(digest);
  std::error_code error;
  bool replaces = false;
  if (std::filesystem::exists(target, error)) {
    base::Result<Installed> present = open(digest);
    if (present) {
      if (const auto undecided = undecided_.find(digest); undecided != undecided_.end()) ++undecided->second;
      return present;
    }
    if (present.error().code() != ErrorCode::corrupt) return present;
    TRV_TRY(remove(target));
    replaces = true;
  }
  TRV_TRY(check_manifest(package.manifest));
  const package::Library* library = package.manifest.find_library(package::this_platform());
  const base::Bytes* code = package.find_file(library->path);
  if (code == nullptr) {
    return base::fail(ErrorCode::invalid, fmt::format("libraries: the package does not hold '{}'", library->path));
  }

  const std::filesystem::path unfinished = unfinished_path();
  const auto write = [&]() -> base::Status {
    if (::mkdir(unfinished.c_str(), 0755) != 0) {
      return base::fail(disk_error("make folder", unfinished, {errno, std::generic_category()}));
    }
    TRV_TRY(base::write_file(unfinished / library_name, ".library", *code, 0444));
    TRV_TRY(base::write_file(unfinished / archive_name, ".package", bytes, 0444));
    std::error_code rename_error;
    std::filesystem::rename(unfinished, target, rename_error);
    if (rename_error) return base::fail(disk_error("rename to", target, rename_error));
    return base::sync_folder(folder_);
  };
  if (base::Status written = write(); !written) {
    std::filesystem::remove_all(unfinished, error);
    std::filesystem::remove_all(target, error);
    return base::fail(std::move(written).error());
  }
  base::Result<Installed> installed = describe(std::move(package), target / library_name);
  TRV_ASSERT(installed.has_value());
  if (const auto undecided = undecided_.find(digest); undecided != undecided_.end()) {
    ++undecided->second;
  } else if (!replaces) {
    // One that was damaged on disk may well be in the log: it is not this install's to discard.
    undecided_.emplace(digest, 1);
  }
  return installed;
}

void PluginStore::keep(const base::Digest& package_digest) {
  const std::lock_guard lock(mutex_);
  undecided_.erase(package_digest);
}

base::Status PluginStore::discard(const base::Digest& package_digest) {
  const std::lock_guard lock(mutex_);
  const auto undecided = undecided_.find(package_digest);
  if (undecided == undecided_.end() || --undecided->second > 0) return {};
  undecided_.erase(undecided);
  TRV_TRY(remove(folder_of(package_digest)));
  return base::sync_folder(folder_);
}

std::filesystem::path PluginStore::unfinished_path() {
  std::array<std::uint8_t, 8> name{};
  random_.fill(name);
  return folder_ / fmt::format("{}{}", unfinished_prefix, base::to_hex(name));
}

// Out of its place first: a package that is half removed would be a damaged one.
base::Status PluginStore::remove(const std::filesystem::path& package) {
  const std::filesystem::path unfinished = unfinished_path();
  std::error_code error;
  std::filesystem::rename(package, unfinished, error);
  if (!error) std::filesystem::remove_all(unfinished, error);
  if (error) return base::fail(disk_error("remove", package, error));
  return {};
}

base::Result<Installed> PluginStore::open(const base::Digest& package_digest) {
  const std::filesystem::path folder = folder_of(package_digest);
  const auto corrupt = [](const std::filesystem::path& path, std::string_view why) {
    return base::fail(ErrorCode::corrupt, fmt::format("'{}' {}; install the package again", path.string(), why));
  };
  const std::filesystem::path archive_path = folder / archive_name;
  base::Result<base::Bytes> archive = base::read_file(archive_path, package::package_bytes_max);
  if (!archive) {
    std::error_code ignored;
    if (archive.error().code() == ErrorCode::not_found && !std::filesystem::exists(folder, ignored)) {
      return base::fail(ErrorCode::not_found,
                        fmt::format("package {} is not in the store", base::to_hex(package_digest)));
    }
    if (archive.error().code() == ErrorCode::unavailable) return base::fail(std::move(archive).error());
    return corrupt(archive_path, "is missing or too large");
  }
  if (base::sha256(*archive) != package_digest)
    return corrupt(archive_path, "has changed: its SHA-256 is not its name");
  TRV_TRY_ASSIGN(package::Package package, package::read(*archive));
  const std::filesystem::path library_path = folder / library_name;
  TRV_TRY_ASSIGN(Installed installed, describe(std::move(package), library_path));
  const base::Result<base::Bytes> library = base::read_file(library_path, package::package_bytes_max);
  if (!library) {
    if (library.error().code() == ErrorCode::unavailable) return base::fail(library.error());
    return corrupt(library_path, "is missing or too large");
  }
  if (base::sha256(*library) != installed.library_digest) {
    return corrupt(library_path, "has changed: its SHA-256 is not the manifest's");
  }
  return installed;
}

base::Result<std::size_t> PluginStore::remove_unreferenced(const std::vector<base::Digest>& referenced) {
  std::vector<std::string> kept;
  for (const base::Digest& digest : referenced) kept.push_back(base::to_hex(digest));
  const std::lock_guard lock(mutex_);
  for (const auto& [digest, installs] : undecided_) kept.push_back(base::to_hex(digest));
  std::error_code error;
  std::vector<std::filesystem::path> doomed;
  std::filesystem::directory_iterator entries(folder_, error);
  if (error) return base::fail(disk_error("read folder", folder_, error));
  for (const auto& entry : entries) {
    if (std::ranges::find(kept, entry.path().filename().string()) == kept.end()) doomed.push_back(entry.path());
  }
  for (const std::filesystem::path& path : doomed) TRV_TRY(remove(path));
  TRV_TRY(base::sync_folder(folder_));
  return doomed.size();
}

}  // namespace trv::plugin_host
