#include "kernel/daemon/data_folder.hpp"

#include <fmt/format.h>

#include "sdk/base/file.hpp"

namespace trv::daemon {
namespace {

constexpr std::size_t origin_bytes_max = 1000;

base::Status write_line(const std::filesystem::path& file, std::string_view text) {
  return base::write_file(file, "." + file.filename().string(), base::to_bytes(fmt::format("{}\n", text)), 0600);
}

}  // namespace

base::Status make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (!error) return {};
  return base::fail(base::ErrorCode::unavailable, fmt::format("cannot make {}: {}", folder.string(), error.message()));
}

base::Status keep_origin(const std::filesystem::path& file, std::string_view origin) {
  const base::Result<base::Bytes> stored = base::read_file(file, origin_bytes_max);
  if (!stored && stored.error().code() == base::ErrorCode::not_found) return write_line(file, origin);
  if (!stored) return base::fail(stored.error());
  std::string_view name = base::as_text(*stored);
  if (name.ends_with('\n')) name.remove_suffix(1);
  if (name == origin) return {};
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("audit.origin is '{}', but the audit trails of this folder are named '{}', and their "
                                "verifiers refuse another name. Set audit.origin to '{}'. To rename the trails, remove "
                                "{} and give every verifier the new key",
                                origin, name, name, file.string()));
}

base::Result<std::filesystem::path> write_operator_token(const std::filesystem::path& data_folder,
                                                         std::string_view token) {
  std::filesystem::path file = data_folder / "operator.token";
  TRV_TRY(write_line(file, token));
  return file;
}

}  // namespace trv::daemon
