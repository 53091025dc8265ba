// A receiver may be away, slow, or wrong: nobody who exports waits for it, and what is lost is counted.

#include "kernel/otlp/exporter.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <sstream>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/otlp/post.hpp"

namespace trv::otlp {
namespace {

using std::chrono::milliseconds;
constexpr std::string_view traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string answer(int status, const std::string& body = "{}", const std::string& more = "") {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}", status,
                     body.size(), more, body);
}

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

class ExporterTest : public testing::Test {
 protected:
  void begin(const std::string& endpoint, const std::function<void(ExporterOptions&)>& change = {}) {
    ExporterOptions options{.endpoint = endpoint,
                            .headers = {"X-Key: hush"},
                            .from = {.resource = {{"service.name", "travertine"}}, .version = "1"},
                            .interval = milliseconds(20),
                            .retry_first = milliseconds(10),
                            .retry_max = milliseconds(50),
                            .batch_max = 10};
    if (change) change(options);
    auto made = Exporter::make(std::move(options), clock_, random_);
    ASSERT_TRUE(made) << made.error().message();
    exporter_ = *std::move(made);
  }
  void start() {
    exporter_->start(
        [] {
          prometheus::ClientMetric one;
          one.counter.value = 1;
          return telemetry::Metrics{
              .families = {
                  {.name = "a_total", .help = "A.", .type = prometheus::MetricType::Counter, .metric = {one}}}};
        },
        std::make_shared<spdlog::logger>("telemetry", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_)));
  }
  void add_spans(int from, int to) {
    for (int i = from; i < to; ++i) {
      exporter_->add(trace::Span{.context = trace::Context::parse(traceparent)->child(std::to_string(i)),
                                 .name = fmt::format("span-{}-", i)});
    }
  }
  [[nodiscard]] SignalFigures of(Signal signal) const { return exporter_->figures()[static_cast<std::size_t>(signal)]; }
  /// How often a text is in what came to /v1/traces.
  static int times(http::LoopbackServer& server, const std::string& text) {
    int count = 0;
    for (const std::string& request : server.requests()) {
      if (!request.starts_with("POST /v1/traces ")) continue;
      for (std::size_t at = request.find(text); at != std::string::npos; at = request.find(text, at + 1)) ++count;
    }
    return count;
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  std::ostringstream said_;
  std::unique_ptr<Exporter> exporter_;
};

TEST_F(ExporterTest, each_signal_comes_once_to_its_path_with_the_headers) {
  http::LoopbackServer server([](const std::string&) { return answer(200); });
  begin(server.url() + "/");
  add_spans(0, 25);
  const std::vector<logging::Field> fields = {{"tenant", "acme"}, {"call", ""}};
  exporter_->add(logging::Line{.time = base::Timestamp(7),
                               .level = logging::Level::info,
                               .room = "http",
                               .message = "a line",
                               .about = {.fields = fields, .traceparent = traceparent}});
  start();
  ASSERT_TRUE(eventually(
      [&] { return of(Signal::traces).taken == 25 && of(Signal::logs).taken == 1 && of(Signal::metrics).taken >= 1; }));
  exporter_->stop();
  for (int i = 0; i < 25; ++i) EXPECT_EQ(times(server, fmt::format("span-{}-", i)), 1) << i;
  bool has_line = false;
  for (const std::string& request : server.requests()) {
    EXPECT_NE(request.find("X-Key: hush\r\n"), std::string::npos);
    EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_EQ(request.find("Expect:"), std::string::npos);
    has_line = has_line || (request.starts_with("POST /v1/logs ") && request.find("\"a line\"") != std::string::npos &&
                            request.find("acme") != std::string::npos);
  }
  EXPECT_TRUE(has_line);
  EXPECT_EQ(server.sockets_accepted(), 1) << "the connection is kept";
  EXPECT_EQ(said_.str(), "");
}

TEST_F(ExporterTest, nobody_waits_for_a_slow_receiver_and_the_oldest_go) {
  std::atomic<bool> holds = true;
  std::atomic<int> came = 0;
  http::LoopbackServer server([&](const std::string&) {
    ++came;
    while (holds) std::this_thread::sleep_for(milliseconds(1));
    return answer(200);
  });
  begin(server.url(), [](ExporterOptions& options) { options.queue_max = 100; });
  add_spans(0, 10);
  start();
  ASSERT_TRUE(eventually([&] { return came > 0; }));
  add_spans(10, 1010);  // returns while the receiver holds the only request
  EXPECT_EQ(of(Signal::traces).taken, 0U);
  EXPECT_EQ(of(Signal::traces).overflow, 900U);
  holds = false;
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 110; }));
  EXPECT_EQ(times(server, "span-909-"), 0);
  EXPECT_EQ(times(server, "span-910-"), 1);
}

TEST_F(ExporterTest, a_receiver_that_is_away_gets_everything_once_when_it_is_back) {
  std::atomic<bool> is_away = true;
  http::LoopbackServer server([&](const std::string&) { return is_away ? std::string() : answer(200); });
  begin(server.url());
  add_spans(0, 30);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).failures >= 3; }));
  EXPECT_EQ(of(Signal::traces).taken, 0U);
  is_away = false;
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 30; }));
  EXPECT_EQ(of(Signal::traces).overflow, 0U);
  exporter_->stop();
  EXPECT_NE(said_.str().find("traces are not taken by"), std::string::npos) << said_.str();
  EXPECT_NE(said_.str().find("traces are taken by"), std::string::npos) << said_.str();
  EXPECT_EQ(said_.str().find("traces are not taken"), said_.str().rfind("traces are not taken")) << "one line";
}

TEST_F(ExporterTest, retry_after_is_waited_for) {
  std::atomic<int> came = 0;
  std::atomic<std::int64_t> first = 0;
  std::atomic<std::int64_t> second = 0;
  http::LoopbackServer server([&](const std::string& request) {
    if (!request.starts_with("POST /v1/traces ")) return answer(200);
    const std::int64_t now = base::SystemClock().monotonic().count();
    if (++came == 1) {
      first = now;
      return answer(429, "{}", "Retry-After: 1\r\n");
    }
    second = now;
    return answer(200);
  });
  begin(server.url());
  add_spans(0, 5);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 5; }));
  EXPECT_GE(second - first, std::chrono::nanoseconds(std::chrono::seconds(1)).count());
  EXPECT_EQ(came, 2);
  EXPECT_EQ(of(Signal::traces).failures, 1U);
}

TEST_F(ExporterTest, each_status_that_asks_to_wait_is_tried_again_and_no_other) {
  for (const int status : {429, 502, 503, 504}) EXPECT_EQ(meaning_of(status, "").verdict, Verdict::later) << status;
  for (const int status : {301, 307, 400, 401, 404, 408, 413, 500, 501}) {
    EXPECT_EQ(meaning_of(status, "").verdict, Verdict::refused) << status;
  }
}

TEST_F(ExporterTest, what_is_refused_is_dropped_counted_and_not_sent_again) {
  http::LoopbackServer server([](const std::string& request) {
    return request.starts_with("POST /v1/traces ") ? answer(400, R"({"message":"no\u0001 such"})") : answer(200);
  });
  begin(server.url());
  add_spans(0, 5);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).refused == 5 && of(Signal::metrics).taken >= 3; }));
  exporter_->stop();
  EXPECT_EQ(times(server, "span-0-"), 1);
  EXPECT_EQ(of(Signal::traces).taken, 0U);
  EXPECT_NE(said_.str().find("it answered 400"), std::string::npos) << said_.str();
}

TEST_F(ExporterTest, a_partial_success_is_never_sent_again) {
  http::LoopbackServer server([](const std::string& request) {
    if (!request.starts_with("POST /v1/traces ")) return answer(200);
    return answer(200, R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}})");
  });
  begin(server.url());
  add_spans(0, 5);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 3 && of(Signal::metrics).taken >= 3; }));
  exporter_->stop();
  EXPECT_EQ(of(Signal::traces).refused, 2U);
  EXPECT_EQ(times(server, "span-0-"), 1);
  EXPECT_NE(said_.str().find("too old"), std::string::npos) << said_.str();
}

TEST_F(ExporterTest, garbage_and_huge_answers_do_no_harm) {
  std::atomic<int> came = 0;
  http::LoopbackServer server([&](const std::string& request) {
    if (!request.starts_with("POST /v1/traces ")) return answer(200);
    switch (++came) {
      case 1: return std::string("\x01\x02 not HTTP\r\n\r\nConnection: close\r\n");
      case 2: return answer(200, "<html>log in</html>");
      case 3: return answer(200, std::string(answer_bytes_max + 1, 'x'));
      default: return answer(200);
    }
  });
  begin(server.url());
  add_spans(0, 5);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 5; })) << "the second answer says 200";
  EXPECT_EQ(of(Signal::traces).failures, 1U);
  add_spans(5, 10);
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).refused == 5; }));
  add_spans(10, 15);
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).taken == 10; }));
  EXPECT_EQ(times(server, "span-5-"), 1) << "it may have been taken";
}

TEST_F(ExporterTest, redirects_are_not_followed) {
  http::LoopbackServer other([](const std::string&) { return answer(200); });
  http::LoopbackServer server(
      [&](const std::string&) { return answer(307, "", "Location: " + other.url() + "/v1/traces\r\n"); });
  begin(server.url());
  add_spans(0, 1);
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::traces).refused == 1; }));
  exporter_->stop();
  EXPECT_TRUE(other.requests().empty()) << "the headers are for one host";
}

TEST_F(ExporterTest, a_stop_sends_what_is_left) {
  http::LoopbackServer server([](const std::string&) { return answer(200); });
  begin(server.url(), [](ExporterOptions& options) { options.interval = std::chrono::hours(1); });
  start();
  ASSERT_TRUE(eventually([&] { return of(Signal::metrics).taken >= 1; }));
  add_spans(0, 15);
  exporter_->stop();
  EXPECT_EQ(of(Signal::traces).taken, 15U);
}

TEST_F(ExporterTest, a_stop_does_not_wait_for_a_receiver_that_hangs) {
  std::atomic<bool> holds = true;
  http::LoopbackServer server([&](const std::string&) {
    while (holds) std::this_thread::sleep_for(milliseconds(1));
    return answer(200);
  });
  begin(server.url(), [](ExporterOptions& options) {
    options.stop_max = milliseconds(50);
    options.request_max = std::chrono::hours(1);
  });
  add_spans(0, 15);
  start();
  ASSERT_TRUE(eventually([&] { return server.sockets_accepted() > 0; }));
  exporter_->stop();  // the receiver still holds the request
  holds = false;
  EXPECT_EQ(of(Signal::traces).taken, 0U);
  EXPECT_EQ(of(Signal::traces).overflow, 15U);
}

TEST_F(ExporterTest, an_endpoint_that_is_no_url_is_refused) {
  const auto made = Exporter::make({.endpoint = "collector:4318"}, clock_, random_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "'collector:4318' is not a URL of http or https; write https://HOST:4318");
}

}  // namespace
}  // namespace trv::otlp
