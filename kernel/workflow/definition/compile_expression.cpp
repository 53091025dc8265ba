// The compiler's part for expressions: which strings are expressions, what they may name, and where they are.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/definition/compiler.hpp"
#include "kernel/workflow/definition/expression_text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

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

Position Compiler::within(const Node& node, std::size_t offset, const base::Error& error) const {
  TRV_EXPECTS(offset <= node.text.size());
  Position at = node.position;
  if (error.line() <= 0) return at;
  for (std::size_t quote = 0; quote <= 1; ++quote) {
    if (node.position.offset + quote > text_.size()) break;
    if (!text_.substr(node.position.offset + quote).starts_with(node.text)) continue;
    // The scalar is in the text as it is, so a place within it is a place in the text.
    std::size_t target = offset;
    for (int line = 1; line < error.line(); ++line) {
      const std::size_t end = node.text.find('\n', target);
      if (end == std::string::npos) return at;
      target = end + 1;
    }
    target += static_cast<std::size_t>(std::max(error.column(), 1) - 1);
    at.column += static_cast<int>(quote);
    for (std::size_t i = 0; i < std::min(target, node.text.size()); ++i) {
      ++at.column;
      if (node.text[i] == '\n') {
        ++at.line;
        at.column = 1;
      }
    }
    TRV_ENSURES(at.line >= node.position.line && at.column >= 1);
    return at;
  }
  return at;
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
    std::vector<std::string> visible_names;
    for (const auto& variable : known) visible_names.push_back("$" + variable.first);
    const base::Error& error = program.error();
    const bool about_variable = error.message().find('$') != std::string::npos;
    problems_.add(within(node, offset, error),
                  fmt::format("in the expression '{}': {}{}", trimmed(text).substr(0, 200), error.message(),
                              about_variable && !visible_names.empty()
                                  ? fmt::format(" (here there are {})", fmt::join(visible_names, ", "))
                                  : std::string()));
    return std::nullopt;
  }
  return Expression(*std::move(program), std::move(references), trimmed(text) == ".");
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
      problems_.add(node->position, parts.error().message());
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

Template Compiler::text_value(const Node& node, Site site) {
  if (node.text.find("${") == std::string::npos) return Template::constant(Value(node.text));
  const auto parts = split_expressions(node.text);
  if (!parts) {
    problems_.add(node.position, parts.error().message());
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
      problems_.add(node->position, checked.error().message());
    }
  }
  return compiled;
}

}  // namespace trv::definition
