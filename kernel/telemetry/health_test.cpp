#include "kernel/telemetry/health.hpp"

#include <gtest/gtest.h>

#include "kernel/json/serialize.hpp"

namespace trv::telemetry {
namespace {

TEST(Health, the_worst_check_decides_and_what_does_not_pass_is_said) {
  EXPECT_EQ(worst_of({}), Condition::pass);
  std::vector<Check> checks = {
      {.name = "shard:ready", .component = "shard 0", .value = 3, .unit = "records"},
      {.name = "effects:parked", .component = {}, .condition = Condition::warn, .value = 1, .output = "look at them"},
      {.name = "shard:ready", .component = "shard 1", .condition = Condition::pass}};
  EXPECT_EQ(worst_of(checks), Condition::warn);
  checks.back() = {.name = "shard:ready", .component = "shard 1", .condition = Condition::fail, .output = "is away"};
  EXPECT_EQ(worst_of(checks), Condition::fail);
  EXPECT_EQ(json::serialize(to_document(checks, "1.2.3", "n1")),
            R"({"status":"fail","version":"1","releaseId":"1.2.3","serviceId":"n1",)"
            R"("output":"look at them; shard 1: is away","checks":{"shard:ready":[)"
            R"({"status":"pass","componentId":"shard 0","observedValue":3,"observedUnit":"records"},)"
            R"({"status":"fail","componentId":"shard 1","output":"is away"}],)"
            R"("effects:parked":[{"status":"warn","observedValue":1,"output":"look at them"}]}})");
}

}  // namespace
}  // namespace trv::telemetry
