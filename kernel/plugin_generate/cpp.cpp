#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernel/plugin_generate/generate.hpp"
#include "kernel/plugin_generate/names.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_generate {
namespace {

constexpr std::string_view head =
    R"(// Made by `trav plugin generate` from manifest.json: change that, and make this again.
// clang-format off
#pragma once
// What the operations of {} take and give. Values, for any thread; sdk/cpp_json/typed.hpp reads and writes them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/cpp_json/typed.hpp"

)";

/// Keywords, what the code here needs, and macros in small letters of the headers that plugins include.
bool is_reserved(std::string_view name) {
  static const std::set<std::string, std::less<>> names = {"alignas",
                                                           "alignof",
                                                           "and",
                                                           "and_eq",
                                                           "asm",
                                                           "assert",
                                                           "auto",
                                                           "bitand",
                                                           "bitor",
                                                           "bool",
                                                           "boost",
                                                           "break",
                                                           "case",
                                                           "catch",
                                                           "char",
                                                           "char16_t",
                                                           "char32_t",
                                                           "char8_t",
                                                           "class",
                                                           "co_await",
                                                           "co_return",
                                                           "co_yield",
                                                           "compl",
                                                           "concept",
                                                           "const",
                                                           "const_cast",
                                                           "consteval",
                                                           "constexpr",
                                                           "constinit",
                                                           "continue",
                                                           "decltype",
                                                           "default",
                                                           "delete",
                                                           "describe",
                                                           "do",
                                                           "double",
                                                           "dynamic_cast",
                                                           "else",
                                                           "enum",
                                                           "errno",
                                                           "explicit",
                                                           "export",
                                                           "extern",
                                                           "false",
                                                           "float",
                                                           "for",
                                                           "friend",
                                                           "goto",
                                                           "i386",
                                                           "if",
                                                           "inline",
                                                           "int",
                                                           "linux",
                                                           "long",
                                                           "major",
                                                           "makedev",
                                                           "minor",
                                                           "mutable",
                                                           "namespace",
                                                           "new",
                                                           "noexcept",
                                                           "not",
                                                           "not_eq",
                                                           "nullptr",
                                                           "offsetof",
                                                           "operator",
                                                           "or",
                                                           "or_eq",
                                                           "private",
                                                           "protected",
                                                           "public",
                                                           "register",
                                                           "requires",
                                                           "return",
                                                           "short",
                                                           "signed",
                                                           "sizeof",
                                                           "static",
                                                           "static_assert",
                                                           "static_cast",
                                                           "std",
                                                           "stderr",
                                                           "stdin",
                                                           "stdout",
                                                           "struct",
                                                           "switch",
                                                           "template",
                                                           "this",
                                                           "thread_local",
                                                           "throw",
                                                           "trv",
                                                           "true",
                                                           "try",
                                                           "typedef",
                                                           "typeid",
                                                           "typename",
                                                           "union",
                                                           "unix",
                                                           "unsigned",
                                                           "using",
                                                           "virtual",
                                                           "void",
                                                           "volatile",
                                                           "wchar_t",
                                                           "while",
                                                           "xor",
                                                           "xor_eq",
                                                           "reinterpret_cast"};
  return names.contains(name);
}

class CppWriter {
 public:
  explicit CppWriter(const Model& model) : model_(model) {}

  std::string write() {
    std::string space = model_.plugin + "_types";
    std::ranges::replace(space, '-', '_');
    if (!is_identifier(space)) space.insert(0, "_");
    text_ = fmt::format(head, model_.plugin);
    text_ += fmt::format("namespace {} {{\n", space);
    for (const TypeIndex index : model_.named) {
      const Type& type = model_.types[index];
      if (type.shape == Shape::choice) {
        write_choice(type);
      } else {
        write_object(type);
      }
    }
    for (const OperationTypes& one : model_.operations) {
      write_alias(one.input, one.input_name);
      write_alias(one.output, one.output_name);
    }
    text_ += fmt::format("\n}}  // namespace {}\n", space);
    return std::move(text_);
  }

 private:
  std::string of(const Use& use) const {
    const Type& type = model_.types[use.type];
    const std::string plain = [&]() -> std::string {
      switch (type.shape) {
        case Shape::any: return "boost::json::value";
        case Shape::null: return "std::nullptr_t";
        case Shape::boolean: return "bool";
        case Shape::integer: return "std::int64_t";
        case Shape::number: return "double";
        case Shape::text: return "std::string";
        case Shape::choice:
        case Shape::object: return type.name;
        case Shape::array: return fmt::format("std::vector<{}>", of(*type.element));
        case Shape::map: return fmt::format("std::map<std::string, {}>", of(*type.element));
      }
      TRV_ASSERT(false);
      return {};
    }();
    const bool can_be_null = type.shape == Shape::any || type.shape == Shape::null;
    return use.is_nullable && !can_be_null ? fmt::format("::trv::sdk::Nullable<{}>", plain) : plain;
  }

  static std::vector<std::string> names_of(const Type& choice) {
    UniqueNames unique(is_reserved);
    std::vector<std::string> names;
    for (const json::Value& value : choice.values) {
      if (value.is_string()) {
        names.push_back(unique.take(snake_case(value.as_string()), value.as_string().empty() ? "empty" : "other"));
      } else {
        const std::string digits = fmt::format("{}", value.as_int());
        names.push_back(
            unique.take(digits.starts_with('-') ? "minus_" + digits.substr(1) : "value_" + digits, "other"));
      }
    }
    return names;
  }

  static std::string integer_of(std::int64_t value) {
    // The lowest one has no literal of its own.
    return value == INT64_MIN ? "-9223372036854775807 - 1" : fmt::format("{}", value);
  }

  void write_comment(std::string_view indent, std::string_view comment) {
    if (!comment.empty()) text_ += fmt::format("{}/// {}\n", indent, comment);
  }

  void write_choice(const Type& type) {
    const std::vector<std::string> names = names_of(type);
    const bool are_texts = type.values.front().is_string();
    text_ += '\n';
    write_comment("", type.comment);
    text_ += fmt::format("enum class {}{} {{\n", type.name, are_texts ? "" : " : std::int64_t");
    for (std::size_t i = 0; i < names.size(); ++i) {
      text_ += are_texts ? fmt::format("  {},\n", names[i])
                         : fmt::format("  {} = {},\n", names[i], integer_of(type.values[i].as_int()));
    }
    text_ += fmt::format("}};\ntemplate <typename Values>\nvoid describe(Values& values_, {}) {{\n", type.name);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string value = are_texts ? fmt::format("\"{}\"", cpp_literal(type.values[i].as_string()))
                                          : integer_of(type.values[i].as_int());
      text_ += fmt::format("  values_.add({}::{}, {});\n", type.name, names[i], value);
    }
    text_ += "}\n";
  }

  /// What a member is before it is read.
  std::string first_value(const Member& member) const {
    const Type& type = model_.types[member.use.type];
    if (type.shape != Shape::choice || member.use.is_nullable || !member.is_required) return "{}";
    return type.name + "::" + names_of(type).front();
  }

  void write_object(const Type& type) {
    UniqueNames unique(is_reserved);
    text_ += '\n';
    write_comment("", type.comment);
    text_ += fmt::format("struct {} {{\n", type.name);
    std::string described;
    for (const Member& member : type.members) {
      const std::string name = unique.take(snake_case(member.name), "member");
      const std::string reason = reason_of(model_, member.use);
      write_comment("  ", member.comment);
      if (!reason.empty()) write_comment("  ", fmt::format("JSON itself: {}.", reason));
      text_ += fmt::format("  {} {} = {};\n",
                           member.is_required ? of(member.use) : fmt::format("std::optional<{}>", of(member.use)), name,
                           first_value(member));
      described += fmt::format("    members_.{}(\"{}\", &{}::{});\n", member.is_required ? "required" : "optional",
                               cpp_literal(member.name), type.name, name);
    }
    if (type.others == Others::kept) {
      const std::string name = unique.take("others", "others");
      write_comment("  ", "Members of other names.");
      text_ += fmt::format("  std::map<std::string, {}> {} = {{}};\n", of(*type.element), name);
      described += fmt::format("    members_.others(&{}::{});\n", type.name, name);
    }
    if (type.others == Others::refused) described += "    members_.no_others();\n";
    text_ += fmt::format("{}  template <typename Members>\n  static void describe(Members& members_) {{\n{}  }}\n}};\n",
                         type.members.empty() ? "" : "\n", described);
  }

  void write_alias(const Use& use, const std::string& name) {
    const Type& type = model_.types[use.type];
    if (type.name == name && !use.is_nullable) return;
    const std::string reason = reason_of(model_, use);
    text_ += '\n';
    if (!reason.empty()) write_comment("", fmt::format("JSON itself: {}.", reason));
    text_ += fmt::format("using {} = {};\n", name, of(use));
  }

  const Model& model_;
  std::string text_;
};

}  // namespace

std::string write_cpp(const Model& model) {
  return CppWriter(model).write();
}

}  // namespace trv::plugin_generate
