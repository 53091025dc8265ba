// `listen`: which events a task consumes, when it has heard enough, and which conversations are whose.

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class ListenTest : public ::testing::Test {
 protected:
  InstanceId start(std::string_view to, std::string_view rest = "", std::string_view input = R"({"order":7})") {
    const std::string text = document(fmt::format("do:\n  - l:\n      listen:\n        to: {}\n{}", to, rest));
    return kernel_.start(kernel_.apply_text(text), input);
  }
  StartedByEvent send(std::string_view type, std::string_view data, DecisionBudget* budget = nullptr) {
    DecisionBudget own;
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
      return receive_event(
          txn, here, those,
          {.id = fmt::format("e{}", ++sent_), .source = "/s", .type = std::string(type), .data = std::string(data)},
          budget == nullptr ? own : *budget);
    }));
  }
  std::string output(const InstanceId& id) {
    while (kernel_.detail(id).summary.status == Status::running && kernel_.detail(id).due &&
           *kernel_.detail(id).due <= kernel_.now && kernel_.fire_timer()) {
    }
    const InstanceDetail detail = kernel_.detail(id);
    return detail.summary.status == Status::completed ? detail.output : std::string(to_string(detail.summary.status));
  }
  std::size_t rows(const lmdb::Table& table) {
    std::size_t count = 0;
    const auto txn = kernel_.read();
    good(lmdb::scan(txn, table, {}, {}, lmdb::Direction::forward,
                    [&](base::BytesView, base::BytesView) -> base::Result<lmdb::Visit> {
                      ++count;
                      return lmdb::Visit::go_on;
                    }));
    return count;
  }
  void expect_nothing_left() {
    EXPECT_EQ(rows(kernel_.tables().listens), 0U);
    EXPECT_EQ(rows(kernel_.tables().frames), 0U);
    EXPECT_EQ(kernel_.timers(), 0U);
  }

  TestKernel kernel_;
  int sent_ = 0;
};

TEST_F(ListenTest, one_event_that_passes_ends_the_task_and_its_data_is_the_output) {
  const InstanceId id = start("{one: {with: {type: vitals, data: '${ .bpm > 100 }'}}}");
  EXPECT_TRUE(send("vitals", R"({"bpm":70})").heard.empty());
  EXPECT_TRUE(send("other", R"({"bpm":120})").heard.empty());
  EXPECT_EQ(output(id), "running");
  EXPECT_EQ(send("vitals", R"({"bpm":120})").heard, std::vector{id});
  EXPECT_EQ(output(id), R"([{"bpm":120}])");
  EXPECT_TRUE(send("vitals", R"({"bpm":130})").heard.empty());
  expect_nothing_left();
}

TEST_F(ListenTest, an_event_is_read_as_data_as_a_whole_or_as_bytes) {
  const InstanceId whole = start("{one: {with: {type: a}}}\n        read: envelope");
  EXPECT_EQ(send("a", R"({"x":1})").heard.size(), 1U);
  EXPECT_EQ(output(whole), R"([{"specversion":"1.0","id":"e1","source":"/s","type":"a","data":{"x":1}}])");
  TestKernel other;
  const InstanceId raw = other.start(other.apply_text(document("do: [{l: {listen: {to: {any: []}, read: raw}}}]\n")));
  DecisionBudget budget;
  (void)good(other.run([&](auto& txn, auto& here, auto those) {
    return receive_event(txn, here, those, {.id = "e", .source = "/s", .type = "t", .data = R"({"x":1})"}, budget);
  }));
  EXPECT_EQ(other.detail(raw).output, R"(["eyJ4IjoxfQ=="])");
}

TEST_F(ListenTest, all_takes_one_event_for_each_filter_in_any_order) {
  const InstanceId id =
      start("{all: [{with: {type: a}}, {with: {type: b}}]}", "      output: {as: '{all: ., o: $input.order}'}\n");
  EXPECT_EQ(send("b", "1").heard.size(), 1U);
  EXPECT_TRUE(send("b", "2").heard.empty());
  EXPECT_EQ(output(id), "running");
  EXPECT_EQ(send("a", "3").heard.size(), 1U);
  EXPECT_EQ(output(id), R"({"all":[1,3],"o":7})");
  expect_nothing_left();
}

TEST_F(ListenTest, any_goes_on_until_a_condition_holds_of_what_was_consumed) {
  const InstanceId id = start("{any: [], until: '( . | length ) >= 3'}");
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(send(fmt::format("t{}", i), std::to_string(i)).heard.size(), 1U) << i;
  EXPECT_EQ(output(id), "[1,2,3]");
  expect_nothing_left();
}

TEST_F(ListenTest, any_goes_on_until_all_the_events_have_come_that_end_it) {
  const InstanceId id = start("{any: [], until: {all: [{with: {type: out}}, {with: {type: done}}]}}");
  for (const std::string_view type : {"a", "done", "done", "b"}) {
    EXPECT_EQ(send(type, fmt::format("\"{}\"", type)).heard.size(), 1U) << type;
    EXPECT_EQ(output(id), "running") << type;
    TestKernel again;
    again.replay(kernel_);
    EXPECT_EQ(again.timers(), kernel_.timers());
  }
  EXPECT_EQ(send("out", "1").heard.size(), 1U);
  EXPECT_EQ(output(id), R"(["a","done","b"])") << "the first of each ends, what comes again is consumed";
  expect_nothing_left();
}

TEST_F(ListenTest, what_ends_the_listening_is_not_consumed_even_where_everything_is) {
  const InstanceId id = start("{any: [], until: {one: {with: {type: out}}}}");
  EXPECT_EQ(send("a", "1").heard.size(), 1U);
  EXPECT_EQ(send("out", "2").heard.size(), 1U);
  EXPECT_EQ(output(id), "[1]");
  expect_nothing_left();
}

TEST_F(ListenTest, any_goes_on_until_an_event_comes_that_ends_it_and_is_not_consumed) {
  const InstanceId id = start("{any: [{with: {type: a}}, {with: {type: b}}], until: {one: {with: {type: out}}}}");
  for (int i = 0; i < 70; ++i) EXPECT_EQ(send(i % 2 == 0 ? "a" : "b", std::to_string(i)).heard.size(), 1U);
  EXPECT_EQ(output(id), "running");
  EXPECT_EQ(send("out", "9").heard.size(), 1U);
  const std::string all = output(id);
  EXPECT_TRUE(all.starts_with("[0,1,2,") && all.ends_with(",68,69]")) << all;
  expect_nothing_left();
}

TEST_F(ListenTest, an_event_goes_to_the_instances_that_it_agrees_with) {
  const definition::Name name = kernel_.apply_text(document(
      "do: [{l: {listen: {to: {one: {with: {type: paid}, correlate: {order: {from: .data.order, expect: '${ .order "
      "}'}}}}}}}]\n"));
  std::vector<InstanceId> ids;
  for (int order = 0; order < 20; ++order) ids.push_back(kernel_.start(name, fmt::format(R"({{"order":{}}})", order)));
  EXPECT_EQ(send("paid", R"({"order":13})").heard, std::vector{ids[13]});
  EXPECT_TRUE(send("paid", R"({"order":99})").heard.empty());
  EXPECT_TRUE(send("paid", "{}").heard.empty());
  EXPECT_EQ(output(ids[13]), R"([{"order":13}])");
  EXPECT_EQ(rows(kernel_.tables().listens), 19U);
}

TEST_F(ListenTest, what_nothing_is_expected_of_the_first_event_decides) {
  const InstanceId id = start(
      "{all: [{with: {type: a}, correlate: {k: {from: .data.k}}}, {with: {type: b}, correlate: "
      "{k: {from: .data.k}}}]}");
  EXPECT_EQ(send("a", R"({"k":1})").heard.size(), 1U);
  EXPECT_TRUE(send("b", R"({"k":2})").heard.empty());
  EXPECT_EQ(send("b", R"({"k":1})").heard.size(), 1U);
  EXPECT_EQ(output(id), R"([{"k":1},{"k":1}])");
}

TEST_F(ListenTest, what_no_event_could_agree_with_is_an_error_at_once) {
  const InstanceId id =
      start("{one: {with: {type: a}, correlate: {order: {from: .data.order, expect: '${ .none }'}}}}");
  EXPECT_NE(
      kernel_.detail(id).error.find("'expect' of 'order' in 'correlate' must be text, a number or a boolean, not null"),
      std::string::npos)
      << kernel_.detail(id).error;
  expect_nothing_left();
}

TEST_F(ListenTest, an_event_that_instances_choose_by_their_data_goes_to_those_that_it_fits) {
  const InstanceId seven = start("{one: {with: {type: a, data: '${ .order == $input.order }'}}}");
  const InstanceId eight =
      kernel_.start(kernel_.apply_text(document("do:\n  - l:\n      listen:\n        to: {one: {with: {type: a, "
                                                "data: '${ .order == $input.order }'}}}\n")),
                    R"({"order":8})");
  EXPECT_TRUE(send("a", R"({"order":9})").heard.empty());
  EXPECT_EQ(send("a", R"({"order":8})").heard, std::vector{eight});
  EXPECT_EQ(output(seven), "running");
  EXPECT_EQ(send("a", R"({"order":7})").heard, std::vector{seven});
  EXPECT_EQ(output(eight), R"([{"order":8}])");
  EXPECT_EQ(output(seven), R"([{"order":7}])");
  expect_nothing_left();
}

TEST_F(ListenTest, an_event_that_needs_too_much_fuel_to_find_its_instances_is_refused) {
  const std::string to = "{one: {with: {type: a, data: '${ . == $input.n or ([range(9000)] | length) == 0 }'}}}";
  const InstanceId first = start(to, "", R"({"n":1})");
  EXPECT_TRUE(send("a", "0").heard.empty());
  for (int i = 0; i < 400; ++i) start(to, "", R"({"n":1})");
  DecisionBudget own;
  const auto refused = kernel_.run([&](auto& txn, auto& here, auto those) {
    return receive_event(txn, here, those, {.id = "costly", .source = "/s", .type = "a", .data = "0"}, own);
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::too_large);
  EXPECT_NE(refused.error().message().find("whether the 401 instances"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(output(first), "running");
}

TEST_F(ListenTest, several_that_listen_for_one_event_each_go_on) {
  const definition::Name name =
      kernel_.apply_text(document("do: [{l: {listen: {to: {one: {with: {type: a}}}}}}, {s: {set: '${ .[0] }'}}]\n"));
  std::vector<InstanceId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(kernel_.start(name));
  EXPECT_EQ(send("a", "8").heard.size(), 5U);
  for (const InstanceId& id : ids) EXPECT_EQ(output(id), "8");
  expect_nothing_left();
}

TEST_F(ListenTest, branches_listen_beside_each_other) {
  const InstanceId id = kernel_.start(kernel_.apply_text(
      document("do: [{f: {fork: {branches: [{a: {listen: {to: {one: {with: {type: x}}}}}}, {b: {listen: {to: {any: "
               "[{with: {type: x}}, {with: {type: y}}], until: '( . | length ) == 2'}}}}]}}}]\n")));
  EXPECT_EQ(send("x", "1").heard.size(), 1U);
  EXPECT_EQ(output(id), "running");
  EXPECT_EQ(send("y", "2").heard.size(), 1U);
  EXPECT_EQ(output(id), "[[1],[1,2]]");
  expect_nothing_left();
}

TEST_F(ListenTest, an_event_that_two_branches_want_goes_to_both) {
  const InstanceId id = kernel_.start(kernel_.apply_text(
      document("do: [{f: {fork: {branches: [{a: {listen: {to: {one: {with: {type: x}}}}}}, {b: {listen: "
               "{to: {one: {with: {type: x}}}, read: envelope}}}]}}}]\n")));
  EXPECT_EQ(send("x", "1").heard.size(), 1U);
  EXPECT_EQ(output(id), R"([[1],[{"specversion":"1.0","id":"e1","source":"/s","type":"x","data":1}]])");
  expect_nothing_left();
}

TEST_F(ListenTest, an_instance_that_an_earlier_event_of_the_request_moved_comes_later) {
  const InstanceId id = start("{any: [], until: '( . | length ) == 2'}");
  DecisionBudget budget;
  EXPECT_EQ(send("a", "1", &budget).heard.size(), 1U);
  const StartedByEvent second = send("a", "2", &budget);
  EXPECT_TRUE(second.comes_later && second.heard.empty());
  EXPECT_EQ(send("a", "2").heard.size(), 1U);
  EXPECT_EQ(output(id), "[1,2]");
}

TEST_F(ListenTest, a_task_that_listens_times_out_and_is_cancelled) {
  const InstanceId id = start("{one: {with: {type: a}}}", "      timeout: {after: PT5S}\n");
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(output(id), "faulted");
  expect_nothing_left();
  TestKernel cancelled;
  const InstanceId other =
      cancelled.start(cancelled.apply_text(document("do: [{l: {listen: {to: {one: {with: {type: a}}}}}}]\n")));
  EXPECT_TRUE(good(good(lmdb::Cursor::open(cancelled.read(), cancelled.tables().listens)).first()));
  (void)good(cancelled.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, other, "no"); }));
  EXPECT_FALSE(good(good(lmdb::Cursor::open(cancelled.read(), cancelled.tables().listens)).first()));
}

TEST_F(ListenTest, a_replay_listens_for_the_same) {
  const InstanceId id = start("{any: [], until: '( . | length ) == 3'}");
  (void)send("a", "1");
  TestKernel again;
  again.replay(kernel_);
  for (const char* data : {"2", "3"}) {
    DecisionBudget budget;
    EXPECT_EQ(good(again.run([&](auto& txn, auto& here, auto those) {
                return receive_event(txn, here, those, {.id = data, .source = "/s", .type = "a", .data = data}, budget);
              })).heard.size(),
              1U);
  }
  EXPECT_EQ(again.detail(id).output, "[1,2,3]");
}

TEST_F(ListenTest, with_foreach_many_events_wait_for_their_turn_in_rows_of_their_own) {
  const InstanceId id = start("{any: [{with: {type: a}}], until: 'length == 100'}",
                              "      foreach: {do: [{c: {call: 'p.o:1.0.0@default', with: {n: '${ $item }'}}}]}\n");
  for (int i = 0; i < 150; ++i) EXPECT_EQ(send("a", std::to_string(i)).heard.size(), 1U);
  EXPECT_EQ(rows(kernel_.tables().frames), 1U + 3U) << "its input, and 64 events a row";
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(kernel_.pending().size(), 1U) << i;
    EXPECT_EQ(kernel_.pending().front().input, fmt::format(R"({{"n":{}}})", i));
    ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, std::to_string(2 * i)));
    expected += fmt::format("{}{}", i == 0 ? "" : ",", 2 * i);
  }
  EXPECT_EQ(output(id), "[" + expected + "]");
  expect_nothing_left();
  TestKernel again;
  again.replay(kernel_);
  EXPECT_EQ(rows_of(again), rows_of(kernel_));
}

TEST_F(ListenTest, with_foreach_a_call_under_way_stays_as_it_is_when_an_event_comes) {
  const InstanceId id = start("{any: [{with: {type: a}}], until: {one: {with: {type: end}}}}",
                              "      foreach: {do: [{f: {fork: {branches: [{c: {call: 'p.o:1.0.0@default'}}, {w: "
                              "{wait: {seconds: 1}}}]}}}]}\n");
  EXPECT_EQ(send("a", "1").heard.size(), 1U);
  const std::string key = kernel_.pending().front().key;
  EXPECT_EQ(send("a", "2").heard.size(), 1U);
  EXPECT_EQ(send("end", "0").heard.size(), 1U);
  EXPECT_TRUE(send("a", "3").heard.empty());
  TestKernel again;
  again.replay(kernel_);
  EXPECT_EQ(rows_of(again), rows_of(kernel_));
  ASSERT_TRUE(kernel_.succeed(key, "10"));
  EXPECT_TRUE(kernel_.fire_timer());
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_NE(kernel_.pending().front().key, key);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "20"));
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(output(id), "[[10,1],[20,2]]");
  expect_nothing_left();
}

}  // namespace
}  // namespace trv::instance::testing
