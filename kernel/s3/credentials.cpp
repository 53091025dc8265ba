#include "kernel/s3/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/field_text.hpp"

namespace trv::s3 {

base::Result<Credentials> parse_credentials(std::string_view text) {
  Credentials credentials;
  bool is_ours = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = base::trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) is_ours = line == "[default]";
    const std::size_t equals = line.find('=');
    if (!is_ours || equals == std::string_view::npos) continue;
    const std::string_view name = base::trimmed(line.substr(0, equals));
    const std::string_view value = base::trimmed(line.substr(equals + 1));
    if (name == "aws_access_key_id") credentials.key_id = value;
    if (name == "aws_secret_access_key") credentials.secret = value;
    if (name == "aws_session_token") credentials.token = value;
  }
  for (const auto& [name, value] :
       {std::pair("aws_access_key_id", &credentials.key_id), std::pair("aws_secret_access_key", &credentials.secret)}) {
    if (!value->empty()) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("it has no line `{} = …` in its section [default]; write one", name));
  }
  return credentials;
}

}  // namespace trv::s3
