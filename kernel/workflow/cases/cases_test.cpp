// Cases: how a file is read, judged and run, and that a restart that loses something is seen.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "kernel/workflow/cases/play.hpp"
#include "kernel/workflow/cases/run.hpp"

namespace trv::cases {
namespace {

base::Result<std::string> no_file(std::string_view path) {
  return base::fail(base::ErrorCode::not_found, fmt::format("there is no file {}", path));
}

CaseFile read(std::string_view text) {
  return read_cases(text, no_file);
}

Verdict verdict_of(std::string_view text, Restarts restarts = Restarts::behind_each_record) {
  const CaseFile file = read(text);
  EXPECT_TRUE(file.problems.empty()) << file.problems.front().message;
  EXPECT_EQ(file.cases.size(), 1U);
  auto verdict = run(file.cases.at(0), restarts);
  EXPECT_TRUE(verdict) << verdict.error().message();
  return *std::move(verdict);
}

std::string first_problem(std::string_view text) {
  const CaseFile file = read(text);
  if (file.problems.empty()) return "none";
  const definition::Problem& problem = file.problems.front();
  return fmt::format("{}:{}: {}", problem.position.line, problem.position.column, problem.message);
}

TEST(Cases, the_example_of_the_guide_holds_after_every_restart) {
  std::ifstream stream(TRV_SOURCE_DIR "/docs/guides/workflow-cases.md");
  std::stringstream page;
  page << stream.rdbuf();
  const std::string text = page.str();
  const std::string begin = "```yaml cases\n";
  const std::size_t from = text.find(begin) + begin.size();
  const Verdict verdict = verdict_of(std::string_view(text).substr(from, text.find("```", from) - from));
  EXPECT_TRUE(verdict.differences.empty()) << verdict.differences.front().message;
  EXPECT_GT(verdict.restarts, 10U);
}

TEST(Cases, what_is_wrong_with_a_file_has_its_place) {
  EXPECT_EQ(
      first_problem("cases:\n  - name: a\n    workflow: {do: [{t: {set: {n: 0}}}]}\n    expects: {}\n").substr(0, 4),
      "4:5:");
  EXPECT_NE(first_problem("cases:\n  - {name: a, workflow: {do: [{t: {set: {a: 1}}}]}, expekt: {}}\n")
                .find("did you mean 'expect'"),
            std::string::npos);
  EXPECT_EQ(
      first_problem("cases:\n  - name: a\n    workflow: {do: [{t: {sett: {}}}]}\n    expect: {status: completed}\n")
          .substr(0, 5),
      "3:26:");
  EXPECT_NE(first_problem("cases:\n  - name: a\n    workflow: none.yaml\n    expect: {status: completed}\n")
                .find("there is no file none.yaml"),
            std::string::npos);
  EXPECT_NE(first_problem("cases:\n  - {name: a, workflow: {do: [{t: {wait: PT1S}}]}, expect: {}}\n")
                .find("'expect' is empty"),
            std::string::npos);
  EXPECT_NE(first_problem("cases: [\n").find("none"), 0U);
}

TEST(Cases, a_difference_names_the_first_place_where_the_two_part) {
  const Verdict verdict = verdict_of(
      "cases:\n  - name: a\n    workflow: {do: [{t: {set: {a: {b: [1, 2]}}}}]}\n"
      "    expect:\n      output: {a: {b: [1, 3]}}\n");
  ASSERT_EQ(verdict.differences.size(), 1U);
  EXPECT_EQ(verdict.differences.front().message, "the output.a.b[1] is 2, expected is 3");
  EXPECT_EQ(verdict.differences.front().position.line, 5);
  EXPECT_EQ(verdict.restarts, 0U);
}

TEST(Cases, a_call_that_nothing_answers_fails_the_case) {
  const Verdict verdict = verdict_of(
      "cases:\n  - name: a\n    workflow: {do: [{t: {call: 'a.b:1.0.0@default'}}]}\n"
      "    expect: {status: running}\n");
  ASSERT_EQ(verdict.differences.size(), 1U);
  EXPECT_NE(verdict.differences.front().message.find("nothing answers the call 'a.b'"), std::string::npos);
}

TEST(Cases, a_flow_without_end_is_stopped_or_looked_at_when_the_case_says) {
  constexpr std::string_view text =
      "cases:\n  - name: a\n    workflow: {{do: [{{t: {{wait: PT1S, then: t}}}}]}}\n"
      "    until: PT10S\n    expect: {{status: {}}}\n";
  EXPECT_TRUE(verdict_of(fmt::format(text, "running")).differences.empty());
  EXPECT_FALSE(verdict_of(fmt::format(text, "completed")).differences.empty());
}

/// A case whose second decision has several records.
constexpr std::string_view several = R"(
cases:
  - name: a
    workflow: {do: [{w: {wait: PT1S}}, {a: {set: {n: 1}}}, {c: {call: 'a.b:1.0.0@default'}}]}
    answers: [{to: a.b, reply: {output: {n: 2}, after: PT3S}}]
    expect: {status: completed, output: {n: 2}, takes: PT4S}
)";

TEST(Cases, a_decision_that_was_cut_never_happened) {
  const CaseFile file = read(several);
  ASSERT_EQ(file.cases.size(), 1U);
  const auto folder = make_scratch_folder();
  ASSERT_TRUE(folder);
  Services services(file.cases[0].answers);
  const auto shard = LocalShard::open(folder->path() / "live", {});
  ASSERT_TRUE(shard);
  std::vector<std::size_t> ends{0};
  const auto played = play(file.cases[0], **shard, services, file.cases[0].begins, [&]() -> base::Status {
    ends.push_back((*shard)->records().size());
    return {};
  });
  ASSERT_TRUE(played) << played.error().message();
  ASSERT_EQ((*shard)->records().size(), ends.back());
  bool has_torn = false;
  for (std::size_t cut = 0; cut <= ends.back(); ++cut) {
    const Records kept((*shard)->records().begin(), (*shard)->records().begin() + static_cast<std::ptrdiff_t>(cut));
    const auto again = LocalShard::open(folder->path() / fmt::format("cut-{}", cut), kept);
    ASSERT_TRUE(again) << again.error().message();
    const std::size_t whole = *std::prev(std::ranges::upper_bound(ends, cut));
    EXPECT_EQ((*again)->records().size(), whole) << cut;
    has_torn = has_torn || whole != cut;
  }
  EXPECT_TRUE(has_torn) << "no cut was within a decision";
}

TEST(Cases, a_restart_that_calls_with_another_key_is_seen) {
  const CaseFile file = read(several);
  Services services(file.cases.at(0).answers);
  shard::Effect effect;
  effect.kind = "plugin";
  effect.plugin = "a";
  effect.operation = "b";
  effect.input = "{}";
  effect.key = "one";
  ASSERT_TRUE(services.answer(effect));
  services.take_no_new_calls();
  EXPECT_TRUE(services.answer(effect));
  effect.key = "two";
  EXPECT_FALSE(services.answer(effect));
  EXPECT_EQ(services.calls().size(), 1U);
}

TEST(Cases, a_star_is_any_text) {
  EXPECT_TRUE(is_like("GET *", "GET https://a.example/x"));
  EXPECT_TRUE(is_like("*a*b", "aabb"));
  EXPECT_TRUE(is_like("", ""));
  EXPECT_TRUE(is_like("**", ""));
  EXPECT_FALSE(is_like("a*b", "ac"));
  EXPECT_FALSE(is_like("", "a"));
}

}  // namespace
}  // namespace trv::cases
