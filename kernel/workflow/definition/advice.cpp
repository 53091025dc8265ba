#include "kernel/workflow/definition/advice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kernel/expression/names.hpp"
#include "kernel/expression/program.hpp"
#include "kernel/workflow/definition/expression_text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::definition {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return is_letter(c) || is_digit(c);
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_word(text[at])) ++at;
  return at;
}

std::size_t offset_of(std::string_view text, const base::Error& error) {
  std::size_t at = 0;
  for (int line = 1; line < error.line(); ++line) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  return std::min(at + static_cast<std::size_t>(std::max(error.column(), 1) - 1), text.size());
}

/// The evaluator's message without the place, which is said otherwise.
std::string plain_message(std::string_view message) {
  const std::size_t place = message.rfind(" (line ");
  return std::string(place == std::string_view::npos ? message : message.substr(0, place));
}

struct OtherOperator {
  std::string_view text;
  std::string_view message;
  std::string_view suggestion;
};
// Operators of other languages, the longer first.
constexpr std::array<OtherOperator, 7> other_operators = {{
    {"&&", "jq has no '&&'; write 'and'", "and"},
    {"||", "jq has no '||'; write 'or'", "or"},
    {"===", "jq has no '==='; write '=='", "=="},
    {"!==", "jq has no '!=='; write '!='", "!="},
    {"?\?", "jq has no '?\?'; write '//' for a value in place of null", "//"},
    {"=>", "jq has no '=>'; a function takes a filter, as in map(.price)", ""},
    {"!", "jq has no '!'; write '| not' behind what is to be negated", ""},
}};

std::optional<Advice> other_operator(std::string_view text, std::size_t at) {
  // `??` reads as two operators that need nothing behind them.
  const std::string_view before = base::trimmed(text.substr(0, at));
  if (at >= before.size() + 1 && before.ends_with("?\?"))
    return other_operator(text, static_cast<std::size_t>(before.end() - text.begin()) - 1);
  for (const OtherOperator& other : other_operators) {
    // The evaluator may have taken the first characters for an operator of its own.
    for (std::size_t back = 0; back < std::min(other.text.size(), at + 1); ++back) {
      if (!text.substr(at - back).starts_with(other.text)) continue;
      return Advice{.message = std::string(other.message),
                    .offset = at - back,
                    .length = static_cast<int>(other.text.size()),
                    .suggestion = std::string(other.suggestion)};
    }
  }
  return std::nullopt;
}

std::optional<Advice> single_quotes(std::string_view text, std::size_t at) {
  if (at >= text.size() || text[at] != '\'') return std::nullopt;
  const std::size_t end = text.find('\'', at + 1);
  if (end == std::string_view::npos) {
    return Advice{.message = "jq writes text in double quotes, not in single ones", .offset = at, .length = 1};
  }
  const std::string meant = fmt::format("\"{}\"", text.substr(at + 1, end - at - 1));
  return Advice{.message = fmt::format("jq writes text in double quotes: {}", meant),
                .offset = at,
                .length = static_cast<int>(end + 1 - at),
                .suggestion = meant};
}

/// `.order-number`: the minus is within a name.
std::optional<Advice> name_with_minus(std::string_view text, std::size_t at) {
  if (at < 2 || text[at - 1] != '-' || !is_word(text[at - 2])) return std::nullopt;
  std::size_t begin = at - 1;
  while (begin > 0 && (is_word(text[begin - 1]) || text[begin - 1] == '-')) --begin;
  if (begin == 0 || text[begin - 1] != '.') return std::nullopt;
  std::size_t end = at;
  while (end < text.size() &&
         (is_word(text[end]) || (text[end] == '-' && end + 1 < text.size() && is_letter(text[end + 1]))))
    ++end;
  const std::string meant = fmt::format(".\"{}\"", text.substr(begin, end - begin));
  return Advice{.message = fmt::format("a name with '-' in it is written in quotes: {}", meant),
                .offset = begin - 1,
                .length = static_cast<int>(end + 1 - begin),
                .suggestion = meant};
}

Advice unknown_function(std::string_view text, std::size_t at, std::string message) {
  const std::size_t end = word_end(text, at);
  const std::string_view name = text.substr(at, end - at);
  const bool is_called = end < text.size() && text[end] == '(';
  Advice advice{.message = std::move(message), .offset = at, .length = static_cast<int>(end - at)};
  const std::string_view meant = base::nearest(name, expression::function_names());
  const bool is_path = end < text.size() && (text[end] == '.' || text[end] == '[');
  if (!is_called && (is_path || meant.empty())) {
    std::size_t path_end = end;
    while (path_end < text.size() && (is_word(text[path_end]) || text[path_end] == '.')) ++path_end;
    const std::string path = fmt::format(".{}", text.substr(at, path_end - at));
    advice.message =
        fmt::format("there is no function '{}'; a property of the data is written with a dot: {}", name, path);
    advice.length = static_cast<int>(path_end - at);
    advice.suggestion = path;
    return advice;
  }
  if (meant == name) return advice;  // it takes another number of arguments
  if (meant.empty()) {
    advice.message = fmt::format("there is no function '{}'", name);
  } else {
    advice.message = fmt::format("there is no function '{}'; did you mean '{}'?", name, meant);
    advice.suggestion = meant;
  }
  return advice;
}

Advice unknown_variable(std::string_view text, std::size_t at, const std::vector<std::string_view>& variables) {
  const std::size_t begin = at < text.size() && text[at] == '$' ? at + 1 : at;
  const std::size_t end = word_end(text, begin);
  const std::string_view name = text.substr(begin, end - begin);
  Advice advice{.message = {}, .offset = begin == 0 ? 0 : begin - 1, .length = static_cast<int>(end + 1 - begin)};
  std::vector<std::string> shown;
  for (const std::string_view variable : variables) shown.push_back(fmt::format("${}", variable));
  advice.expected = fmt::format("{}", fmt::join(shown, ", "));
  if (name == "item" || name == "index") {
    advice.message = fmt::format("${} exists only within a 'for' that declares it", name);
  } else if (name == "error") {
    advice.message = "$error exists only within a 'catch'";
  } else if (name == "output") {
    advice.message = "$output exists only in 'export.as'; here the output of the task before is '.'";
  } else if (name == "secret") {
    advice.message = "there is no variable $secret; secrets are in $secrets, by the names in 'use.secrets'";
    advice.suggestion = "$secrets";
    return advice;
  } else if (variables.empty()) {
    advice.message = fmt::format(
        "${} does not exist in what starts a workflow, of which no instance exists yet: '.' is all that it sees", name);
  } else if (name == "input") {
    advice.message = "$input does not exist here; the input is '.'";
  } else if (const std::string_view meant = base::nearest(name, variables); !meant.empty()) {
    advice.message = fmt::format("there is no variable ${}; did you mean '${}'?", name, meant);
    advice.suggestion = fmt::format("${}", meant);
    return advice;
  } else {
    advice.message = fmt::format("there is no variable ${}", name);
  }
  if (!shown.empty()) advice.message += fmt::format(" (here there are {})", advice.expected);
  return advice;
}

}  // namespace

Advice advise(std::string_view expression, const base::Error& error, const std::vector<std::string_view>& variables) {
  const std::size_t at = offset_of(expression, error);
  const std::string message = plain_message(error.message());
  if (error.line() <= 0) return {.message = message};
  if (message.ends_with(" is not defined")) {
    if (message.starts_with('$')) return unknown_variable(expression, at, variables);
    if (auto advice = name_with_minus(expression, at)) return *std::move(advice);
    return unknown_function(expression, at, message);
  }
  if (!message.starts_with("syntax error")) return {.message = message, .offset = at};
  if (auto advice = single_quotes(expression, at)) return *std::move(advice);
  if (auto advice = other_operator(expression, at)) return *std::move(advice);
  if (auto open = unclosed(expression)) return {.message = std::move(open->why), .offset = open->at, .length = 1};
  if (expression.starts_with('{') && expression.ends_with('}')) {
    return {.message = fmt::format("{}; one pair of braces is enough: '${{ … }}'", message), .offset = at};
  }
  return {.message = message, .offset = at};
}

std::optional<Advice> unknown_member(std::string_view expression) {
  struct Known {
    std::string_view variable;
    std::vector<std::string_view> members;
  };
  static const std::array<Known, 3> known = {{
      {"$workflow", {"id", "definition", "input", "startedAt"}},
      {"$task", {"name", "reference", "definition", "input", "output", "startedAt"}},
      {"$runtime", {"name", "version", "metadata"}},
  }};
  for (const auto& [variable, members] : known) {
    for (std::size_t at = expression.find(variable); at != std::string_view::npos;
         at = expression.find(variable, at + 1)) {
      const std::size_t dot = at + variable.size();
      if (dot + 1 >= expression.size() || expression[dot] != '.' || !is_letter(expression[dot + 1])) continue;
      const std::size_t end = word_end(expression, dot + 1);
      const std::string_view name = expression.substr(dot + 1, end - dot - 1);
      if (std::ranges::find(members, name) != members.end()) continue;
      const std::string_view meant = base::nearest(name, members);
      return Advice{.message = fmt::format("{} has no '{}'{}", variable, name,
                                           meant.empty() ? fmt::format("; it has {}", fmt::join(members, ", "))
                                                         : fmt::format("; did you mean '{}'?", meant)),
                    .offset = dot + 1,
                    .length = static_cast<int>(name.size()),
                    .suggestion = std::string(meant),
                    .expected = fmt::format("{}", fmt::join(members, ", "))};
    }
  }
  return std::nullopt;
}

std::optional<DurationAdvice> duration_meant(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::string_view part;
    char iso;
    bool in_time;
  };
  static constexpr std::array<Unit, 20> units = {{{"ms", "milliseconds", 'f', true},
                                                  {"s", "seconds", 'S', true},
                                                  {"sec", "seconds", 'S', true},
                                                  {"secs", "seconds", 'S', true},
                                                  {"second", "seconds", 'S', true},
                                                  {"seconds", "seconds", 'S', true},
                                                  {"m", "minutes", 'M', true},
                                                  {"min", "minutes", 'M', true},
                                                  {"mins", "minutes", 'M', true},
                                                  {"minute", "minutes", 'M', true},
                                                  {"minutes", "minutes", 'M', true},
                                                  {"h", "hours", 'H', true},
                                                  {"hr", "hours", 'H', true},
                                                  {"hour", "hours", 'H', true},
                                                  {"hours", "hours", 'H', true},
                                                  {"d", "days", 'D', false},
                                                  {"day", "days", 'D', false},
                                                  {"days", "days", 'D', false},
                                                  {"millisecond", "milliseconds", 'f', true},
                                                  {"milliseconds", "milliseconds", 'f', true}}};
  DurationAdvice advice;
  std::string days;
  std::string time;
  std::vector<std::string> parts;
  text = base::trimmed(text);
  if (text.empty() || text.size() > 64) return std::nullopt;
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end == 0 || end > 9) return std::nullopt;
    const std::string number(text.substr(0, end));
    text = base::trimmed(text.substr(end));
    end = 0;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string name = base::lower(text.substr(0, end));
    const auto* const unit = std::ranges::find(units, std::string_view(name), &Unit::name);
    if (unit == units.end()) return std::nullopt;
    text = base::trimmed(text.substr(end));
    if (unit->iso == 'f') {
      if (number.size() > 3) return std::nullopt;
      time += fmt::format("0.{:0>3}S", number);
    } else {
      (unit->in_time ? time : days) += number + unit->iso;
    }
    parts.push_back(fmt::format("{}: {}", unit->part, number));
  }
  advice.iso = fmt::format("P{}{}{}", days, time.empty() ? "" : "T", time);
  advice.inlined = fmt::format("{{{}}}", fmt::join(parts, ", "));
  return advice;
}

std::optional<std::string> expression_meant(std::string_view text) {
  text = base::trimmed(text);
  if (text.size() < 2 || text.size() > 200 || text.contains("${")) return std::nullopt;
  if (text.starts_with("{{") && text.ends_with("}}")) {
    std::string_view inner = base::trimmed(text.substr(2, text.size() - 4));
    for (const std::string_view other : {"$json", "$node", "$input.item.json"}) {
      if (inner.starts_with(std::string(other) + ".")) inner.remove_prefix(other.size());
    }
    if (!inner.starts_with('.') && !inner.starts_with('$')) return fmt::format(".{}", inner);
    return std::string(inner);
  }
  const bool is_path = text.front() == '.' && is_letter(text[1]);
  bool is_variable = false;
  for (const std::string_view variable :
       {"$context", "$input", "$output", "$workflow", "$task", "$runtime", "$item", "$error"}) {
    if (!text.starts_with(variable)) continue;
    const std::string_view rest = text.substr(variable.size());
    is_variable = is_variable || rest.empty() || rest.front() == '.' || rest.front() == '[';
  }
  if (!is_path && !is_variable) return std::nullopt;
  // More than names and indices is text of some other kind.
  const bool plain = std::ranges::all_of(
      text, [](char c) { return is_word(c) || c == '.' || c == '[' || c == ']' || c == '"' || c == '$' || c == '?'; });
  if (!plain || text.ends_with('.') || text.contains("..")) return std::nullopt;
  return std::string(text);
}

std::optional<json::Value> fixed_value(std::string_view expression) {
  static constexpr std::array<std::string_view, 6> words = {"true", "false", "null", "and", "or", "not"};
  if (expression.size() > 200) return std::nullopt;
  bool in_text = false;
  for (std::size_t at = 0; at < expression.size();) {
    const char c = expression[at];
    if (c == '"') {
      in_text = !in_text;
    } else if (c == '\\') {
      return std::nullopt;
    } else if (!in_text) {
      const bool within_number = at > 0 && is_digit(expression[at - 1]);
      if (c == '$' || c == '@' || (c == '.' && !within_number) || c == '[' || c == '{') return std::nullopt;
      if (is_letter(c)) {
        const std::size_t end = word_end(expression, at);
        if (std::ranges::find(words, expression.substr(at, end - at)) == words.end()) return std::nullopt;
        at = end;
        continue;
      }
    }
    ++at;
  }
  const auto program = expression::compile(expression);
  if (!program) return std::nullopt;
  const auto value = expression::evaluate_first(*program, json::Value());
  if (!value) return std::nullopt;
  return *value;
}

bool is_credential_name(std::string_view name) {
  static constexpr std::array<std::string_view, 22> names = {"authorization",  "proxy-authorization",
                                                             "cookie",         "x-api-key",
                                                             "api-key",        "apikey",
                                                             "api_key",        "x-auth-token",
                                                             "x-access-token", "token",
                                                             "access_token",   "access-token",
                                                             "auth_token",     "secret",
                                                             "client_secret",  "password",
                                                             "passwd",         "x-csrf-token",
                                                             "private-token",  "x-vault-token",
                                                             "x-token",        "key"};
  return std::ranges::find(names, std::string_view(base::lower(name))) != names.end();
}

ErrorTypeAdvice error_type_meant(std::string_view type) {
  static const std::vector<std::string_view> names = {"configuration", "validation", "expression",    "authentication",
                                                      "authorization", "timeout",    "communication", "runtime"};
  static constexpr std::string_view base_uri = "https://serverlessworkflow.io/spec/1.0.0/errors/";
  if (type.contains("${")) return {};
  const bool ours = type.contains("serverlessworkflow.io/") || type.contains("open-workflow-specification.org/");
  const std::size_t slash = type.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? type : type.substr(slash + 1);
  if (!ours && slash != std::string_view::npos) return {};
  const bool is_known = std::ranges::find(names, name) != names.end();
  if (ours && is_known) return {};
  const std::string_view meant = is_known ? name : base::nearest(name, names);
  if (!ours && meant.empty()) return {};
  return {.is_wrong = true, .suggestion = meant.empty() ? std::string() : fmt::format("{}{}", base_uri, meant)};
}

}  // namespace trv::definition
