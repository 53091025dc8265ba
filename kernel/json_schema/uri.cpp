#include "kernel/json_schema/uri.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "sdk/base/hex_digit.hpp"

namespace trv::json_schema {

SplitReference split_reference(std::string_view reference) noexcept {
  const std::size_t hash = reference.find('#');
  if (hash == std::string_view::npos) return {reference, {}};
  return {reference.substr(0, hash), reference.substr(hash + 1)};
}

std::optional<std::string> resolve(std::string_view base, std::string_view reference) {
  if (base.size() + reference.size() > uri_bytes_max) return std::nullopt;
  const auto base_url = boost::urls::parse_uri({base.data(), base.size()});
  const auto reference_url = boost::urls::parse_uri_reference({reference.data(), reference.size()});
  if (!base_url || !reference_url) return std::nullopt;
  boost::urls::url resolved;
  if (!boost::urls::resolve(*base_url, *reference_url, resolved)) return std::nullopt;
  return std::string(resolved.buffer().data(), resolved.buffer().size());
}

bool is_uri(std::string_view text) {
  return boost::urls::parse_uri({text.data(), text.size()}).has_value();
}

bool is_uri_reference(std::string_view text) {
  return boost::urls::parse_uri_reference({text.data(), text.size()}).has_value();
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = base::hex_value(text[i + 1]);
    const int low = base::hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string escape_token(std::string_view token) {
  std::string escaped;
  escaped.reserve(token.size());
  for (const char c : token) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::optional<std::vector<std::string>> pointer_tokens(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (pointer.front() != '/') return std::nullopt;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      tokens.emplace_back();
    } else if (pointer[i] != '~') {
      tokens.back() += pointer[i];
    } else {
      if (i + 1 == pointer.size() || (pointer[i + 1] != '0' && pointer[i + 1] != '1')) return std::nullopt;
      tokens.back() += pointer[++i] == '0' ? '~' : '/';
    }
  }
  return tokens;
}

}  // namespace trv::json_schema
