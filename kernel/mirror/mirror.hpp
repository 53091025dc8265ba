#pragma once
// Packages, public keys and revocation lists in a folder, and the one file by which they travel.
// docs/formats/mirror.md is the definition.
//
// Functions of the disk; no two at once on one folder. What is read may come from an enemy: it is bounded, and checked
// whole before anything is written. Whom to trust is not asked here.

#include <filesystem>
#include <string>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::mirror {

inline constexpr std::size_t files_max = 10'000;

/// A package of a mirror, for people.
struct Listed {
  std::string id;
  std::string version;
  std::string title;
  std::string summary;
  std::string publisher;       ///< name of the key; empty: nobody signed
  std::string level;           ///< as the certifier says; empty: no certifier
  std::string content_sha256;  ///< hexadecimal; of the package without its signatures
  std::filesystem::path file;
};

/// Where a file of a mirror belongs, by what it is: "packages/hello-1.0.0.trvp". Errors: invalid, corrupt,
/// unauthenticated (a signature does not match), too_large.
[[nodiscard]] base::Result<std::string> place_of(base::BytesView bytes);

struct Placed {
  std::size_t written = 0;
  std::size_t kept = 0;  ///< were there already, or are older than what is there
};

/// Puts files into a mirror, which is made where it is missing: all of them, or none where one is refused. Errors: as
/// place_of; conflict (another content under the same name); not_found; unavailable.
[[nodiscard]] base::Result<Placed> add(const std::filesystem::path& folder,
                                       const std::vector<std::filesystem::path>& files);

/// Writes the whole mirror into one file. Returns how many files it holds. Errors: as place_of; not_found; unavailable.
[[nodiscard]] base::Result<std::size_t> export_to(const std::filesystem::path& folder,
                                                  const std::filesystem::path& file);

/// Reads such a file into a mirror, which is made where it is missing. Errors: as add().
[[nodiscard]] base::Result<Placed> import_from(const std::filesystem::path& file, const std::filesystem::path& folder);

/// The packages of a mirror whose id, title or summary has the text, in any case; sorted by id and version's text.
/// Errors: as export_to.
[[nodiscard]] base::Result<std::vector<Listed>> search(const std::filesystem::path& folder, std::string_view text);

}  // namespace trv::mirror
