// Every released schema can still be read: what flatc calls conforming, and what it does not look at.

#include <flatbuffers/idl.h>
#include <flatbuffers/reflection.h>
#include <flatbuffers/reflection_generated.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string text_of(const flatbuffers::String* string) {
  return string == nullptr ? std::string() : string->str();
}

/// A table, struct, enum or field by its name; null where there is none.
template <typename Vector>
auto named(const Vector* all, const flatbuffers::String* name) -> decltype(all->LookupByKey("")) {
  return all == nullptr ? nullptr : all->LookupByKey(name->c_str());
}

template <typename Owner>
std::string attribute(const Owner& owner, const char* name) {
  const auto* found = owner.attributes() == nullptr ? nullptr : owner.attributes()->LookupByKey(name);
  return found == nullptr ? "absent" : "'" + text_of(found->value()) + "'";
}

std::string type_name(const reflection::Schema& schema, const reflection::Type& type) {
  std::string name = std::to_string(type.base_type()) + "/" + std::to_string(type.element());
  if (type.index() < 0) return name;
  const auto index = static_cast<flatbuffers::uoffset_t>(type.index());
  const bool is_object = type.base_type() == reflection::Obj || type.element() == reflection::Obj;
  return name + text_of(is_object ? schema.objects()->Get(index)->name() : schema.enums()->Get(index)->name());
}

/// What flatc's own check (`flatc --conform`) lets pass, beside what it does not.
class Comparison {
 public:
  Comparison(const reflection::Schema& released, const reflection::Schema& current)
      : released_(released), current_(current) {}

  std::vector<std::string> breaks() {
    differ("the file identifier", text_of(released_.file_ident()), text_of(current_.file_ident()));
    for (const reflection::Object* table : *released_.objects()) {
      const auto* now = named(current_.objects(), table->name());
      if (now == nullptr) {
        found_.push_back(table->name()->str() + " is gone");
      } else {
        compare(*table, *now);
      }
    }
    for (const reflection::Enum* values : *released_.enums()) compare(*values, named(current_.enums(), values->name()));
    return std::move(found_);
  }

 private:
  void differ(const std::string& what, const std::string& before, const std::string& now) {
    if (before != now) found_.push_back(fmt::format("{} was {}, and is {}", what, before, now));
  }
  void compare(const reflection::Object& before, const reflection::Object& now) {
    const std::string name = before.name()->str();
    differ("the size of " + name, std::to_string(before.bytesize()), std::to_string(now.bytesize()));
    differ("record_type of " + name, attribute(before, "record_type"), attribute(now, "record_type"));
    for (const reflection::Field* field : *before.fields()) {
      const std::string full_name = name + "." + field->name()->str();
      if (const auto* same = named(now.fields(), field->name()); same != nullptr) {
        compare(full_name, *field, *same);
      } else {
        found_.push_back(full_name + " is gone; a field that nobody needs any more is marked (deprecated)");
      }
    }
    for (const reflection::Field* field : *now.fields()) {
      const auto* same = named(before.fields(), field->name());
      if (field->required() && (same == nullptr || !same->required())) {
        found_.push_back(fmt::format("{}.{} became required", name, field->name()->str()));
      }
    }
  }
  void compare(const std::string& name, const reflection::Field& before, const reflection::Field& now) {
    differ("the id of " + name, std::to_string(before.id()), std::to_string(now.id()));
    differ("the type of " + name, type_name(released_, *before.type()), type_name(current_, *now.type()));
    differ("the default of " + name, fmt::format("{}/{}", before.default_integer(), before.default_real()),
           fmt::format("{}/{}", now.default_integer(), now.default_real()));
    // What readers show of an event depends on these.
    for (const char* shown : {"json", "secret", "unset_is_absent"}) {
      differ(fmt::format("({}) of {}", shown, name), attribute(before, shown), attribute(now, shown));
    }
  }
  void compare(const reflection::Enum& before, const reflection::Enum* now) {
    const std::string name = before.name()->str();
    if (now == nullptr) {
      found_.push_back(name + " is gone");
      return;
    }
    differ("the type of " + name, type_name(released_, *before.underlying_type()),
           type_name(current_, *now->underlying_type()));
    for (const reflection::EnumVal* value : *before.values()) {
      const auto* same = now->values()->LookupByKey(value->value());
      differ(fmt::format("{} of {}", value->value(), name), value->name()->str(),
             same == nullptr ? "gone" : same->name()->str());
    }
  }

  const reflection::Schema& released_;
  const reflection::Schema& current_;
  std::vector<std::string> found_;
};

/// Why `current` cannot follow `released`; empty when it can. Schemas that they include are in their folders.
std::vector<std::string> breaks(const std::string& released, const std::string& current,
                                const std::string& released_folder = "", const std::string& current_folder = "") {
  flatbuffers::Parser before;
  flatbuffers::Parser after;
  const auto parsed = [](flatbuffers::Parser& parser, const std::string& text, const std::string& folder) {
    std::array<const char*, 2> folders = {folder.c_str(), nullptr};
    return parser.Parse(text.c_str(), folders.data());
  };
  if (!parsed(before, released, released_folder)) return {"the released schema does not parse: " + before.error_};
  if (!parsed(after, current, current_folder)) return {"the schema does not parse: " + after.error_};
  std::vector<std::string> found;
  if (const std::string error = after.ConformTo(before); !error.empty()) found.push_back(error);
  before.opts.binary_schema_builtins = after.opts.binary_schema_builtins = true;
  before.Serialize();
  after.Serialize();
  for (std::string& found_here : Comparison(*reflection::GetSchema(before.builder_.GetBufferPointer()),
                                            *reflection::GetSchema(after.builder_.GetBufferPointer()))
                                     .breaks()) {
    found.push_back(std::move(found_here));
  }
  return found;
}

// A release copies events/schema to events/schema/baseline. Before the first one, a schema that must break takes its
// baseline along.
TEST(SchemaTest, every_released_schema_can_still_be_read) {
  const std::filesystem::path folder = std::filesystem::path(TRV_SOURCE_DIR) / "events/schema";
  for (const auto& schema : std::filesystem::directory_iterator(folder)) {
    if (schema.path().extension() != ".fbs") continue;
    EXPECT_TRUE(std::filesystem::exists(folder / "baseline" / schema.path().filename()))
        << schema.path() << " has no baseline, and so nothing holds its events readable; copy it there";
  }
  int checked = 0;
  for (const auto& baseline : std::filesystem::directory_iterator(folder / "baseline")) {
    const std::filesystem::path current = folder / baseline.path().filename();
    ASSERT_TRUE(std::filesystem::exists(current)) << current << " is gone";
    EXPECT_EQ(breaks(read_file(baseline.path()), read_file(current), folder / "baseline", folder),
              std::vector<std::string>{})
        << current;
    ++checked;
  }
  EXPECT_GE(checked, 7);
}

constexpr const char* released =
    "attribute \"record_type\"; attribute \"json\"; attribute \"secret\"; attribute \"unset_is_absent\";\n"
    "enum Color : ubyte { red, blue }\n"
    "struct Hash { bytes:[ubyte:32]; }\n"
    "table A { x:int; }\n"
    "table B { y:int; }\n"
    "union U { A, B }\n"
    "table Root (record_type: \"trv.root.grown\") { name:string (id: 0); count:int (id: 1); u:U (id: 3);\n"
    "  color:Color (id: 4); text:string (id: 5, json); hidden:string (id: 6, secret); hash:Hash (id: 7);\n"
    "  part:A (id: 8); }\n"
    "root_type Root; file_identifier \"ROOT\";\n";

std::string changed(std::string_view from, std::string_view to) {
  std::string text = released;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(SchemaTest, appending_breaks_nothing) {
  const auto conforms = [](std::string_view from, std::string_view to) {
    EXPECT_EQ(breaks(released, changed(from, to)), std::vector<std::string>{}) << to;
  };
  conforms("", "");
  conforms("part:A (id: 8);", "part:A (id: 8); more:string (id: 9);");
  conforms("{ red, blue }", "{ red, blue, green }");
  conforms("union U { A, B }", "table C { z:int; } union U { A, B, C }");
  conforms("table Root", "table More { z:int; }\ntable Root");
  conforms("name:string (id: 0)", "name:string (id: 0, deprecated)");
}

TEST(SchemaTest, planted_breaks_are_found_and_named) {
  const auto is_break = [](std::string_view from, std::string_view to, const std::string& named) {
    const std::vector<std::string> found = breaks(released, changed(from, to));
    EXPECT_TRUE(std::ranges::any_of(found, [&](const auto& line) { return line.find(named) != std::string::npos; }))
        << to << ": " << fmt::format("{}", fmt::join(found, "; "));
  };
  is_break("count:int", "count:string", "the type of Root.count");
  is_break("count:int", "count:uint", "the type of Root.count");
  is_break("part:A", "part:B", "the type of Root.part was");
  is_break("count:int (id: 1)", "count:int = 5 (id: 1)", "the default of Root.count was 0/0, and is 5/0");
  is_break("name:string (id: 0); count:int (id: 1);", "name:string (id: 1); count:int (id: 0);",
           "the id of Root.name was 0");
  is_break("name:string", "title:string", "Root.name is gone");
  is_break(" part:A (id: 8);", "", "Root.part is gone");
  is_break("table B { y:int; }\nunion U { A, B }", "union U { A }", "B is gone");
  is_break("name:string (id: 0)", "name:string (id: 0, required)", "Root.name became required");
  is_break("part:A (id: 8);", "part:A (id: 8); more:string (id: 9, required);", "Root.more became required");
  is_break("{ red, blue }", "{ blue, red }", "0 of Color was red, and is blue");
  is_break("{ red, blue }", "{ red, azure }", "1 of Color was blue, and is azure");
  is_break("{ red, blue }", "{ red }", "1 of Color was blue, and is gone");
  is_break("Color : ubyte", "Color : ushort", "the type of Color");
  is_break("union U { A, B }", "union U { A }", "2 of U was B, and is gone");
  is_break("bytes:[ubyte:32]", "bytes:[ubyte:32]; more:ubyte", "the size of Hash was 32, and is 33");
  is_break("ROOT", "RUUT", "the file identifier was ROOT");
  is_break("trv.root.grown", "trv.root.shrunk", "record_type of Root");
  is_break("(id: 5, json)", "(id: 5)", "(json) of Root.text");
  is_break("(id: 6, secret)", "(id: 6)", "(secret) of Root.hidden");
  is_break("count:int (id: 1)", "count:int (id: 1, unset_is_absent)", "(unset_is_absent) of Root.count");
}

}  // namespace
