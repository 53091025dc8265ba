// Parts of a call (trv.trace/1), and the trace that its requests carry.

#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::FakeHost;
using conformance::HeaderList;
using conformance::HttpAnswer;
using conformance::SpanFacts;

class Traced : public Plugin {
 public:
  static Operations<Traced> operations() { return {{"parts", &Traced::parts}, {"wait", &Traced::wait}}; }

 private:
  Task parts(Call& call) {
    const auto whole = call.span("whole", {{"kind", "x"}});
    {
      auto part = whole.span("part");
      part.end();
      part.end();
    }
    auto response = call.http(get("/"));
    co_await response;
    co_return response->body;
  }
  Task wait(Call& call) {
    const auto waiting = call.span("waiting");
    auto pause = call.wait(std::chrono::hours(1));
    co_await pause;
    co_return "1";
  }
};
struct Name {
  static constexpr std::string_view id = "traced";
  static constexpr std::string_view version = "1.0.0";
};

TEST(Span, parts_of_a_call_have_names_and_end_and_its_requests_carry_its_traceparent) {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  FakeHost host(Entry<Traced, Name>::entry);
  ASSERT_TRUE(host.activate());
  ASSERT_TRUE(host.call({.operation = "parts", .traceparent = traceparent}, {HttpAnswer{}}).succeeded());
  ASSERT_EQ(host.spans().size(), 2U);
  const SpanFacts whole = host.spans()[0];
  EXPECT_EQ(whole.name, "whole");
  EXPECT_EQ(whole.attributes, (HeaderList{{"kind", "x"}}));
  EXPECT_EQ(whole.parent_id, 0U);
  EXPECT_TRUE(whole.has_ended);
  EXPECT_EQ(host.spans()[1].parent_id, whole.span_id);
  EXPECT_TRUE(host.spans()[1].has_ended);
  EXPECT_EQ(host.requests()[0].header("traceparent"), traceparent);
  EXPECT_TRUE(host.faults().empty()) << host.faults().front();
}

TEST(Span, a_call_that_is_cancelled_ends_its_parts) {
  FakeHost host(Entry<Traced, Name>::entry);
  ASSERT_TRUE(host.activate());
  const auto call = host.begin({.operation = "wait"});
  ASSERT_EQ(host.spans().size(), 1U);
  EXPECT_FALSE(host.spans()[0].has_ended);
  host.cancel(call);
  host.settle();
  host.deactivate();
  host.destroy();
  EXPECT_TRUE(host.spans()[0].has_ended);
  EXPECT_TRUE(host.faults().empty()) << host.faults().front();
}

TEST(Span, a_host_without_traces_hears_of_none) {
  FakeHost host(Entry<Traced, Name>::entry, {}, {.offers_trace = false});
  ASSERT_TRUE(host.activate());
  EXPECT_TRUE(host.call({.operation = "parts"}, {HttpAnswer{}}).succeeded());
  EXPECT_TRUE(host.spans().empty());
}

}  // namespace
}  // namespace trv::sdk
