// The compiler's part for expressions: which strings are expressions, what they may name, and where they are.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/definition/advice.hpp"
#include "kernel/workflow/definition/compiler.hpp"
#include "kernel/workflow/definition/expression_text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {

using base::trimmed;
using json::Value;

namespace {

/// Every `$name` of the text, once, sorted; also those within strings, which does no harm.
std::vector<std::string_view> names_in(std::string_view text) {
  std::vector<std::string_view> names;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    std::size_t end = at + 1;
    while (end < text.size() && (letter(text[end]) || (end > at + 1 && text[end] >= '0' && text[end] <= '9'))) ++end;
    const std::string_view name = text.substr(at + 1, end - at - 1);
    if (!name.empty()) names.push_back(name);
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  return names;
}

// There `.` is an attribute or an event, and a text is a text or a regular expression.
bool chooses_events(Site site) {
  return site == Site::event_filter || site == Site::listen;
}

}  // namespace

std::vector<std::pair<std::string, VariableReference>> Compiler::visible(Site site) const {
  std::vector<std::pair<std::string, VariableReference>> out;
  const auto add = [&](std::string_view name, Variable variable) { out.push_back({std::string(name), {variable}}); };
  if (site == Site::event_filter) return out;
  add("workflow", Variable::workflow);
  add("runtime", Variable::runtime);
  if (site == Site::workflow_input) return out;
  add("context", Variable::context);
  if (site == Site::workflow_output) return out;
  // In an extension it is the task that is extended.
  out.push_back({"task", {.variable = Variable::task, .owner = extending_}});
  // The innermost declaration of a name wins.
  for (auto local = locals_.rbegin(); local != locals_.rend(); ++local) {
    const bool hidden =
        std::any_of(out.begin(), out.end(), [&](const auto& other) { return other.first == local->name; });
    if (!hidden) out.emplace_back(local->name, local->reference);
  }
  if (site == Site::task_input) return out;
  add("input", Variable::input);
  add("authorization", Variable::authorization);
  if (site == Site::export_as) add("output", Variable::output);
  return out;
}

namespace {

/// Bytes that an escape of a double-quoted text takes, and those of what it means; nothing where it has no fixed form.
std::optional<std::pair<std::size_t, std::size_t>> escape_at(std::string_view raw) {
  if (raw.size() < 2 || raw[1] == '\n' || raw[1] == '\r') return std::nullopt;
  const std::size_t digits = raw[1] == 'x' ? 2 : raw[1] == 'u' ? 4 : raw[1] == 'U' ? 8 : 0;
  if (digits == 0) {
    const bool is_wide = raw[1] == 'N' || raw[1] == '_' || raw[1] == 'L' || raw[1] == 'P';
    return std::pair(std::size_t{2}, is_wide ? std::size_t{raw[1] == 'N' || raw[1] == '_' ? 2U : 3U} : std::size_t{1});
  }
  unsigned long code = 0;
  const std::string_view hex = raw.substr(2, digits);
  if (std::from_chars(hex.data(), hex.data() + hex.size(), code, 16).ptr != hex.data() + hex.size())
    return std::nullopt;
  if (code >= 0xD800 && code < 0xE000) return std::nullopt;
  return std::pair(digits + 2, std::size_t{code < 0x80 ? 1U : code < 0x800 ? 2U : code < 0x10000 ? 3U : 4U});
}

/// Where byte `target` of a scalar's value is in the text that it was read from, which begins at `begin`; nothing where
/// the two cannot be laid side by side.
std::optional<std::size_t> offset_in_text(std::string_view text, std::size_t begin, std::string_view value,
                                          std::size_t target) {
  std::size_t raw = begin;
  const char quote = raw < text.size() && (text[raw] == '"' || text[raw] == '\'') ? text[raw] : '\0';
  const bool is_block = raw < text.size() && (text[raw] == '|' || text[raw] == '>') && !value.starts_with(text[raw]);
  if (quote != '\0') ++raw;
  if (is_block) {
    raw = text.find('\n', raw);
    if (raw == std::string_view::npos) return std::nullopt;
    while (raw < text.size() && (text[raw] == '\n' || text[raw] == ' ')) ++raw;
  }
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  std::size_t at = 0;
  while (at < target) {
    if (raw >= text.size()) return std::nullopt;
    if (quote == '"' && text[raw] == '\\') {
      const auto escape = escape_at(text.substr(raw));
      if (!escape) return std::nullopt;
      if (at + escape->second > target) break;
      raw += escape->first;
      at += escape->second;
    } else if (quote == '\'' && text.substr(raw).starts_with("\'\'")) {
      raw += 2;
      ++at;
    } else if (is_space(text[raw]) && text[raw] != value[at]) {
      // Line ends and indentation are other white space in the value, or none.
      ++raw;
    } else if (is_space(value[at]) && text[raw] != value[at]) {
      ++at;
    } else if (text[raw] != value[at]) {
      return std::nullopt;
    } else {
      ++raw;
      ++at;
    }
  }
  while (raw < text.size() && target < value.size() && !is_space(value[target]) && is_space(text[raw])) ++raw;
  return raw;
}

std::string_view shown(std::string_view expression) {
  return base::utf8_prefix(trimmed(expression), 200);
}

}  // namespace

Position Compiler::within(const Node& node, std::size_t offset) const {
  TRV_EXPECTS(offset <= node.text.size());
  Position at = node.position;
  const auto target = offset_in_text(text_, at.offset, node.text, offset);
  if (!target) return at;
  for (std::size_t i = at.offset; i < *target; ++i) {
    ++at.column;
    if (text_[i] == '\n') {
      ++at.line;
      at.column = 1;
    }
  }
  at.offset = *target;
  TRV_ENSURES(at.line >= node.position.line && at.column >= 1);
  return at;
}

void Compiler::add_unsplit(const Node& node, const base::Error& error) {
  std::size_t offset = 0;
  for (int line = 1; line < error.line(); ++line) offset = node.text.find('\n', offset) + 1;
  offset += static_cast<std::size_t>(std::max(error.column(), 1) - 1);
  problems_.add(within(node, std::min(offset, node.text.size())), error.message(), {.length = 1});
}

void Compiler::add_advice(const Node& node, std::string_view text, std::size_t offset, Advice advice) {
  problems_.add(
      within(node, offset + advice.offset), fmt::format("in the expression '{}': {}", shown(text), advice.message),
      {.expected = std::move(advice.expected), .suggestion = std::move(advice.suggestion), .length = advice.length});
}

std::optional<Expression> Compiler::compile_text(std::string_view text, std::size_t offset, const Node& node,
                                                 Site site) {
  const auto known = visible(site);
  std::vector<std::string> names;
  std::vector<VariableReference> references;
  for (const std::string_view name : names_in(text)) {
    if (name == "secrets") {
      problems_.add(node.position,
                    is_sent_
                        ? fmt::format("in the expression '{}': a secret is put in when the request is sent, so no "
                                      "expression can work with it; write '${{ $secrets.name }}', with text or other "
                                      "expressions beside it",
                                      trimmed(text).substr(0, 200))
                        : fmt::format("in the expression '{}': '$secrets' can be used only in 'headers', 'body' and "
                                      "'authentication' of a 'call: http' and in 'authentication' of a 'call: "
                                      "openapi'; anywhere else its value would be recorded",
                                      trimmed(text).substr(0, 200)));
      return std::nullopt;
    }
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& variable) { return variable.first == name; });
    if (found == known.end()) continue;
    names.push_back(found->first);
    references.push_back(found->second);
  }
  TRV_ASSERT(names.size() == references.size());
  auto program = expression::compile(text, names);
  if (!program) {
    std::vector<std::string_view> visible_names;
    for (const auto& variable : known) visible_names.push_back(variable.first);
    Advice advice = advise(text, program.error(), visible_names);
    add_advice(node, text, offset, std::move(advice));
    return std::nullopt;
  }
  if (auto advice = unknown_member(text)) {
    const Position at = within(node, offset + advice->offset);
    problems_.warn(at, fmt::format("in the expression '{}': {}", shown(text), advice->message),
                   {.expected = std::move(advice->expected), .suggestion = std::move(advice->suggestion)});
  }
  return Expression(*std::move(program), std::move(references), trimmed(text) == ".", place_of(node, text));
}

std::shared_ptr<const ExpressionPlace> Compiler::place_of(const Node& node, std::string_view text) {
  auto place = std::make_shared<ExpressionPlace>(ExpressionPlace{
      .text = std::string(shown(text)), .field = {}, .line = node.position.line, .offset = node.position.offset});
  places_.push_back(place);
  return place;
}

std::optional<Expression> Compiler::expression(const Node* node, Site site) {
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) {
    problems_.add(node->position, fmt::format("an expression must be a string, not {}", describe(node->kind)));
    return std::nullopt;
  }
  if (trimmed(node->text).empty()) {
    problems_.add(node->position, "an expression must not be empty");
    return std::nullopt;
  }
  if (trimmed(node->text).starts_with("${")) {
    const auto parts = split_expressions(node->text);
    if (!parts) {
      add_unsplit(*node, parts.error());
      return std::nullopt;
    }
    if (parts->size() == 1) return compile_text(parts->front().text, parts->front().offset, *node, site);
  }
  return compile_text(node->text, 0, *node, site);
}

Value Compiler::constant(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return Value();
    case Node::Kind::boolean: return Value(node.boolean);
    case Node::Kind::string: return Value(node.text);
    default: break;
  }
  auto value = json::parse(to_json(node), {.bytes_max = 4 * text_bytes_max, .depth_max = 2 * depth_max});
  if (!value) {
    problems_.add(node.position, value.error().message());
    return Value();
  }
  return *std::move(value);
}

std::optional<Template> Compiler::secret(std::string_view text, const Position& at) {
  constexpr std::string_view begin = "$secrets";
  text = trimmed(text);
  if (!is_sent_ || !text.starts_with(begin)) return std::nullopt;
  text.remove_prefix(begin.size());
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto is_in_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    if (text.starts_with(".") && !text.starts_with(".[") && !text.starts_with(".\"")) {
      std::size_t end = 1;
      while (end < text.size() && is_in_name(text[end])) ++end;
      // `.a-b` is a subtraction in jq.
      if (end == 1 || (end < text.size() && text[end] == '-')) return std::nullopt;
      names.emplace_back(text.substr(1, end - 1));
      text.remove_prefix(end);
      continue;
    }
    if (text.starts_with(".")) text.remove_prefix(1);
    const bool is_bracketed = text.starts_with("[\"");
    if (!is_bracketed && !text.starts_with("\"")) return std::nullopt;
    text.remove_prefix(is_bracketed ? 2 : 1);
    const std::size_t end = text.find('"');
    if (end == std::string_view::npos || end == 0 || text.substr(0, end).find('\\') != std::string_view::npos) {
      return std::nullopt;
    }
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (is_bracketed && !text.starts_with("]")) return std::nullopt;
    if (is_bracketed) text.remove_prefix(1);
  }
  if (names.empty()) return std::nullopt;
  SecretReference reference{.name = names.front(), .path = {names.begin() + 1, names.end()}};
  if (std::ranges::find(secrets_, reference.name) == secrets_.end() && has_names_) {
    const std::string_view meant = problems_.suggest(reference.name, secrets_);
    problems_.add(at,
                  fmt::format("'use.secrets' does not declare '{}'{}", reference.name,
                              meant.empty() ? "; declare it there, and make a connection of that name with the secret"
                                            : fmt::format("; did you mean '{}'?", meant)));
  }
  return Template::secret(std::move(reference));
}

Template Compiler::sent_value(const Node& node, Site site) {
  is_sent_ = true;
  Template compiled = value(node, site);
  is_sent_ = false;
  return compiled;
}

bool Compiler::may_be_expression(const Node& node) const {
  return node.is_string() && node.text.contains("${");
}

std::optional<Template> Compiler::loose(const Node& node, Site site) const {
  if (!is_loose_ || chooses_events(site) || trimmed(node.text).empty()) return std::nullopt;
  const auto known = visible(site);
  std::vector<std::string> names;
  std::vector<VariableReference> references;
  for (const std::string_view name : names_in(node.text)) {
    const auto found = std::ranges::find_if(known, [&](const auto& variable) { return variable.first == name; });
    if (found == known.end()) continue;
    names.push_back(found->first);
    references.push_back(found->second);
  }
  auto program = expression::compile(node.text, names);
  if (!program) return std::nullopt;
  return Template::loose(Expression(*std::move(program), std::move(references), trimmed(node.text) == "."), node.text);
}

Template Compiler::text_value(const Node& node, Site site) {
  if (node.text.find("${") == std::string::npos) {
    if (auto evaluated = loose(node, site)) return *std::move(evaluated);
    const auto meant = chooses_events(site) ? std::nullopt : expression_meant(node.text);
    if (meant) {
      problems_.warn(
          node.position,
          fmt::format("'{}' is text here, not an expression; write '${{ {} }}' for its value", node.text, *meant),
          {.expected = "an expression", .suggestion = fmt::format("${{ {} }}", *meant)});
    }
    return Template::constant(Value(node.text));
  }
  const auto parts = split_expressions(node.text);
  if (!parts) {
    add_unsplit(node, parts.error());
    return Template::constant(Value());
  }
  std::vector<Template> compiled;
  TRV_ASSERT(!parts->empty());
  for (const TextPart& part : *parts) {
    TRV_ASSERT(part.offset + part.text.size() <= node.text.size());
    if (!part.expression) {
      compiled.push_back(Template::constant(Value(part.text)));
      continue;
    }
    if (std::optional<Template> in_place = secret(part.text, node.position)) {
      compiled.push_back(*std::move(in_place));
      continue;
    }
    auto expression = compile_text(part.text, part.offset, node, site);
    if (!expression) return Template::constant(Value());
    compiled.push_back(Template::from(*std::move(expression)));
  }
  if (compiled.size() == 1) return std::move(compiled.front());
  return Template::concatenation(std::move(compiled));
}

Template Compiler::value(const Node& node, Site site) {
  if (node.is_string()) return text_value(node, site);
  if (node.is_sequence()) {
    std::vector<Template> items;
    for (const Node& item : node.items) items.push_back(value(item, site));
    return Template::array(std::move(items));
  }
  if (node.is_mapping()) {
    std::vector<std::pair<std::string, Template>> entries;
    for (const Entry& entry : node.entries) entries.emplace_back(entry.key, value(entry.value, site));
    return Template::object(std::move(entries));
  }
  return Template::constant(constant(node));
}

std::optional<Template> Compiler::optional_value(const Node* node, Site site) {
  if (node == nullptr) return std::nullopt;
  return value(*node, site);
}

std::optional<Template> Compiler::transformation(const Node* node, Site site) {
  if (node == nullptr) return std::nullopt;
  if (node->is_mapping()) return value(*node, site);
  auto compiled = expression(node, site);
  if (!compiled) return std::nullopt;
  return Template::from(*std::move(compiled));
}

std::optional<Template> Compiler::duration(const Node* node, Site site) {
  if (node == nullptr) return std::nullopt;
  const std::size_t before = problems_.reported();
  Template compiled = value(*node, site);
  if (compiled.is_constant() && problems_.reported() == before) {
    if (const auto checked = duration_of(compiled.constant_value()); !checked) {
      const auto meant = node->is_string() ? duration_meant(node->text) : std::nullopt;
      if (meant) {
        problems_.add(
            node->position,
            fmt::format("'{}' is not an ISO 8601 duration; write {}, or {}", node->text, meant->iso, meant->inlined),
            {.expected = "an ISO 8601 duration", .suggestion = meant->iso});
      } else if (node->kind == Node::Kind::integer) {
        problems_.add(node->position,
                      fmt::format("a duration needs a unit; write PT{}S, or {{seconds: {}}}", node->text, node->text),
                      {.expected = "an ISO 8601 duration", .suggestion = fmt::format("PT{}S", node->text)});
      } else {
        problems_.add(node->position, checked.error().message(), {.expected = "an ISO 8601 duration"});
      }
    }
  }
  return compiled;
}

}  // namespace trv::definition
