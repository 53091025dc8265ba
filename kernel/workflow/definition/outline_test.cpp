#include "kernel/workflow/definition/outline.hpp"

#include <gtest/gtest.h>

#include <string>

namespace trv::definition {
namespace {

std::string drawn(std::string_view tasks) {
  const auto root = read(std::string("do: ") + std::string(tasks), Format::yaml);
  EXPECT_TRUE(root) << root.error().message();
  return root ? mermaid_of(outline(*root)) : "";
}

TEST(Outline, a_task_with_if_that_jumps_also_leads_to_the_next_one) {
  const std::string graph =
      drawn("[{a: {wait: PT1S}}, {b: {if: .again, wait: PT1S, then: a}}, {c: {if: .x, wait: PT1S}}]");
  EXPECT_TRUE(graph.contains("  t2 -- \"if\" --> t1\n")) << graph;
  EXPECT_TRUE(graph.contains("  t2 -- \"else\" --> t3\n")) << graph;
  EXPECT_TRUE(graph.contains("  t3 --> finish\n")) << graph;
}

TEST(Outline, a_fork_says_where_the_first_branch_wins) {
  EXPECT_TRUE(drawn("[{a: {fork: {compete: true, branches: [{b: {wait: PT1S}}, {c: {wait: PT1S}}]}}}]")
                  .contains("fork first wins"));
  EXPECT_FALSE(drawn("[{a: {fork: {branches: [{b: {wait: PT1S}}, {c: {wait: PT1S}}]}}}]").contains("first wins"));
}

}  // namespace
}  // namespace trv::definition
