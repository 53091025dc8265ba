#include "kernel/gateway/media.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::lower;
using base::trimmed;

constexpr std::string_view json_type = "application/json";

}  // namespace

bool MediaType::is_json() const noexcept {
  return essence == json_type || essence.ends_with("+json");
}

MediaType parse_media_type(std::string_view text) {
  MediaType type;
  std::size_t end = std::min(text.find(';'), text.size());
  type.essence = lower(trimmed(text.substr(0, end)));
  while (end < text.size()) {
    text.remove_prefix(end + 1);
    end = std::min(text.find(';'), text.size());
    const std::string_view parameter = text.substr(0, end);
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos || lower(trimmed(parameter.substr(0, equals))) != "charset") continue;
    type.charset = lower(base::unquoted(trimmed(parameter.substr(equals + 1))));
  }
  return type;
}

std::optional<MediaType> media_type_of(const http::Request& request) {
  const auto header = request.header("Content-Type");
  if (!header || header->empty()) return std::nullopt;
  return parse_media_type(*header);
}

http::Response unsupported_media(std::string_view detail) {
  return http::problem(415, "unsupported_media", detail);
}

std::optional<http::Response> refuse_encoding(const http::Request& request) {
  const std::string_view encoding = request.header("Content-Encoding").value_or("");
  if (encoding.empty() || base::equal_ignoring_case(encoding, "identity")) return std::nullopt;
  return unsupported_media(fmt::format("the body has the Content-Encoding '{}'; send it without one",
                                       base::utf8_prefix(encoding, 40)))
      .with("Accept-Encoding", "identity");
}

std::optional<http::Response> refuse_media(const http::Request& request,
                                           std::initializer_list<std::string_view> taken) {
  TRV_EXPECTS(taken.size() > 0);
  if (request.body().empty()) return std::nullopt;
  if (auto refusal = refuse_encoding(request)) return refusal;
  const auto type = media_type_of(request);
  if (!type) return std::nullopt;
  const auto passes = [&](std::string_view one) {
    return type->essence == one || (one == json_type && type->is_json());
  };
  if (std::ranges::none_of(taken, passes)) {
    return unsupported_media(fmt::format("the body has the Content-Type '{}'; taken here: {}",
                                         base::utf8_prefix(type->essence, 80), fmt::join(taken, ", ")));
  }
  if (type->is_utf8()) return std::nullopt;
  return unsupported_media(
      fmt::format("the body has the charset '{}'; send UTF-8", base::utf8_prefix(type->charset, 40)));
}

}  // namespace trv::gateway
