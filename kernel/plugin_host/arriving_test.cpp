// Answers in parts to what plugins send: each promise is held in this process and in a process of its own.

#include <atomic>
#include <fstream>
#include <thread>

#include "kernel/http/testing/parts_server.hpp"
#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using http::PartsAnswer;
using http::PartsServer;
using testing::HasSubstr;
using namespace std::chrono_literals;

enum class Where { here, isolated };

constexpr std::uint64_t whole_bytes = 50'000'000;
constexpr std::array operations = {"read", "first", "stay", "greedy", "drop", "leave", "twice"};

std::string letters(std::uint64_t count) {
  std::string text(count, ' ');
  for (std::uint64_t at = 0; at < count; ++at) text[at] = static_cast<char>('a' + at % 23);
  return text;
}

/// Sends them as fast as they are taken.
void send_whole(PartsAnswer& answer, std::uint64_t count) {
  answer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(count) + "\r\n\r\n");
  const std::string piece = letters(23 * 10'000);
  for (std::uint64_t sent = 0; sent < count; sent += piece.size()) {
    if (!answer.send(std::string_view(piece).substr(0, count - sent))) return;
  }
}

class ArrivingTest : public IsolatedFixture, public testing::WithParamInterface<Where> {
 protected:
  void prepare(HostConfiguration& configuration) override {
    if (GetParam() == Where::isolated) IsolatedFixture::prepare(configuration);
  }
  void SetUp() override {
    IsolatedFixture::SetUp();
    if (IsSkipped()) return;
    const base::Status loaded =
        load(install(package_of("reader", R"(,"permissions":["http"])", 1, "linux-x86_64", "in-process", operations))
                 .package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  CallOutcome read(PartsServer& server, const std::string& operation, std::uint64_t timeout_ms = 60'000) {
    source_.connection.base_url = server.url();
    return run(call(operation, "{}", timeout_ms));
  }
  std::string text(const CallOutcome& outcome) { return outcome ? *outcome : "error: " + outcome.error().message; }
  /// Waits until the server sends no more.
  static std::uint64_t when_still(const PartsServer& server) {
    std::uint64_t before = 0;
    for (int same = 0; same < 20;) {
      const std::uint64_t now = server.bytes_sent();
      same = now == before ? same + 1 : 0;
      before = now;
      std::this_thread::sleep_for(10ms);
    }
    return before;
  }
};

INSTANTIATE_TEST_SUITE_P(Everywhere, ArrivingTest, testing::Values(Where::here, Where::isolated),
                         [](const auto& one) { return one.param == Where::here ? "here" : "isolated"; });

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST_P(ArrivingTest, fifty_megabytes_come_whole_and_are_never_held) {
  PartsServer server([](const std::string&, PartsAnswer& answer) { send_whole(answer, whole_bytes); });
  ASSERT_EQ(text(read(server, "first")).substr(0, 13), R"({"status":200)");
  const std::uint64_t before = resident_bytes();
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> most = 0;
  std::thread watch([&] {
    while (!is_over) {
      most = std::max(most.load(), resident_bytes());
      std::this_thread::sleep_for(2ms);
    }
  });
  const auto began = clock_.monotonic();
  const CallOutcome outcome = read(server, "read");
  const auto took = std::chrono::duration<double>(clock_.monotonic() - began);
  is_over = true;
  watch.join();
  EXPECT_THAT(text(outcome), HasSubstr(R"("status":200,"bytes":50000000)"));
  EXPECT_THAT(text(outcome), HasSubstr(R"("as_sent":true)"));
  const std::uint64_t held = most.load() - std::min(before, most.load());
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(held, 16U * 1024 * 1024) << "of " << whole_bytes;
#endif
  RecordProperty("megabytes_per_second", static_cast<int>(static_cast<double>(whole_bytes) / 1e6 / took.count()));
  RecordProperty("bytes_held", std::to_string(held));
}

TEST_P(ArrivingTest, a_part_is_seen_before_the_next_is_sent) {
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send(http::chunked_head);
    answer.send_chunk(letters(5));
    is_gone = answer.client_is_gone();
  });
  EXPECT_THAT(text(read(server, "first")), HasSubstr(R"("bytes":5,)"));
  EXPECT_TRUE(eventually([&] { return is_gone.load(); })) << "the plugin has answered, and dropped the rest";
}

TEST_P(ArrivingTest, a_slow_plugin_stops_the_server) {
  std::atomic<bool> begins = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    begins = true;
    send_whole(answer, whole_bytes);
  });
  source_.connection.base_url = server.url();
  auto outcome = invoke(call("stay", "{}", 60'000));
  ASSERT_TRUE(eventually([&] { return begins.load(); }));
  EXPECT_LT(when_still(server), whole_bytes / 2);
  EXPECT_THAT(text(outcome.get()), HasSubstr(R"("bytes":50000000)"));
}

TEST_P(ArrivingTest, one_that_takes_more_than_came_gets_no_more_at_once) {
  PartsServer server([](const std::string&, PartsAnswer& answer) { send_whole(answer, whole_bytes); });
  EXPECT_THAT(text(read(server, "greedy")), HasSubstr(R"("bytes":50000000)"));
}

TEST_P(ArrivingTest, two_answers_of_a_call_do_not_mix) {
  PartsServer server([](const std::string&, PartsAnswer& answer) { send_whole(answer, 3'000'001); });
  const std::string read_both = text(read(server, "twice"));
  EXPECT_THAT(read_both, HasSubstr(R"("bytes":6000002)"));
  EXPECT_THAT(read_both, HasSubstr(R"("as_sent":true)"));
}

TEST_P(ArrivingTest, an_answer_that_was_cut_fails_and_says_so) {
  PartsServer server([](const std::string&, PartsAnswer& answer) {
    answer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    answer.send(letters(500'000));
  });
  const CallOutcome outcome = read(server, "read");
  ASSERT_FALSE(outcome) << *outcome;
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, HasSubstr("connection 'api'"));
}

TEST_P(ArrivingTest, nothing_follows_what_was_dropped) {
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    send_whole(answer, whole_bytes);
    is_gone = true;
  });
  EXPECT_THAT(text(read(server, "drop")), HasSubstr(R"("after_drop":0)"));
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
  EXPECT_LT(server.bytes_sent(), whole_bytes);
}

TEST_P(ArrivingTest, a_call_that_ends_takes_its_answers_with_it) {
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    send_whole(answer, whole_bytes);
    is_gone = true;
  });
  EXPECT_THAT(text(read(server, "leave")), HasSubstr(R"("status":200)"));
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
  EXPECT_THAT(text(read(server, "first")), HasSubstr(R"("status":200)"));
}

TEST_P(ArrivingTest, a_cancelled_call_ends_and_its_connection_is_closed) {
  std::atomic<bool> begins = false;
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send(http::chunked_head);
    answer.send_chunk(letters(10));
    begins = true;
    is_gone = answer.client_is_gone();
  });
  source_.connection.base_url = server.url();
  CallHandle handle{};
  auto outcome = invoke(call("read", "{}", 60'000), &handle);
  ASSERT_TRUE(eventually([&] { return begins.load(); }));
  host_->cancel(handle);
  EXPECT_EQ(outcome.get().error().code, ErrorCode::cancelled);
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
}

TEST_P(ArrivingTest, after_the_head_the_call_has_what_is_left_of_its_time) {
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send(http::chunked_head);
    is_gone = answer.client_is_gone();
  });
  source_.connection.limits.timeout_ms_max = 200;
  const auto began = clock_.monotonic();
  const CallOutcome outcome = read(server, "read", 700);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::timeout);
  EXPECT_GE(clock_.monotonic() - began, 700ms);
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
}

TEST_P(ArrivingTest, without_an_answer_there_is_an_error_and_no_stream) {
  PartsServer server([](const std::string&, PartsAnswer&) {});
  CallOutcome outcome = read(server, "read");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  source_.connection.allow_private_network = false;
  outcome = read(server, "read");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::denied);
}

}  // namespace
}  // namespace trv::plugin_host
