#include "kernel/cli/commands/redaction.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace trv::cli {
namespace {

constexpr std::size_t key_run_min = 20;
constexpr std::string_view left_out_text = "[left out]";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& one : out) one = static_cast<char>(std::tolower(static_cast<unsigned char>(one)));
  return out;
}

bool is_of_key(char one) {
  return std::isalnum(static_cast<unsigned char>(one)) != 0 || one == '+' || one == '=' || one == '_';
}

/// Letters and digits mixed, and no '-', as identifiers have: a word and a number are not keys.
bool has_key_run(std::string_view text) {
  std::size_t length = 0;
  bool has_digit = false;
  bool has_letter = false;
  for (const char one : text) {
    if (is_of_key(one)) {
      ++length;
      has_digit = has_digit || std::isdigit(static_cast<unsigned char>(one)) != 0;
      has_letter = has_letter || std::isalpha(static_cast<unsigned char>(one)) != 0;
    } else {
      length = 0;
      has_digit = has_letter = false;
    }
    if (length >= key_run_min && has_digit && has_letter) return true;
  }
  return false;
}

constexpr std::array<std::string_view, 13> secret_names = {
    "secret", "password", "passwd", "passphrase", "pwd",         "authorization", "api_key",
    "apikey", "api-key",  "_key",   "credential", "private key", "cookie"};

/// Whatever follows.
bool names_secret(const std::string& text) {
  return std::ranges::any_of(secret_names, [&](std::string_view name) { return text.find(name) != std::string::npos; });
}

/// A name with a value behind it: "password=x", "token": "x". Not the name alone.
bool has_named_secret(const std::string& text) {
  std::vector<std::string_view> names(secret_names.begin(), secret_names.end());
  names.push_back("token");
  for (const std::string_view name : names) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      std::size_t behind = at + name.size();
      while (behind < text.size() && (text[behind] == '"' || text[behind] == '\'' || text[behind] == ' ')) ++behind;
      if (behind < text.size() && (text[behind] == ':' || text[behind] == '=')) return true;
    }
  }
  return false;
}

bool has_user_in_url(const std::string& text) {
  for (std::size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 1)) {
    const std::size_t end = std::min(text.find_first_of("/ \"'?#", at + 3), text.size());
    if (text.substr(at + 3, end - at - 3).find('@') != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool may_hold_secret(std::string_view text) {
  const std::string small = lower(text);
  constexpr std::array<std::string_view, 5> marks = {"trv_", "bearer ", "basic ", "-----begin", "whsec_"};
  return std::ranges::any_of(marks, [&](std::string_view mark) { return small.find(mark) != std::string::npos; }) ||
         has_named_secret(small) || has_user_in_url(small) || has_key_run(text);
}

Redacted lines_without_secrets(std::string_view text) {
  Redacted out;
  bool is_in_pem = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    is_in_pem = is_in_pem || line.find("-----BEGIN") != std::string_view::npos;
    if (is_in_pem || may_hold_secret(line) || names_secret(lower(line))) {
      ++out.left_out;
    } else {
      out.text.append(line).push_back('\n');
    }
    if (line.find("-----END") != std::string_view::npos) is_in_pem = false;
  }
  return out;
}

RedactedValue strings_without_secrets(const json::Value& value) {
  if (value.is_string()) {
    return may_hold_secret(value.as_string()) ? RedactedValue{left_out_text, 1} : RedactedValue{value, 0};
  }
  RedactedValue out{value, 0};
  if (value.is_array()) {
    out.value = json::Value::array();
    for (const json::Value& one : value.items()) {
      RedactedValue inner = strings_without_secrets(one);
      out.left_out += inner.left_out;
      out.value.push_back(std::move(inner.value));
    }
  }
  if (value.is_object()) {
    out.value = json::Value::object();
    for (const auto& entry : value.entries()) {
      // "token": "x" is one whatever x is.
      const bool is_named = entry.value.is_string() && may_hold_secret(std::string(entry.key.as_string()) + ":");
      RedactedValue inner = is_named ? RedactedValue{left_out_text, 1} : strings_without_secrets(entry.value);
      out.left_out += inner.left_out;
      out.value.set(entry.key, std::move(inner.value));
    }
  }
  return out;
}

}  // namespace trv::cli
