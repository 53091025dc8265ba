#include "kernel/workflow/definition/check.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace trv::definition {
namespace {

const std::string head = "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n";

/// "line:column message" of each problem, a line each; "?" is before warnings.
std::string found(std::string_view rest, Format format = Format::yaml) {
  const std::string text = format == Format::yaml ? head + std::string(rest) : std::string(rest);
  std::string out;
  for (const Problem& problem : check(text, format).problems) {
    out += fmt::format("{}{}:{} {}\n", problem.is_warning ? "?" : "", problem.position.line, problem.position.column,
                       problem.message);
  }
  return out;
}

TEST(Check, every_problem_is_reported_in_the_order_of_the_text) {
  EXPECT_EQ(found("do: [{a: {set: {x: 1}}}]\n"), "");
  EXPECT_EQ(found("input: {fro: .x}\n"
                  "do:\n"
                  "  - a: {set: {x: '${ .a | nope }'}, then: c}\n"
                  "  - b: {sett: {x: 1}}\n"
                  "  - d: {wait: soon}\n"
                  "  - e: {set: 'x:1'}\n"),
            "2:9 'input' of the workflow has no property 'fro'; did you mean 'from'?\n"
            "4:27 in the expression '.a | nope': there is no function 'nope'; a property of the data is written with a "
            "dot: .nope\n"
            "4:43 'then' names 'c', which is not a task of the same list; did you mean 'a'?\n"
            "5:9 task 'b' has no property 'sett'; did you mean 'set'?\n"
            "6:15 'soon' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D\n"
            "7:14 'set' of task 'e' is a plain text; write a mapping, or an expression such as '${ .order }'\n");
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, then: elsewhere}}]\n"),
            "2:30 'then' names 'elsewhere', which is not a task of the same list; write continue, exit, end or the "
            "name of one that is\n");
  EXPECT_EQ(found("{}", Format::json),
            "1:1 the definition needs the property 'document'\n1:1 the definition needs the property 'do'\n");
}

TEST(Check, a_text_that_cannot_be_read_has_that_one_problem) {
  EXPECT_EQ(found("{\"a\": 1,\n \"b\" 2}", Format::json).substr(0, 4), "2:6 ");
  EXPECT_EQ(check("{\"a\": 1,\n \"b\" 2}", Format::json).errors, 1U);
  EXPECT_EQ(found("do: [\n").find('\n') + 1, found("do: [\n").size());
  EXPECT_EQ(found(std::string(text_bytes_max, ' ')).substr(0, 4), "0:0 ");
}

TEST(Check, one_mistake_is_one_problem) {
  // A property with a wrong name is not missing as well.
  EXPECT_EQ(found("doo: [{a: {set: {x: 1}}}]\n"), "2:1 the definition has no property 'doo'; did you mean 'do'?\n");
  EXPECT_EQ(found("do: [{a: {try: [{b: {wait: PT1S}}], cath: {do: [{c: {wait: PT1S}}]}}}]\n"),
            "2:37 task 'a' has no property 'cath'; did you mean 'catch'?\n");
  // A task that is wrong is there for those that name it.
  EXPECT_EQ(found("do: [{a: {sett: {x: 1}, then: c}}, {b: {set: {x: 1}, then: a}}]\n"),
            "2:11 task 'a' has no property 'sett'; did you mean 'set'?\n");
  EXPECT_EQ(found("do:\n  - a:\n    set: {x: 1}\n  - b: {if: .again, set: {x: 1}, then: a}\n"),
            "3:5 each item of a list of tasks must be a mapping of exactly one name to its task, and this one has 2 "
            "properties; indent what belongs to 'a' below it\n");
  EXPECT_EQ(found("do: [a, {b: {set: {x: 1}, then: a}}]\n"),
            "2:6 each item of a list of tasks must be a mapping of exactly one name to its task\n");
  // What an unknown function takes is not unknown.
  EXPECT_EQ(found("do: [{a: {call: grpc, with: {service: s}}}]\n"), "2:17 'call: grpc' is not supported yet\n");
  EXPECT_EQ(found("do: [{a: {call: github, with: {}}}]\n").find("with"), std::string::npos);
  // Names of a part that could not be read.
  EXPECT_EQ(found("use: {retires: {r: {}}, errors: {}}\n"
                  "do:\n"
                  "  - a: {try: [{b: {raise: {error: e}}}], catch: {retry: r}, timeout: t}\n"),
            "2:7 'use' has no property 'retires'; did you mean 'retries'?\n");
  // A shared part is one text, however often it is used.
  EXPECT_EQ(found("use: {errors: {e: {type: 'https://example.com', status: 4}}}\n"
                  "do: [{a: {if: .x, raise: {error: e}}}, {b: {raise: {error: e}}}]\n"),
            "2:57 an error's status must be a whole number from 100 to 599\n");
  // What an expression that does not compile would give is not known.
  EXPECT_EQ(found("do: [{a: {raise: {error: {type: t, status: '${ nope }'}}}}]\n"),
            "2:48 in the expression 'nope': there is no function 'nope'; a property of the data is written with a dot: "
            ".nope\n");
  EXPECT_EQ(found("do: [{a: {wait: '${ nope }'}}]\n"),
            "2:21 in the expression 'nope': there is no function 'nope'; a property of the data is written with a dot: "
            ".nope\n");
  EXPECT_EQ(found("do: [{a: {listen: {to: {al: []}}}}]\n"),
            "2:25 'listen.to' of task 'a' has no property 'al'; did you mean 'all'?\n");
  EXPECT_EQ(found("do: [{a: {wait: soon}}, {b: {run: {}}}, {c: {run: {container: {}}}}]\n"),
            "2:17 'soon' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D\n"
            "2:35 'run' of task 'b' needs one of 'workflow', 'script' and 'shell'\n"
            "2:52 'container' of 'run' of task 'c' is not supported yet\n");
  EXPECT_EQ(found("schedule: {on: {al: []}}\ndo: [{a: {set: {x: 1}}}]\n"),
            "2:17 'schedule.on' has no property 'al'; did you mean 'all'?\n");
}

TEST(Check, a_hundred_problems_are_kept_and_the_others_counted) {
  std::string many = "do:\n";
  for (int i = 0; i < 150; ++i) many += fmt::format("  - task{}: {{wait: soon}}\n", i);
  const Findings findings = check(head + many + "impute: {}\n", Format::yaml);
  EXPECT_EQ(findings.errors, 151U);
  ASSERT_EQ(findings.problems.size(), Problems::kept_max);
  EXPECT_EQ(findings.problems.front().position.line, 3);
  EXPECT_EQ(findings.problems.back().position.line, 102);

  std::string odd = "do:\n";
  for (int i = 0; i < 70; ++i) odd += fmt::format("  - a{}: {{try: [{{x: {{wait: P1D}}}}], catch: {{}}}}\n", i);
  for (int i = 0; i < 70; ++i) odd += fmt::format("  - b{}: {{wait: soon}}\n", i);
  const Findings mixed = check(head + odd, Format::yaml);
  EXPECT_EQ(mixed.errors, 70U);
  EXPECT_EQ(mixed.warnings, 70U);
  ASSERT_EQ(mixed.problems.size(), Problems::kept_max);
  EXPECT_TRUE(mixed.problems[29].is_warning);
  EXPECT_FALSE(mixed.problems[30].is_warning) << "errors are kept before warnings";
}

TEST(Check, a_catch_that_does_nothing_is_warned_of) {
  const std::string_view swallowed =
      "'catch' of task 'a' has neither 'do' nor 'retry': it swallows the error, and the workflow goes on as if there "
      "had been none; say in 'do' what is to happen then\n";
  EXPECT_EQ(found("do:\n  - a:\n      try: [{b: {wait: PT1S}}]\n      catch:\n        errors: {with: {status: 404}}\n"),
            fmt::format("?5:7 {}", swallowed));
  EXPECT_EQ(found("do: [{a: {try: [{b: {wait: PT1S}}], catch: {}}}]\n"), fmt::format("?2:37 {}", swallowed));
  EXPECT_EQ(found("do: [{a: {try: [{b: {wait: PT1S}}], catch: {retry: {delay: PT1S}}}}]\n"), "");
  EXPECT_EQ(found("do: [{a: {try: [{b: {wait: PT1S}}], catch: {do: [{c: {wait: PT1S}}]}}}]\n"), "");
}

TEST(Check, a_case_behind_one_without_a_condition_is_warned_of) {
  EXPECT_EQ(found("do: [{a: {switch: [{x: {when: .x, then: end}}, {y: {then: end}}]}}]\n"), "");
  EXPECT_EQ(found("do: [{a: {switch: [{x: {then: end}}, {y: {when: .y, then: end}}, {z: {then: exit}}]}}]\n"),
            "?2:39 case 'y' is never reached: case 'x' before it has no 'when', and so is always taken; move that to "
            "the end\n");
  EXPECT_EQ(found("do: [{a: {switch: [{x: {wen: .x, then: end}}, {y: {then: end}}]}}]\n"),
            "2:25 case 'x' has no property 'wen'; did you mean 'when'?\n");
}

TEST(Check, a_task_that_no_flow_leads_to_is_warned_of) {
  const auto never = [](std::string_view place, std::string_view name, std::string_view before) {
    return fmt::format(
        "?{} task '{}' is never run: the flow does not go on after '{}', and no 'then' that is reached "
        "names it\n",
        place, name, before);
  };
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, then: end}}, {b: {wait: PT1S}}, {c: {wait: PT1S}}]\n"),
            never("2:38", "b", "a"))
      << "c is after b, and no mistake of its own";
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, then: c}}, {b: {wait: PT1S}}, {c: {wait: PT1S}}]\n"),
            never("2:36", "b", "a"));
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, then: c}}, {b: {wait: PT1S, then: b}}, {c: {wait: PT1S}}]\n"),
            never("2:36", "b", "a"));
  EXPECT_EQ(found("do: [{a: {raise: {error: {type: t, status: 400}}}}, {b: {wait: PT1S}}]\n"), never("2:54", "b", "a"));
  EXPECT_EQ(found("do: [{o: {do: [{a: {set: {x: 1}, then: exit}}, {b: {wait: PT1S}}]}}, {c: {wait: PT1S}}]\n"),
            never("2:49", "b", "a"));
  EXPECT_EQ(
      found("do: [{s: {switch: [{x: {when: .x, then: a}}, {y: {then: end}}]}}, {a: {wait: PT1S}}, {b: {wait: PT1S, "
            "then: end}}, {c: {wait: PT1S}}]\n"),
      never("2:117", "c", "b"));
  for (const std::string_view fine :
       {"do: [{a: {if: .x, set: {x: 1}, then: end}}, {b: {wait: PT1S}}]\n",
        "do: [{a: {if: .x, raise: {error: {type: t, status: 400}}}}, {b: {wait: PT1S}}]\n",
        "do: [{a: {set: {x: 1}, then: c}}, {b: {wait: PT1S, then: end}}, {c: {wait: PT1S, then: b}}]\n",
        "do: [{s: {switch: [{x: {when: .x, then: b}}]}}, {a: {wait: PT1S, then: end}}, {b: {wait: PT1S}}]\n",
        "do: [{s: {switch: [{x: {when: .x, then: b}}, {y: {then: continue}}], then: a}}, {b: {wait: PT1S, then: end}}, "
        "{a: {wait: PT1S}}]\n",
        "do: [{f: {fork: {branches: [{a: {wait: PT1S, then: end}}, {b: {wait: PT1S}}]}}}]\n"}) {
    EXPECT_EQ(found(fine), "") << fine;
  }
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, then: cc}}, {b: {wait: PT1S, then: end}}, {c: {wait: PT1S}}]\n"),
            "2:30 'then' names 'cc', which is not a task of the same list; did you mean 'c'?\n")
      << "where a flow leads nowhere, who is never run is not known";
}

TEST(Check, a_loop_that_nothing_leaves_is_warned_of) {
  const auto endless = [](std::string_view place, std::string_view from, std::string_view to) {
    return fmt::format(
        "?{} the flow goes from task '{}' back to '{}' without end: nothing between them waits, and nothing leads out; "
        "let a case of a 'switch', or an 'if', do so\n",
        place, from, to);
  };
  EXPECT_EQ(found("do: [{a: {set: {x: 1}}}, {b: {set: {x: 2}, then: a}}]\n"), endless("2:27", "b", "a"));
  EXPECT_EQ(
      found(
          "do: [{a: {set: {x: 1}}}, {b: {set: {x: 2}}}, {s: {switch: [{y: {when: .y, then: a}}, {z: {then: b}}]}}]\n"),
      endless("2:47", "s", "b"));
  EXPECT_EQ(found("do: [{o: {do: [{a: {set: {x: 1}}}, {b: {set: {x: 2}, then: a}}]}}]\n"), endless("2:37", "b", "a"));
  for (const std::string_view fine : {
           "do: [{a: {set: {x: 1}}}, {b: {wait: PT1S, then: a}}]\n",
           "do: [{a: {set: {x: 1}}}, {b: {if: .y, set: {x: 2}, then: a}}]\n",
           "do: [{a: {set: {x: 1}}}, {s: {switch: [{y: {when: .y, then: a}}]}}]\n",
           "do: [{a: {set: {x: 1}}}, {s: {switch: [{y: {when: .y, then: a}}, {z: {then: end}}]}}]\n",
           "do: [{a: {set: {x: 1}}}, {s: {switch: [{y: {when: .y, then: a}}, {z: {then: r}}]}}, {r: {raise: {error: "
           "{type: 'https://example.com/x', status: 400}}}}]\n",
       }) {
    EXPECT_EQ(found(fine), "") << fine;
  }
}

TEST(Check, a_name_in_an_address_that_nothing_gives_is_warned_of) {
  const std::string call = "{call: http, with: {method: get, endpoint: 'https://x.example/{sku}/{part}'}}";
  EXPECT_EQ(found("do: [{a: {set: {sky: 1, part: 2}}}, {b: " + call + "}]\n"),
            "?2:103 '{sku}' in the address of task 'b' is given nowhere: its input has only sky, part; did you mean "
            "'{sky}'?\n");
  EXPECT_EQ(found("input: {schema: {document: {properties: {sku: {}}, additionalProperties: false}}}\ndo: [{b: " +
                  call + "}]\n"),
            "?3:78 '{part}' in the address of task 'b' is given nowhere: its input has only sku; without a value it is "
            "left out of the address\n");
  EXPECT_TRUE(found("do: [{b: {input: {from: {sku: .x}}, call: http, with: {method: get, endpoint: {uri: "
                    "'https://x.example/{sku}/{part}'}}}}]\n")
                  .contains("'{part}' in the address of task 'b' is given nowhere"));
  for (const std::string& fine :
       {"do: [{b: " + call + "}]\n", "do: [{a: {set: {sku: 1, part: 2}}}, {b: " + call + "}]\n",
        "do: [{a: {set: '${ .all }'}}, {b: " + call + "}]\n", "do: [{a: {if: .x, set: {x: 1}}}, {b: " + call + "}]\n",
        "do: [{a: {set: {x: 1}, output: {as: .all}}}, {b: " + call + "}]\n",
        "do: [{s: {switch: [{x: {when: .x, then: b}}]}}, {a: {set: {x: 1}}}, {b: " + call + "}]\n",
        "input: {schema: {document: {properties: {sku: {}}}}}\ndo: [{b: " + call + "}]\n"}) {
    EXPECT_EQ(found(fine), "") << fine;
  }
}

TEST(Check, what_was_written_for_a_preview_of_the_language_is_read_with_a_warning) {
  const auto of = [](std::string_view dsl) {
    return fmt::format(R"({{"document": {{"dsl": "{}", "namespace": "a", "name": "b", "version": "1.0.0"}},)"
                       R"( "do": [{{"a": {{"set": {{"x": 1}}}}}}]}})",
                       dsl);
  };
  EXPECT_EQ(found(of("1.0.0-alpha5"), Format::json),
            "?1:22 '1.0.0-alpha5' was a preview of the language, and is read as 1.0.0; write '1.0.3'\n");
  EXPECT_EQ(found(of("1.0.0"), Format::json), "");
}

TEST(Check, variables_that_other_places_have_are_named_with_what_to_write_instead) {
  EXPECT_EQ(found("schedule: {on: {one: {with: {type: t, data: '${ .celsius > $input.limit }'}}}}\n"
                  "do: [{a: {set: {x: 1}}}]\n"),
            "2:60 in the expression '.celsius > $input.limit': $input does not exist in what starts a workflow, of "
            "which no instance exists yet: '.' is all that it sees\n");
  EXPECT_EQ(found("do: [{a: {listen: {to: {one: {with: {type: t, data: '${ .celsius > $output.limit }'}}}}}}]\n"),
            "2:68 in the expression '.celsius > $output.limit': $output exists only in 'export.as'; here the output of "
            "the task before is '.' (here there are $workflow, $runtime, $context, $task, $input, $authorization)\n");
  EXPECT_EQ(
      found("use: {secrets: [shop]}\n"
            "do: [{a: {set: {x: '${ $secret.shop }'}}}]\n"),
      "3:24 in the expression '$secret.shop': there is no variable $secret; secrets are in $secrets, by the names "
      "in 'use.secrets'\n");
}

TEST(Check, what_cannot_be_compensated_is_reported_where_it_is_written) {
  const std::string undo = "use: {functions: {undo: {set: {n: '${ $compensated.input }'}}}}\n";
  EXPECT_EQ(found(undo + "do: [{a: {set: {x: 1}, metadata: {compensate: undo}}}]\n"), "");
  EXPECT_EQ(found(undo + "do: [{a: {set: {x: 1}, metadata: {compensate: und}}}, {b: {set: {x: 1}, metadata: "
                         "{compensate: undo}}}]\n"),
            "3:47 'use.functions' has no function 'und'; did you mean 'undo'?\n");
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, metadata: {compensate: undo}}}]\n"),
            "2:47 'use.functions' has no function 'undo'; 'metadata.compensate' names the function that undoes the "
            "task\n");
  EXPECT_TRUE(found(undo + "do: [{b: {call: undo}}]\n")
                  .starts_with("2:39 in the expression '$compensated.input': there is no variable $compensated"));
  EXPECT_EQ(
      found("do: [{a: {set: {x: 1}, metadata: {compensate: {set: {x: 2}}}}}]\n"),
      "2:47 'metadata.compensate' must be the name of one of 'use.functions', not a mapping; write there the task "
      "that undoes this one\n");
  EXPECT_EQ(
      found(undo + "do: [{a: {raise: {error: {type: x, status: 400}}, metadata: {compensate: undo}}}]\n"),
      "?3:62 task 'a' never completes, so there is never anything to compensate; put 'metadata.compensate' on the "
      "task whose work is to be undone\n");
  EXPECT_EQ(
      found(undo + "do: [{a: {do: [{b: {set: {x: 1}}}, {c: {raise: {error: {type: x, status: 400}}}}], metadata: "
                   "{compensate: undo}}}]\n"),
      "?3:95 task 'a' never completes, so there is never anything to compensate; put 'metadata.compensate' on the "
      "task whose work is to be undone\n");
  EXPECT_EQ(found("use: {functions: {undo: {set: {n: 1}, metadata: {compensate: undo}}}}\n"
                  "do: [{a: {set: {x: 1}, metadata: {compensate: undo}}}]\n"),
            "?2:50 'metadata.compensate' says nothing here: what a compensation does is not undone itself\n");
  EXPECT_EQ(found("do: [{a: {set: {x: 1}, metadata: {compnsate: undo, owner: ada}}}]\n"),
            "?2:35 nothing reads 'metadata.compnsate'; did you mean 'compensate'?\n");
}

}  // namespace
}  // namespace trv::definition
