#include "kernel/workflow/definition/definition.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/expression_text.hpp"

namespace trv::definition {
namespace {

const std::string head = "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n";

/// "compiles", or "line:column message".
std::string verdict(std::string_view text, Format format = Format::yaml) {
  const auto compiled = compile(text, format);
  if (compiled) return "compiles";
  return fmt::format("{}:{} {}", compiled.error().line(), compiled.error().column(), compiled.error().message());
}

std::string with(std::string_view rest) {
  return verdict(head + std::string(rest));
}

TEST(Definition, a_problem_is_reported_with_its_place_and_what_is_allowed) {
  EXPECT_EQ(with("do: [{a: {set: {x: 1}}}]\n"), "compiles");
  EXPECT_EQ(with("doo: []\n"), "2:1 the definition has no property 'doo'; did you mean 'do'?");
  EXPECT_EQ(with("input: {}\n"), "1:1 the definition needs the property 'do'");
  EXPECT_EQ(with("do: [{a: {set: {x: 1}}}]\nimput: {}\n"),
            "3:1 the definition has no property 'imput'; did you mean 'input'?");
  EXPECT_EQ(with("do:\n  - a:\n      set: {x: 1}\n      than: end\n"),
            "5:7 task 'a' has no property 'than'; did you mean 'then'?");
  EXPECT_EQ(with("do: [{a: {set: {x: 1}, then: b}}]\n"),
            "2:30 'then' names 'b', which is not a task of the same list; did you mean 'a'?");
  EXPECT_EQ(with("do: [{a: {set: {x: 1}}}, {a: {set: {x: 1}}}]\n"), "2:27 a task named 'a' is in this list already");
  EXPECT_EQ(with("do: []\n"), "2:5 a list of tasks must be a sequence of at least one task, not an empty one");
  EXPECT_EQ(with("do: [{a: {}}]\n"),
            "2:7 task 'a' does not say what to do: it needs one of set, switch, call, wait, raise, try, for, fork, "
            "emit, listen, run, do");
  EXPECT_EQ(with("do: [{a: {st: {x: 1}}}]\n"), "2:11 task 'a' has no property 'st'; did you mean 'set'?");
  EXPECT_EQ(with("do: [{\"a\\0b\": {set: {x: 1}}}]\n"), "2:7 a task's name must not have control characters");
  EXPECT_EQ(with("do: [{a: {wait: PT}}]\n"),
            "2:17 'PT' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D");
  EXPECT_EQ(with("do: [{a: {raise: {error: nope}}}]\n"), "2:26 'use.errors' has no error 'nope'");
  EXPECT_EQ(
      with("do: [{a: {call: github.create-issue}}]\n"),
      "2:17 'github.create-issue' does not name a function; write <plugin>.<operation>:<version>@default, for example "
      "tracker.create-issue:1.0.0@default");
  EXPECT_EQ(with("do:\n  - a:\n      set:\n        amou"),
            "5:9 'set' of task 'a' is a plain text; write a mapping, or an expression such as '${ .order }'");
  EXPECT_EQ(with("do: [{a: {set: '${ .order }'}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {call: tracker.create-issue:1.0.0@default, with: {title: '${ .t }'}}}]\n"), "compiles");
  EXPECT_EQ(
      verdict("document: {dsl: '2.0.0', namespace: a, name: b, version: '1.0.0'}\ndo: [{a: {set: {x: 1}}}]"),
      "1:17 'dsl' is the version of the language, and '2.0.0' is not supported; write one of 1.0.0, 1.0.1, 1.0.2, "
      "1.0.3");
  EXPECT_EQ(
      verdict("document: {dsl: '1.0.3', namespace: a_b, name: b, version: 1.0}\ndo: [{a: {set: {x: 1}}}]").substr(0, 5),
      "1:37 ");
}

TEST(Definition, exactly_the_released_versions_of_the_language_and_its_previews_are_taken) {
  const auto dsl = [](std::string_view version) {
    return verdict(
        fmt::format("document: {{dsl: '{}', namespace: a, name: b, version: '1.0.0'}}\n"
                    "do: [{{a: {{set: {{x: 1}}}}}}]",
                    version));
  };
  for (const std::string_view taken : {"1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.0-alpha1", "1.0.0-alpha5"})
    EXPECT_EQ(dsl(taken), "compiles");
  for (const std::string_view refused :
       {"1.0.4", "1.0.9", "1.0", "1", "1.1.0", "0.9.0", "1.0.3-rc1", "1.0.03", "v1.0.3", "1.0.0-alpha", "1.0.0-alpha0",
        "1.0.0-alpha6", "1.0.0-alpha10", "1.0.1-alpha1"}) {
    EXPECT_NE(dsl(refused).find("write one of 1.0.0, 1.0.1, 1.0.2, 1.0.3"), std::string::npos) << refused;
  }
}

TEST(Definition, thousands_of_mistakes_are_refused_quickly) {
  std::string many = "do:\n";
  for (int i = 0; i < 1'500; ++i)
    many += fmt::format(
        "  - task_with_a_long_name_to_compare_{}: {{set: {{a: 1}}, then: nowhere_to_be_found_in_this_list_{}}}\n", i,
        i);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(with(many).find("which is not a task of the same list"), std::string::npos);
#ifdef TRV_SANITIZED  // what the sanitizers watch takes ten times as long
  constexpr auto bound = std::chrono::seconds(50);
#else
  constexpr auto bound = std::chrono::seconds(5);
#endif
  EXPECT_LT(std::chrono::steady_clock::now() - start, bound);
}

TEST(Definition, an_event_that_cannot_be_emitted_is_refused_where_it_is_wrong) {
  EXPECT_EQ(with("do: [{a: {emit: {event: {with: {type: com.example.a, source: /s, data: {x: '${ .x }'}}}}}}]\n"),
            "compiles");
  EXPECT_EQ(with("do: [{a: {emit: {}}}]\n"), "2:17 'emit' of task 'a' needs the property 'event'");
  EXPECT_EQ(with("do: [{a: {emit: {event: {with: {source: /s}}}}}]\n"),
            "2:32 'emit.event.with' of task 'a' needs a 'type', for example 'com.example.order.placed'");
  EXPECT_EQ(with("do: [{a: {emit: {event: {with: {type: t, dataSchema: s}}}}}]\n"),
            "2:42 'dataSchema' cannot be an attribute of an event: its name must have 1 to 20 lower-case letters and "
            "digits");
}

TEST(Definition, what_cannot_be_listened_for_is_refused_where_it_is_wrong) {
  EXPECT_EQ(with("do: [{a: {listen: {to: {one: {with: {type: t}}}}}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {listen: {to: {}}}}]\n"),
            "2:24 'listen.to' must have exactly one of 'one', 'any' and 'all'");
  EXPECT_EQ(with("do: [{a: {listen: {to: {all: []}}}}]\n"), "2:30 'all' needs at least one event filter");
  EXPECT_EQ(with("do: [{a: {listen: {to: {one: {with: {type: t}}, until: 'true'}}}}]\n"),
            "2:56 'until' goes with 'any' only");
  EXPECT_EQ(with("do: [{a: {listen: {to: {any: []}, read: all}}}]\n"),
            "2:41 'read' is data, envelope or raw, not 'all'");
}

TEST(Definition, a_workflow_that_cannot_be_run_is_refused_where_it_is_wrong) {
  EXPECT_EQ(with("do: [{a: {run: {workflow: {namespace: n, name: w, version: latest}}}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {run: {}}}]\n"), "2:16 'run' of task 'a' needs one of 'workflow', 'script' and 'shell'");
  EXPECT_EQ(with("do: [{a: {run: {workflow: {namespace: n}}}}]\n"),
            "2:27 'run.workflow' of task 'a' needs the property 'name'");
  EXPECT_EQ(with("do: [{a: {run: {workflow: {namespace: n, name: w, version: new}}}}]\n"),
            "2:60 'version' must be a semantic version such as '1.0.0', or latest, not 'new'");
}

TEST(Definition, a_script_that_cannot_be_run_is_refused_where_it_is_wrong) {
  EXPECT_EQ(
      with("do: [{a: {run: {return: all, shell: {command: ls, arguments: ['${ .x }', b], environment: {A: 1}}}}}]\n"),
      "compiles");
  EXPECT_EQ(with("do: [{a: {run: {script: {language: js, code: '1', stdin: '${ . }'}}}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {run: {script: {language: perl, code: '1'}}}}]\n"),
            "2:36 'language' must be javascript, js or python, not 'perl'");
  EXPECT_EQ(with("do: [{a: {run: {script: {language: python}}}}]\n"),
            "2:25 'run.script' of task 'a' needs the property 'code'");
  EXPECT_EQ(with("do: [{a: {run: {script: {language: python, source: {endpoint: 'http://x'}}}}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {run: {script: {language: python, source: {endpoint: {url: 'http://x'}}}}}}]\n"),
            "2:64 'endpoint' of 'source' of 'run.script' of task 'a' has no property 'url'; did you mean 'uri'?");
  EXPECT_EQ(with("do: [{a: {run: {shell: {command: ls, arguments: {a: b}}}}}]\n"),
            "2:49 'arguments' of 'run.shell' of task 'a' must be a list, in the order in which the program gets them");
  EXPECT_EQ(with("do: [{a: {run: {shell: {command: ls, environment: [a]}}}}]\n"),
            "2:51 'environment' of 'run.shell' of task 'a' must have a value for each name");
  EXPECT_EQ(with("do: [{a: {run: {shell: {command: ''}}}}]\n"), "2:34 'command' of 'run.shell' of task 'a' is empty");
  EXPECT_EQ(with("do: [{a: {run: {shell: {command: ls}, return: output}}}]\n"),
            "2:47 'return' must be stdout, stderr, code, all or none, not 'output'");
  EXPECT_EQ(
      with("do: [{a: {run: {shell: {command: ls}, await: false}}}]\n"),
      "2:46 'await' of 'run' of task 'a' must not be false: a script in its sandbox reaches nothing, so nobody would "
      "see what it did");
  EXPECT_EQ(with("do: [{a: {run: {shell: {command: ls}, script: {language: js, code: '1'}}}}]\n"),
            "2:16 'run' of task 'a' needs one of 'workflow', 'script' and 'shell'");
  EXPECT_EQ(with("do: [{a: {run: {workflow: {namespace: n, name: w, version: latest}, return: code}}}]\n"),
            "2:77 'return' of 'run' of task 'a' is for a script or a shell command; a workflow gives its output");
}

TEST(Definition, what_is_not_executed_is_refused_by_name) {
  EXPECT_EQ(with("do: [{a: {run: {container: {image: i}}}}]\n"),
            "2:17 'container' of 'run' of task 'a' is not supported yet");
  EXPECT_EQ(with("do: [{a: {call: grpc}}]\n"), "2:17 'call: grpc' is not supported yet");
  EXPECT_EQ(with("schedule: {every: PT1H, read: raw}\ndo: [{a: {set: {x: 1}}}]\n"),
            "2:25 'read' of 'schedule' says how events are read, and goes with 'on' only");
}

TEST(Definition, variables_are_known_only_where_the_specification_has_them) {
  EXPECT_EQ(
      with("do: [{a: {if: $context.x, set: {x: '${ $input.y }'}, output: {as: $input.z}, export: {as: $output}}}]\n"),
      "compiles");
  for (const std::string_view text :
       {"do: [{a: {if: $input.x, set: {x: 1}}}]\n", "do: [{a: {set: {x: '${ $output }'}}}]\n",
        "input: {from: $context}\ndo: [{a: {set: {x: 1}}}]\n", "output: {as: $task}\ndo: [{a: {set: {x: 1}}}]\n",
        "do: [{a: {set: {x: '${ $item }'}}}]\n"}) {
    EXPECT_NE(with(text).find("in the expression"), std::string::npos) << text << with(text);
  }
  EXPECT_EQ(with("do: [{a: {for: {in: .l}, do: [{b: {set: {x: '${ $item + $index }'}}}]}}]\n"), "compiles");
  EXPECT_EQ(with("do: [{a: {try: [{b: {set: {x: 1}}}], catch: {as: e, do: [{c: {set: {x: '${ $e.status }'}}}]}}}]\n"),
            "compiles");
}

TEST(Definition, an_expression_that_does_not_compile_is_found_to_the_column) {
  const auto compiled = compile(head + "do:\n  - a:\n      set:\n        x: ${ .a | nope }\n", Format::yaml);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().line(), 5);
  EXPECT_GE(compiled.error().column(), 12) << compiled.error().message();
}

TEST(Definition, tasks_form_a_flat_table_with_references) {
  const auto compiled = compile(head + R"(
do:
  - outer:
      do:
        - "in/ner~": {set: {x: 1}}
  - guard:
      try: [{risky: {wait: PT1S}}]
      catch: {do: [{mend: {set: {y: 2}}}]}
)",
                                Format::yaml);
  ASSERT_TRUE(compiled) << compiled.error().message();
  std::vector<std::string> references;
  for (const Task& task : compiled->tasks) references.push_back(task.reference);
  EXPECT_EQ(references, (std::vector<std::string>{"/do/0/outer", "/do/0/outer/do/0/in~1ner~0", "/do/1/guard",
                                                  "/do/1/guard/try/0/risky", "/do/1/guard/catch/do/0/mend"}));
  EXPECT_EQ(compiled->tasks[0].next, 2U);
  EXPECT_EQ(compiled->tasks[1].parent, 0U);
  EXPECT_TRUE(compiled->tasks[4].in_catch);
  EXPECT_TRUE(std::get<SetTask>(compiled->tasks[1].body).value.is_constant());
  EXPECT_TRUE(compiled->task_definition(1).find("set") != nullptr);
}

TEST(Definition, event_filters_match_text_regular_expressions_and_conditions) {
  const auto compiled = compile(head + R"(
schedule: {on: {any: [{with: {type: a.b, data: '${ .n > 3 }'}}, {with: {type: 'c\.(d|e)'}}]}}
do: [{a: {set: {x: 1}}}]
)",
                                Format::yaml);
  ASSERT_TRUE(compiled) << compiled.error().message();
  ASSERT_EQ(compiled->starts.size(), 2U);
  EXPECT_EQ(compiled->starts[0].event.type, "a.b");
  EXPECT_EQ(compiled->starts[1].event.type, "");
  using json::Value;
  const auto event = [](std::string_view type, int n) { return Value{{"type", type}, {"data", {{"n", n}}}}; };
  EXPECT_TRUE(compiled->starts[0].event.matches(event("a.b", 4), {}).value());
  EXPECT_FALSE(compiled->starts[0].event.matches(event("a.b", 3), {}).value());
  EXPECT_FALSE(compiled->starts[0].event.matches(event("aXb", 4), {}).value());
  EXPECT_TRUE(compiled->starts[1].event.matches(event("c.e", 0), {}).value());
  EXPECT_FALSE(compiled->starts[1].event.matches(event("xc.e", 0), {}).value());
}

TEST(ExpressionText, braces_within_strings_do_not_end_an_expression) {
  const auto split = [](std::string_view text) {
    std::string out;
    const auto parts = split_expressions(text);
    if (!parts) return std::string("refused");
    for (const TextPart& part : *parts) out += fmt::format("{}<{}>", part.expression ? "$" : "", part.text);
    return out;
  };
  EXPECT_EQ(split("  ${ .a }\n"), "$< .a >");
  EXPECT_EQ(split("x ${.a} y ${.b}"), "<x >$<.a>< y >$<.b>");
  EXPECT_EQ(split("${ \"}\\(.a | {b: \"}\"})\" }"), "$< \"}\\(.a | {b: \"}\"})\" >");
  EXPECT_EQ(split("${ {a: 1} # }\n }"), "$< {a: 1} # }\n >");
  EXPECT_EQ(split("${ .a"), "refused");
}

TEST(Duration, calendar_parts_and_inline_parts) {
  using json::Value;
  const base::Timestamp start = *base::Timestamp::from_rfc3339("2026-01-31T12:00:00Z");
  const auto after = [&](const Value& value) {
    const auto duration = duration_of(value);
    return duration ? duration->after(start)->to_rfc3339() : duration.error().message();
  };
  EXPECT_EQ(after(Value("PT30S")), "2026-01-31T12:00:30.000000Z");
  EXPECT_EQ(after(Value("P1M")), "2026-02-28T12:00:00.000000Z");
  EXPECT_EQ(after(Value("P1Y2W1DT0.5H")), "2027-02-15T12:30:00.000000Z");
  EXPECT_EQ(after(Value{{"hours", 1}, {"milliseconds", 5}}), "2026-01-31T13:00:00.005000Z");
  for (const char* bad :
       {"", "P", "PT", "30S", "PT1", "P1S", "PT1S1H", "P-1D", "P0.5Y", "P9999999999999999999D", "P200Y"}) {
    EXPECT_FALSE(duration_of(Value(bad))) << bad;
  }
  EXPECT_FALSE(duration_of(Value{{"weeks", 1}}));
}

std::string conformance_folder() {
  const char* given = std::getenv("TRV_CONFORMANCE_DIR");
  return (given != nullptr ? std::string(given) : std::string(TRV_SOURCE_DIR "/../shared/conformance")) +
         "/open-workflow";
}

TEST(Conformance, every_example_compiles_or_is_refused_by_name_and_place) {
  const std::filesystem::path folder = std::filesystem::path(conformance_folder()) / "examples";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no examples at " << folder;
  int compiled_count = 0;
  int refused_count = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream stream(file.path());
    std::stringstream text;
    text << stream.rdbuf();
    const auto compiled = compile(text.str(), Format::yaml);
    if (compiled) {
      ++compiled_count;
      continue;
    }
    ++refused_count;
    const std::string& why = compiled.error().message();
    EXPECT_TRUE(why.contains("is not supported yet") || why.contains("here nothing is fetched"))
        << file.path().filename() << ":" << compiled.error().line() << ":" << compiled.error().column() << ": " << why;
    EXPECT_GT(compiled.error().line(), 0) << file.path().filename();
  }
  RecordProperty("compiled", compiled_count);
  RecordProperty("refused", refused_count);
  std::cout << "examples: " << compiled_count << " compile, " << refused_count << " are refused\n";
  EXPECT_GE(compiled_count, 15);
}

TEST(Guide, every_example_of_the_language_page_compiles) {
  std::ifstream stream(TRV_SOURCE_DIR "/docs/guides/workflow-language.md");
  ASSERT_TRUE(stream);
  int examples = 0;
  std::string text;
  bool is_within = false;
  for (std::string line; std::getline(stream, line);) {
    if (!is_within && line.starts_with("```yaml")) {
      is_within = true;
      text = line.ends_with("document")
                 ? ""
                 : "document: {dsl: '1.0.3', namespace: shop, name: example, version: '1.0.0'}\n";
    } else if (is_within && line == "```") {
      is_within = false;
      ++examples;
      const Findings found = check(text, Format::yaml);
      EXPECT_EQ(found.errors, 0U) << text << (found.problems.empty() ? "" : found.problems.front().message);
    } else if (is_within) {
      text += line + "\n";
    }
  }
  EXPECT_GE(examples, 8);
}

}  // namespace
}  // namespace trv::definition
