#include "kernel/cli/commands/redaction.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "kernel/json/parse.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t key_run_min = 20;
constexpr std::size_t json_line_bytes_max = 1'000'000;
constexpr std::size_t json_line_depth_max = 20;
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

/// What a trace's places are always like (32 and 16 hexadecimal digits), and no key is.
bool is_place_in_trace(std::string_view name, std::string_view value) {
  const std::size_t size = name == "trace_id" ? 32 : name == "span_id" ? 16 : 0;
  return size > 0 && value.size() == size && value.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_clean_text(std::string_view text) {
  return !may_hold_secret(text) && !names_secret(lower(text));
}

/// Nothing within it, names and texts as they mean, may hold a secret.
bool is_clean(const json::Value& value) {
  if (value.is_string()) return is_clean_text(value.as_string());
  if (value.is_array()) return std::ranges::all_of(value.items(), [](const json::Value& one) { return is_clean(one); });
  if (!value.is_object()) return true;
  return std::ranges::all_of(value.entries(), [](const auto& entry) {
    const std::string_view name = entry.key.as_string();
    if (entry.value.is_string() && is_place_in_trace(name, entry.value.as_string())) return true;
    return is_clean_text(std::string(name) + ":") && is_clean(entry.value);
  });
}

/// Of a line of log.format = "json": an object, with a priority of journald before it or without.
bool is_clean_line(std::string_view line) {
  std::string_view object = line;
  if (object.size() > 3 && object[0] == '<' && object[2] == '>') object.remove_prefix(3);
  if (!object.starts_with('{')) return is_clean_text(line);
  // What an escape hides is seen in the value alone; what does not parse is not understood.
  const auto value = json::parse(object, {.bytes_max = json_line_bytes_max, .depth_max = json_line_depth_max});
  return value && is_clean(*value) && !names_secret(lower(line));
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
    if (is_in_pem || !is_clean_line(line)) {
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
