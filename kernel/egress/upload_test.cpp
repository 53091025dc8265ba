// Bodies that are written while they are sent.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>

#include "kernel/egress/broker.hpp"
#include "kernel/http/testing/parts_server.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::TenantId;
using http::PartsAnswer;
using http::PartsBody;
using http::PartsServer;
using testing::HasSubstr;
using testing::Not;

constexpr auto patience = std::chrono::seconds(60);
constexpr std::string_view taken_answer = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\ntaken";

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

std::string letters(std::uint64_t from, std::uint64_t count) {
  std::string text(count, ' ');
  for (std::uint64_t at = 0; at < count; ++at) text[at] = static_cast<char>('a' + (from + at) % 23);
  return text;
}

/// Writes under leave, as a plugin's host does.
class Writer {
 public:
  explicit Writer(std::optional<std::uint64_t> length)
      : body(std::make_shared<DepartingBody>(length, DepartingBody::Writer{.taken =
                                                                               [this](std::uint64_t count) {
                                                                                 const std::lock_guard lock(mutex_);
                                                                                 taken_ += count;
                                                                                 changed_.notify_all();
                                                                               },
                                                                           .over =
                                                                               [this] {
                                                                                 const std::lock_guard lock(mutex_);
                                                                                 EXPECT_FALSE(is_over_);
                                                                                 is_over_ = true;
                                                                                 changed_.notify_all();
                                                                               }})) {}
  /// False: no more is taken.
  bool write(std::uint64_t count) {
    for (const std::uint64_t end = written_ + count; written_ < end;) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, patience, [&] { return is_over_ || written_ - taken_ < stream_room_bytes; }) ||
          is_over_) {
        return false;
      }
      const std::uint64_t size = std::min({end - written_, stream_room_bytes - (written_ - taken_), stream_part_bytes});
      lock.unlock();
      body->write(letters(written_, size));
      written_ += size;
    }
    return true;
  }
  std::uint64_t taken() {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  bool is_over(std::chrono::milliseconds within = patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return is_over_; });
  }

  const std::shared_ptr<DepartingBody> body;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t written_ = 0;
  std::uint64_t taken_ = 0;
  bool is_over_ = false;
};

class BrokerUpload : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Broker::start({}, source_, source_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
  }
  std::future<base::Result<Response>> send(const PartsServer& server, Writer& writer, std::string method = "PUT",
                                           std::uint64_t timeout_ms = 0) {
    source_.connection.base_url = server.url();
    Request request;
    request.tenant = TenantId("acme");
    request.plugin = "tracker";
    request.connection = "api";
    request.method = std::move(method);
    request.timeout_ms = timeout_ms;
    request.departing = writer.body;
    auto answered = std::make_shared<std::promise<base::Result<Response>>>();
    auto answer = answered->get_future();
    broker_->send(std::move(request),
                  [answered](base::Result<Response> result) { answered->set_value(std::move(result)); });
    return answer;
  }

  base::SystemClock clock_;
  OneConnection source_;
  std::unique_ptr<Broker> broker_;
};

/// Answers once it has all; says what it saw.
class Taking {
 public:
  void operator()(const std::string& request, PartsAnswer& answer) {
    head = request.substr(0, request.find("\r\n\r\n"));
    PartsBody body(request, answer);
    bool is_same = true;
    for (std::string bytes = body.next(); !bytes.empty(); bytes = body.next()) {
      is_same = is_same && bytes == letters(count, bytes.size());
      count += bytes.size();
    }
    is_as_sent = is_same && body.is_whole();
    if (body.is_whole()) answer.send(taken_answer);
  }
  std::string head;
  std::uint64_t count = 0;
  bool is_as_sent = false;
};

TEST_F(BrokerUpload, a_body_of_known_length_is_sent_as_it_is_written) {
  Taking taking;
  {
    PartsServer server(std::ref(taking));
    Writer writer(20'000'000);
    auto answer = send(server, writer);
    ASSERT_TRUE(writer.write(20'000'000));
    writer.body->end();
    const auto response = answer.get();
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 201U);
    EXPECT_EQ(response->body, "taken");
    EXPECT_FALSE(writer.is_over(std::chrono::milliseconds(0))) << "all of it was taken";
  }
  EXPECT_TRUE(taking.is_as_sent);
  EXPECT_EQ(taking.count, 20'000'000U);
  EXPECT_THAT(taking.head, HasSubstr("PUT / HTTP/1.1"));
  EXPECT_THAT(taking.head, HasSubstr("Content-Length: 20000000"));
  EXPECT_THAT(taking.head, Not(HasSubstr("Expect")));
  EXPECT_EQ(broker_->metrics().bytes_sent, 20'000'000U);
}

TEST_F(BrokerUpload, without_a_length_it_is_sent_in_chunks_also_where_it_pauses_or_is_empty) {
  for (const std::uint64_t count : {std::uint64_t{3'000'001}, std::uint64_t{0}}) {
    Taking taking;
    {
      PartsServer server(std::ref(taking));
      Writer writer(std::nullopt);
      auto answer = send(server, writer, "POST");
      ASSERT_TRUE(writer.write(count / 2));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      ASSERT_TRUE(writer.write(count - count / 2));
      writer.body->end();
      const auto response = answer.get();
      ASSERT_TRUE(response) << response.error().message();
    }
    EXPECT_TRUE(taking.is_as_sent);
    EXPECT_EQ(taking.count, count);
    EXPECT_THAT(taking.head, HasSubstr("POST / HTTP/1.1"));
    EXPECT_THAT(taking.head, HasSubstr("Transfer-Encoding: chunked"));
  }
}

TEST_F(BrokerUpload, a_service_that_answers_early_ends_the_writing_and_is_heard) {
  for (const std::string_view more : {"", "Connection: close\r\n"}) {
    PartsServer server([more](const std::string&, PartsAnswer& answer) {
      answer.send("HTTP/1.1 413 Too Large\r\n" + std::string(more) + "Content-Length: 3\r\n\r\nbig");
      static_cast<void>(answer.client_is_gone());
    });
    Writer writer(1'000'000'000);
    auto answer = send(server, writer);
    writer.write(1);  // and no more: the plugin may have nothing to write
    const auto response = answer.get();
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 413U);
    EXPECT_EQ(response->body, "big");
    EXPECT_TRUE(writer.is_over());
    EXPECT_FALSE(writer.write(10'000'000));
  }
}

TEST_F(BrokerUpload, a_service_that_does_not_read_stops_the_writer) {
  std::promise<void> reads;
  Taking taking;
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    reads.get_future().wait();
    taking(request, answer);
  });
  Writer writer(50'000'000);
  auto answer = send(server, writer);
  std::jthread writing([&] {
    writer.write(50'000'000);
    writer.body->end();
  });
  std::uint64_t before = 0;
  for (int same = 0; same < 20;) {
    const std::uint64_t now = writer.taken();
    same = now == before && now > 0 ? same + 1 : 0;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(before, 25'000'000U) << "what the system holds, and no more";
  reads.set_value();
  EXPECT_TRUE(answer.get());
  EXPECT_EQ(taking.count, 50'000'000U);
}

TEST_F(BrokerUpload, a_service_that_is_cut_fails_the_request_which_is_not_sent_again) {
  std::atomic<int> requests = 0;
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    ++requests;
    PartsBody body(request, answer);
    static_cast<void>(body.next());
  });
  Writer writer(50'000'000);
  auto answer = send(server, writer);
  EXPECT_FALSE(writer.write(50'000'000));
  const auto response = answer.get();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(requests, 1);
}

TEST_F(BrokerUpload, a_body_that_is_shorter_than_its_length_fails_the_request) {
  PartsServer server([&](const std::string& request, PartsAnswer& answer) { Taking()(request, answer); });
  Writer writer(1'000);
  auto answer = send(server, writer);
  writer.write(999);
  writer.body->end();
  const auto response = answer.get();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::invalid);
  EXPECT_THAT(response.error().message(), HasSubstr("the body has 999 bytes, and its length was given as 1000"));
}

TEST_F(BrokerUpload, time_is_for_no_progress_and_not_for_the_whole) {
  Taking taking;
  PartsServer server(std::ref(taking));
  {
    Writer writer(std::nullopt);
    auto answer = send(server, writer, "PUT", 300);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(writer.write(10));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    writer.body->end();
    const auto response = answer.get();
    ASSERT_TRUE(response) << response.error().message();
  }
  Writer silent(std::nullopt);
  auto answer = send(server, silent, "PUT", 300);
  ASSERT_TRUE(silent.write(10));
  const auto response = answer.get();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::timeout);
  EXPECT_TRUE(silent.is_over());
}

TEST_F(BrokerUpload, what_has_no_body_takes_none_in_parts) {
  PartsServer server([](const std::string&, PartsAnswer&) {});
  Writer writer(std::nullopt);
  const auto response = send(server, writer, "GET").get();
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message(), HasSubstr("a body in parts is for methods that have one; the method is GET"));
}

}  // namespace
}  // namespace trv::egress
