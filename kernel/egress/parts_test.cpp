#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "kernel/egress/arriving_parts.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/http/testing/parts_server.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::TenantId;
using http::PartsAnswer;
using http::PartsServer;
using testing::HasSubstr;

constexpr auto patience = std::chrono::seconds(60);

class OneConnection final : public ConnectionSource, public SecretSource {
 public:
  base::Result<Connection> find(const TenantId&, std::string_view) override { return connection; }
  base::Result<std::string> reveal(const TenantId&, std::string_view) override { return "secret"; }
  Connection connection = {.tenant = TenantId("acme"),
                           .name = "api",
                           .plugin = "tracker",
                           .base_url = {},
                           .authentication = {},
                           .limits = {},
                           .allow_private_network = true};
};

/// Keeps what comes, and waits for it.
class Received final : public PartReceiver {
 public:
  void head(Response head) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(head_.has_value());
    EXPECT_EQ(bytes_, 0U);
    EXPECT_FALSE(end_.has_value());
    head_ = std::move(head);
    changed_.notify_all();
  }
  void part(std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(head_.has_value());
    EXPECT_FALSE(end_.has_value());
    EXPECT_FALSE(bytes.empty());
    EXPECT_LE(bytes.size(), stream_part_bytes);
    if (is_as_sent_ && bytes != body(bytes_, bytes.size())) {
      ADD_FAILURE() << "not as it was sent, from byte " << bytes_;
      is_as_sent_ = false;
    }
    bytes_ += bytes.size();
    changed_.notify_all();
  }
  void end(base::Status status) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(end_.has_value());
    end_ = std::move(status);
    changed_.notify_all();
  }

  /// What the bodies of these tests are.
  static char expected(std::uint64_t at) { return static_cast<char>('a' + at % 23); }
  static std::string body(std::uint64_t from, std::uint64_t count) {
    std::string bytes(count, ' ');
    for (std::uint64_t at = 0; at < count; ++at) bytes[at] = expected(from + at);
    return bytes;
  }

  Response wait_head() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, patience, [&] { return head_ || end_; }));
    EXPECT_TRUE(head_.has_value());
    return head_.value_or(Response{});
  }
  bool wait_bytes(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return bytes_ >= count || end_; }) && bytes_ >= count;
  }
  base::Status wait_end() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, patience, [&] { return end_.has_value(); }));
    return end_.value_or(base::fail(ErrorCode::internal, "no end came"));
  }
  bool has_head() {
    const std::lock_guard lock(mutex_);
    return head_.has_value();
  }
  bool has_ended() {
    const std::lock_guard lock(mutex_);
    return end_.has_value();
  }
  std::uint64_t bytes() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Response> head_;
  std::uint64_t bytes_ = 0;
  bool is_as_sent_ = true;
  std::optional<base::Status> end_;
};

class BrokerParts : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Broker::start({}, source_, source_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
  }
  Request get(const PartsServer& server) {
    source_.connection.base_url = server.url();
    Request request;
    request.tenant = TenantId("acme");
    request.plugin = "tracker";
    request.connection = "api";
    return request;
  }
  RequestId send(Request request) { return broker_->send_in_parts(std::move(request), received_); }

  base::SystemClock clock_;
  OneConnection source_;
  std::shared_ptr<Received> received_ = std::make_shared<Received>();
  std::unique_ptr<Broker> broker_;
};

TEST_F(BrokerParts, head_and_parts_are_there_before_the_rest_is_sent) {
  std::promise<void> head_seen;
  std::promise<void> part_seen;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send("HTTP/1.1 103 Early Hints\r\nLink: none\r\n\r\n");
    answer.send("HTTP/1.1 404 Gone\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    head_seen.get_future().wait();
    answer.send_chunk(Received::body(0, 10));
    part_seen.get_future().wait();
    answer.send_chunk(Received::body(10, 5));
    answer.send("0\r\nX-Trailer: late\r\n\r\n");
  });
  send(get(server));
  const Response head = received_->wait_head();
  EXPECT_EQ(head.status, 404U);
  EXPECT_EQ(head.body, "");
  EXPECT_THAT(head.headers, testing::Contains(Header{"x-a", "b"}));
  EXPECT_THAT(head.headers, testing::Not(testing::Contains(Header{"link", "none"})));
  EXPECT_EQ(received_->bytes(), 0U);
  head_seen.set_value();
  EXPECT_TRUE(received_->wait_bytes(10));
  EXPECT_FALSE(received_->has_ended());
  part_seen.set_value();
  EXPECT_TRUE(received_->wait_end());
  EXPECT_EQ(received_->bytes(), 15U);
  EXPECT_EQ(broker_->metrics().succeeded, 1U);
  EXPECT_EQ(broker_->metrics().bytes_received, 15U);
  EXPECT_EQ(broker_->metrics().in_flight, 0U);
}

TEST_F(BrokerParts, no_more_comes_than_was_taken_and_the_server_has_to_wait) {
  constexpr std::uint64_t all = 50'000'000;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(all) + "\r\n\r\n");
    // A multiple of the pattern, so that each piece is the same.
    const std::string piece = Received::body(0, 23 * 10'000);
    for (std::uint64_t sent = 0; sent < all; sent += piece.size()) {
      if (!answer.send(std::string_view(piece).substr(0, all - sent))) return;
    }
  });
  const RequestId id = send(get(server));
  ASSERT_TRUE(received_->wait_bytes(stream_room_bytes));
  // What the system keeps of a socket's bytes has a bound of its own, far below the whole.
  std::uint64_t before = 0;
  for (int same = 0; same < 10;) {
    const std::uint64_t now = server.bytes_sent();
    same = now == before ? same + 1 : 0;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(before, all / 2);
  EXPECT_EQ(received_->bytes(), stream_room_bytes);
  EXPECT_FALSE(received_->has_ended());
  // Exactly what is taken comes, also where it ends within what was read.
  broker_->take(id, 1);
  broker_->take(id, 6);
  ASSERT_TRUE(received_->wait_bytes(stream_room_bytes + 7));
  broker_->take(id, 100'000);
  ASSERT_TRUE(received_->wait_bytes(stream_room_bytes + 100'007));
  broker_->take(id, 1);
  ASSERT_TRUE(received_->wait_bytes(stream_room_bytes + 100'008));
  EXPECT_EQ(received_->bytes(), stream_room_bytes + 100'008);
  // More at once than a stream may hold is forgotten.
  broker_->take(id, all);
  ASSERT_TRUE(received_->wait_bytes(2 * stream_room_bytes + 100'008));
  for (std::uint64_t leave = 2 * stream_room_bytes + 100'008; leave < all;) {
    const std::uint64_t more = received_->bytes() + 200'000 - leave;
    broker_->take(id, more);
    leave += more;
    ASSERT_TRUE(received_->wait_bytes(std::min(all, leave)));
    EXPECT_LE(received_->bytes(), leave);
  }
  EXPECT_TRUE(received_->wait_end());
  EXPECT_EQ(received_->bytes(), all);
}

TEST_F(BrokerParts, an_answer_that_was_cut_ends_with_an_error) {
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    answer.send(request.contains("/length") ? "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" : http::chunked_head);
    answer.send(request.contains("/length") ? "abc" : "3\r\nabc\r\n");
  });
  for (const char* path : {"/length", "/chunked"}) {
    received_ = std::make_shared<Received>();
    Request request = get(server);
    request.path = path;
    send(std::move(request));
    const base::Status end = received_->wait_end();
    ASSERT_FALSE(end) << path;
    EXPECT_EQ(end.error().code(), ErrorCode::unavailable);
    EXPECT_THAT(end.error().message(), HasSubstr("connection 'api'"));
    EXPECT_EQ(received_->bytes(), 3U);
  }
  EXPECT_EQ(broker_->metrics().unavailable, 2U);
}

TEST_F(BrokerParts, without_a_head_there_is_only_an_error) {
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    if (request.contains("/silent")) answer.client_is_gone();
    if (request.contains("/status")) answer.send("HTTP/1.1 999 Odd\r\n\r\n");
    if (request.contains("/header")) answer.send("HTTP/1.1 200 OK\r\n no header\r\n\r\n");
    if (request.contains("/large")) answer.send("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n");
  });
  const auto error = [&](const std::string& path, std::uint64_t timeout_ms = 0) {
    received_ = std::make_shared<Received>();
    Request request = get(server);
    request.path = path;
    request.timeout_ms = timeout_ms;
    send(std::move(request));
    const base::Status end = received_->wait_end();
    EXPECT_FALSE(received_->has_head()) << path;
    return end ? ErrorCode::internal : end.error().code();
  };
  EXPECT_EQ(error("/silent", 20), ErrorCode::timeout);
  EXPECT_EQ(error("/status"), ErrorCode::unavailable);
  EXPECT_EQ(error("/header"), ErrorCode::unavailable);
  EXPECT_EQ(error("/large"), ErrorCode::too_large);
  EXPECT_EQ(error("/../away"), ErrorCode::invalid);
  source_.connection.allow_private_network = false;
  EXPECT_EQ(error("/"), ErrorCode::denied);
}

TEST_F(BrokerParts, the_time_is_that_until_the_head) {
  std::promise<void> go_on;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send(http::chunked_head);
    go_on.get_future().wait();
    answer.send("0\r\n\r\n");
  });
  Request request = get(server);
  source_.connection.limits.timeout_ms_max = 500;
  const auto began = clock_.monotonic();
  send(std::move(request));
  static_cast<void>(received_->wait_head());
  while (clock_.monotonic() - began < std::chrono::milliseconds(700)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  go_on.set_value();
  EXPECT_TRUE(received_->wait_end());
}

TEST_F(BrokerParts, a_cancelled_stream_ends_and_its_connection_is_closed) {
  std::promise<bool> gone;
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send(http::chunked_head);
    gone.set_value(answer.client_is_gone());
  });
  const RequestId id = send(get(server));
  static_cast<void>(received_->wait_head());
  broker_->cancel(id);
  const base::Status end = received_->wait_end();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::cancelled);
  EXPECT_TRUE(gone.get_future().get());
  broker_->take(id, 1);
  broker_->cancel(id);
}

TEST_F(BrokerParts, stopping_ends_a_stream_that_waits_for_leave) {
  PartsServer server([&](const std::string&, PartsAnswer& answer) {
    answer.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n");
    answer.send(Received::body(0, 9'000'000));
  });
  send(get(server));
  ASSERT_TRUE(received_->wait_bytes(stream_room_bytes));
  broker_->stop();
  EXPECT_EQ(received_->wait_end().error().code(), ErrorCode::cancelled);
  received_ = std::make_shared<Received>();
  send(get(server));
  EXPECT_EQ(received_->wait_end().error().code(), ErrorCode::cancelled);
}

TEST_F(BrokerParts, an_answer_without_a_body_is_a_head_and_an_end) {
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    answer.send(request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                                            : "HTTP/1.1 204 No\r\n\r\n");
  });
  for (const char* method : {"HEAD", "GET"}) {
    received_ = std::make_shared<Received>();
    Request request = get(server);
    request.method = method;
    send(std::move(request));
    EXPECT_TRUE(received_->wait_end()) << method;
    EXPECT_TRUE(received_->has_head());
  }
}

/// Counts, and nothing else.
class Counted final : public PartReceiver {
 public:
  void head(Response) override {}
  void part(std::string_view bytes) override { count += bytes.size(); }
  void end(base::Status) override {}
  std::uint64_t count = 0;
};

TEST(ArrivingParts, a_body_over_its_limit_is_refused) {
  const auto counted = std::make_shared<Counted>();
  ArrivingParts parts(counted);
  parts.head({.status = 200, .headers = {}, .body = {}});
  const std::string piece(stream_part_bytes, 'x');
  for (std::uint64_t at = 0; at < stream_bytes_max; at += piece.size()) {
    ASSERT_EQ(parts.accept(piece), ArrivingParts::Taken::all);
    EXPECT_FALSE(parts.take(piece.size())) << "nothing waits";
  }
  EXPECT_EQ(counted->count, stream_bytes_max);
  EXPECT_EQ(parts.accept("x"), ArrivingParts::Taken::too_large);
}

TEST_F(BrokerParts, what_a_mail_server_answers_is_whole) {
  PartsServer server([](const std::string&, PartsAnswer&) {});
  Request request = get(server);
  source_.connection.base_url.replace(0, 4, "smtp");
  request.method = "MAIL";
  request.headers = {{"Mail-From", "a@b.example"}, {"Rcpt-To", "c@d.example"}};
  request.body = "x\r\n";
  send(std::move(request));
  const base::Status end = received_->wait_end();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::invalid);
}

}  // namespace
}  // namespace trv::egress
