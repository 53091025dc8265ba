#pragma once
// The credentials file: which token goes to which tenant of which server, and what a TLS connection to that server
// needs. TOML, mode 0600, replaced as a whole.
//
//   [[credential]]
//   url = "http://127.0.0.1:8400"
//   tenant = "acme"
//   token = "trv_…"                                  empty: the certificate speaks for it
//
//   [[server]]
//   url = "https://travertine.example.com:8400"
//   certificate_authority = "/etc/travertine/authority.pem"
//   certificate = ""
//   certificate_key = ""
//
// Errors: invalid (it is not such a file, or others can read it; the message says what to do), unavailable (the disk).

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::cli {

/// Names of PEM files for addresses that begin with https://.
struct TlsFiles {
  std::string authority = {};    ///< of the server's certificate; empty: those that the system trusts
  std::string certificate = {};  ///< that the server is shown; empty: none
  std::string key = {};          ///< of that certificate; empty: it is in the same file

  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

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
  /// Replaces what was kept of the server.
  void put(const std::string& url, TlsFiles files);
  [[nodiscard]] const Credential* find(std::string_view url, std::string_view tenant) const;
  /// Every credential for a server.
  [[nodiscard]] std::vector<Credential> of(std::string_view url) const;
  /// Empty names where nothing is kept of the server.
  [[nodiscard]] TlsFiles tls_of(std::string_view url) const;
  [[nodiscard]] const std::vector<Credential>& all() const noexcept { return credentials_; }

 private:
  std::vector<Credential> credentials_;
  std::map<std::string, TlsFiles, std::less<>> servers_;
};

}  // namespace trv::cli
