#include <fmt/format.h>

#include "kernel/plugin_generate/generate.hpp"
#include "kernel/plugin_generate/names.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_generate {
namespace {

class TypeScriptWriter {
 public:
  explicit TypeScriptWriter(const Model& model) : model_(model) {}

  std::string write() {
    text_ = "// Made by `trav plugin generate` from manifest.json: change that, and make this again.\n";
    for (const TypeIndex index : model_.named) {
      const Type& type = model_.types[index];
      text_ += '\n';
      write_comment("", type.comment);
      if (type.shape == Shape::choice) {
        text_ += fmt::format("export type {} = {}\n", type.name, union_of(type));
      } else {
        write_object(type);
      }
    }
    for (const OperationTypes& one : model_.operations) {
      write_alias(one.input, one.input_name);
      write_alias(one.output, one.output_name);
    }
    return std::move(text_);
  }

 private:
  static std::string union_of(const Type& choice) {
    std::string text;
    for (const json::Value& value : choice.values) {
      text += text.empty() ? "" : " | ";
      text += value.is_string() ? javascript_literal(value.as_string()) : fmt::format("{}", value.as_int());
    }
    return text;
  }

  std::string of(const Use& use) const {
    const Type& type = model_.types[use.type];
    const std::string plain = [&]() -> std::string {
      switch (type.shape) {
        case Shape::any: return "unknown";
        case Shape::null: return "null";
        case Shape::boolean: return "boolean";
        case Shape::integer:
        case Shape::number: return "number";
        case Shape::text: return "string";
        case Shape::choice:
        case Shape::object: return type.name;
        case Shape::array: return fmt::format("Array<{}>", of(*type.element));
        case Shape::map: return fmt::format("{{ [name: string]: {} }}", of(*type.element));
      }
      TRV_ASSERT(false);
      return {};
    }();
    const bool can_be_null = type.shape == Shape::any || type.shape == Shape::null;
    return use.is_nullable && !can_be_null ? plain + " | null" : plain;
  }

  void write_comment(std::string_view indent, std::string_view comment) {
    if (!comment.empty()) text_ += fmt::format("{}/** {} */\n", indent, comment);
  }

  void write_object(const Type& type) {
    text_ += fmt::format("export interface {} {{\n", type.name);
    for (const Member& member : type.members) {
      write_comment("  ", member.comment);
      const std::string reason = reason_of(model_, member.use);
      if (!reason.empty()) write_comment("  ", fmt::format("Of any type: {}.", reason));
      // "__proto__" without quotes would be as good; a name in quotes is one everywhere.
      text_ += fmt::format("  {}{}: {}\n", is_identifier(member.name) ? member.name : javascript_literal(member.name),
                           member.is_required ? "" : "?", of(member.use));
    }
    // Its type has to hold for the members above, too.
    if (type.others == Others::kept) text_ += "  [name: string]: unknown\n";
    text_ += "}\n";
  }

  void write_alias(const Use& use, const std::string& name) {
    const Type& type = model_.types[use.type];
    if (type.name == name && !use.is_nullable) return;
    text_ += '\n';
    const std::string reason = reason_of(model_, use);
    if (!reason.empty()) write_comment("", fmt::format("Of any type: {}.", reason));
    text_ += fmt::format("export type {} = {}\n", name, of(use));
  }

  const Model& model_;
  std::string text_;
};

}  // namespace

std::string write_typescript(const Model& model) {
  return TypeScriptWriter(model).write();
}

}  // namespace trv::plugin_generate
