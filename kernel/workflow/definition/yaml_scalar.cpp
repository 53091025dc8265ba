// Unquoted scalars by the core schema.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition::syntax {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// [-+]? digits, without the leading zeros that JSON refuses.
std::string decimal(std::string_view text) {
  TRV_EXPECTS(!text.empty());
  std::string out;
  if (text.front() == '-' || text.front() == '+') {
    if (text.front() == '-') out.push_back('-');
    text.remove_prefix(1);
  }
  const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  out += text.substr(first);
  return out == "-0" ? "0" : out;
}

bool is_based(std::string_view text, std::string_view prefix, std::string_view digits) {
  return text.starts_with(prefix) && text.size() > 2 &&
         text.substr(2).find_first_not_of(digits) == std::string_view::npos;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, as a JSON number; empty where it is none.
std::string floating(std::string_view text) {
  TRV_EXPECTS(!text.empty());
  std::string out;
  if (text.front() == '-' || text.front() == '+') {
    if (text.front() == '-') out.push_back('-');
    text.remove_prefix(1);
  }
  const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  const std::string_view mantissa = text.substr(0, exponent_at);
  const std::size_t dot = std::min(mantissa.find('.'), mantissa.size());
  const std::string_view whole = mantissa.substr(0, dot);
  const std::string_view fraction = dot < mantissa.size() ? mantissa.substr(dot + 1) : std::string_view();
  if (whole.empty() && fraction.empty()) return {};
  if ((!whole.empty() && !all_digits(whole)) || (!fraction.empty() && !all_digits(fraction))) return {};
  out += whole.empty() ? "0" : decimal(whole);
  if (!fraction.empty()) {
    out.push_back('.');
    out += fraction;
  }
  if (exponent_at < text.size()) {
    std::string_view exponent = text.substr(exponent_at + 1);
    out.push_back('e');
    if (!exponent.empty() && (exponent.front() == '-' || exponent.front() == '+')) {
      out.push_back(exponent.front());
      exponent.remove_prefix(1);
    }
    if (!all_digits(exponent)) return {};
    out += exponent;
  }
  return out;
}

}  // namespace

std::string single_quoted(std::string_view between) {
  constexpr std::string_view blanks = " \t";
  std::string out;
  std::size_t breaks = 0;
  for (bool is_first = true;; is_first = false) {
    const std::size_t end = between.find_first_of("\r\n");
    const bool is_last = end == std::string_view::npos;
    std::string_view line = between.substr(0, end);
    if (!is_first) line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    if (!is_last) line = line.substr(0, line.find_last_not_of(blanks) + 1);
    if (!line.empty() || is_last) {
      // One break is a space; of more, the first says nothing.
      if (breaks == 1) out.push_back(' ');
      if (breaks > 1) out.append(breaks - 1, '\n');
      breaks = 0;
    }
    for (std::size_t at = 0; at < line.size(); ++at) {
      out.push_back(line[at]);
      if (line[at] == '\'') ++at;
    }
    if (is_last) return out;
    ++breaks;
    between.remove_prefix(end + (between.substr(end).starts_with("\r\n") ? 2 : 1));
  }
}

bool resolve_plain(std::string_view text, Node& node) {
  using Kind = Node::Kind;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    node.kind = Kind::null;
    return true;
  }
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE") {
    node.kind = Kind::boolean;
    node.boolean = text.front() == 't' || text.front() == 'T';
    return true;
  }
  const std::string_view unsigned_text = text.front() == '-' || text.front() == '+' ? text.substr(1) : text;
  if (all_digits(unsigned_text)) {
    node.kind = Kind::integer;
    node.text = decimal(text);
    return !std::isinf(json::to_double(node.text));
  }
  const bool octal = is_based(text, "0o", "01234567");
  if (octal || is_based(text, "0x", "0123456789abcdefABCDEF")) {
    node.kind = Kind::integer;
    const std::string digits(text.substr(2));
    if (digits.size() > (octal ? 21 : 15)) return false;
    node.text = std::to_string(std::strtoull(digits.c_str(), nullptr, octal ? 8 : 16));
    return true;
  }
  node.kind = Kind::string;
  node.text = text;
  static constexpr std::string_view unbounded[] = {".inf", ".Inf", ".INF"};
  for (const std::string_view word : unbounded) {
    if (unsigned_text == word) return false;
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return false;
  if (!unsigned_text.empty() && (unsigned_text.front() == '.' || all_digits(unsigned_text.substr(0, 1)))) {
    if (std::string number = floating(text); !number.empty()) {
      node.kind = Kind::number;
      node.text = std::move(number);
      return !std::isinf(json::to_double(node.text));
    }
  }
  return true;
}

}  // namespace trv::definition::syntax
