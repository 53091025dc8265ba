#include "kernel/plugin_host/plugin_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "events/backup/backup.hpp"
#include "kernel/plugin_host/manifest_schemas.hpp"
#include "kernel/plugin_host/webhook.hpp"
#include "sdk/abi/types.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"
#include "sdk/package/pages.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::string_view library_name = "plugin.so";
constexpr std::string_view loading_name = "loading";
constexpr std::size_t page = 500;

base::Error disk_error(std::string_view doing, const std::filesystem::path& path, const std::error_code& error) {
  return {ErrorCode::unavailable, fmt::format("cannot {} '{}': {}", doing, path.string(), error.message())};
}

/// Of what is started: the library for this platform, or the program's file.
const std::string& path_of(const package::Manifest& manifest) {
  return manifest.program ? manifest.program->file : manifest.find_library(package::this_platform())->path;
}

struct Checked {
  package::Package package;
  trust::Signers signers;
};

base::Result<Checked> read_checked(base::BytesView archive) {
  TRV_TRY_ASSIGN(package::Package package, package::read(archive));
  auto signers = trust::verify(package);
  // The package is at fault, not the sender.
  if (!signers) return base::fail(ErrorCode::invalid, signers.error().message());
  TRV_TRY(check_manifest(package.manifest));
  const std::string& path = path_of(package.manifest);
  if (package.find_file(path) != nullptr) return Checked{std::move(package), *std::move(signers)};
  return base::fail(ErrorCode::invalid, fmt::format("the package does not hold '{}'", path));
}

/// Other users, as the processes of plugins are, can read what is there afterwards.
base::Status write_unless_there(const std::filesystem::path& path, const base::Bytes& bytes) {
  const auto present = base::read_file(path, package::package_bytes_max);
  if (present && *present == bytes) return {};
  TRV_TRY(base::write_file(path, ".unpacked", bytes, 0444));
  // Whatever umask travd has.
  std::error_code ignored;
  std::filesystem::permissions(path, std::filesystem::perms(0444), ignored);
  return {};
}

}  // namespace

base::Status check_manifest(const package::Manifest& manifest) {
  if (manifest.abi_major != abi_major_supported) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("abi.major: the plugin was built for plugin ABI {}, this host has {}",
                                  manifest.abi_major, abi_major_supported));
  }
  if (!manifest.program && manifest.find_library(package::this_platform()) == nullptr) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("libraries: the package has no library for {}", package::this_platform()));
  }
  for (std::size_t index = 0; index < manifest.webhooks.size(); ++index) TRV_TRY(compile_webhook(manifest, index));
  return {};
}

base::Status PluginStore::make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms(0755), error);
  if (error) return base::fail(disk_error("make folder", folder, error));
  return {};
}

base::Result<std::unique_ptr<PluginStore>> PluginStore::open_folder(std::filesystem::path folder,
                                                                    blob::BlobStore& archives) {
  TRV_EXPECTS(archives.bytes_max() >= package::package_bytes_max);
  std::error_code error;
  folder = std::filesystem::absolute(folder, error).lexically_normal();
  TRV_TRY(make_folder(folder));
  return std::unique_ptr<PluginStore>(new PluginStore(std::move(folder), archives));
}

PluginStore::PluginStore(std::filesystem::path folder, blob::BlobStore& archives)
    : folder_(std::move(folder)), archives_(archives) {}

std::filesystem::path PluginStore::folder_of(const base::Digest& package_digest) const {
  return folder_ / base::to_hex(package_digest);
}

Stored PluginStore::describe(package::Package package, trust::Signers signers, std::size_t bytes) const {
  const std::string& path = path_of(package.manifest);
  const base::Digest library_digest = package.manifest.files.at(path);
  const std::filesystem::path place =
      folder_of(package.digest) / (package.manifest.program ? std::string_view(path) : library_name);
  return {.manifest = std::move(package.manifest),
          .package_digest = package.digest,
          .library_digest = library_digest,
          .package_bytes = bytes,
          .content_digest = package.content,
          .signers = std::move(signers),
          .library = place};
}

base::Result<std::shared_ptr<const Stored>> PluginStore::put(base::BytesView archive) {
  TRV_TRY_ASSIGN(Checked checked, read_checked(archive));
  TRV_TRY(compile_schemas(checked.package.manifest));
  auto stored =
      std::make_shared<const Stored>(describe(std::move(checked.package), std::move(checked.signers), archive.size()));
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(held_, [](const auto& one) { return one.expired(); });
    held_.push_back(stored);
  }
  TRV_TRY_ASSIGN(const base::Digest digest, archives_.put(archive));
  TRV_ENSURES(digest == stored->package_digest);
  return stored;
}

base::Result<Stored> PluginStore::open(const base::Digest& package_digest) {
  base::Result<base::Bytes> archive = archives_.get(package_digest);
  if (!archive) {
    if (archive.error().code() == ErrorCode::unavailable) return base::fail(std::move(archive).error());
    return base::fail(archive.error().code(),
                      fmt::format("package {} is {}; install it again", base::to_hex(package_digest),
                                  archive.error().code() == ErrorCode::corrupt ? "damaged" : "missing"));
  }
  TRV_TRY_ASSIGN(Checked checked, read_checked(*archive));
  TRV_ASSERT(checked.package.digest == package_digest);
  TRV_TRY(unpack(checked.package));
  return describe(std::move(checked.package), std::move(checked.signers), archive->size());
}

base::Status PluginStore::unpack(const package::Package& package) const {
  const std::filesystem::path folder = folder_of(package.digest);
  TRV_TRY(make_folder(folder));
  const package::Manifest& manifest = package.manifest;
  if (!manifest.program) TRV_TRY(write_unless_there(folder / library_name, *package.find_file(path_of(manifest))));
  for (const package::File& file : package.files) {
    const bool is_program = manifest.program && file.path.starts_with(package::program_folder);
    const bool is_page = !manifest.pages.empty() && file.path.starts_with(manifest.pages);
    if (!is_program && !is_page) continue;
    const std::filesystem::path path = folder / file.path;
    for (std::filesystem::path made = folder; const auto& part : std::filesystem::path(file.path).parent_path()) {
      TRV_TRY(make_folder(made /= part));
    }
    TRV_TRY(write_unless_there(path, file.bytes));
  }
  return {};
}

base::Result<base::Bytes> PluginStore::read_page(const base::Digest& package_digest, const std::string& path,
                                                 const base::Digest& sha256) const {
  auto bytes = base::read_file(folder_of(package_digest) / path, package::page_bytes_max);
  if (bytes && base::sha256(*bytes) == sha256) return bytes;
  return base::fail(bytes ? ErrorCode::corrupt : ErrorCode::unavailable,
                    fmt::format("page {} of package {} {}; it is written again when this process starts", path,
                                base::to_hex(package_digest), bytes ? "has changed" : "cannot be read"));
}

base::Status PluginStore::begin_first_load(const base::Digest& package_digest) {
  return base::write_file(folder_of(package_digest) / loading_name, ".loading", {}, 0444);
}

void PluginStore::end_first_load(const base::Digest& package_digest) {
  // What the disk does not remove now is of no use once the outcome is recorded.
  std::error_code ignored;
  std::filesystem::remove(folder_of(package_digest) / loading_name, ignored);
}

bool PluginStore::ended_in_first_load(const base::Digest& package_digest) const {
  std::error_code error;
  return std::filesystem::exists(folder_of(package_digest) / loading_name, error);
}

base::Result<bool> PluginStore::sweep(const Named& named) {
  TRV_EXPECTS(named != nullptr);
  const std::scoped_lock lock(mutex_);
  if (backup::is_running(folder_.parent_path())) return false;
  TRV_TRY_ASSIGN(std::set<base::Digest> kept, named());
  for (const auto& held : held_) {
    if (const auto stored = held.lock()) kept.insert(stored->package_digest);
  }
  TRV_TRY(sweep_libraries(kept));
  TRV_TRY(sweep_archives(kept));
  return true;
}

base::Status PluginStore::sweep_archives(const std::set<base::Digest>& kept) {
  std::optional<base::Digest> after;
  for (std::size_t count = page; count == page;) {
    TRV_TRY_ASSIGN(const std::vector<base::Digest> some, archives_.list(after, page));
    count = some.size();
    for (const base::Digest& digest : some) {
      after = digest;
      if (!kept.contains(digest)) TRV_TRY(archives_.remove(digest));
    }
  }
  return {};
}

base::Status PluginStore::sweep_libraries(const std::set<base::Digest>& kept) {
  std::set<std::string> names;
  for (const base::Digest& digest : kept) names.insert(base::to_hex(digest));
  std::error_code error;
  std::vector<std::filesystem::path> doomed;
  std::filesystem::directory_iterator entries(folder_, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (!names.contains(entries->path().filename().string())) doomed.push_back(entries->path());
  }
  if (error) return base::fail(disk_error("read folder", folder_, error));
  for (const std::filesystem::path& path : doomed) {
    std::filesystem::remove_all(path, error);
    if (error) return base::fail(disk_error("remove", path, error));
  }
  return {};
}

}  // namespace trv::plugin_host
