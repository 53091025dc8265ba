#include "kernel/workflow/instance/lifecycle.hpp"

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

/// Of all records of a kernel, without what their types have in common.
std::string lifecycle(const TestKernel& kernel) {
  std::string out;
  for (std::uint64_t lsn = 1;; ++lsn) {
    const auto record = kernel.record_at()(record::Lsn(lsn));
    if (!record) return out;
    for (const LifecycleEvent& one : good(lifecycle_in(record->view()))) {
      EXPECT_TRUE(one.type.starts_with(lifecycle_types) && one.type.ends_with(".v1")) << one.type;
      const json::Value data = good(json::parse(one.data));
      const std::string_view name = one.type.substr(lifecycle_types.size());
      const json::Value* task = data.find("task");
      out += fmt::format("{}{};", name.substr(0, name.size() - 3),
                         task == nullptr ? "" : fmt::format(" {}", task->as_string()));
    }
  }
}

TEST(Lifecycle, a_task_that_waits_begins_with_one_record_and_ends_with_another) {
  TestKernel kernel;
  (void)kernel.start(kernel.apply_text(document("do: [{s: {set: {n: 1}}}, {a: {call: 'p.o:1.0.0@default'}}]\n")));
  EXPECT_EQ(lifecycle(kernel),
            "workflow.started;task.created /do/0/s;task.started /do/0/s;task.completed /do/0/s;task.created /do/1/a;"
            "task.started /do/1/a;");
  ASSERT_TRUE(kernel.succeed(kernel.pending().front().key, "7"));
  EXPECT_TRUE(lifecycle(kernel).ends_with("task.started /do/1/a;task.completed /do/1/a;workflow.completed;"))
      << lifecycle(kernel);
}

TEST(Lifecycle, errors_retries_and_listening_are_said) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(
      document("do: [{t: {try: [{r: {raise: {error: {type: x, status: 418}}}}], catch: {retry: {delay: PT1S, limit: "
               "{attempt: {count: 1}}}, do: [{l: {listen: {to: {one: {with: {type: go}}}}}}]}}}]\n")));
  EXPECT_TRUE(kernel.fire_timer());
  const std::string so_far =
      "workflow.started;task.created /do/0/t/try/0/r;task.started /do/0/t/try/0/r;task.faulted /do/0/t/try/0/r;"
      "task.retried /do/0/t;task.created /do/0/t/try/0/r;task.started /do/0/t/try/0/r;task.faulted /do/0/t/try/0/r;"
      "task.created /do/0/t/catch/do/0/l;task.started /do/0/t/catch/do/0/l;workflow.correlation-started;";
  EXPECT_EQ(lifecycle(kernel), so_far);
  const auto act = [&](decltype(&suspend) operation) {
    (void)good(kernel.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "x"); }));
  };
  act(suspend);
  act(resume);
  (void)good(kernel.run([&](auto& txn, auto& here, auto those) {
    return signal(txn, here, those, id, {.id = "1", .source = "/s", .type = "go", .data = "5"}, "x");
  }));
  EXPECT_EQ(lifecycle(kernel), so_far +
                                   "task.suspended /do/0/t/catch/do/0/l;workflow.suspended;workflow.resumed;"
                                   "task.resumed /do/0/t/catch/do/0/l;workflow.correlation-completed;task.completed "
                                   "/do/0/t/catch/do/0/l;task.created /do/0/t;task.started /do/0/t;task.completed "
                                   "/do/0/t;workflow.completed;");
}

TEST(Lifecycle, tasks_under_way_are_cancelled_with_their_instance_each_once) {
  const auto cancelled = [](std::string_view text, decltype(&cancel) operation) {
    TestKernel kernel;
    const InstanceId id = kernel.start(kernel.apply_text(document(text)));
    (void)good(kernel.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "x"); }));
    const std::string all = lifecycle(kernel);
    const std::size_t first = all.find("task.cancelled");
    return first == std::string::npos ? all : all.substr(first);
  };
  EXPECT_EQ(
      cancelled("do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {w: {wait: {hours: 1}}}]}}}]\n", cancel),
      "task.cancelled /do/0/f;task.cancelled /do/0/f/fork/branches/0/a;task.cancelled "
      "/do/0/f/fork/branches/1/w;workflow.cancelled;");
  EXPECT_EQ(cancelled("use: {functions: {undo: {set: {n: 0}}}}\n"
                      "do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {w: {wait: {hours: 1}}}]\n",
                      cancel_and_compensate)
                .substr(0, 25),
            "task.cancelled /do/1/w;ta");
}

TEST(Lifecycle, it_has_what_the_specification_names) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document("do: [{s: {set: {n: 1}}}]\n")));
  const auto started = good(lifecycle_in(good(kernel.record_at()(record::Lsn(2))).view()));
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(started.front().data,
            fmt::format(R"({{"name":"{}","startedAt":"{}","definition":{{"name":"it","namespace":"test","version":)"
                        R"("1.0.0"}}}})",
                        id.to_string(), kernel.now.to_rfc3339()));
  const auto task = good(lifecycle_in(good(kernel.record_at()(record::Lsn(3))).view()));
  ASSERT_EQ(task.size(), 3U);
  EXPECT_EQ(task.back().data,
            fmt::format(R"({{"workflow":"{}","task":"/do/0/s","completedAt":"{}","output":{{"n":1}}}})", id.to_string(),
                        kernel.now.to_rfc3339()));
  EXPECT_TRUE(good(lifecycle_in(good(kernel.record_at()(record::Lsn(1))).view())).empty());
}

}  // namespace
}  // namespace trv::instance::testing
