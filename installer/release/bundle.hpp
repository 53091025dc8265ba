#pragma once
// A bundle as an unpacked folder, and whether it may be believed. docs/formats/bundle.md is its definition.
//
// Reads files; any thread.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "installer/release/root.hpp"
#include "sdk/base/digest.hpp"

namespace trv::release {

struct BundleFile {
  std::string path;  ///< relative to the folder of the bundle, without "." and ".."
  std::uint64_t size = 0;
  unsigned mode = 0;
  base::Digest sha256{};
};

struct Manifest {
  std::string version;
  std::string architecture;
  std::int64_t release_counter = 0;
  std::int64_t security_floor = 0;
  std::string created;
  std::int64_t reads_schema_min = 0;  ///< the events that this version can read
  std::int64_t reads_schema_max = 0;
  std::int64_t writes_schema = 0;
  std::vector<BundleFile> files = {};

  /// Error: invalid, also for a path that leaves the folder.
  [[nodiscard]] static base::Result<Manifest> parse(std::string_view text);
};

/// What an installation remembers of the bundles that it believed. Empty before the first.
struct Memory {
  SignedRoot root;  ///< the newest; empty text: none yet
  std::int64_t release_counter = 0;
  std::int64_t security_floor = 0;
};

enum class Expired : std::uint8_t { refused, accepted };

struct Verified {
  Manifest manifest;
  std::string manifest_text;
  SignedRoot root_text;  ///< of the newest root
  Root root;
  std::vector<std::string> warnings;
};

/// Checks the roots against what is remembered, the three signatures, the architecture, the counter, and every file of
/// the folder against the manifest; a file that is not in the manifest is refused. A bundle of the counter that is
/// remembered is accepted. Errors: not_found, invalid, unauthenticated, corrupt (a file differs), denied (an older
/// counter, or an expired root with Expired::refused), unavailable. Each names the file.
[[nodiscard]] base::Result<Verified> verify(const std::filesystem::path& folder, const Memory& memory,
                                            base::Timestamp now, Expired expired);

/// Whether the files that the manifest has below "files/" are in `tree` as they were released. Errors: corrupt,
/// not_found, unavailable.
[[nodiscard]] base::Status verify_tree(const std::filesystem::path& tree, const Manifest& manifest);

}  // namespace trv::release
