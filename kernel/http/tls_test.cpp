// What the server promises to clients over TLS.
#include "kernel/http/tls.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"
#include "kernel/http/testing/test_authority.hpp"
#include "kernel/http/testing/tls_client.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view hello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

class Tls : public testing::Test {
 protected:
  Tls() { ::signal(SIGPIPE, SIG_IGN); }

  void serve(ServerOptions options = {}) {
    options.tls = [this] { return TlsContext::for_clients(identity_); };
    Router router;
    router.route("GET", "/hello", [](const Request&, Responder responder) { responder.send(text(200, "hello")); });
    router.route(
        "POST", "/echo",
        [](const Request& request, Responder responder) { responder.send(text(200, std::string(request.body()))); },
        {.body_bytes_max = 8'000'000});
    router.route("GET", "/who", [](const Request& request, Responder responder) {
      std::string names;
      for (const std::string& name : request.certificate_names()) names += name + "\n";
      responder.send(text(200, names));
    });
    router.route("GET", "/parts", [this](const Request&, Responder responder) {
      Response head;
      head.content_type = "text/plain";
      parts_.set_value(responder.parts(std::move(head)));
    });
    running_ = std::make_unique<RunningServer>(std::move(router), std::move(options));
  }
  [[nodiscard]] std::uint16_t port() const { return running_->port(); }
  static Hello with(int version) { return {.version = version}; }

  TestAuthority authority_;
  TlsIdentity identity_ = authority_.issue();
  std::promise<PartStream> parts_;
  std::unique_ptr<RunningServer> running_;
};

TEST_F(Tls, a_connection_is_kept_and_serves_many_requests) {
  serve();
  TlsClient client(port(), {.trusts = authority_.certificate()});
  ASSERT_TRUE(client.connected());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(hello));
    EXPECT_NE(client.read_until("hello").find("200 OK"), std::string::npos);
  }
  ASSERT_TRUE(client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(client.read_all().find("200 OK"), std::string::npos);
  EXPECT_TRUE(client.ended_in_order());
}

TEST_F(Tls, large_bodies_go_both_ways_whole) {
  serve();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(port(), with(version));
    ASSERT_TRUE(client.connected());
    std::string body;
    while (body.size() < 5'000'000) body += std::to_string(body.size()) + ",";
    ASSERT_TRUE(client.send("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                            std::to_string(body.size()) + "\r\n\r\n"));
    ASSERT_TRUE(client.send(body));
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body)) << answer.size() << " bytes came";
  }
}

TEST_F(Tls, versions_below_1_2_and_weak_ciphers_are_refused) {
  serve();
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    EXPECT_FALSE(TlsClient(port(), with(version)).connected()) << version;
  }
  TlsClient second(port(), with(TLS1_2_VERSION));
  ASSERT_TRUE(second.connected());
  EXPECT_TRUE(second.cipher().starts_with("ECDHE-")) << second.cipher();
  TlsClient third(port());
  ASSERT_TRUE(third.connected());
  EXPECT_EQ(third.version(), "TLSv1.3");
}

TEST_F(Tls, http_1_1_is_agreed_on_where_it_is_offered) {
  serve();
  TlsClient both(port(), {.protocols = "\x02h2\x08http/1.1"});
  ASSERT_TRUE(both.connected());
  EXPECT_EQ(both.protocol(), "http/1.1");
  EXPECT_FALSE(TlsClient(port(), {.protocols = "\x02h2"}).connected()) << "it would speak what the server does not";
}

TEST_F(Tls, a_request_without_tls_is_answered_with_what_to_do) {
  serve();
  for (const std::string_view method : {"GET", "POST", "DELETE", "PATCH", "OPTIONS"}) {
    RawClient client(port());
    client.send(std::string(method) + " /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    const RawAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 400) << method;
    EXPECT_EQ(answer.headers.at("content-type"), "text/plain; charset=utf-8");
    EXPECT_NE(answer.body.find("https://"), std::string::npos) << answer.body;
    EXPECT_TRUE(client.closes());
  }
  RawClient noise(port());
  noise.send(std::string(600, '\x16'));
  EXPECT_TRUE(noise.closes());
  EXPECT_NE(running_->log_text().find("is refused: it speaks HTTP without TLS"), std::string::npos);
}

TEST_F(Tls, a_handshake_that_does_not_go_on_ends_as_a_slow_request_does) {
  serve({.request_timeout = 200ms});
  RawClient silent(port());
  RawClient half(port());
  half.send("\x16\x03\x01\x02");
  EXPECT_TRUE(silent.closes(3000));
  EXPECT_TRUE(half.closes(3000));
  TlsClient good(port());
  std::this_thread::sleep_for(400ms);
  ASSERT_TRUE(good.send(hello)) << "it is over, and only idle";
  EXPECT_NE(good.read_until("hello").find("200 OK"), std::string::npos);
}

TEST_F(Tls, a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on) {
  serve();
  TlsClient old(port(), {.trusts = authority_.certificate()});
  ASSERT_TRUE(old.connected());
  identity_ = authority_.issue();
  TlsClient fresh(port(), {.trusts = authority_.certificate()});
  ASSERT_TRUE(fresh.connected());
  EXPECT_NE(fresh.serial(), old.serial());
  ASSERT_TRUE(old.send(hello));
  EXPECT_NE(old.read_until("hello").find("200 OK"), std::string::npos);
}

TEST_F(Tls, a_stop_answers_what_is_under_way_and_ends_the_rest_in_order) {
  serve();
  TlsClient idle(port());
  ASSERT_TRUE(idle.send(hello));
  EXPECT_NE(idle.read_until("hello").find("200 OK"), std::string::npos);
  TlsClient busy(port());
  ASSERT_TRUE(busy.send("GET /parts HTTP/1.1\r\nHost: x\r\n\r\n"));
  PartStream stream = parts_.get_future().get();
  stream.write("first ");
  auto stopped = std::async(std::launch::async, [this] { running_->server().stop(10s); });
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.ended_in_order());
  stream.write("last");
  stream.close();
  const std::string answer = busy.read_all();
  EXPECT_NE(answer.find("last\r\n0\r\n\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(busy.ended_in_order());
}

TEST_F(Tls, no_request_on_a_new_connection_is_lost_between_two_servers) {
  const LoopbackListener listener;
  const auto begin = [&] {
    serve({.listening_socket = ::fcntl(listener.socket(), F_DUPFD_CLOEXEC, 0), .opens_at_start = false});
    running_->server().open();
  };
  begin();
  std::atomic<bool> over = false;
  std::atomic<int> answered = 0;
  std::atomic<int> lost = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!over) {
        TlsClient client(listener.port());
        const bool is_answered = client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") &&
                                 client.read_all().find("200 OK") != std::string::npos;
        ++(is_answered ? answered : lost);
      }
    });
  }
  for (int handovers = 0; handovers < 20; ++handovers) {
    const int before = answered;
    while (answered < before + 20) std::this_thread::yield();
    running_->server().stop(5s);
    begin();
  }
  over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(lost, 0) << "of " << answered + lost;
}

TEST_F(Tls, a_handshake_that_is_under_way_at_a_stop_may_still_lead_to_a_request) {
  serve();
  std::future<void> stopped;
  TlsClient client(port(), {.midway = [&] {
                     stopped = std::async(std::launch::async, [this] { running_->server().stop(10s); });
                     std::this_thread::sleep_for(150ms);
                   }});
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.send(hello));
  EXPECT_NE(client.read_all().find("200 OK"), std::string::npos);
}

// In HTTP/1.0 the end of the connection is the end of the body.
TEST_F(Tls, a_body_that_is_cut_does_not_end_in_order) {
  serve();
  TlsClient client(port());
  ASSERT_TRUE(client.send("GET /parts HTTP/1.0\r\nHost: x\r\n\r\n"));
  {
    PartStream stream = parts_.get_future().get();
    stream.write("half");
    client.read_until("half");
    running_->server().stop(0s);
  }
  client.read_all();
  EXPECT_FALSE(client.ended_in_order());
}

TEST_F(Tls, a_certificate_of_the_authority_may_be_shown_and_one_of_another_is_refused) {
  identity_.authority = authority_.certificate();
  serve();
  const auto is_served = [this](const TlsIdentity& shows, int version) {
    TlsClient client(port(), {.shows = shows, .version = version});
    return client.send(hello) && client.read_until("hello").find("200 OK") != std::string::npos;
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_TRUE(is_served({}, version)) << "it is optional";
    EXPECT_TRUE(is_served(authority_.issue({.name = "robot"}), version));
    EXPECT_FALSE(is_served(TestAuthority().issue({.name = "robot"}), version)) << "the same name, another key";
    EXPECT_FALSE(is_served(authority_.issue({.name = "robot", .to = -60s}), version)) << "expired";
  }
  EXPECT_NE(running_->log_text().find("its certificate is refused: "), std::string::npos);
}

TEST_F(Tls, a_handler_sees_by_which_names_a_client_is_known) {
  identity_.authority = authority_.certificate();
  serve();
  const auto names = [this](const TlsIdentity& shows) {
    TlsClient client(port(), {.shows = shows});
    client.send("GET /who HTTP/1.1\r\nHost: x\r\nTravertine-Certificate: cn:boss\r\nConnection: close\r\n\r\n");
    const std::string answer = client.read_all();
    return answer.substr(answer.find("\r\n\r\n") + 4);
  };
  EXPECT_EQ(names({}), "") << "a header of a client says nothing";
  const std::string robot =
      names(authority_.issue({.name = "robot 7", .also = "email:a@b.c,DNS:Host.Example,URI:spiffe://a/b"}));
  EXPECT_TRUE(robot.starts_with("sha256:")) << robot;
  EXPECT_EQ(robot.substr(72), "uri:spiffe://a/b\ndns:host.example\nemail:a@b.c\ncn:robot 7\n");
  const std::string odd = names(authority_.issue({.name = "line\nend", .also = ""}));
  EXPECT_EQ(odd.size(), 72U) << "its fingerprint alone: " << odd;
}

TEST(TlsContext, a_key_of_another_certificate_and_texts_that_are_none_are_refused) {
  const TestAuthority authority;
  TlsIdentity mixed = authority.issue();
  mixed.key = authority.issue().key;
  EXPECT_FALSE(TlsContext::for_clients(mixed));
  TlsIdentity broken = authority.issue();
  broken.certificate += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(TlsContext::for_clients(broken));
  EXPECT_FALSE(TlsContext::for_clients({}));
}

}  // namespace
}  // namespace trv::http
