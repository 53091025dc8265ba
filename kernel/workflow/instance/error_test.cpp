#include "kernel/workflow/instance/error.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance {
namespace {

using instance::testing::document;
using instance::testing::good;
using instance::testing::TestKernel;
using json::Value;

std::string type_of(std::string_view code, std::uint32_t status) {
  shard::Outcome outcome;
  outcome.code = code;
  outcome.status = status;
  const Value error = error_of(outcome, "/do/0/a");
  const std::string type(error.find("type")->as_string());
  return type.substr(type.rfind('/') + 1) + " " + json::serialize(*error.find("status"));
}

TEST(ErrorOfOutcome, its_code_and_status_say_the_standard_error) {
  EXPECT_EQ(type_of("unauthenticated", 401), "authentication 401");
  EXPECT_EQ(type_of("denied", 403), "authorization 403");
  EXPECT_EQ(type_of("timeout", 0), "timeout 408");
  EXPECT_EQ(type_of("unavailable", 0), "communication 503");
  EXPECT_EQ(type_of("exhausted", 0), "communication 429");
  EXPECT_EQ(type_of("internal", 418), "communication 418");
  EXPECT_EQ(type_of("invalid", 0), "validation 400");
  EXPECT_EQ(type_of("internal", 0), "runtime 500");
}

// A retry for errors of communication would do again what has been done.
TEST(ErrorOfOutcome, an_answer_of_success_that_is_too_large_is_no_error_of_communication) {
  EXPECT_EQ(type_of("too_large", 200), "validation 400");
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(R"(
do: [{t: {try: [{c: {call: http, with: {method: post, endpoint: 'https://x.example/'}}}],
          catch: {errors: {with: {type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication'}},
                  retry: {delay: PT1S, limit: {attempt: {count: 3}}}}}}]
)")));
  (void)good(kernel.answer(kernel.pending()[0].key, 200, '"' + std::string(300'000, 'x') + '"'));
  EXPECT_EQ(kernel.detail(id).summary.status, Status::faulted);
  EXPECT_NE(kernel.detail(id).error.find("errors/validation"), std::string::npos) << kernel.detail(id).error;
  EXPECT_TRUE(kernel.pending().empty());
  EXPECT_EQ(kernel.timers(), 0U);
}

TEST(Raise, text_fields_are_text_whatever_the_expression_gives) {
  TestKernel kernel;
  const InstanceId id = kernel.start(
      kernel.apply_text(document(
          "do: [{r: {raise: {error: {type: a, status: '${ .n }', title: '${ [.n] }', detail: '${ .n }'}}}}]\n")),
      R"({"n":3})");
  EXPECT_EQ(kernel.detail(id).error, R"({"type":"a","status":3,"title":"[3]","detail":"3","instance":"/do/0/r"})");
}

}  // namespace
}  // namespace trv::instance
