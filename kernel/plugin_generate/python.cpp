#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernel/plugin_generate/generate.hpp"
#include "kernel/plugin_generate/names.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_generate {
namespace {

constexpr std::string_view head =
    R"(# Made by `trav plugin generate` from manifest.json: change that, and make this again.
from typing import Any, Dict, List, Literal, Optional, TypedDict
)";

/// Names that a class's body cannot have as they are.
bool needs_quotes(std::string_view name) {
  static const std::set<std::string, std::less<>> keywords = {
      "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
      "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
      "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
      "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
  // Those with two underscores in front mean something else in a class.
  return !is_identifier(name) || name.starts_with("__") || keywords.contains(name);
}

class PythonWriter {
 public:
  explicit PythonWriter(const Model& model) : model_(model) {}

  std::string write() {
    text_ = head;
    for (const TypeIndex index : model_.named) {
      const Type& type = model_.types[index];
      text_ += "\n\n";
      if (type.shape == Shape::choice) {
        text_ += fmt::format("{} = {}\n", type.name, literal_of(type));
      } else {
        write_object(type);
      }
      written_.insert(index);
    }
    for (const OperationTypes& one : model_.operations) {
      write_alias(one.input, one.input_name);
      write_alias(one.output, one.output_name);
    }
    return std::move(text_);
  }

 private:
  static std::string literal_of(const Type& choice) {
    std::string text;
    for (const json::Value& value : choice.values) {
      text += text.empty() ? "" : ", ";
      text += value.is_string() ? python_literal(value.as_string()) : fmt::format("{}", value.as_int());
    }
    return fmt::format("Literal[{}]", text);
  }

  std::string of(const Use& use) const {
    const Type& type = model_.types[use.type];
    const std::string plain = [&]() -> std::string {
      switch (type.shape) {
        case Shape::any: return "Any";
        case Shape::null: return "None";
        case Shape::boolean: return "bool";
        case Shape::integer: return "int";
        case Shape::number: return "float";
        case Shape::text: return "str";
        case Shape::choice:
        case Shape::object: return written_.contains(use.type) ? type.name : '"' + type.name + '"';
        case Shape::array: return fmt::format("List[{}]", of(*type.element));
        case Shape::map: return fmt::format("Dict[str, {}]", of(*type.element));
      }
      TRV_ASSERT(false);
      return {};
    }();
    return use.is_nullable && type.shape != Shape::any ? fmt::format("Optional[{}]", plain) : plain;
  }

  void write_comment(std::string_view indent, std::string_view comment) {
    if (!comment.empty()) text_ += fmt::format("{}# {}\n", indent, comment);
  }

  void write_part(const std::string& name, const Type& type, bool is_required) {
    const bool has_odd_names =
        std::ranges::any_of(type.members, [](const Member& member) { return needs_quotes(member.name); });
    const std::string_view total = is_required ? "" : ", total=False";
    text_ += has_odd_names ? fmt::format("{} = TypedDict(\"{}\", {{\n", name, name)
                           : fmt::format("class {}(TypedDict{}):\n", name, total);
    bool is_empty = true;
    for (const Member& member : type.members) {
      if (member.is_required != is_required) continue;
      is_empty = false;
      write_comment("    ", member.comment);
      const std::string reason = reason_of(model_, member.use);
      if (!reason.empty()) write_comment("    ", fmt::format("Of any type: {}.", reason));
      text_ += has_odd_names ? fmt::format("    {}: {},\n", python_literal(member.name), of(member.use))
                             : fmt::format("    {}: {}\n", member.name, of(member.use));
    }
    if (has_odd_names) {
      text_ += fmt::format("}}{})\n", total);
    } else if (is_empty) {
      text_ += "    pass\n";
    }
  }

  void write_object(const Type& type) {
    write_comment("", type.comment);
    if (type.others == Others::kept) write_comment("", "It can have members of other names.");
    const bool has_required = std::ranges::any_of(type.members, &Member::is_required);
    const bool has_optional = !std::ranges::all_of(type.members, &Member::is_required);
    if (!has_required || !has_optional) return write_part(type.name, type, !has_optional);
    // Required members of some and not of others need two classes before Python 3.11.
    write_part("_" + type.name + "Required", type, true);
    text_ += "\n\n";
    write_part("_" + type.name + "Optional", type, false);
    text_ += fmt::format("\n\nclass {0}(_{0}Required, _{0}Optional):\n    pass\n", type.name);
  }

  void write_alias(const Use& use, const std::string& name) {
    const Type& type = model_.types[use.type];
    if (type.name == name && !use.is_nullable) return;
    text_ += "\n\n";
    const std::string reason = reason_of(model_, use);
    if (!reason.empty()) write_comment("", fmt::format("Of any type: {}.", reason));
    text_ += fmt::format("{} = {}\n", name, of(use));
  }

  const Model& model_;
  std::set<TypeIndex> written_;
  std::string text_;
};

}  // namespace

std::string write_python(const Model& model) {
  return PythonWriter(model).write();
}

}  // namespace trv::plugin_generate
