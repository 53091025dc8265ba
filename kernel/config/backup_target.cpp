#include "kernel/config/backup_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "events/keys/key_file.hpp"
#include "kernel/s3/credentials.hpp"
#include "sdk/base/file.hpp"

namespace trv::config {
namespace {

base::Result<s3::Credentials> credentials_of(const Config& config) {
  if (!config.backup_credentials_file.empty()) {
    const std::string context = "backup.credentials_file";
    const auto stored = keys::read_private_file(config.backup_credentials_file);
    if (!stored) return base::fail(base::Error(stored.error()).in(context));
    auto read = s3::parse_credentials(base::as_text(*stored));
    if (!read) return base::fail(std::move(read).error().in(config.backup_credentials_file).in(context));
    return read;
  }
  const auto variable = [&config](std::string_view name) {
    const auto found = config.storage_variables.find(name);
    return found == config.storage_variables.end() ? std::string() : found->second;
  };
  s3::Credentials credentials{.key_id = variable("AWS_ACCESS_KEY_ID"),
                              .secret = variable("AWS_SECRET_ACCESS_KEY"),
                              .token = variable("AWS_SESSION_TOKEN")};
  if (!credentials.key_id.empty() && !credentials.secret.empty()) return credentials;
  return base::fail(base::ErrorCode::invalid,
                    "the storage has no credentials; name their file in backup.credentials_file, or set "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
}

}  // namespace

bool is_within(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code error;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(one, error), error);
  const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(other, error), error);
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

base::Status check_backup_target(const Config& config) {
  if (config.backup_target.empty()) return {};
  if (s3::is_url(config.backup_target)) {
    const auto settings = storage_settings(config, config.backup_target);
    if (settings) return {};
    // A key that is named already is named once.
    const bool is_named = settings.error().message().starts_with("backup.");
    return base::fail(is_named ? settings.error() : base::Error(settings.error()).in("backup.target"));
  }
  for (const std::string& folder : {config.data_folder, config.folder_beside_log()}) {
    if (!is_within(config.backup_target, folder)) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("backup.target: {} is in {}, which it backs up; name another folder, best of another "
                                  "disk",
                                  config.backup_target, folder));
  }
  return {};
}

base::Result<s3::Settings> storage_settings(const Config& config, const std::string& target) {
  TRV_TRY_ASSIGN(s3::Place place, s3::parse_place(target));
  const std::string address = config.backup_endpoint.empty()
                                  ? fmt::format("https://s3.{}.amazonaws.com", config.backup_region)
                                  : config.backup_endpoint;
  auto endpoint = s3::parse_endpoint(address);
  if (!endpoint) return base::fail(std::move(endpoint).error().in("backup.endpoint"));
  if (!config.backup_ca_file.empty()) {
    constexpr std::size_t pem_bytes_max = 1'000'000;
    if (const auto read = base::read_file(config.backup_ca_file, pem_bytes_max); !read) {
      return base::fail(base::ErrorCode::invalid, fmt::format("backup.ca_file: {}", read.error().message()));
    }
  }
  TRV_TRY_ASSIGN(s3::Credentials credentials, credentials_of(config));
  return s3::Settings{.endpoint = *std::move(endpoint),
                      .region = config.backup_region,
                      .bucket = std::move(place.bucket),
                      .is_path_style = config.backup_path_style,
                      .ca_file = config.backup_ca_file,
                      .credentials = std::move(credentials),
                      .credentials_from = config.backup_credentials_file.empty()
                                              ? "AWS_ACCESS_KEY_ID and its neighbours"
                                              : config.backup_credentials_file};
}

}  // namespace trv::config
