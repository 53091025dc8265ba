// No schema and no value may hold the kernel up: each of these must end soon, with an answer or an error, and within
// its memory.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <chrono>
#include <functional>
#include <string>

#include "kernel/json/parse.hpp"
#include "kernel/json_schema/schema.hpp"

namespace trv::json_schema {
namespace {

#ifdef TRV_SANITIZED
constexpr double cpu_ms_max = 5'000;
#else
// The promise is 100 ms; a machine that is busy with other tests is slower.
constexpr double cpu_ms_max = 300;
#endif

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

json::Value value(std::string_view text) {
  auto parsed = json::parse(text, {.bytes_max = 4'000'000, .depth_max = 512});
  EXPECT_TRUE(parsed) << text.substr(0, 60) << ": " << parsed.error().message();
  return parsed ? *parsed : json::Value();
}

enum class End : std::uint8_t { refused, stopped, valid, invalid };

End run(const std::string& name, const json::Value& schema, const json::Value& instance) {
  const double begin = cpu_ms();
  const auto compiled = compile(schema);
  const double between = cpu_ms();
  End end = End::refused;
  std::string words;
  if (compiled) {
    const auto problems = compiled->validate(instance);
    end = !problems ? End::stopped : problems->empty() ? End::valid : End::invalid;
    if (!problems) words = problems.error().message();
  } else {
    words = compiled.error().to_error().message();
  }
  const double after = cpu_ms();
  EXPECT_LT(between - begin, cpu_ms_max) << name << ": compile";
  EXPECT_LT(after - between, cpu_ms_max) << name << ": validate";
  std::printf("%-28s compile %6.1f ms, validate %6.1f ms, peak %ld MiB: %s\n", name.c_str(), between - begin,
              after - between, peak_kib() / 1024, words.substr(0, 110).c_str());
  return end;
}

TEST(HostileSchema, nested_alternatives_use_up_the_steps) {
  // Each level asks the one below twice.
  std::string definitions = R"("d0": {"type": "string"})";
  for (int i = 1; i < 60; ++i) {
    definitions += ", \"d" + std::to_string(i) + R"(": {"allOf": [{"$ref": "#/$defs/d)" + std::to_string(i - 1) +
                   R"("}, {"not": {"not": {"$ref": "#/$defs/d)" + std::to_string(i - 1) + R"("}}}]})";
  }
  EXPECT_EQ(run("allOf doubles", value(R"({"$ref": "#/$defs/d59", "$defs": {)" + definitions + "}}"), value(R"("a")")),
            End::stopped);
  std::string choices = R"("d0": {"const": 1})";
  for (int i = 1; i < 60; ++i) {
    const std::string below = R"({"$ref": "#/$defs/d)" + std::to_string(i - 1) + R"("})";
    choices += ", \"d" + std::to_string(i) + R"(": {"anyOf": [)" + below + ", " + below + "]}";
  }
  EXPECT_EQ(run("anyOf doubles", value(R"({"$ref": "#/$defs/d59", "$defs": {)" + choices + "}}"), value("2")),
            End::stopped);
}

TEST(HostileSchema, expressions_that_backtrack_are_stopped) {
  const json::Value text(std::string(50'000, 'a') + "!");
  for (const char* pattern : {"^(a+)+$", "^(a|a)*$", "(a*)*b", "(a*)*\\1b", "^(([a-z])+.)+[A-Z]([a-z])+$",
                              "a*a*a*a*a*b", "(?=(a+))*b", "(?<=a{1,1})a*a*b", "(.*)(.*)(.*)(.*)(.*)[^a!]x"}) {
    const End end = run(pattern, json::Value{{"pattern", pattern}}, text);
    EXPECT_NE(end, End::valid) << pattern;
  }
  const json::Value names{{"patternProperties", json::Value{{"^(a+)+$", true}}}, {"additionalProperties", false}};
  json::Value many = json::Value::object();
  for (int i = 0; i < 5'000; ++i) many.set(std::string(40, 'a') + std::to_string(i), 1);
  run("backtracking names", names, many);
}

TEST(HostileSchema, expressions_that_grow_are_refused) {
  EXPECT_EQ(run("nested counts", json::Value{{"pattern", "(((((a{1000}){1000}){1000}){1000}){1000})"}}, 1),
            End::refused);
  EXPECT_EQ(run("nested groups", json::Value{{"pattern", repeated("(", 500) + repeated(")", 500)}}, 1), End::refused);
  json::Value all = json::Value::array();
  for (int i = 0; i < 5'000; ++i) all.push_back(json::Value{{"pattern", "(?:ab[cd]e){800}" + std::to_string(i)}});
  EXPECT_EQ(run("many large expressions", json::Value{{"allOf", all}}, 1), End::refused);
}

TEST(HostileSchema, depth_is_bounded) {
  EXPECT_FALSE(json::parse(repeated(R"({"not":)", 10'000) + "{}" + repeated("}", 10'000)));
  json::Value deep = json::Value(true);
  for (int i = 0; i < 10'000; ++i) deep = json::Value{{"not", std::move(deep)}};
  EXPECT_EQ(run("10,000 deep schema", deep, 1), End::stopped);
  json::Value nested = 1;
  for (int i = 0; i < 10'000; ++i) nested = json::Value::array({std::move(nested)});
  EXPECT_EQ(run("10,000 deep value", value(R"({"items": {"$ref": "#"}})"), nested), End::stopped);
  EXPECT_EQ(run("10,000 deep const", json::Value{{"const", nested}}, nested), End::stopped);
  // As deep as text may be.
  EXPECT_EQ(run("500 deep value", value(R"({"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}]})"),
                value(repeated("[", 500) + repeated("]", 500))),
            End::valid);
}

TEST(HostileSchema, sizes_are_bounded) {
  json::Value numbers = json::Value::array();
  for (int i = 0; i < 150'000; ++i) numbers.push_back("value " + std::to_string(i));
  run("huge enum", json::Value{{"items", json::Value{{"enum", numbers}}}}, numbers);
  run("huge unique array", json::Value{{"uniqueItems", true}}, numbers);
  EXPECT_EQ(run("many schemas", value(R"({"allOf": [{})" + repeated(",{}", 300'000) + "]}"), 1), End::refused);
  EXPECT_EQ(run("many allowed schemas", value(R"({"allOf": [{})" + repeated(R"(,{"type":"null"})", 49'000) + "]}"), 1),
            End::invalid);
  json::Value keys = json::Value::object();
  for (int i = 0; i < 2'000; ++i) keys.set("^x" + std::to_string(i) + ".*y", true);
  json::Value entries = json::Value::object();
  for (int i = 0; i < 20'000; ++i) entries.set("x" + std::to_string(i), i);
  EXPECT_EQ(run("patterns times names", json::Value{{"patternProperties", keys}}, entries), End::stopped);
  json::Value doubled = json::Value::array();
  for (int i = 0; i < 40; ++i) doubled = json::Value::array({doubled, doubled});
  EXPECT_EQ(run("a value that unfolds", value(R"({"items": {"$ref": "#"}})"), doubled), End::stopped);
  json::Value folded = true;
  for (int i = 0; i < 40; ++i) folded = json::Value{{"allOf", json::Value::array({folded, folded})}};
  EXPECT_EQ(run("a schema that unfolds", folded, 1), End::stopped);
}

TEST(HostileSchema, reasons_are_bounded) {
  // Many alternatives, each with many problems, each of which asks for the nearest of many names.
  json::Value names = json::Value::object();
  json::Value items = json::Value::object();
  for (int i = 0; i < 500; ++i) names.set(std::string(50, 'n') + std::to_string(i), true);
  for (int i = 0; i < 500; ++i) items.set(std::string(50, 'm') + std::to_string(i), std::string(2'000, 'x'));
  const json::Value object{
      {"properties", names}, {"additionalProperties", false}, {"required", json::Value::array({"zz"})}};
  json::Value branches = json::Value::array();
  for (int i = 0; i < 2'000; ++i) branches.push_back(json::Value{{"$ref", "#/$defs/o"}, {"title", std::to_string(i)}});
  EXPECT_EQ(run("many reasons", json::Value{{"anyOf", branches}, {"$defs", json::Value{{"o", object}}}}, items),
            End::invalid);
  json::Value nulls = json::Value::array();
  for (int i = 0; i < 20'000; ++i) nulls.push_back(json::Value{{"items", json::Value{{"type", "null"}}}});
  json::Value texts = json::Value::array();
  for (int i = 0; i < 20; ++i) texts.push_back(json::Value::array({std::string(500'000, 'x')}));
  EXPECT_EQ(run("many long reasons", json::Value{{"anyOf", nulls}}, texts), End::invalid);
  // Schemas beside each other, level by level, which unfold to many.
  json::Value levels = json::Value{{"d0", json::Value::object()}};
  for (int i = 1; i < 12; ++i) {
    json::Value below = json::Value::array();
    for (int k = 0; k < 4; ++k) below.push_back(json::Value{{"$ref", "#/$defs/d" + std::to_string(i - 1)}});
    levels.set("d" + std::to_string(i), json::Value{{"anyOf", below}});
  }
  run("names of many levels", json::Value{{"$ref", "#/$defs/d11"}, {"additionalProperties", false}, {"$defs", levels}},
      items);
  json::Value deep_names = json::Value::object();
  for (int i = 0; i < 20'000; ++i) deep_names.set("p" + std::to_string(i), json::Value{{"minLength", 1}});
  const std::string long_name(500'000, 'n');
  run("a long place in a meta-schema's value", value(R"({"$ref": "https://json-schema.org/draft/2020-12/schema"})"),
      json::Value{{"properties", json::Value{{long_name, json::Value{{"properties", deep_names}}}}}});
}

TEST(HostileSchema, long_names_and_many_ids_are_bounded) {
  const std::string name(200'000, 'n');
  json::Value inner = json::Value::object();
  for (int i = 0; i < 5'000; ++i) inner.set("p" + std::to_string(i), json::Value{{"type", "null"}});
  const json::Value long_name{{"properties", json::Value{{name, json::Value{{"properties", inner}}}}}};
  json::Value entries = json::Value::object();
  for (int i = 0; i < 5'000; ++i) entries.set("p" + std::to_string(i), 1);
  EXPECT_EQ(run("long names", long_name, json::Value{{name, entries}}), End::invalid);
  json::Value ids = json::Value::object();
  for (int i = 0; i < 10'000; ++i) {
    ids.set("d" + std::to_string(i),
            json::Value{
                {"$id", "https://example.com/" + std::to_string(i)}, {"$dynamicAnchor", "a"}, {"$dynamicRef", "#a"}});
  }
  run("many ids", json::Value{{"$defs", ids}}, 1);
  EXPECT_EQ(
      run("a long id", json::Value{{"$id", "https://example.com/" + std::string(300'000, 'x')}, {"$defs", ids}}, 1),
      End::refused);
  std::string chain = R"("d0": {"type": "null"})";
  for (int i = 1; i < 5'000; ++i) {
    chain += ", \"d" + std::to_string(i) + R"(": {"$ref": "#/$defs/d)" + std::to_string(i - 1) + "\"}";
  }
  EXPECT_EQ(run("a long chain of $ref", value(R"({"$ref": "#/$defs/d4999", "$defs": {)" + chain + "}}"), 1),
            End::stopped);
}

TEST(HostileSchema, memory_stayed_small) {
#ifndef TRV_SANITIZED
  // The texts themselves take a good part of it.
  EXPECT_LT(peak_kib(), 64L * 1024);
#endif
}

}  // namespace
}  // namespace trv::json_schema
