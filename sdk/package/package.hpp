#pragma once
// Packing and reading plugin packages (.trvp); docs/formats/package.md is their definition.
//
// Functions of values, no state; any thread. What read() returns has been checked whole: bounds, names, kinds of entry,
// manifest, and the digest of every file. Nothing is executed or loaded.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::package {

inline constexpr std::size_t package_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t entries_max = 1'000;
inline constexpr std::size_t path_bytes_max = 99;
inline constexpr std::size_t signature_bytes_max = 4'096;

/// A regular file of a package.
struct File {
  std::string path;
  base::Bytes bytes;
};

/// The signed notes of a package as they are in it; what they say is not read here. Empty: there is none.
struct Signatures {
  std::string publisher;
  std::string certifier;  ///< only together with the publisher's
  friend bool operator==(const Signatures&, const Signatures&) = default;
};

struct Package {
  Manifest manifest;
  base::Digest digest = {};   ///< SHA-256 of the whole archive: the identity of the package
  base::Digest content = {};  ///< SHA-256 of the archive without its signatures
  std::vector<File> files;    ///< sorted by path, without manifest.json and signatures
  Signatures signatures;
  std::vector<std::string> left_out;  ///< by pack() alone: what is in the folder and hidden; folders end in '/'

  /// The bytes of a file, or nullptr; borrowed from the package.
  [[nodiscard]] const base::Bytes* find_file(std::string_view path) const noexcept;
};

/// Reads and checks a package. Errors: invalid (not such an archive, or against the format; names the file),
/// too_large, corrupt (a file's digest differs from the manifest's).
[[nodiscard]] base::Result<Package> read(base::BytesView archive);
/// The same for a file of the disk. Further errors: not_found, unavailable (the disk failed).
[[nodiscard]] base::Result<Package> read(const std::filesystem::path& archive);

/// The package with these signatures in place of those that it has. Errors: those of read(); invalid also where the
/// archive is not as a packer writes it, and where a certifier's is given without a publisher's.
[[nodiscard]] base::Result<base::Bytes> with_signatures(base::BytesView archive, const Signatures& signatures);

/// Makes the archive from a source manifest and files; the same input gives the same bytes. `files` holds the library.
/// Errors: invalid, too_large.
[[nodiscard]] base::Result<base::Bytes> assemble(std::string_view source_manifest, std::vector<File> files);

/// Packs a plugin's folder (manifest.json, and README.md, LICENSE, docs/ and the folder of pages where present) with
/// its library, or with program/ where the plugin is a program and `library` is empty, into `out`, which is replaced
/// whole or not at all. The library's platform is read from its ELF header. What is hidden (its name
/// begins with '.') below docs/ and program/ is left out. Returns what was packed. Errors: not_found
/// (names the file), invalid, too_large, unavailable (the disk failed).
[[nodiscard]] base::Result<Package> pack(const std::filesystem::path& folder, const std::filesystem::path& library,
                                         const std::filesystem::path& out);

}  // namespace trv::package
