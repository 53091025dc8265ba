#pragma once
// The packages that this node has. Nothing is executed here.
//
//   a blob                             the archive as it came, by its SHA-256
//   <folder>/<package sha256>/plugin.so   its library for this platform; the one path it is ever loaded from
//   <folder>/<package sha256>/program/…   the files of one that is a program, instead
//   <folder>/<package sha256>/<pages>/…   the pages that it brings, in the folder of its manifest
//   <folder>/<package sha256>/loading     the library is being loaded for the first time; see begin_first_load()
//
// The log names a package by the digest of its archive; the blob store holds every byte against it. The folder holds
// nothing that the archives do not: it may be removed while the process does not run. It belongs to one program.

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "events/blob/blob_store.hpp"
#include "kernel/trust/signatures.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/package.hpp"

namespace trv::plugin_host {

inline constexpr std::uint16_t abi_major_supported = 1;

/// A package that is in the store.
struct Stored {
  package::Manifest manifest;
  base::Digest package_digest{};
  base::Digest library_digest{};  ///< of a program: of the file that its interpreter is given
  std::size_t package_bytes = 0;
  base::Digest content_digest{};  ///< of the package without signatures
  trust::Signers signers;
  std::filesystem::path library;  ///< of this platform, or that file; open() puts it there
};

/// What the daemon asks beyond the package format: the ABI's major version is ours, there is a library for this
/// platform, and every webhook expression compiles. Errors: invalid;
/// names the member or both versions.
[[nodiscard]] base::Status check_manifest(const package::Manifest& manifest);

/// put(), read_page() and sweep() on any thread; everything else on one thread at a time.
class PluginStore {
 public:
  /// Makes a folder that every user can read; the one above it says who gets there. Error: unavailable.
  [[nodiscard]] static base::Status make_folder(const std::filesystem::path& folder);

  /// Makes the folder where it is missing. `archives` outlives the store, holds packages alone, and takes
  /// package::package_bytes_max. Error: unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<PluginStore>> open_folder(std::filesystem::path folder,
                                                                              blob::BlobStore& archives);

  /// Checks a package and its signatures, of any key, and stores its archive, durable on return. As long as the
  /// caller keeps the answer, sweep() leaves the archive alone: a record that names it can be on its way. Its schemas
  /// have to compile here, and only here: what is installed already stays usable. Errors: invalid, too_large, corrupt
  /// (a file differs from the manifest), unavailable (the disk failed).
  [[nodiscard]] base::Result<std::shared_ptr<const Stored>> put(base::BytesView archive);

  /// Reads a package back, checks it as put() does, and writes its library or program where it is not there or has
  /// changed.
  /// Errors: not_found, corrupt, invalid, unavailable; only those of unavailable name files of the node.
  [[nodiscard]] base::Result<Stored> open(const base::Digest& package_digest);

  /// The bytes of a page of an opened package: a path of its manifest, and its digest there. Errors: corrupt (it has
  /// changed), unavailable (it cannot be read).
  [[nodiscard]] base::Result<base::Bytes> read_page(const base::Digest& package_digest, const std::string& path,
                                                    const base::Digest& sha256) const;

  /// Between the two, code of the library runs in this process for the first time. Where the process ends there,
  /// ended_in_first_load() tells the next one. Error: unavailable.
  [[nodiscard]] base::Status begin_first_load(const base::Digest& package_digest);
  void end_first_load(const base::Digest& package_digest);
  [[nodiscard]] bool ended_in_first_load(const base::Digest& package_digest) const;

  /// Removes every archive and library whose package the log does not name and put() does not hold. `named` is asked
  /// once, while nothing can be put. Mapped libraries live on until the process ends. False, and nothing removed, while
  /// a backup of the data folder runs: it may name them. Errors: unavailable; of `named`.
  using Named = std::function<base::Result<std::set<base::Digest>>()>;
  [[nodiscard]] base::Result<bool> sweep(const Named& named);

 private:
  PluginStore(std::filesystem::path folder, blob::BlobStore& archives);
  [[nodiscard]] base::Status unpack(const package::Package& package) const;
  [[nodiscard]] std::filesystem::path folder_of(const base::Digest& package_digest) const;
  [[nodiscard]] Stored describe(package::Package package, trust::Signers signers, std::size_t bytes) const;
  [[nodiscard]] base::Status sweep_archives(const std::set<base::Digest>& kept);
  [[nodiscard]] base::Status sweep_libraries(const std::set<base::Digest>& kept);

  const std::filesystem::path folder_;
  blob::BlobStore& archives_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<const Stored>> held_;
};

}  // namespace trv::plugin_host
