// Functions, catalogs and extensions: what they are compiled to, and what is wrong with them where.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/workflow/definition/definition.hpp"

namespace trv::definition {
namespace {

base::Result<Definition> compiled(const std::string& rest) {
  return compile("document: {dsl: '1.0.3', namespace: test, name: reuse, version: '1.0.0'}\n" + rest, Format::yaml);
}

std::string problem(const std::string& rest) {
  const auto definition = compiled(rest);
  if (definition) return "compiles";
  const base::Error& error = definition.error();
  return fmt::format("{}:{} {}", error.line(), error.column(), error.message());
}

std::vector<std::string> references(const Definition& definition) {
  std::vector<std::string> out;
  for (const Task& task : definition.tasks) out.push_back(task.reference);
  return out;
}

TEST(Functions, are_compiled_where_they_are_called_each_time_under_a_reference_of_its_own) {
  const auto definition = compiled(
      "use: {functions: {twice: {do: [{one: {set: {n: '${ .n * 2 }'}}}]}}}\n"
      "do: [{a: {call: twice, with: {n: 1}}}, {b: {call: twice}}]\n");
  ASSERT_TRUE(definition) << definition.error().message();
  EXPECT_EQ(
      references(*definition),
      (std::vector<std::string>{"/do/0/a", "/do/0/a/use/functions/twice", "/do/0/a/use/functions/twice/do/0/one",
                                "/do/1/b", "/do/1/b/use/functions/twice", "/do/1/b/use/functions/twice/do/0/one"}));
  EXPECT_EQ(definition->tasks[0].next, 3U);
  EXPECT_EQ(definition->tasks[1].parent, 0U);
  EXPECT_EQ(kind_name(definition->tasks[0]), "call");
  EXPECT_EQ(definition->tasks[2].position.line, 2);
  EXPECT_NE(definition->task_definition(5).find("set"), nullptr) << "its own text";
  EXPECT_NE(definition->task_definition(3).find("call"), nullptr);
}

TEST(Functions, see_their_arguments_and_not_what_is_around_the_call) {
  EXPECT_NE(problem("use: {functions: {f: {set: {x: '${ $item }'}}}}\n"
                    "do: [{a: {for: {in: .l}, do: [{b: {call: f}}]}}]\n")
                .find("in the expression '$item'"),
            std::string::npos);
  EXPECT_EQ(problem("use: {functions: {f: {set: {x: '${ $input.x + $context.y }'}}}}\ndo: [{a: {call: f}}]\n"),
            "compiles");
}

TEST(Functions, are_named_where_something_is_wrong_with_them) {
  EXPECT_EQ(problem("use: {functions: {greet: {set: {x: 1}}}}\ndo: [{a: {call: gret}}]\n"),
            "3:17 'use.functions' has no function 'gret'; did you mean 'greet'?");
  EXPECT_EQ(problem("do: [{a: {call: gret}}]\n"),
            "2:17 'use.functions' has no function 'gret'; an operation of a plugin is written "
            "<plugin>.<operation>:<version>@default");
  EXPECT_EQ(problem("use: {functions: {http: {set: {x: 1}}}}\ndo: [{a: {set: {x: 1}}}]\n"),
            "2:19 'http' is a call of the language's own; give the function another name");
  EXPECT_EQ(problem("use: {functions: {f: {call: f}}}\ndo: [{a: {call: f}}]\n"),
            "2:29 the function 'f' calls itself; run a workflow instead, which may");
  EXPECT_EQ(problem("use: {functions: {f: {do: [{x: {call: g}}]}, g: {call: f}}}\ndo: [{a: {call: f}}]\n"),
            "2:56 the function 'f' calls itself by way of another; run a workflow instead, which may");
  // Its own mistakes, too, and where nothing calls it.
  EXPECT_EQ(problem("use: {functions: {f: {set: {x: '${ .a | }'}}}}\ndo: [{a: {set: {x: 1}}}]\n").substr(0, 5), "2:41 ")
      << problem("use: {functions: {f: {set: {x: '${ .a | }'}}}}\ndo: [{a: {set: {x: 1}}}]\n");
  EXPECT_NE(problem("use: {functions: {f: {set: {x: 1}, then: a}}}\ndo: [{a: {call: f}}]\n").find("'then' names 'a'"),
            std::string::npos);
  EXPECT_NE(problem("use: {functions: {f: {set: {x: 1}}}}\ndo: [{a: {call: f, metadata: {connection: c}}}]\n")
                .find("remove 'metadata.connection'"),
            std::string::npos);
}

TEST(Functions, cannot_make_much_of_a_short_text) {
  std::string functions = "f0: {set: {x: 1}}";
  for (int i = 1; i < 40; ++i) {
    functions += fmt::format(", f{}: {{do: [{{a: {{call: f{}}}}}, {{b: {{call: f{}}}}}]}}", i, i - 1, i - 1);
  }
  EXPECT_NE(problem("use: {functions: {" + functions + "}}\ndo: [{a: {call: f39}}]\n"), "compiles");
  EXPECT_NE(problem("use: {functions: {" + functions + "}}\ndo: [{a: {call: f15}}]\n").find("compiled wherever"),
            std::string::npos);
  std::string chain = "f0: {set: {x: 1}}";
  for (int i = 1; i < 40; ++i) chain += fmt::format(", f{}: {{call: f{}}}", i, i - 1);
  EXPECT_NE(problem("use: {functions: {" + chain + "}}\ndo: [{a: {call: f39}}]\n").find("at most 16 deep"),
            std::string::npos);
  std::string extensions;
  std::string tasks;
  for (int i = 0; i < 16; ++i) extensions += fmt::format("{{e{}: {{extend: all}}}}, ", i);
  for (int i = 0; i < 2'000; ++i) tasks += fmt::format("{{t{}: {{wait: PT1S}}}}, ", i);
  EXPECT_NE(problem("use: {extensions: [" + extensions + "]}\ndo: [" + tasks + "]\n").find("compiled wherever"),
            std::string::npos);
  EXPECT_NE(problem("use: {extensions: [" + extensions + "{e: {extend: set}}]}\ndo: [{a: {wait: PT1S}}]\n")
                .find("at most 16 extensions"),
            std::string::npos);
}

TEST(Catalogs, functions_that_the_text_does_not_have_are_a_mistake_where_it_is_executed) {
  EXPECT_EQ(problem("use: {catalogs: {shared: {endpoint: 'https://example.com/catalog'}}}\n"
                    "do: [{a: {call: 'log:1.0.0@shared'}}]\n"),
            "3:17 the function 'log:1.0.0@shared' is not in 'use.functions'; where the workflow is applied to a "
            "server it is fetched from https://example.com/catalog/functions/log/1.0.0/function.yaml, and here nothing "
            "is fetched");
  EXPECT_NE(problem("do: [{a: {call: 'https://example.com/f.yaml'}}]\n").find("2:17 the function 'https://example."),
            std::string::npos);
  EXPECT_EQ(
      problem("use: {catalogs: {shared: {endpoint: 'https://example.com/catalog'}},\n"
              "      functions: {'log:1.0.0@shared': {set: {x: 1}}, 'https://example.com/f.yaml': {set: {x: 2}}}}\n"
              "do: [{a: {call: 'log:1.0.0@shared'}}, {b: {call: 'https://example.com/f.yaml'}}]\n"),
      "compiles")
      << "what is there is not fetched";
}

TEST(Catalogs, are_named_where_something_is_wrong_with_them) {
  const std::string calls = "do: [{a: {call: 'log:1.0.0@shared'}}]\n";
  EXPECT_EQ(
      problem("use: {catalogs: {shared: {endpoint: 'https://example.com'}}}\ndo: [{a: {call: 'log:1.0.0@shard'}}]\n"),
      "3:17 'use.catalogs' has no catalog 'shard'; did you mean 'shared'?");
  EXPECT_EQ(problem("use: {catalogs: {shared: {}}}\ndo: [{a: {set: {x: 1}}}]\n"),
            "2:26 the catalog 'shared' needs the property 'endpoint'");
  EXPECT_NE(problem("use: {catalogs: {shared: {endpoint: 'https://{where}/catalog'}}}\n" + calls)
                .find("'endpoint' of the catalog 'shared' has an expression or a part in braces"),
            std::string::npos);
  EXPECT_NE(problem("use: {catalogs: {shared: {endpoint: 'https://example.com/?x=1'}}}\n" + calls)
                .find("has a query or a fragment"),
            std::string::npos);
  EXPECT_NE(problem("use: {catalogs: {shared: {endpoint: 'ftp://example.com'}}}\n" + calls), "compiles");
  for (const std::string name : {"../log:1.0.0", "log:..", "a/b:1.0.0", ":1.0.0", "log:"}) {
    EXPECT_NE(problem("use: {catalogs: {shared: {endpoint: 'https://example.com'}}}\ndo: [{a: {call: '" + name +
                      "@shared'}}]\n")
                  .find("does not name a function of a catalog"),
              std::string::npos)
        << name;
  }
  EXPECT_NE(
      problem("use: {catalogs: {shared: {endpoint: {uri: 'https://example.com', authentication: {basic: {username: "
              "a, password: '${ $secrets.x }'}}}}}}\n" +
              calls),
      "compiles");
  EXPECT_NE(problem("do: [{a: {call: 'https://example.com/{f}.yaml'}}]\n").find("a part in braces"), std::string::npos);
  EXPECT_EQ(problem("do: [{a: {call: 'tracker.open:1.0.0@default'}}]\n"), "compiles");
}

TEST(Extensions, are_compiled_around_the_tasks_of_their_kind) {
  const auto definition = compiled(
      "use: {extensions: [{logs: {extend: set, before: [{in: {set: {x: 1}}}], after: [{out: {wait: PT1S}}]}}]}\n"
      "do: [{a: {set: {x: 2}, then: end}}, {b: {wait: PT1S}}]\n");
  ASSERT_TRUE(definition) << definition.error().message();
  EXPECT_EQ(references(*definition),
            (std::vector<std::string>{"/do/0/a/use/extensions/0/logs", "/do/0/a/use/extensions/0/logs/before/0/in",
                                      "/do/0/a", "/do/0/a/use/extensions/0/logs/after",
                                      "/do/0/a/use/extensions/0/logs/after/0/out", "/do/1/b"}));
  EXPECT_EQ(definition->first, 0U);
  EXPECT_EQ(definition->tasks[0].name, "a");
  EXPECT_EQ(definition->tasks[0].then.kind, Flow::Kind::end);
  EXPECT_EQ(definition->tasks[2].then.kind, Flow::Kind::next);
  EXPECT_EQ(definition->tasks[1].next, 2U);
  EXPECT_EQ(definition->tasks[2].next, 3U);
  EXPECT_EQ(definition->inner(0), 2U);
  EXPECT_EQ(definition->tasks[1].position.line, 2);
  EXPECT_NE(definition->task_definition(4).find("wait"), nullptr);
}

TEST(Extensions, are_named_where_something_is_wrong_with_them) {
  EXPECT_EQ(problem("use: {extensions: [{e: {extend: calls}}]}\ndo: [{a: {set: {x: 1}}}]\n"),
            "2:33 'extend' of the extension 'e' is the kind of task that it extends, and 'calls' is not one; did you "
            "mean 'call'?");
  EXPECT_EQ(problem("use: {extensions: [{e: {before: []}}]}\ndo: [{a: {set: {x: 1}}}]\n").substr(0, 5), "2:24 ");
  // Also where no task is of its kind.
  EXPECT_NE(problem("use: {extensions: [{e: {extend: wait, after: [{x: {sat: 1}}]}}]}\ndo: [{a: {set: {x: 1}}}]\n"),
            "compiles");
  EXPECT_NE(problem("use: {extensions: [{e: {extend: for, before: [{x: {set: {y: '${ $item }'}}}]}}]}\n"
                    "do: [{a: {for: {in: .l}, do: [{b: {wait: PT1S}}]}}]\n")
                .find("in the expression '$item'"),
            std::string::npos);
  EXPECT_NE(problem("use: {extensions: [{e: {extend: set, before: [{x: {wait: PT1S, then: b}}]}}]}\n"
                    "do: [{a: {set: {x: 1}}}, {b: {set: {x: 1}}}]\n")
                .find("'then' names 'b'"),
            std::string::npos);
}

TEST(Extensions, leave_the_names_of_tasks_to_the_flow) {
  EXPECT_EQ(
      problem("use: {extensions: [{e: {extend: all, before: [{x: {wait: PT1S}}]}}, {f: {extend: switch, when: .y, "
              "after: [{x: {wait: PT1S}}]}}]}\n"
              "do: [{a: {switch: [{one: {when: .x, then: c}}, {two: {then: b}}]}}, {b: {set: {x: 1}, then: a}}, "
              "{c: {set: {x: 1}}}]\n"),
      "compiles");
}

TEST(Reuse, by_name_is_of_timeouts_retries_errors_and_authentications_too) {
  EXPECT_EQ(problem("use:\n"
                    "  timeouts: {short: {after: PT1S}}\n"
                    "  retries: {thrice: {limit: {attempt: {count: 3}}}}\n"
                    "  errors: {gone: {type: 'https://example.com/gone', status: 410}}\n"
                    "  authentications: {me: {basic: {username: a, password: '${ .p }'}}}\n"
                    "do:\n"
                    "  - a:\n"
                    "      timeout: short\n"
                    "      try:\n"
                    "        - b: {call: http, with: {method: get, endpoint: {uri: 'https://example.com/', "
                    "authentication: {use: me}}}}\n"
                    "        - c: {raise: {error: gone}}\n"
                    "      catch: {retry: thrice, do: [{d: {set: {x: 1}}}]}\n"),
            "compiles");
  EXPECT_NE(problem("do: [{a: {timeout: short, set: {x: 1}}}]\n"), "compiles");
  EXPECT_NE(problem("do: [{a: {raise: {error: gone}}}]\n"), "compiles");
  EXPECT_NE(problem("do: [{a: {try: [{b: {set: {x: 1}}}], catch: {retry: thrice}}}]\n"), "compiles");
}

}  // namespace
}  // namespace trv::definition
