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
#![allow(dead_code, non_camel_case_types)]
)";

bool is_reserved(std::string_view name) {
  static const std::set<std::string, std::less<>> names = {
      "Self",   "abstract", "as",     "async",   "await",  "become",  "box",   "break", "const", "continue", "crate",
      "do",     "dyn",      "else",   "enum",    "extern", "false",   "final", "fn",    "for",   "gen",      "if",
      "impl",   "in",       "let",    "loop",    "macro",  "match",   "mod",   "move",  "mut",   "override", "priv",
      "pub",    "ref",      "return", "self",    "static", "struct",  "super", "trait", "true",  "try",      "type",
      "typeof", "union",    "unsafe", "unsized", "use",    "virtual", "where", "while", "yield"};
  return names.contains(name);
}

class RustWriter {
 public:
  explicit RustWriter(const Model& model) : model_(model) {}

  std::string write() {
    text_ = head;
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
    return std::move(text_);
  }

 private:
  std::string of(const Use& use) const {
    const Type& type = model_.types[use.type];
    const std::string plain = [&]() -> std::string {
      switch (type.shape) {
        case Shape::any: return "travertine_plugin::Value";
        case Shape::null: return "()";
        case Shape::boolean: return "bool";
        case Shape::integer: return "i64";
        case Shape::number: return "f64";
        case Shape::text: return "String";
        case Shape::choice:
        case Shape::object: return type.name;
        case Shape::array: return fmt::format("Vec<{}>", of(*type.element));
        case Shape::map: return fmt::format("std::collections::BTreeMap<String, {}>", of(*type.element));
      }
      TRV_ASSERT(false);
      return {};
    }();
    const bool can_be_null = type.shape == Shape::any || type.shape == Shape::null;
    return use.is_nullable && !can_be_null ? fmt::format("Option<{}>", plain) : plain;
  }

  /// `cargo test` runs what such a comment has between backticks or tildes.
  void write_comment(std::string_view indent, std::string comment) {
    std::ranges::replace(comment, '`', '\'');
    std::ranges::replace(comment, '~', '-');
    if (!comment.empty()) text_ += fmt::format("{}/// {}\n", indent, comment);
  }

  void write_reason(std::string_view indent, const Use& use) {
    const std::string reason = reason_of(model_, use);
    if (!reason.empty()) write_comment(indent, fmt::format("JSON itself: {}.", reason));
  }

  void write_choice(const Type& type) {
    UniqueNames unique(is_reserved);
    text_ += "\ntravertine_plugin::typed_choice! {\n";
    write_comment("    ", type.comment);
    text_ += fmt::format("    pub enum {} {{\n", type.name);
    for (const json::Value& value : type.values) {
      if (value.is_string()) {
        const std::string name =
            unique.take(pascal_case(value.as_string()), value.as_string().empty() ? "Empty" : "Other");
        text_ += fmt::format("        {} = {},\n", name, rust_literal(value.as_string()));
      } else {
        const std::string digits = fmt::format("{}", value.as_int());
        const std::string name = digits.starts_with('-') ? "Minus" + digits.substr(1) : "Value" + digits;
        text_ += fmt::format("        {} = {}_i64,\n", unique.take(name, "Other"), digits);
      }
    }
    text_ += "    }\n}\n";
  }

  void write_member(const std::string& name, const std::string& type, std::string_view kind,
                    const std::string& literal) {
    text_ += fmt::format("        {}: {} = {}({}),\n", name, type, kind, literal);
  }

  void write_object(const Type& type) {
    UniqueNames unique(is_reserved);
    text_ += "\ntravertine_plugin::typed_object! {\n";
    write_comment("    ", type.comment);
    text_ +=
        fmt::format("    pub struct {}: {} {{\n", type.name, type.others == Others::refused ? "refused" : "ignored");
    for (const Member& member : type.members) {
      const std::string name = unique.take(snake_case(member.name), "member");
      write_comment("        ", member.comment);
      write_reason("        ", member.use);
      const std::string written = of(member.use);
      if (member.is_required) {
        write_member(name, written, "required", rust_literal(member.name));
      } else {
        write_member(name, fmt::format("Option<{}>", written), "optional", rust_literal(member.name));
      }
    }
    if (type.others == Others::kept) {
      write_comment("        ", "Members of other names.");
      write_member(unique.take("others", "others"),
                   fmt::format("std::collections::BTreeMap<String, {}>", of(*type.element)), "others", "");
    }
    text_ += "    }\n}\n";
  }

  void write_alias(const Use& use, const std::string& name) {
    const Type& type = model_.types[use.type];
    if (type.name == name && !use.is_nullable) return;
    text_ += '\n';
    write_reason("", use);
    text_ += fmt::format("pub type {} = {};\n", name, of(use));
  }

  const Model& model_;
  std::string text_;
};

}  // namespace

std::string write_rust(const Model& model) {
  return RustWriter(model).write();
}

}  // namespace trv::plugin_generate
