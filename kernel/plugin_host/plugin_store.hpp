#pragma once
// The packages that this node has, by content. Nothing is executed here.
//
//   <folder>/<package sha256>/package.trvp   the archive as it came
//   <folder>/<package sha256>/plugin.so      its library for this platform; the one path it is ever loaded from
//
// A package appears whole or not at all: written beside, synced, renamed; then never changed, files read-only. The
// package's digest is the anchor: it stands in the log, and open() holds every byte against it. The folder belongs to
// one program. Any thread.

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_host {

inline constexpr std::uint16_t abi_major_supported = 1;

/// A package that stands in the store.
struct Installed {
  package::Manifest manifest;
  base::Digest package_digest{};
  base::Digest library_digest{};
  std::filesystem::path library;  ///< of this platform, just held against the digest
};

/// What the daemon asks beyond the package format: the ABI's major version is ours, there is a library for this
/// platform, and every webhook expression compiles. Errors: invalid; names the member or both versions.
[[nodiscard]] base::Status check_manifest(const package::Manifest& manifest);

class PluginStore {
 public:
  /// Makes the folder where it is missing and removes what unfinished installs left. `random` outlives the store.
  /// Error: unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<PluginStore>> open_folder(std::filesystem::path folder,
                                                                              base::Random& random);

  /// Checks and keeps a package; the same bytes again give the same answer. Durable when it returns. Whether id and
  /// version were taken by another digest is the caller's question. Errors: invalid, too_large, corrupt (a file differs
  /// from the manifest), unavailable (the disk failed).
  [[nodiscard]] base::Result<Installed> install(base::BytesView package);

  /// Reads a package back and holds archive and library against their digests. Errors: not_found, corrupt (names the
  /// file), unavailable.
  [[nodiscard]] base::Result<Installed> open(const base::Digest& package_digest);

  /// Removes everything that is not in `referenced`. Mapped libraries live on until the process ends.
  /// Returns how many went. Error: unavailable.
  [[nodiscard]] base::Result<std::size_t> remove_unreferenced(const std::vector<base::Digest>& referenced);

 private:
  PluginStore(std::filesystem::path folder, base::Random& random);
  [[nodiscard]] std::filesystem::path folder_of(const base::Digest& package_digest) const;

  std::filesystem::path folder_;
  std::mutex mutex_;
  base::Random& random_;
};

}  // namespace trv::plugin_host
