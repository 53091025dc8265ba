#pragma once
// The packages that this node has, by content. Nothing is executed here.
//
//   <folder>/<package sha256>/package.trvp   the archive as it came
//   <folder>/<package sha256>/plugin.so      its library for this platform; the one path it is ever loaded from
//
// A package appears and goes whole or not at all: written beside, synced, renamed; renamed, removed; between the two it
// never changes, files read-only. The package's digest is the anchor: it is in the log, and open() holds every byte
// against it. The folder belongs to one program. Any thread.
//
// What install() has stored is undecided until keep() or discard() says what became of it. Where the process ends
// before that, the package is stored without a word in the log, and remove_unreferenced at the next start takes it
// away.

#include <filesystem>
#include <map>
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

/// A package that is in the store.
struct Installed {
  package::Manifest manifest;
  base::Digest package_digest{};
  base::Digest library_digest{};
  std::filesystem::path library;  ///< of this platform, just held against the digest
};

/// What the daemon asks beyond the package format: the ABI's major version is ours, there is a library for this
/// platform, this host has the isolation that it asks for, and every webhook expression compiles. Errors: invalid;
/// names the member or both versions.
[[nodiscard]] base::Status check_manifest(const package::Manifest& manifest);

class PluginStore {
 public:
  /// Makes the folder where it is missing and removes what unfinished installs left. `random` outlives the store.
  /// Error: unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<PluginStore>> open_folder(std::filesystem::path folder,
                                                                              base::Random& random);

  /// Checks and keeps a package; the same bytes again give the same answer. Durable when it returns. Whether id and
  /// version were taken by another digest is the caller's question. Errors: invalid, too_large, corrupt (a file differs
  /// from the manifest), unavailable (the disk failed). After one, nothing is stored that was not stored before.
  [[nodiscard]] base::Result<Installed> install(base::BytesView package);

  /// An install() of this package is in the log, or will, or may: from here only a start takes it away.
  void keep(const base::Digest& package_digest);

  /// An install() of this package was refused, and is certainly not in the log. Removes what it stored, unless an
  /// earlier run has stored it, another install() was kept or one is still undecided. Mapped libraries live on until
  /// the process ends. Error: unavailable; the next start removes the rest.
  [[nodiscard]] base::Status discard(const base::Digest& package_digest);

  /// Reads a package back and holds archive and library against their digests. Errors: not_found, corrupt (names the
  /// file), unavailable.
  [[nodiscard]] base::Result<Installed> open(const base::Digest& package_digest);

  /// Removes everything that is not in `referenced` and not undecided. To be called at start, before anything is
  /// loaded, with every package that the log names. Returns how many went. Error: unavailable.
  [[nodiscard]] base::Result<std::size_t> remove_unreferenced(const std::vector<base::Digest>& referenced);

 private:
  PluginStore(std::filesystem::path folder, base::Random& random);
  [[nodiscard]] std::filesystem::path folder_of(const base::Digest& package_digest) const;
  [[nodiscard]] std::filesystem::path unfinished_path();
  [[nodiscard]] base::Status remove(const std::filesystem::path& package);

  std::filesystem::path folder_;
  std::mutex mutex_;
  base::Random& random_;
  std::map<base::Digest, std::size_t> undecided_;  ///< stored by this process: install() calls without an answer yet
};

}  // namespace trv::plugin_host
