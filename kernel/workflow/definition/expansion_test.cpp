// Functions that are put into the text of a definition, and what is then said of the author's text.

#include "kernel/workflow/definition/expansion.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace trv::definition {
namespace {

constexpr std::string_view name = "log:1.0.0@shared";
const std::string document = "document: {dsl: '1.0.3', namespace: test, name: reuse, version: '1.0.0'}\n";

std::vector<FetchedFunction> functions(std::string_view body = "set: {x: 1}\n") {
  auto read = read_function("https://example.com/function.yaml", body);
  EXPECT_TRUE(read) << read.error().message();
  UnfetchedFunction what{.name = std::string(name),
                         .address = "https://example.com/function.yaml",
                         .authentication = {},
                         .caller = {},
                         .position = {}};
  what.position = {.line = 7, .column = 9, .offset = 70};
  return {{what, *std::move(read)}};
}

std::string expanded(const std::string& text, Format format = Format::yaml) {
  const auto made = Expansion::make(text, format, functions());
  return made ? made->text() : made.error().message();
}

TEST(CatalogFunction, is_at_its_place_in_the_catalog_and_pages_become_texts) {
  const CatalogFunction function{.name = "log", .version = "1.0.0", .catalog = "shared"};
  const auto at = [&](std::string_view endpoint) { return function_address(endpoint, function).value_or("refused"); };
  const std::string file = "/functions/log/1.0.0/function.yaml";
  EXPECT_EQ(at("https://example.com/catalog"), "https://example.com/catalog" + file);
  EXPECT_EQ(at("https://example.com/catalog//"), "https://example.com/catalog" + file);
  EXPECT_EQ(at("https://github.com/shop/functions"), "https://raw.githubusercontent.com/shop/functions/main" + file);
  EXPECT_EQ(at("https://github.com/shop/functions/tree/v2/all"),
            "https://raw.githubusercontent.com/shop/functions/v2/all" + file);
  EXPECT_EQ(at("https://gitlab.com/a/b/c"), "https://gitlab.com/a/b/c/-/raw/main" + file);
  EXPECT_EQ(at("https://gitlab.com/a/b/c/-/tree/v2/all"), "https://gitlab.com/a/b/c/-/raw/v2/all" + file);
  EXPECT_EQ(raw_address("https://github.com/shop/functions/blob/main/f.yaml"),
            "https://raw.githubusercontent.com/shop/functions/main/f.yaml");
  EXPECT_EQ(at("https://example.com/catalog?x=1"), "refused");
  EXPECT_EQ(function_address("https://example.com", {.name = "..", .version = "1", .catalog = "c"}).value_or("no"),
            "no");
}

TEST(Expansion, leaves_the_author_his_text_and_puts_functions_where_they_belong) {
  const std::string member = R"("log:1.0.0@shared": {"set":{"x":1}})";
  const std::string tasks = "do:\n- a: {call: 'log:1.0.0@shared'}  # why\n";
  EXPECT_EQ(expanded(document + tasks), document + tasks + R"("use": {"functions": {)" + member + "}}\n");
  EXPECT_EQ(expanded(document + "use:\n  # of all\n  secrets: [a]\n" + tasks),
            document + "use:\n  # of all\n  " + R"("functions": {)" + member + "}\n  secrets: [a]\n" + tasks);
  EXPECT_EQ(expanded(document + "use:\n  functions:\n    f: {set: {x: 2}}\n" + tasks),
            document + "use:\n  functions:\n    " + member + "\n    f: {set: {x: 2}}\n" + tasks);
  EXPECT_EQ(expanded(document + "use: {functions: {f: {set: {x: 2}}}}\n" + tasks),
            document + "use: {functions: {" + member + ", f: {set: {x: 2}}}}\n" + tasks);
  EXPECT_EQ(expanded(document + "use: {functions: {}}\n" + tasks),
            document + "use: {functions: {" + member + "}}\n" + tasks);
  EXPECT_EQ(expanded(R"({"document": {"dsl": "1.0.3"}, "do": []})", Format::json),
            R"({"use": {"functions": {)" + member + R"(}}, "document": {"dsl": "1.0.3"}, "do": []})");
  EXPECT_EQ(expanded(document + tasks + "...\n"),
            R"("use": {"functions": {)" + member + "}}\n" + document + tasks + "...\n");
}

TEST(Expansion, a_text_that_takes_nothing_is_refused) {
  EXPECT_NE(expanded(document + "x: &u\n  secrets: [a]\nuse: *u\ndo: []\n").find("without anchors"), std::string::npos);
  EXPECT_NE(expanded(document + "do: ['" + std::string(text_bytes_max - 120, 'x') + "']\n").find("over a limit"),
            std::string::npos);
}

TEST(Expansion, what_is_wrong_with_a_function_is_said_at_its_call_and_names_its_line) {
  const std::string text = document +
                           "use:\n  catalogs:\n    shared: {endpoint: 'https://example.com'}\ndo:\n- a:\n    call: "
                           "'log:1.0.0@shared'\n- b: {sat: 1}\n";
  const Findings before = check(text, Format::yaml);
  ASSERT_EQ(before.unfetched.size(), 1U);
  EXPECT_EQ(before.unfetched[0].address, "https://example.com/functions/log/1.0.0/function.yaml");
  std::vector<FetchedFunction> fetched = functions("do:\n- one:\n    sett: {x: 1}\n");
  fetched[0].what = before.unfetched[0];
  const auto expansion = Expansion::make(text, Format::yaml, fetched);
  ASSERT_TRUE(expansion) << expansion.error().message();
  Findings found = check(expansion->text(), Format::yaml);
  expansion->say_of_author(found, fetched);
  ASSERT_EQ(found.errors, 2U);
  EXPECT_TRUE(found.problems[0].message.starts_with(
      "in the function 'log:1.0.0@shared' (https://example.com/functions/log/1.0.0/function.yaml, line 3): "))
      << found.problems[0].message;
  EXPECT_EQ(found.problems[0].position.line, 7);
  EXPECT_EQ(found.problems[0].position.column, 11);
  EXPECT_EQ(found.problems[1].position.line, 8) << "of the author's lines";
  EXPECT_EQ(found.problems[1].position.column, 7);
}

TEST(Expansion, an_absent_function_is_a_warning_of_a_check_and_its_functions_are_found_in_turn) {
  const std::string text = document + "do:\n- a: {call: 'https://example.com/f.json'}\n";
  const Findings before = check(text, Format::yaml);
  EXPECT_EQ(before.errors, 0U);
  ASSERT_EQ(before.warnings, 1U);
  EXPECT_NE(before.problems[0].message.find("the function 'https://example.com/f.json' is not checked"),
            std::string::npos);
  ASSERT_EQ(before.unfetched.size(), 1U);
  const auto body = read_function("https://example.com/f.json", R"({"call": "https://example.com/g.yaml"})");
  ASSERT_TRUE(body);
  const std::vector<FetchedFunction> fetched = {{before.unfetched[0], *body}};
  const auto expansion = Expansion::make(text, Format::yaml, fetched);
  ASSERT_TRUE(expansion);
  Findings next = check(expansion->text(), Format::yaml);
  ASSERT_EQ(next.unfetched.size(), 1U);
  EXPECT_EQ(next.unfetched[0].caller, "https://example.com/f.json");
  expansion->say_of_author(next, fetched);
  EXPECT_EQ(next.unfetched[0].position.line, 3);
  EXPECT_FALSE(read_function("https://example.com/f.yaml", "[]"));
  EXPECT_FALSE(read_function("https://example.com/f.json", "set: {x: 1}"));
}

}  // namespace
}  // namespace trv::definition
