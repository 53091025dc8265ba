#include "kernel/egress/broker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::TenantId;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view secret_text = "s3cr3t-token";

using TestServer = http::LoopbackServer;

std::string reply(int status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

/// Connections and secrets in memory; one tenant's are not another's.
class FakeSources final : public ConnectionSource, public SecretSource {
 public:
  base::Result<Connection> find(const TenantId& tenant, std::string_view name) override {
    const auto found = connections.find({tenant.value(), std::string(name)});
    if (found == connections.end()) return base::fail(ErrorCode::not_found, "no such connection");
    return found->second;
  }
  base::Result<std::string> reveal(const TenantId&, std::string_view reference) override {
    if (reference != "ref") return base::fail(ErrorCode::not_found, "no such secret");
    return secret;
  }
  std::map<std::pair<std::string, std::string>, Connection> connections;
  std::string secret = std::string(secret_text);
};

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Broker::start({}, sources_, sources_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
  }

  Connection& connect(const std::string& base_url, std::string name = "api") {
    Connection& connection = sources_.connections[{"acme", name}];
    connection = {.tenant = TenantId("acme"),
                  .name = name,
                  .plugin = "tracker",
                  .base_url = base_url,
                  .authentication = {AuthenticationScheme::bearer, "", "", "ref"},
                  .limits = {},
                  .allow_private_network = true};
    return connection;
  }
  static Request get(std::string path = "/", std::string name = "api") {
    Request request;
    request.tenant = TenantId("acme");
    request.plugin = "tracker";
    request.connection = std::move(name);
    request.path = std::move(path);
    return request;
  }
  std::future<base::Result<Response>> send(Request request, RequestId* id = nullptr) {
    auto promise = std::make_shared<std::promise<base::Result<Response>>>();
    auto future = promise->get_future();
    const RequestId given = broker_->send(
        std::move(request), [promise](base::Result<Response> result) { promise->set_value(std::move(result)); });
    if (id != nullptr) *id = given;
    return future;
  }
  ErrorCode refusal(Request request) {
    auto result = send(std::move(request)).get();
    EXPECT_FALSE(result);
    if (result) return ErrorCode::internal;
    EXPECT_THAT(result.error().message(), Not(HasSubstr(secret_text)));
    last_message_ = result.error().message();
    return result.error().code();
  }

  base::SystemClock clock_;
  FakeSources sources_;
  std::string last_message_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(BrokerTest, a_request_has_the_user_agent_and_no_header_that_nobody_asked_for) {
  std::string seen;
  TestServer server([&seen](const std::string& request) {
    seen = request;
    return reply(200, "");
  });
  connect(server.url()).authentication = {};
  const auto sent = [&](Request request) {
    EXPECT_TRUE(send(std::move(request)).get());
    return seen;
  };
  for (const std::string_view method : {"GET", "POST", "DELETE"}) {
    Request request = get();
    request.method = method;
    EXPECT_THAT(sent(request), testing::AllOf(HasSubstr("User-Agent: travertine"), Not(HasSubstr("Content-Type")),
                                              Not(HasSubstr("Expect"))));
    request.body = std::string(900'000, 'b');
    EXPECT_THAT(sent(request), testing::AllOf(HasSubstr("User-Agent: travertine"), Not(HasSubstr("Content-Type")),
                                              Not(HasSubstr("Expect"))))
        << method;
  }
  Request own = get();
  own.headers = {{"User-Agent", "mine/1"}};
  EXPECT_THAT(sent(own), testing::AllOf(HasSubstr("User-Agent: mine/1"), Not(HasSubstr("travertine"))));
}

TEST_F(BrokerTest, a_response_comes_back_with_status_headers_and_body) {
  TestServer server([](const std::string&) { return reply(404, "{\"a\":1}", "X-Limit: 7\r\n"); });
  connect(server.url());
  const auto result = send(get()).get();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->status, 404U);
  EXPECT_EQ(result->body, "{\"a\":1}");
  EXPECT_THAT(result->headers, testing::Contains(Header{"x-limit", "7"}));
  EXPECT_EQ(broker_->metrics().succeeded, 1U);
  EXPECT_EQ(broker_->metrics().in_flight, 0U);
}

TEST_F(BrokerTest, credentials_are_added_by_the_broker_alone) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url() + "/base/");
  ASSERT_TRUE(send(get("/items?q=1")).get());
  connect(server.url()).authentication = {AuthenticationScheme::basic, "me", "", "ref"};
  ASSERT_TRUE(send(get()).get());
  connect(server.url()).authentication = {AuthenticationScheme::header, "", "X-Key", "ref"};
  ASSERT_TRUE(send(get()).get());
  connect(server.url()).authentication = {};
  ASSERT_TRUE(send(get()).get());
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_THAT(requests[0], testing::StartsWith("GET /base/items?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Authorization: Bearer s3cr3t-token\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("Authorization: Basic " + base::to_base64(base::as_bytes("me:s3cr3t-token"))));
  EXPECT_THAT(requests[2], HasSubstr("X-Key: s3cr3t-token\r\n"));
  EXPECT_THAT(requests[2], Not(HasSubstr("Authorization")));
  EXPECT_THAT(requests[3], Not(HasSubstr("s3cr3t")));
}

TEST_F(BrokerTest, method_body_headers_and_idempotency_key_arrive) {
  TestServer server([](const std::string&) { return reply(201, ""); });
  connect(server.url());
  Request request = get("/x");
  request.method = "PATCH";
  request.body = std::string("a\0b", 3);
  request.headers = {{"Accept", "application/json"}, {"X-Empty", ""}};
  request.idempotency_key = "key/2";
  ASSERT_TRUE(send(std::move(request)).get());
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, testing::StartsWith("PATCH /x HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Accept: application/json\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Empty:\r\n"));
  EXPECT_THAT(seen, HasSubstr("Idempotency-Key: key/2\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("urlencoded")));
  EXPECT_TRUE(seen.ends_with(std::string("a\0b", 3)));
}

TEST_F(BrokerTest, head_has_no_body_and_delete_may_have_one) {
  TestServer server([](const std::string& request) {
    return request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : reply(200, "done");
  });
  connect(server.url());
  Request head = get();
  head.method = "HEAD";
  const auto first = send(std::move(head)).get();
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(first->body, "");
  Request remove = get();
  remove.method = "DELETE";
  const auto second = send(std::move(remove)).get();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->body, "done");
}

TEST_F(BrokerTest, a_request_has_nothing_of_the_requests_before_it) {
  TestServer server([](const std::string& request) {
    return request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : reply(200, "done");
  });
  connect(server.url());
  std::vector<std::string> expected;
  // Each behind each other, and behind itself.
  for (const char* const method :
       {"POST", "GET",  "POST", "HEAD",   "POST", "DELETE", "POST",   "POST", "HEAD", "GET", "HEAD", "DELETE",
        "HEAD", "HEAD", "POST", "DELETE", "GET",  "DELETE", "DELETE", "HEAD", "GET",  "GET", "POST"}) {
    Request request = get();
    request.method = method;
    if (request.method == "POST") {
      request.body = "body";
      request.headers = {{"X-Mine", "1"}};
    }
    const auto result = send(std::move(request)).get();
    ASSERT_TRUE(result) << method << ": " << result.error().message();
    EXPECT_EQ(result->body, std::string_view(method) == "HEAD" ? "" : "done");
    expected.emplace_back(method);
  }
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), expected.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool is_post = expected[i] == "POST";
    EXPECT_TRUE(requests[i].starts_with(expected[i] + " / HTTP/1.1\r\n")) << requests[i];
    EXPECT_EQ(requests[i].contains("X-Mine"), is_post) << requests[i];
    EXPECT_EQ(requests[i].contains("Content-Length: 4"), is_post) << requests[i];
    EXPECT_EQ(requests[i].ends_with("\r\n\r\nbody"), is_post) << requests[i];
  }
  EXPECT_EQ(server.sockets_accepted(), 1);
}

TEST_F(BrokerTest, a_host_header_or_an_injected_line_is_refused_before_the_network) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url());
  for (const char* name : {"Authorization", "cookie", "HOST", "Content-Length", "transfer-encoding", "Connection"}) {
    Request request = get();
    request.headers = {{name, "x"}};
    EXPECT_EQ(refusal(std::move(request)), ErrorCode::denied) << name;
  }
  for (const char* value : {"a\r\nX: y", "a\nb", "\x01", "\x7f"}) {
    Request request = get();
    request.headers = {{"X-A", value}};
    EXPECT_EQ(refusal(std::move(request)), ErrorCode::invalid);
  }
  Request with_nul = get();
  with_nul.headers = {{"X-A", std::string("a\0b", 3)}};
  EXPECT_EQ(refusal(std::move(with_nul)), ErrorCode::invalid);
  Request bad_name = get();
  bad_name.headers = {{"X A", "b"}};
  EXPECT_EQ(refusal(std::move(bad_name)), ErrorCode::invalid);
  Request bad_method = get();
  bad_method.method = "GET / HTTP/1.1\r\nX:";
  EXPECT_EQ(refusal(std::move(bad_method)), ErrorCode::invalid);
  Request tunnel = get();
  tunnel.method = "CONNECT";
  EXPECT_EQ(refusal(std::move(tunnel)), ErrorCode::denied);
  Request bad_key = get();
  bad_key.idempotency_key = "a\r\nb";
  EXPECT_EQ(refusal(std::move(bad_key)), ErrorCode::invalid);
  EXPECT_EQ(server.sockets_accepted(), 0);
}

TEST_F(BrokerTest, a_path_cannot_leave_the_base_url) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url() + "/tenant");
  for (const char* path :
       {"",           "x",         "//evil.example/", "@evil.example/", ".evil.example/", ":81/",    "/../admin",
        "/a/../../b", "/%2e%2e/b", "/a/.%2E/b",       "/a%2f..%2fb",    "/..%2fb",        "/..;x/b", "/a/..",
        "/a b",       "/a\r\nb",   "/a\\b",           "/a%5c..",        "/a#b",           "/a%00b",  "/a/./b"}) {
    EXPECT_EQ(refusal(get(path)), ErrorCode::invalid) << path;
  }
  EXPECT_EQ(server.sockets_accepted(), 0);
  for (const char* path : {"/a", "/a/b%2Fc?x=..&y=//z", "/users/@me", "/a..b/..c", "/a//b"}) {
    EXPECT_TRUE(send(get(path)).get()) << path;
  }
}

TEST_F(BrokerTest, a_connection_serves_only_its_plugin_and_its_tenant) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url());
  Request other_plugin = get();
  other_plugin.plugin = "chat";
  EXPECT_EQ(refusal(std::move(other_plugin)), ErrorCode::denied);
  Request workflow = get();
  workflow.plugin = "";
  EXPECT_EQ(refusal(std::move(workflow)), ErrorCode::denied);
  Request other_tenant = get();
  other_tenant.tenant = TenantId("other");
  EXPECT_EQ(refusal(std::move(other_tenant)), ErrorCode::not_found);
  Request by_url = get();
  by_url.connection = "";
  by_url.url = server.url();
  EXPECT_EQ(refusal(std::move(by_url)), ErrorCode::denied);
  EXPECT_EQ(server.sockets_accepted(), 0);
}

TEST_F(BrokerTest, private_addresses_are_refused_unless_allowed) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url()).allow_private_network = false;
  EXPECT_EQ(refusal(get()), ErrorCode::denied);
  EXPECT_THAT(last_message_, HasSubstr("connection 'api'"));
  // A name is judged by the address it leads to.
  std::string by_name = server.url();
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  connect(by_name).allow_private_network = false;
  EXPECT_EQ(refusal(get()), ErrorCode::denied);
  Request by_url;
  by_url.tenant = TenantId("acme");
  by_url.url = server.url() + "/latest/meta-data";
  EXPECT_EQ(refusal(std::move(by_url)), ErrorCode::denied);
  EXPECT_EQ(server.sockets_accepted(), 0);
}

TEST_F(BrokerTest, a_kept_alive_private_connection_is_not_lent_to_who_may_not_use_it) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url(), "inside");
  connect(server.url(), "outside").allow_private_network = false;
  ASSERT_TRUE(send(get("/", "inside")).get());
  EXPECT_EQ(refusal(get("/", "outside")), ErrorCode::denied);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(BrokerTest, an_absolute_url_needs_no_connection_and_gets_no_credentials) {
  TestServer server([](const std::string&) { return reply(200, "ok"); });
  auto open = Broker::start({.allow_private_network = true}, sources_, sources_, clock_);
  ASSERT_TRUE(open);
  broker_ = *std::move(open);
  Request request;
  request.tenant = TenantId("acme");
  request.url = server.url() + "/a?b=c";
  const auto result = send(request).get();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->body, "ok");
  EXPECT_THAT(server.requests().at(0), Not(HasSubstr("Authorization")));
  for (const char* url : {"ftp://a.example/", "file:///etc/passwd", "gopher://a/", "http://u:p@a.example/", "a", "",
                          "http://", "http://a\r\nb/"}) {
    request.url = url;
    EXPECT_EQ(refusal(request), ErrorCode::invalid) << url;
  }
}

TEST_F(BrokerTest, whether_private_addresses_are_reached_can_be_replaced_while_it_runs) {
  TestServer server([](const std::string&) { return reply(200, "ok"); });
  Request request;
  request.tenant = TenantId("acme");
  request.url = server.url() + "/";
  EXPECT_EQ(refusal(request), ErrorCode::denied);
  broker_->allow_private_network(true);
  EXPECT_TRUE(send(request).get());
  broker_->allow_private_network(false);
  EXPECT_EQ(refusal(request), ErrorCode::denied) << "nor over the connection that was kept";
}

TEST_F(BrokerTest, a_redirect_is_returned_and_not_followed) {
  TestServer server([](const std::string&) { return reply(302, "", "Location: http://127.0.0.1:1/else\r\n"); });
  connect(server.url());
  const auto result = send(get()).get();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 302U);
  EXPECT_THAT(result->headers, testing::Contains(Header{"location", "http://127.0.0.1:1/else"}));
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(BrokerTest, body_and_headers_are_capped) {
  TestServer server([](const std::string& request) {
    if (request.starts_with("GET /headers")) return reply(200, "", "X: " + std::string(70'000, 'x') + "\r\n");
    if (request.starts_with("GET /many")) {
      std::string many;
      for (int i = 0; i < 300; ++i) many += "X: y\r\n";
      return reply(200, "", many);
    }
    return reply(200, std::string(request.starts_with("GET /fits") ? 100 : 101, 'b'));
  });
  connect(server.url()).limits.response_bytes_max = 100;
  EXPECT_TRUE(send(get("/fits")).get());
  EXPECT_EQ(refusal(get("/over")), ErrorCode::too_large);
  EXPECT_EQ(refusal(get("/headers")), ErrorCode::too_large);
  EXPECT_EQ(refusal(get("/many")), ErrorCode::too_large);
  Request big = get();
  big.body.assign(request_body_bytes_max + 1, 'x');
  EXPECT_EQ(refusal(std::move(big)), ErrorCode::too_large);
}

TEST_F(BrokerTest, a_silent_server_times_out_and_the_connection_limit_wins_over_the_request) {
  std::promise<void> release;
  auto released = release.get_future().share();
  TestServer server([released](const std::string&) {
    released.wait();
    return reply(200, "");
  });
  connect(server.url()).limits.timeout_ms_max = 50;
  Request request = get();
  request.timeout_ms = 60'000;
  EXPECT_EQ(refusal(std::move(request)), ErrorCode::timeout);
  EXPECT_THAT(last_message_, HasSubstr("50 ms"));
  EXPECT_THAT(last_message_, HasSubstr("127.0.0.1"));
  release.set_value();
}

TEST_F(BrokerTest, a_refused_or_reset_connection_is_unavailable) {
  std::string url;
  {
    TestServer server([](const std::string&) { return std::string(); });
    url = server.url();
    connect(url);
    EXPECT_EQ(refusal(get()), ErrorCode::unavailable);
  }
  EXPECT_EQ(refusal(get()), ErrorCode::unavailable);
  EXPECT_THAT(last_message_, HasSubstr("connection 'api' (host 127.0.0.1)"));
  connect("http://nothing.invalid");
  EXPECT_EQ(refusal(get()), ErrorCode::unavailable);
}

TEST_F(BrokerTest, no_more_than_the_limit_are_on_the_wire_and_the_rest_wait_in_line) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  TestServer server([&](const std::string&) {
    const int mine = ++now;
    int seen = most;
    while (mine > seen && !most.compare_exchange_weak(seen, mine)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    --now;
    return reply(200, "");
  });
  connect(server.url()).limits.concurrency_max = 3;
  std::vector<std::future<base::Result<Response>>> all;
  for (int i = 0; i < 20; ++i) all.push_back(send(get()));
  for (auto& one : all) EXPECT_TRUE(one.get());
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
  EXPECT_EQ(broker_->metrics().waiting, 0U);
}

TEST_F(BrokerTest, a_full_line_is_refused_as_exhausted) {
  std::promise<void> release;
  auto released = release.get_future().share();
  TestServer server([released](const std::string&) {
    released.wait();
    return reply(200, "");
  });
  auto narrow = Broker::start({.waiting_max = 2}, sources_, sources_, clock_);
  ASSERT_TRUE(narrow);
  broker_ = *std::move(narrow);
  connect(server.url()).limits.concurrency_max = 1;
  auto first = send(get());
  auto second = send(get());
  auto third = send(get());
  EXPECT_EQ(refusal(get()), ErrorCode::exhausted);
  release.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_TRUE(third.get());
}

TEST_F(BrokerTest, connections_are_kept_alive) {
  TestServer server([](const std::string&) { return reply(200, "x"); });
  connect(server.url());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(get()).get());
  EXPECT_EQ(server.sockets_accepted(), 1);
  EXPECT_EQ(broker_->metrics().connections_opened, 1U);
  EXPECT_EQ(broker_->metrics().bytes_received, 5U);
}

TEST_F(BrokerTest, a_cancelled_request_ends_at_once_also_in_line) {
  std::promise<void> release;
  auto released = release.get_future().share();
  TestServer server([released](const std::string&) {
    released.wait();
    return reply(200, "");
  });
  connect(server.url()).limits.concurrency_max = 1;
  RequestId first_id = 0;
  RequestId second_id = 0;
  auto first = send(get(), &first_id);
  auto second = send(get(), &second_id);
  broker_->cancel(second_id);
  const auto second_result = second.get();
  ASSERT_FALSE(second_result);
  EXPECT_EQ(second_result.error().code(), ErrorCode::cancelled);
  broker_->cancel(first_id);
  broker_->cancel(first_id);
  EXPECT_EQ(first.get().error().code(), ErrorCode::cancelled);
  release.set_value();
  EXPECT_TRUE(send(get()).get());
}

TEST_F(BrokerTest, stopping_answers_everybody) {
  std::promise<void> release;
  auto released = release.get_future().share();
  TestServer server([released](const std::string&) {
    released.wait();
    return reply(200, "");
  });
  connect(server.url()).limits.concurrency_max = 1;
  auto first = send(get());
  auto second = send(get());
  broker_->stop();
  EXPECT_EQ(first.get().error().code(), ErrorCode::cancelled);
  EXPECT_EQ(second.get().error().code(), ErrorCode::cancelled);
  EXPECT_EQ(send(get()).get().error().code(), ErrorCode::cancelled);
  EXPECT_EQ(broker_->metrics().cancelled, 3U);
  release.set_value();
}

TEST_F(BrokerTest, a_secret_that_cannot_be_a_header_is_refused_without_being_shown) {
  TestServer server([](const std::string&) { return reply(200, ""); });
  connect(server.url());
  sources_.secret = std::string(secret_text) + "\r\nX: y";
  EXPECT_EQ(refusal(get()), ErrorCode::invalid);
  connect(server.url()).authentication.secret_reference = "gone";
  EXPECT_EQ(refusal(get()), ErrorCode::not_found);
  EXPECT_EQ(server.sockets_accepted(), 0);
}

TEST_F(BrokerTest, requests_from_many_threads_all_complete) {
  TestServer server([](const std::string&) { return reply(200, "x"); });
  connect(server.url());
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          if (send(get()).get()) ++done;
        }
      });
    }
  }
  EXPECT_EQ(done, 200);
}

TEST(Connection, a_secret_is_sent_only_where_it_can_be) {
  EXPECT_TRUE(check_user("bot@acme.example"));
  for (const char* user : {"a:b", "a\r\nb", "a\x7f"}) EXPECT_FALSE(check_user(user)) << user;
  EXPECT_TRUE(check_secret_header("X-Api-Key"));
  EXPECT_TRUE(check_secret_header("authorization"));
  for (const char* name : {"", "X Key", "X-Key: a", "Host", "content-length", "X\r\nY"}) {
    const base::Status refused = check_secret_header(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message(), HasSubstr("auth.header"));
  }
}

}  // namespace
}  // namespace trv::egress
