#include "kernel/cli/commands/secret_input.hpp"

#include <fmt/format.h>

#include <iterator>

#include "kernel/cli/client/files.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t secret_bytes_max = 65'536;

}  // namespace

base::Result<std::optional<std::string>> secret_of(Session& session, std::string_view option, const std::string& file,
                                                   const std::string& variable) {
  if (file.empty() && variable.empty()) return std::nullopt;
  if (!file.empty() && !variable.empty()) {
    return base::fail(base::ErrorCode::invalid, fmt::format("give {0}-file or {0}-env, not both", option));
  }
  std::string secret;
  if (file == "-") {
    secret.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else if (!file.empty()) {
    TRV_TRY_ASSIGN(secret, read_file(file, secret_bytes_max));
  } else {
    const auto value = session.world().variable(variable);
    if (!value) {
      return base::fail(base::ErrorCode::invalid, fmt::format("{}-env {}: no such variable is set", option, variable));
    }
    secret = *value;
  }
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.ends_with('\r')) secret.pop_back();
  if (secret.empty()) return base::fail(base::ErrorCode::invalid, fmt::format("{}: the secret is empty", option));
  return secret;
}

}  // namespace trv::cli
