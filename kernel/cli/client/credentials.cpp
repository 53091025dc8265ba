#include "kernel/cli/client/credentials.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>

#include "kernel/cli/client/files.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;
constexpr std::size_t file_bytes_max = 1'000'000;

std::string reason() {
  return std::generic_category().message(errno);
}

/// Calls with each table of [[name]], in the order of the file.
template <typename Do>
base::Status each(const toml::table& parsed, std::string_view name, const Do& does) {
  const toml::array* entries = parsed[name].as_array();
  if (entries == nullptr) return {};
  for (const toml::node& entry : *entries) {
    if (const toml::table* table = entry.as_table()) TRV_TRY(does(*table));
  }
  return {};
}

std::string text_of(const toml::table& table, std::string_view name) {
  return table[name].value_or(std::string());
}

}  // namespace

base::Result<Credentials> Credentials::load(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT) return Credentials();
    return base::fail(ErrorCode::invalid, fmt::format("credentials {}: {}", file.string(), reason()));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("credentials {0}: other users can read it; run: chmod 600 {0}", file.string()));
  }
  TRV_TRY_ASSIGN(const std::string text, read_file(file, file_bytes_max));
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return base::fail(ErrorCode::invalid, fmt::format("credentials {}: line {}: {}; correct it or log in again",
                                                      file.string(), error.source().begin.line, error.description()));
  }
  Credentials credentials;
  TRV_TRY(each(parsed, "server", [&](const toml::table& table) -> base::Status {
    credentials.put(text_of(table, "url"), {.authority = text_of(table, "certificate_authority"),
                                            .certificate = text_of(table, "certificate"),
                                            .key = text_of(table, "certificate_key")});
    return {};
  }));
  TRV_TRY(each(parsed, "credential", [&](const toml::table& table) -> base::Status {
    Credential credential{
        .url = text_of(table, "url"), .tenant = text_of(table, "tenant"), .token = text_of(table, "token")};
    const bool speaks = !credential.token.empty() || !credentials.tls_of(credential.url).certificate.empty();
    if (credential.url.empty() || credential.tenant.empty() || !speaks) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("credentials {}: line {}: a credential needs url, tenant and token", file.string(),
                                    table.source().begin.line));
    }
    credentials.put(std::move(credential));
    return {};
  }));
  return credentials;
}

base::Status Credentials::save(const std::filesystem::path& file) const {
  toml::array entries;
  for (const Credential& credential : credentials_) {
    entries.push_back(toml::table{{"url", credential.url}, {"tenant", credential.tenant}, {"token", credential.token}});
  }
  toml::array servers;
  for (const auto& [url, files] : servers_) {
    servers.push_back(toml::table{{"url", url},
                                  {"certificate_authority", files.authority},
                                  {"certificate", files.certificate},
                                  {"certificate_key", files.key}});
  }
  toml::table all{{"credential", std::move(entries)}};
  if (!servers.empty()) all.insert("server", std::move(servers));
  std::ostringstream text;
  text << "# Tokens of trav; each opens a tenant to everybody who can read this file. Written by `trav login`.\n"
       << all << "\n";
  TRV_TRY(make_private_folders(file.parent_path()));
  return replace_file(file, text.str(), FileMode::owner_only);
}

void Credentials::put(Credential credential) {
  const auto same = std::ranges::find_if(credentials_, [&](const Credential& other) {
    return other.url == credential.url && other.tenant == credential.tenant;
  });
  if (same == credentials_.end()) {
    credentials_.push_back(std::move(credential));
  } else {
    *same = std::move(credential);
  }
}

void Credentials::put(const std::string& url, TlsFiles files) {
  servers_.insert_or_assign(url, std::move(files));
}

TlsFiles Credentials::tls_of(std::string_view url) const {
  const auto found = servers_.find(url);
  return found == servers_.end() ? TlsFiles() : found->second;
}

const Credential* Credentials::find(std::string_view url, std::string_view tenant) const {
  const auto found =
      std::ranges::find_if(credentials_, [&](const Credential& one) { return one.url == url && one.tenant == tenant; });
  return found == credentials_.end() ? nullptr : &*found;
}

std::vector<Credential> Credentials::of(std::string_view url) const {
  std::vector<Credential> found;
  std::ranges::copy_if(credentials_, std::back_inserter(found), [&](const Credential& one) { return one.url == url; });
  return found;
}

}  // namespace trv::cli
