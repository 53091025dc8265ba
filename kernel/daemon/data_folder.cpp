#include "kernel/daemon/data_folder.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <optional>

#include "events/copy/log_copy.hpp"
#include "events/keys/key_file.hpp"
#include "events/log/record_lookup.hpp"
#include "sdk/base/file.hpp"

namespace trv::daemon {
namespace {

constexpr std::size_t line_bytes_max = 1000;

base::Status write_line(const std::filesystem::path& file, std::string_view text) {
  return base::write_file(file, "." + file.filename().string(), base::to_bytes(fmt::format("{}\n", text)), 0600);
}

/// nullopt where there is no such file.
base::Result<std::optional<std::string>> stored_line(const std::filesystem::path& file) {
  const base::Result<base::Bytes> stored = base::read_file(file, line_bytes_max);
  if (!stored && stored.error().code() == base::ErrorCode::not_found) return std::nullopt;
  if (!stored) return base::fail(stored.error());
  std::string line(base::as_text(*stored));
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

}  // namespace

base::Status make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (!error) return {};
  return base::fail(base::ErrorCode::unavailable, fmt::format("cannot make {}: {}", folder.string(), error.message()));
}

base::Status require_shared_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return make_private_folder(folder);
  const bool is_there = std::filesystem::exists(folder, error);
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("node.shared_folder: {0} {1}; mount it, so that it has the same files on every node. For a "
                  "new cluster, `trav cluster init` makes it; where the topic is created already, make it "
                  "with `mkdir -m 700 {0}`",
                  folder.string(), is_there ? "is not a folder" : "does not exist"));
}

base::Status check_cluster_key(const std::filesystem::path& shared_folder, const keys::ClusterKey& cluster,
                               base::Random& random) {
  const auto make_none = []() -> base::Result<std::string> { return base::fail(base::ErrorCode::not_found, ""); };
  for (const char* name : {"keys/audit.pem", "secrets/master.key"}) {
    const std::filesystem::path file = shared_folder / name;
    std::error_code error;
    if (!std::filesystem::exists(file, error)) continue;
    TRV_TRY_ASSIGN(std::string secret, keys::load_or_create(file, make_none, &cluster, random));
    OPENSSL_cleanse(secret.data(), secret.size());
  }
  return {};
}

base::Status keep_origin(const std::filesystem::path& file, std::string_view origin) {
  TRV_TRY_ASSIGN(const auto stored, stored_line(file));
  if (!stored) return write_line(file, origin);
  const std::string& name = *stored;
  if (name == origin) return {};
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("audit.origin is '{}', but the audit trails of this folder are named '{}', and their "
                                "verifiers refuse another name. Set audit.origin to '{}'. To rename the trails, remove "
                                "{} and give every verifier the new key",
                                origin, name, name, file.string()));
}

base::Result<note::SigningKey> open_audit_key(const std::filesystem::path& file, std::string_view origin,
                                              const keys::ClusterKey* cluster, base::Random& random) {
  const auto make = [&]() -> base::Result<std::string> {
    TRV_TRY_ASSIGN(const note::SigningKey fresh, note::SigningKey::generate(origin, random));
    return fresh.to_pem();
  };
  TRV_TRY_ASSIGN(std::string pem, keys::load_or_create(file, make, cluster, random));
  auto key = note::SigningKey::from_pem(origin, pem);
  OPENSSL_cleanse(pem.data(), pem.size());
  if (!key) return base::fail(std::move(key).error().in(file.string()));
  return key;
}

base::Status refuse_unfinished_copy(const std::filesystem::path& data_folder) {
  TRV_TRY_ASSIGN(const std::string to, copy::unfinished_copy(data_folder));
  if (to.empty()) return {};
  return base::fail(
      base::ErrorCode::corrupt,
      fmt::format("the copy of the log to {} was cut off: run the same `trav log copy` again, which goes on where it "
                  "ended. To go on without the copy, remove {}",
                  to, (data_folder / "copy.unfinished").string()));
}

base::Status check_keys(const std::filesystem::path& data_folder, std::uint64_t records) {
  if (records == 0) return {};
  const std::pair<std::filesystem::path, std::string_view> keys[] = {
      {data_folder / "keys" / "audit.pem", "signs the audit trails. Their verifiers refuse another key"},
      {data_folder / "secrets" / "master.key", "seals the secrets of connections. Without it none of them opens"}};
  for (const auto& [file, purpose] : keys) {
    std::error_code error;
    if (std::filesystem::exists(file, error)) continue;
    return base::fail(
        base::ErrorCode::corrupt,
        fmt::format("{} is missing, the key that {}. The log has {} records, so this is not a new folder: "
                    "restore {} from a backup, or mount it where it lies on another machine",
                    file.string(), purpose, records, file.parent_path().string()));
  }
  return {};
}

base::Status check_log_of_keys(const std::filesystem::path& data_folder, std::uint64_t records, log::EventLog& log,
                               const std::string& name) {
  const std::filesystem::path file = data_folder / "keys" / "log";
  std::error_code ignored;
  if (records == 0) {
    std::filesystem::remove(file, ignored);
    return {};
  }
  const auto record = log::RecordLookup(log, log::ShardId(0)).at(log::Lsn(1));
  if (!record) {
    TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(log::ShardId(0)));
    if (bounds.first > log::Lsn(1)) return {};  // it was trimmed
    return base::fail(record.error());
  }
  const std::string first = (*record)->event_id().to_string();
  TRV_TRY_ASSIGN(const auto stored, stored_line(file));
  if (!stored) return write_line(file, first);
  if (*stored == first) return {};
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("the keys of {} belong to another log than {}: theirs begins with record {}, this one "
                                "with {}. They would sign its audit trails, and verifiers would refuse that. Set "
                                "data.folder or kafka.topic to those that belong together, or restore keys and "
                                "secrets from a backup of this log",
                                data_folder.string(), name, *stored, first));
}

base::Status check_secrets(const std::filesystem::path& data_folder, const std::set<egress::SecretReference>& named) {
  const std::filesystem::path folder = data_folder / "secrets";
  std::size_t missing = 0;
  std::filesystem::path first;
  for (const egress::SecretReference& one : named) {
    std::error_code error;
    const std::filesystem::path file = folder / one.tenant.value() / one.reference;
    if (one.reference.empty() || std::filesystem::exists(file, error)) continue;
    if (missing++ == 0) first = file;
  }
  if (missing == 0) return {};
  return base::fail(
      base::ErrorCode::corrupt,
      fmt::format("{} secrets of connections are missing, the first is {}. Restore {} from a backup. To go "
                  "on without a secret, put an empty file in its place, start, and set the secret of the "
                  "connection again",
                  missing, first.string(), folder.string()));
}

base::Result<std::filesystem::path> write_operator_token(const std::filesystem::path& data_folder,
                                                         std::string_view token) {
  std::filesystem::path file = data_folder / "operator.token";
  TRV_TRY(write_line(file, token));
  return file;
}

}  // namespace trv::daemon
