// Answers that come in parts, through the layer. Compiled as C++20.

#include "sdk/cpp/incoming.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/event_reader.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::CallError;
using conformance::CallOutcome;
using conformance::FakeHost;
using conformance::HostShape;
using conformance::HttpAnswer;
using testing::HasSubstr;

class Reader : public Plugin {
 public:
  static Operations<Reader> operations() {
    return {{"read", &Reader::read},     {"first", &Reader::first}, {"twice", &Reader::twice},
            {"beyond", &Reader::beyond}, {"pause", &Reader::pause}, {"events", &Reader::events}};
  }

 private:
  Task read(Call& call) {
    auto answer = call.http_in_parts(get("/big").header("X-A", "b"));
    co_await answer;
    if (!answer) co_return answer.failure();
    std::string body;
    std::string sizes;
    for (;;) {
      auto part = answer.next();
      co_await part;
      if (!part) co_return part.failure();
      if (part->is_last()) break;
      body += part->bytes;
      sizes += std::to_string(part->bytes.size()) + " ";
    }
    co_return std::to_string(answer->status) + " " + std::to_string(body.size()) + ": " + sizes +
        (body.size() < 100 ? body : "");
  }
  Task first(Call& call) {
    auto answer = call.http_in_parts(get("/big"));
    co_await answer;
    auto part = answer.next();
    co_await part;
    if (!part) co_return part.failure();
    co_return part->bytes;
  }
  Task twice(Call& call) {
    auto answer = call.http_in_parts(get("/big"));
    co_await answer;
    auto part = answer.next();
    auto again = answer.next();
    co_await again;
    co_await part;
    co_return again ? std::string("both") : again.failure().message + "; " + part->bytes;
  }
  Task beyond(Call& call) {
    auto answer = call.http_in_parts(get("/big"));
    co_await answer;
    std::string said;
    for (int i = 0; i < 3; ++i) {
      auto part = answer.next();
      co_await part;
      said += !part ? "failed " : part->is_last() ? "last " : part->bytes + " ";
    }
    co_return said;
  }
  /// What comes while nobody waits is kept.
  Task pause(Call& call) {
    auto answer = call.http_in_parts(get("/big"));
    co_await answer;
    auto pause = call.wait(std::chrono::seconds(1));
    co_await pause;
    auto part = answer.next();
    co_await part;
    co_return std::to_string(part->bytes.size());
  }
  Task events(Call& call) {
    auto answer = call.http_in_parts(get("/events"));
    co_await answer;
    EventReader events;
    std::string said;
    for (;;) {
      auto part = answer.next();
      co_await part;
      if (!part) co_return part.failure();
      if (part->is_last()) break;
      events.add(part->bytes);
      while (const auto event = events.next()) said += event->event + "=" + event->data + ";";
    }
    co_return said;
  }
};

struct ReaderName {
  static constexpr std::string_view id = "reader";
  static constexpr std::string_view version = "1.0.0";
};

class IncomingTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.activate()); }
  void TearDown() override { EXPECT_THAT(host_.faults(), testing::IsEmpty()); }
  std::string output(const CallOutcome& outcome) {
    return outcome.output ? *outcome.output : "error: " + (outcome.error ? outcome.error->message : "none");
  }
  /// The stream of a call that has begun to read.
  std::uint64_t begin(const std::string& operation) {
    call_ = host_.begin({.operation = operation});
    const std::uint64_t stream = host_.first_open_request(call_).value();
    host_.respond_in_parts(stream, {.status = 201});
    return stream;
  }
  std::string outcome() {
    const auto found = host_.outcome(call_);
    return found ? output(*found) : "open";
  }
  FakeHost host_{Entry<Reader, ReaderName>::entry};
  std::uint64_t call_ = 0;
};

TEST_F(IncomingTest, an_answer_comes_in_parts_and_ends) {
  EXPECT_EQ(output(host_.call({.operation = "read"}, {HttpAnswer{.status = 201, .body = "abc"}})), "201 3: 3 abc");
  EXPECT_TRUE(host_.requests().at(0).in_parts);
  EXPECT_EQ(host_.requests().at(0).header("x-a"), "b");
  host_.parts_have(2);
  EXPECT_EQ(output(host_.call({.operation = "read"}, {HttpAnswer{.status = 404, .body = "abcde"}})),
            "404 5: 2 2 1 abcde");
  EXPECT_EQ(output(host_.call({.operation = "read"}, {HttpAnswer{.body = ""}})), "200 0: ");
}

TEST_F(IncomingTest, what_is_read_is_taken) {
  const std::string body(5'000'000, 'x');
  EXPECT_THAT(output(host_.call({.operation = "read"}, {HttpAnswer{.body = body}})), HasSubstr("200 5000000: "));
}

TEST_F(IncomingTest, what_nobody_reads_is_kept_up_to_the_room_and_no_more_comes) {
  const std::uint64_t stream = begin("pause");
  host_.part(stream, std::string(300'000, 'x'));
  EXPECT_EQ(host_.held_back(stream), 300'000U - 262'144U);
  host_.time_comes(host_.timers().at(0).timer_id);
  EXPECT_EQ(outcome(), "262144");
  EXPECT_FALSE(host_.is_read(stream));
}

TEST_F(IncomingTest, a_part_is_read_before_the_next_is_there) {
  const std::uint64_t stream = begin("read");
  host_.part(stream, "a");
  EXPECT_EQ(outcome(), "open");
  host_.part(stream, "bc");
  host_.end_parts(stream);
  EXPECT_EQ(outcome(), "201 3: 1 2 abc");
}

TEST_F(IncomingTest, an_answer_that_breaks_is_a_failure) {
  const std::uint64_t stream = begin("read");
  host_.part(stream, "a");
  host_.break_parts(stream, {.code = TRV_ERROR_UNAVAILABLE, .message = "it broke"});
  EXPECT_EQ(outcome(), "error: it broke");
  EXPECT_EQ(output(host_.call({.operation = "read"}, {CallError{.message = "no answer"}})), "error: no answer");
  const std::uint64_t other = begin("beyond");
  host_.part(other, "a");
  host_.break_parts(other, {.message = "it broke"});
  EXPECT_EQ(outcome(), "a failed failed ");
}

TEST_F(IncomingTest, behind_the_end_is_the_end) {
  EXPECT_EQ(output(host_.call({.operation = "beyond"}, {HttpAnswer{.body = "a"}})), "a last last ");
}

TEST_F(IncomingTest, without_a_head_the_parts_fail_too) {
  EXPECT_EQ(output(host_.call({.operation = "beyond"}, {CallError{}})), "failed failed failed ");
}

TEST_F(IncomingTest, what_is_let_go_is_dropped) {
  const std::uint64_t stream = begin("first");
  host_.part(stream, "first");
  EXPECT_EQ(outcome(), "first");
  EXPECT_FALSE(host_.is_read(stream));
}

TEST_F(IncomingTest, a_cancelled_call_drops_what_it_reads) {
  const std::uint64_t stream = begin("read");
  host_.cancel(call_);
  host_.part(stream, "late");
  EXPECT_EQ(host_.outcome(call_)->code(), TRV_ERROR_CANCELLED);
  EXPECT_FALSE(host_.is_read(stream));
}

TEST_F(IncomingTest, two_cannot_wait_for_one_part) {
  const std::uint64_t stream = begin("twice");
  host_.part(stream, "a");
  EXPECT_EQ(outcome(), "a part of the answer is waited for already; a");
}

TEST(Incoming, a_host_without_streams_gives_the_whole_as_one_part) {
  FakeHost host(Entry<Reader, ReaderName>::entry, {}, HostShape{.offers_stream = false});
  ASSERT_TRUE(host.activate());
  EXPECT_EQ(host.call({.operation = "read"}, {HttpAnswer{.body = std::string(99'000, 'x')}}).output,
            "200 99000: 99000 ");
  EXPECT_EQ(host.call({.operation = "read"}, {HttpAnswer{.body = ""}}).output, "200 0: ");
  EXPECT_EQ(host.call({.operation = "first"}, {CallError{.message = "none"}}).error->message, "none");
  EXPECT_FALSE(host.requests().at(0).in_parts);
  EXPECT_THAT(host.faults(), testing::IsEmpty());
}

TEST_F(IncomingTest, events_are_read_however_they_are_cut) {
  const std::string stream =
      "\xef\xbb\xbf"
      "event: a\r\ndata: 1\r\ndata:2\r\n\r\n: note\rdata\r\revent: c\ndata: {\"d\":4}\nretry: 5\nid: 9\n\n"
      "data: never whole";
  for (const std::uint64_t bytes : {1U, 2U, 3U, 7U, 65'536U}) {
    host_.parts_have(bytes);
    EXPECT_EQ(output(host_.call({.operation = "events"}, {HttpAnswer{.body = stream}})), "a=1\n2;=;c={\"d\":4};")
        << bytes;
  }
}

TEST(EventReader, what_is_not_whole_is_counted_and_the_id_stays) {
  EventReader events;
  events.add("id: 7\ndata: a\n\ndata: 12345");
  EXPECT_EQ(events.next()->id, "7");
  EXPECT_FALSE(events.next());
  EXPECT_EQ(events.held_bytes(), 11U);
  events.add("\n\n");
  const auto second = events.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->data, "12345");
  EXPECT_EQ(second->id, "7");
}

}  // namespace
}  // namespace trv::sdk
