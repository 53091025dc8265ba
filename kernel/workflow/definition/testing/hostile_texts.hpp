#pragma once
// Texts that somebody writes to hold the kernel up, as definitions: for tests of everything that takes one.

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {

struct HostileText {
  std::string name;
  std::string text;
  std::string_view says = {};  ///< part of its first error; empty: it is a valid definition
  Format format = Format::yaml;
};

namespace hostile {

inline constexpr std::string_view head = "document: {dsl: '1.0.3', namespace: hostile, name: it, version: '1.0.0'}\n";

inline std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

/// As many lines as fit into a definition, at most `most`, each of its number.
inline std::string lines(const std::function<std::string(std::size_t)>& line, std::size_t most = 100'000,
                         std::size_t bytes_max = text_bytes_max - 2'000) {
  std::string all;
  for (std::size_t i = 0; i < most; ++i) {
    const std::string next = line(i);
    if (all.size() + next.size() > bytes_max) break;
    all += next;
  }
  return all;
}

inline std::string document(std::string_view rest) {
  return std::string(head) + std::string(rest);
}

/// A definition with one expression, in lines that are not too long.
inline std::string expression(std::string_view text) {
  std::string in_lines;
  std::size_t signs = 0;
  for (const char c : text) {
    in_lines += c;
    if ((c == '[' || c == '(' || c == ',') && ++signs % 10'000 == 0) in_lines += "\n          ";
  }
  return document(fmt::format("do:\n  - a:\n      set:\n        x: |-\n          ${{ {} }}\n", in_lines));
}

inline std::string schema(std::string_view text) {
  return document(fmt::format("input: {{schema: {{document: {}}}}}\ndo: [{{a: {{wait: PT1S}}}}]\n", text));
}

inline void add_structures(std::vector<HostileText>& all) {
  const std::size_t most = text_bytes_max - 500;
  all.push_back({"nested lists", document("do: " + repeated("[", 200'000)), "in one line"});
  all.push_back({"nested block lists", document("do:\n  " + repeated("- ", 100'000) + "a\n"), "levels"});
  all.push_back({"nested mappings", document("do: " + repeated("{a: ", 50'000)), "in one line"});
  all.push_back({"nested complex keys", document(repeated("? ", 100'000) + "a\n"), "in one line"});
  all.push_back({"nested JSON", repeated("[", 250'000), "levels", Format::json});
  all.push_back({"megabytes of one line", document("do: " + std::string(8'000'000, 'a')), "bytes"});
  all.push_back(
      {"a line as long as a text may be", document("do: " + std::string(most, 'a')), "a list of tasks must be"});
  all.push_back({"a key as long as a text may be", document(std::string(most, 'k') + ": 1\n"), "needs the property"});
  all.push_back(
      {"a property's name of 200 KiB", document("\"" + std::string(200'000, 'd') + "\": 1\n"), "property", {}});
  all.push_back({"a tower of aliases",
                 document("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" +
                          lines(
                              [](std::size_t i) {
                                const std::string one = fmt::format("*a{}, ", i);
                                return fmt::format("a{}: &a{} [{}x]\n", i + 1, i + 1, repeated(one, 9));
                              },
                              40)),
                 "nodes"});
  all.push_back({"aliases of a long text",
                 document("x: &x " + std::string(120'000, 'a') + "\ndo: [" + repeated("*x, ", 15'000) + "]\n"),
                 "alias"});
  all.push_back({"aliases of a long key",
                 document("x: &x {" + std::string(900, 'a') + ": 1}\ndo: [" + repeated("*x, ", 9'000) + "]\n"),
                 "aliases"});
  all.push_back({"anchors within each other",
                 document("do: " + lines([](std::size_t i) { return fmt::format("&a{} [", i); }, 55) +
                          repeated("x, ", 19'000) + repeated("]", 55) + "\n"),
                 "x"});
  all.push_back({"a list in one line", document("do: [" + repeated("a,", 125'000) + "]\n"), "in one line"});
  all.push_back({"lists in lists in one line", document("do: [" + repeated("[],", 80'000) + "]\n"), "in one line"});
  all.push_back({"lists that nest in one line", document("do: [" + repeated("[a,", 80'000)), "in one line"});
  all.push_back({"question marks in one line", document("do: [" + repeated("? ", 120'000)), "in one line"});
  all.push_back({"colons in one line", document("do: [" + repeated(": ", 120'000)), "in one line"});
  all.push_back({"mappings in one line", document("do: {" + repeated("a: b,", 50'000)), "in one line"});
  all.push_back({"quoted texts in one line", document("do: [" + repeated("\"\",", 80'000)), "in one line"});
  all.push_back({"aliases in one line", document("x: &a 1\ndo: [" + repeated("*a,", 80'000)), "in one line"});
  all.push_back({"anchors in one line", document("x: &a 1\ndo: [" + repeated("&a,", 80'000)), "in one line"});
  all.push_back({"an alias in itself", document("do: &a [*a]\n"), "alias"});
  all.push_back(
      {"many anchors", document(lines([](std::size_t i) { return fmt::format("&a{} k{}: 1\n", i, i); })), "nodes"});
  all.push_back({"tags", document("do: " + repeated("!!str ", 40'000) + "a\n"), "tag"});
  all.push_back({"directives", lines([](std::size_t i) { return fmt::format("%TAG !t{}! x:\n", i); }) + "---\na: 1\n",
                 "directives"});
  all.push_back({"documents", repeated("--- a\n", 40'000), "document"});
  all.push_back({"comments", document(repeated("# x\n", 60'000) + "do: 1\n"), "a list of tasks must be"});
  all.push_back({"empty lines in quotes", document("do: \"" + repeated("\n\n", 100'000) + "\"\n"), "not YAML"});
  all.push_back({"escapes", document("do: \"" + repeated("\\x41", 60'000) + "\"\n"), "a list of tasks must be"});
  all.push_back({"a quote without an end", document("do: '" + std::string(most, 'a')), "quote"});
  all.push_back({"indentation that grows",
                 document("do:\n" + lines([](std::size_t i) { return std::string(i, ' ') + "a:\n"; })), "levels"});
  all.push_back({"a key thousands of times", document(repeated("a: 1\n", 40'000)), "twice"});
  all.push_back({"zero bytes", std::string(200'000, '\0'), "U+0000"});
  all.push_back({"bytes that are not UTF-8", std::string(200'000, '\xff'), "UTF-8"});
  all.push_back({"a number of 200,000 digits", document("do: " + std::string(200'000, '9') + "\n"), "JSON form"});
  all.push_back(
      {"a number of 200,000 digits in JSON", "{\"do\": " + std::string(200'000, '9') + "}", "too large", Format::json});
  all.push_back(
      {"a number beyond all exponents", document("do: [{a: {set: {x: 1e999999999999999999999}}}]\n"), "1e9999"});
}

inline void add_tasks(std::vector<HostileText>& all) {
  all.push_back({"100,000 tasks",
                 document("do:\n" + lines([](std::size_t i) { return fmt::format("  - t{}: {{set: {{x: 1}}}}\n", i); },
                                          100'000, 8'000'000)),
                 "bytes"});
  all.push_back(
      {"as many tasks as fit",
       document("do:\n" + lines([](std::size_t i) { return fmt::format("- t{}: {{wait: PT1S}}\n", i); }, 3'990))});
  all.push_back({"as many tasks as fit in JSON",
                 R"({"document":{"dsl":"1.0.3","namespace":"hostile","name":"it","version":"1.0.0"},"do":[)" +
                     lines([](std::size_t i) { return fmt::format(R"({{"t{}":{{"wait":"PT1S"}}}},)", i); }, 6'600) +
                     R"({"t":{"wait":"PT1S"}}]})",
                 {},
                 Format::json});
  all.push_back({"tasks that jump", document("do:\n" + lines(
                                                           [](std::size_t i) {
                                                             return fmt::format("- t{}: {{wait: PT1S, then: t{}}}\n", i,
                                                                                (i * 37) % 2'800);
                                                           },
                                                           2'800))});
  all.push_back(
      {"10,000 problems",
       R"({"document":{"dsl":"1.0.3","namespace":"hostile","name":"it","version":"1.0.0"},"do":[{"t":{"wait":"PT1S")" +
           lines([](std::size_t i) { return fmt::format(R"(,"sett{}":1)", i); }, 10'000) + "}}]}",
       "property", Format::json});
  all.push_back({"problems below a long key",
                 document("do: [{a: {set: {\"" + std::string(120'000, '/') + "\": [" +
                          repeated("'${ $nope }', ", 5'000) + "]}}}]\n"),
                 "$nope"});
  all.push_back(
      {"jumps to nowhere",
       document("do:\n" +
                lines([](std::size_t i) { return fmt::format("- t{}: {{wait: P1D, then: u{}}}\n", i, i); }, 2'800)),
       "then"});
  all.push_back({"cases that lead nowhere",
                 document("do: [{a: {switch: [" +
                          lines([](std::size_t i) { return fmt::format("{{c{}: {{when: .x, then: u{}}}}}, ", i, i); },
                                2'800, 250'000) +
                          "]}}]\n"),
                 "then"});
  all.push_back(
      {"branches",
       document("do: [{a: {fork: {branches: [" +
                lines([](std::size_t i) { return fmt::format("{{b{}: {{wait: PT1S}}}}, ", i); }, 3'900, 250'000) +
                "]}}}]\n"),
       ""});
  all.push_back({"filters",
                 document("do: [{a: {listen: {to: {any: [" + repeated("{with: {type: a}}, ", 3'900) + "]}}}}]\n"),
                 "filters"});
  all.push_back({"functions that call each other twice",
                 document("use:\n  functions:\n" +
                          lines(
                              [](std::size_t i) {
                                return fmt::format("    f{}: {{do: [{{a: {{call: f{}}}}}, {{b: {{call: f{}}}}}]}}\n", i,
                                                   i + 1, i + 1);
                              },
                              60) +
                          "    f60: {set: {x: 1}}\ndo: [{a: {call: f0}}]\n"),
                 "compiled wherever"});
  all.push_back({"a function that calls itself",
                 document("use: {functions: {f: {do: [{a: {call: f}}]}}}\ndo: [{a: {call: f}}]\n"), "itself"});
  all.push_back(
      {"a large function called often",
       document("use:\n  functions:\n    f:\n      set:\n" +
                lines([](std::size_t i) { return fmt::format("        k{}: '${{ .a + {} }}'\n", i, i); }, 1'000) +
                "do:\n" + lines([](std::size_t i) { return fmt::format("- t{}: {{call: f}}\n", i); }, 1'800, 120'000)),
       "compiled wherever"});
  all.push_back(
      {"a function with a large schema called often",
       document(
           "use:\n  functions:\n    f:\n      set: {x: 1}\n      input:\n        schema:\n          document:\n"
           "            properties:\n" +
           lines([](std::size_t i) { return fmt::format("              k{}: {{pattern: 'a{{9}}'}}\n", i); }, 2'500) +
           "do:\n" + lines([](std::size_t i) { return fmt::format("- t{}: {{call: f}}\n", i); }, 1'800, 120'000)),
       "compiled wherever"});
  all.push_back(
      {"extensions of every task",
       document("use:\n  extensions:\n" +
                lines(
                    [](std::size_t i) {
                      return fmt::format("  - e{}: {{extend: all, before: [{{b: {{set: {{x: 1}}}}}}]}}\n", i);
                    },
                    700) +
                "do:\n" +
                lines([](std::size_t i) { return fmt::format("- t{}: {{wait: PT1S}}\n", i); }, 1'000, 120'000)),
       "16 extensions"});
  all.push_back(
      {"a large error raised often",
       document("use:\n  errors:\n    e:\n      type: https://e.example/x\n      status: 400\n      detail: '${ 1" +
                repeated(" + 1", 25'000) + " }'\ndo:\n" +
                lines([](std::size_t i) { return fmt::format("- t{}: {{if: .x, raise: {{error: e}}}}\n", i); }, 2'000,
                      120'000)),
       "operator chain"});
  all.push_back({"a large retry used often",
                 document("use:\n  retries:\n    r:\n      delay: PT1S\n      when: '${ 1" + repeated(" + 1", 25'000) +
                          " }'\ndo:\n" +
                          lines(
                              [](std::size_t i) {
                                return fmt::format("- t{}: {{try: [{{a: {{wait: P1D}}}}], catch: {{retry: r}}}}\n", i);
                              },
                              1'300, 120'000)),
                 "operator chain"});
}

inline void add_expressions(std::vector<HostileText>& all) {
  const auto of = [&](std::string name, std::string_view text, std::string_view says = "") {
    all.push_back({std::move(name), expression(text), says});
  };
  of("an expression of parentheses", repeated("(", 100'000) + "1" + repeated(")", 100'000), "nest");
  of("an expression of lists", repeated("[", 100'000) + repeated("]", 100'000), "nest");
  of("an expression of minus signs", repeated("-", 200'000) + "1", "nested deeper");
  of("an expression of tries", repeated("try ", 60'000) + "1", "nest");
  of("an expression of conditions", repeated("if . then ", 20'000), "nest");
  of("an expression of indices", repeated(".[", 60'000) + "." + repeated("]", 60'000), "nest");
  of("texts in texts", repeated("\"\\(", 40'000) + "1" + repeated(")\"", 40'000), "nest");
  of("a long sum", "1" + repeated("+1", 100'000), "operator chain");
  of("a long pipe", "." + repeated("|.", 100'000));
  of("a long path", repeated(".a", 100'000), "operator chain");
  of("a long list", "[1" + repeated(",1", 100'000) + "]");
  of("a long list of functions", "def f: 1; " + repeated("f,", 60'000) + "f");
  of("functions that call each other twice in jq",
     "def f0: .; " + lines([](std::size_t i) { return fmt::format("def f{}: f{}|f{}; ", i + 1, i, i); }, 7'000) +
         "f100",
     "nested deeper");
  of("functions in functions", repeated("def f: ", 30'000), "nest");
  of("alternatives of patterns", ". as [$a] " + repeated("?// [$a] ", 20'000) + "| $a");
  of("patterns in patterns", ". as " + repeated("[", 80'000) + "$a" + repeated("]", 80'000) + " | $a", "nest");
  of("unknown variables", "$nope1" + repeated(" + $nope2", 20'000), "$nope");
  of("unknown functions", "nope" + repeated(" | nope", 25'000), "nope");
  of("a function with thousands of parameters",
     "def f(" + lines([](std::size_t i) { return fmt::format("$p{};", i); }, 20'000) + "$x): 1; f", "no function");
  of("a number of 100,000 digits", std::string(100'000, '9'));
  of("a regular expression that grows", "test(\"((((a{1,500}){1,500}){1,500}){1,500})\")");
  of("a regular expression that backtracks", "\"" + std::string(1'000, 'a') + "\" | test(\"^(a|a)*[bc]$\")");
  of("a list that would not fit", "[range(1e9)] | length");
  of("a text that would not fit", "\"x\" * 1e9");
  of("recursion", "def f: f | f; f");
  all.push_back(
      {"expressions in one text", document("do: [{a: {set: {x: \"" + repeated("${ . } ", 30'000) + "\"}}}]\n"), ""});
  all.push_back({"expressions without an end", document("do: [{a: {set: {x: \"" + repeated("${ ", 39'000) + "\"}}}]\n"),
                 "closes"});
  all.push_back({"a condition that computes for ever",
                 document("do: [{a: {switch: [{x: {when: '[range(1e9)] | length > 0', then: end}}]}}]\n")});
  all.push_back({"conditions that compute for ever",
                 document("do:\n" + lines(
                                        [](std::size_t i) {
                                          return fmt::format("- t{}: {{if: 'last(range(1e9)) > 0', wait: PT1S}}\n", i);
                                        },
                                        2'800))});
}

inline void add_schemas(std::vector<HostileText>& all) {
  const auto of = [&](std::string name, std::string_view text, std::string_view says = "") {
    all.push_back({std::move(name), schema(text), says});
  };
  of("a pattern that grows", "{pattern: '((((a{1,900}){1,900}){1,900}){1,900})'}", "pattern");
  of("a pattern of 200 KiB", "{pattern: '" + repeated("(a|b)*", 35'000) + "'}", "over the limit");
  of("a pattern of nested groups", "{pattern: '" + repeated("(", 100'000) + "'}", "pattern");
  of("patterns that grow",
     "{patternProperties: {" +
         lines([](std::size_t i) { return fmt::format("'(a{{1,900}}){{1,{}}}': true, ", 20 + i); }, 4'000, 150'000) +
         "}}",
     "together");
  of("a schema in itself", "{$ref: '#'}", "refers to itself");
  of("schemas that refer to each other", "{$ref: '#/$defs/a', $defs: {a: {$ref: '#/$defs/b'}, b: {$ref: '#/$defs/a'}}}",
     "refers to itself");
  of("schemas that double",
     "{$ref: '#/$defs/d0', $defs: {" +
         lines(
             [](std::size_t i) {
               return fmt::format("d{}: {{allOf: [{{$ref: '#/$defs/d{}'}}, {{$ref: '#/$defs/d{}'}}]}}, ", i, i + 1,
                                  i + 1);
             },
             1'800, 200'000) +
         "d1800: true}}",
     "");
  of("a chain of references",
     "{$ref: '#/$defs/d0', $defs: {" +
         lines([](std::size_t i) { return fmt::format("d{}: {{$ref: '#/$defs/d{}'}}, ", i, i + 1); }, 4'000, 200'000) +
         "}}",
     "$ref");
  of("references to nothing",
     "{$defs: {" +
         lines([](std::size_t i) { return fmt::format("d{}: {{$ref: '#/$defs/e{}'}}, ", i, i); }, 4'000, 200'000) +
         "}}",
     "$ref");
  of("identifiers",
     "{$id: 'https://x.example/" + std::string(3'000, 'x') + "', $defs: {" +
         lines([](std::size_t i) { return fmt::format("d{}: {{$id: 'a{}'}}, ", i, i); }, 4'500, 200'000) + "}}",
     "");
  of("an enumeration", "{enum: [" + lines([](std::size_t i) { return fmt::format("{}, ", i); }, 15'000) + "]}");
  of("required properties",
     "{required: [" + lines([](std::size_t i) { return fmt::format("p{}, ", i); }, 15'000) + "]}");
}

inline void add_texts(std::vector<HostileText>& all) {
  const auto endpoint = [&](std::string name, std::string_view uri, std::string_view says = "") {
    all.push_back({std::move(name),
                   document(fmt::format("do: [{{a: {{call: http, with: {{method: get, endpoint: \"{}\"}}}}}}]\n", uri)),
                   says});
  };
  endpoint("braces in an address", "https://x.example/" + repeated("{", 39'000), "braces");
  endpoint("pairs of braces in an address", "https://x.example/" + repeated("{}", 39'000), "braces");
  endpoint("variables in an address", "https://x.example/" + repeated("{a}", 39'000));
  endpoint("a long variable in an address", "https://x.example/{" + std::string(200'000, 'a') + "}");
  const auto cron = [&](std::string name, std::string_view text, std::string_view says = "") {
    all.push_back({std::move(name),
                   document(fmt::format("schedule: {{cron: '{}'}}\ndo: [{{a: {{wait: PT1S}}}}]\n", text)), says});
  };
  cron("a cron expression of lists", "0" + repeated(",0", 30'000) + " * * * *", "512 bytes");
  cron("a cron expression of fields", repeated("* ", 100'000), "cron");
  cron("a cron expression of a day that never comes", "0 0 30 2 *", "no year");
  cron("a cron expression with a long number", std::string(200'000, '9') + " * * * *", "512 bytes");
  cron("a time zone of 200 KiB", "CRON_TZ=" + repeated("../", 60'000) + " * * * * *", "512 bytes");
  const auto duration = [&](std::string name, std::string_view text, std::string_view says = "") {
    all.push_back({std::move(name), document(fmt::format("do: [{{a: {{wait: '{}'}}}}]\n", text)), says});
  };
  duration("a duration of 200,000 digits", "P" + std::string(200'000, '9') + "D", "not an ISO");
  duration("a duration of parts", "P" + repeated("1D", 100'000), "not an ISO");
  duration("a duration beyond all times", "P999999999999999D", "100 years");
  all.push_back({"regular expressions of events",
                 document("do:\n" + lines(
                                        [](std::size_t i) {
                                          return fmt::format(
                                              "- t{}: {{listen: {{to: {{one: {{with: {{type: a, subject: "
                                              "'((a{{1,900}}){{1,900}}){{1,900}}'}}}}}}}}}}\n",
                                              i);
                                        },
                                        1'000)),
                 ""});
  all.push_back({"a name of 200 KiB",
                 "document: {dsl: '1.0.3', namespace: hostile, name: '" + std::string(200'000, 'n') +
                     "', version: '1.0.0'}\ndo: [{a: {wait: PT1S}}]\n",
                 "name"});
  all.push_back(
      {"names that are nearly right",
       document("do: [{a: {call: http, with: {" +
                lines([](std::size_t i) { return fmt::format("methhod{}: 1, ", i); }, 8'000, 200'000) + "}}}]\n"),
       "endpoint"});
  all.push_back({"an error type of 200 KiB",
                 document("do: [{a: {raise: {error: {type: '" + std::string(200'000, '/') + "', status: 400}}}}]\n"),
                 ""});
}

}  // namespace hostile

/// Built anew with each call: together they are about 20 MB.
inline std::vector<HostileText> hostile_texts() {
  std::vector<HostileText> all;
  hostile::add_structures(all);
  hostile::add_tasks(all);
  hostile::add_expressions(all);
  hostile::add_schemas(all);
  hostile::add_texts(all);
  return all;
}

}  // namespace trv::definition
