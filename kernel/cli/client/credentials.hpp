#pragma once
// The credentials file: which token goes to which tenant of which server. TOML, mode 0600, replaced as a whole.
//
//   [[credential]]
//   url = "http://127.0.0.1:8400"
//   tenant = "acme"
//   token = "trv_…"
//
// Errors: invalid (it is not such a file, or others can read it; the message says what to do), unavailable (the disk).

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::cli {

struct Credential {
  std::string url;
  std::string tenant;
  std::string token;

  friend bool operator==(const Credential&, const Credential&) = default;
};

/// The value that a file is read into and written from.
class Credentials {
 public:
  /// A file that does not exist is an empty list.
  [[nodiscard]] static base::Result<Credentials> load(const std::filesystem::path& file);
  /// Writes beside the file, syncs, and renames over it; makes missing folders with mode 0700. Durable on return.
  [[nodiscard]] base::Status save(const std::filesystem::path& file) const;

  /// Replaces the one of the same url and tenant.
  void put(Credential credential);
  [[nodiscard]] const Credential* find(std::string_view url, std::string_view tenant) const;
  /// Every credential for a server.
  [[nodiscard]] std::vector<Credential> of(std::string_view url) const;
  [[nodiscard]] const std::vector<Credential>& all() const noexcept { return credentials_; }

 private:
  std::vector<Credential> credentials_;
};

}  // namespace trv::cli
