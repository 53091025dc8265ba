// Every released schema can still be read: what flatc calls conforming, and what it does not look at.

#include <flatbuffers/idl.h>
#include <flatbuffers/reflection.h>
#include <flatbuffers/reflection_generated.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Why `current` cannot follow `released`; empty when it can.
std::vector<std::string> breaks(const std::string& released, const std::string& current) {
  flatbuffers::Parser before;
  flatbuffers::Parser after;
  if (!before.Parse(released.c_str())) return {"the released schema does not parse: " + before.error_};
  if (!after.Parse(current.c_str())) return {"the schema does not parse: " + after.error_};
  std::vector<std::string> found;
  if (const std::string error = after.ConformTo(before); !error.empty()) found.push_back(error);

  before.Serialize();
  after.Serialize();
  const reflection::Schema& old_schema = *reflection::GetSchema(before.builder_.GetBufferPointer());
  const reflection::Schema& new_schema = *reflection::GetSchema(after.builder_.GetBufferPointer());
  const auto text = [](const flatbuffers::String* string) { return string == nullptr ? std::string() : string->str(); };
  if (text(old_schema.file_ident()) != text(new_schema.file_ident())) found.emplace_back("the file identifier changed");
  for (const reflection::Object* table : *new_schema.objects()) {
    const reflection::Object* old_table = old_schema.objects()->LookupByKey(table->name()->c_str());
    for (const reflection::Field* field : *table->fields()) {
      const reflection::Field* old_field =
          old_table == nullptr ? nullptr : old_table->fields()->LookupByKey(field->name()->c_str());
      if (old_table != nullptr && field->required() && (old_field == nullptr || !old_field->required())) {
        found.push_back(fmt::format("{}.{} became required", table->name()->str(), field->name()->str()));
      }
    }
  }
  for (const reflection::Object* table : *old_schema.objects()) {
    if (new_schema.objects()->LookupByKey(table->name()->c_str()) == nullptr) {
      found.push_back(fmt::format("{} is gone", table->name()->str()));
    }
  }
  for (const reflection::Enum* old_enum : *old_schema.enums()) {
    const reflection::Enum* now = new_schema.enums()->LookupByKey(old_enum->name()->c_str());
    if (now == nullptr || now->values()->size() < old_enum->values()->size()) {
      found.push_back(fmt::format("{} lost members", old_enum->name()->str()));
    }
  }
  return found;
}

TEST(SchemaTest, every_released_schema_can_still_be_read) {
  const std::filesystem::path folder = std::filesystem::path(TRV_SOURCE_DIR) / "events/schema";
  int checked = 0;
  for (const auto& baseline : std::filesystem::directory_iterator(folder / "baseline")) {
    const std::filesystem::path current = folder / baseline.path().filename();
    ASSERT_TRUE(std::filesystem::exists(current)) << current << " is gone";
    EXPECT_EQ(breaks(read_file(baseline.path()), read_file(current)), std::vector<std::string>{}) << current;
    ++checked;
  }
  EXPECT_GE(checked, 2);
}

constexpr const char* released =
    "enum Color : ubyte { red, blue }\n"
    "table A { x:int; }\n"
    "table B { y:int; }\n"
    "union U { A, B }\n"
    "table Root { name:string (id: 0); count:int (id: 1); u:U (id: 3); color:Color (id: 4); }\n"
    "root_type Root; file_identifier \"ROOT\";\n";

std::string changed(std::string_view from, std::string_view to) {
  std::string text = released;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(SchemaTest, appending_is_no_break) {
  EXPECT_TRUE(breaks(released, released).empty());
  EXPECT_TRUE(breaks(released, changed("color:Color (id: 4);", "color:Color (id: 4); more:string (id: 5);")).empty());
  EXPECT_TRUE(breaks(released, changed("{ red, blue }", "{ red, blue, green }")).empty());
}

TEST(SchemaTest, planted_breaks_are_found) {
  const auto is_break = [](std::string_view from, std::string_view to) {
    return !breaks(released, changed(from, to)).empty();
  };
  EXPECT_TRUE(is_break("count:int", "count:string")) << "retyped";
  EXPECT_TRUE(is_break("count:int (id: 1)", "count:int = 5 (id: 1)")) << "another default";
  EXPECT_TRUE(is_break("{ red, blue }", "{ blue, red }")) << "reordered";
  EXPECT_TRUE(is_break("ROOT", "RUUT")) << "flatc lets this pass";
  EXPECT_TRUE(is_break("name:string (id: 0)", "name:string (id: 0, required)")) << "flatc lets this pass";
  EXPECT_TRUE(is_break("union U { A, B }", "union U { A }")) << "flatc lets this pass";
  EXPECT_TRUE(is_break("color:Color (id: 4);", "color:Color (id: 4); more:string (id: 5, required);"))
      << "old buffers lack it";
  EXPECT_FALSE(is_break("table Root", "table More { z:int; }\ntable Root")) << "a new table is none";
}

}  // namespace
