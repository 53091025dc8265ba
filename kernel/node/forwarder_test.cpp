// Requests that one node sends on to another: who is let in, and what arrives.
#include "kernel/node/forwarder.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <sstream>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"
#include "kernel/http/testing/test_authority.hpp"
#include "kernel/http/testing/tls_client.hpp"
#include "kernel/node/certificates.hpp"
#include "kernel/node/passed_answer.hpp"

namespace trv::node {
namespace {

using http::RawAnswer;
using http::RawClient;
using http::RunningServer;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t body_bytes = std::size_t{5} << 20;

class Forwarding : public testing::Test {
 protected:
  Forwarding() {
    ::signal(SIGPIPE, SIG_IGN);  // as travd does
    curl_global_init(CURL_GLOBAL_DEFAULT);
  }

  static base::Digest key(std::string_view cluster) { return base::sha256(base::as_bytes(cluster)); }
  Forwarder::Identity certificates(const std::string& cluster = "ours", const std::string& host = "127.0.0.1") {
    return identity(std::make_shared<Certificates>(key(cluster), cluster, "node-1", host, clock_));
  }
  Forwarder::Identity certificates_of(base::Duration ago) {
    const auto clock = std::make_shared<base::SimulatedClock>(clock_.now() + -ago);
    const auto made = std::make_shared<Certificates>(key("ours"), "ours", "node-1", "127.0.0.1", *clock);
    return [clock, made] { return made->identity(); };
  }
  static Forwarder::Identity identity(std::shared_ptr<Certificates> made) {
    return [made = std::move(made)] { return made->identity(); };
  }

  /// A node that owns every shard; says what it was asked.
  std::unique_ptr<RunningServer> owner(Forwarder::Identity identity) {
    http::Router router;
    const auto say = [this](const http::Request& request, http::Responder responder) {
      ++asked_;
      responder.send(http::text(
          200, fmt::format("{} from {} {} {} {} {}", request.method(), request.remote_address(),
                           request.is_from_node() ? "node" : "client", request.header(forwarded_header).value_or("-"),
                           request.header("Authorization").value_or("-"), request.body())));
    };
    router.route("GET", "/names", [](const http::Request& request, http::Responder responder) {
      std::string names;
      for (const std::string& name : request.certificate_names()) names += name + ";";
      responder.send(http::text(200, names));
    });
    for (const char* method : {"GET", "POST"}) {
      router.route(method, "/say", say, {.body_bytes_max = body_bytes});
    }
    router.route("POST", "/in",
                 [this](const http::Request&, http::Responder responder) {
                   ++asked_;
                   const auto held = std::make_shared<http::Responder>(std::move(responder));
                   const std::shared_ptr<http::RequestBody> body = held->body();
                   if (refuses_) return held->send(http::text(413, "enough"));
                   if (body == nullptr) return held->send(http::text(200, "whole"));
                   const auto count = std::make_shared<std::size_t>(0);
                   body->read(
                       [this, body, count](std::string_view part) {
                         for (const char c : part) came_otherwise_ = came_otherwise_ || c != letter(*count), ++*count;
                         came_ = *count;
                         body->take(part.size());
                       },
                       [this, held, count](base::Status end) {
                         if (!end) broke_ = true;
                         held->send(http::text(end ? 200 : 400, fmt::format("{} came", *count)));
                       });
                 },
                 {.body_in_parts = [](const http::Request&) { return true; }});
    router.route("GET", "/parts", [this](const http::Request&, http::Responder responder) {
      http::Response head;
      head.content_type = "text/plain";
      http::PartStream stream = responder.parts(std::move(head).with("X-Own", "1"));
      const std::lock_guard lock(mutex_);
      streams_.push_back(std::move(stream));
      changed_.notify_all();
    });
    http::ServerOptions options;
    options.is_for_nodes = identity != nullptr;
    if (identity) options.tls = [identity] { return http::TlsContext::for_nodes(identity()); };
    return std::make_unique<RunningServer>(std::move(router), std::move(options));
  }
  /// The node that a client asks.
  void sends_on(Forwarder::Identity identity, const std::string& address) {
    sends_on(std::move(identity), [address](record::ShardId) { return address; });
  }
  void sends_on(Forwarder::Identity identity, Forwarder::OwnerOf owner_of) {
    forwarder_ = std::make_unique<Forwarder>(std::move(owner_of), std::move(identity), logger_, clock_);
    http::Router router;
    for (const auto& [method, path] : {std::pair("GET", "/say"), std::pair("POST", "/say"), std::pair("GET", "/parts"),
                                       std::pair("POST", "/in"), std::pair("GET", "/names")}) {
      router.route(method, path,
                   [this](const http::Request&, http::Responder responder) {
                     forwarder_->forward(record::ShardId(2), std::move(responder), true);
                   },
                   {.body_bytes_max = body_bytes,
                    .body_in_parts = [](const http::Request& request) { return request.path() == "/in"; }});
    }
    asked_node_ = std::make_unique<RunningServer>(std::move(router), asked_options_);
  }
  /// One that the owner writes to.
  http::PartStream next_stream() {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(30), [this] { return !streams_.empty(); });
    EXPECT_TRUE(came);
    http::PartStream stream = std::move(streams_.front());
    streams_.pop_front();
    return stream;
  }
  std::unique_ptr<RawClient> ask_for_parts() {
    auto client = std::make_unique<RawClient>(asked_node_->port());
    client->send("GET /parts HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
  }
  static char letter(std::size_t at) { return static_cast<char>('a' + at % 23); }
  static std::string letters(std::size_t count) {
    std::string text(count, ' ');
    for (std::size_t at = 0; at < count; ++at) text[at] = letter(at);
    return text;
  }
  static std::string at(std::uint16_t port) { return fmt::format("127.0.0.1:{}", port); }
  RawAnswer ask(const std::string& headers = "", const std::string& body = "") {
    RawClient client(asked_node_->port());
    client.send(
        fmt::format("POST /say HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), headers, body));
    return client.read_answer();
  }
  void expect_refused(const RawAnswer& answer) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, HasSubstr("nothing was changed"));
    EXPECT_EQ(asked_, 0) << "the request is not shown to who is not a node";
    EXPECT_THAT(log_text_.str(), HasSubstr("do not take each other for nodes of one cluster"));
  }
  /// Asks the port of the nodes itself; the answer, or "" where there is none.
  static std::string ask_as(std::uint16_t port, const Forwarder::Identity& identity, const char* header) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
    const std::string url = fmt::format("https://127.0.0.1:{}/say", port);
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 10L);
    if (identity) {
      http::TlsIdentity shown = identity();
      for (const auto& [option, pem] :
           {std::pair(CURLOPT_SSLCERT_BLOB, &shown.certificate), std::pair(CURLOPT_SSLKEY_BLOB, &shown.key)}) {
        curl_blob blob{.data = pem->data(), .len = pem->size(), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(curl.get(), option, &blob);
      }
    }
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(curl_slist_append(nullptr, header),
                                                                              curl_slist_free_all);
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    std::string body;
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(
        curl.get(), CURLOPT_WRITEFUNCTION,
        +[](const char* data, std::size_t size, std::size_t count, std::string* into) {
          into->append(data, size * count);
          return size * count;
        });
    return curl_easy_perform(curl.get()) == CURLE_OK ? body : "";
  }
  std::string why_not_let_in(const Forwarder::Identity& identity) {
    const auto owner = this->owner(certificates());
    EXPECT_EQ(ask_as(owner->port(), identity, "Travertine-Client: 192.0.2.7"), "");
    EXPECT_EQ(asked_, 0);
    return owner->log_text();
  }

  base::SystemClock clock_;
  http::ServerOptions asked_options_;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> refuses_ = false;
  std::atomic<bool> broke_ = false;
  std::atomic<bool> came_otherwise_ = false;
  std::atomic<std::size_t> came_ = 0;
  std::ostringstream log_text_;
  std::shared_ptr<spdlog::logger> logger_ =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_));
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<http::PartStream> streams_;
  std::unique_ptr<Forwarder> forwarder_;
  std::unique_ptr<RunningServer> asked_node_;
};

TEST_F(Forwarding, a_request_arrives_with_what_the_client_sent_and_without_what_only_nodes_may_say) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  const RawAnswer answer =
      ask("Authorization: Bearer x\r\nTravertine-Client: 192.0.2.9\r\nTravertine-Forwarded: 3 0\r\n", "hello");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST from 127.0.0.1 node 1 2 Bearer x hello");
  EXPECT_EQ(log_text_.str(), "");
}

TEST_F(Forwarding, bodies_of_megabytes_pass_and_the_connection_is_kept) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  std::string body(body_bytes, 'b');
  for (std::size_t i = 0; i < body.size(); i += 97) body[i] = static_cast<char>('a' + i % 26);
  for (int i = 0; i < 40; ++i) {
    const bool is_large = i % 20 == 0;
    const RawAnswer answer = ask("", is_large ? body : "small");
    ASSERT_EQ(answer.status, 200) << i;
    ASSERT_TRUE(answer.body.ends_with(is_large ? body : "small")) << i;
  }
  EXPECT_LE(owner->server().connections(), 16U) << "one for each thread of the forwarder";
}

TEST_F(Forwarding, an_answer_in_parts_passes_part_by_part_and_whole_or_cut) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  for (const bool is_whole : {true, false}) {
    const auto client = ask_for_parts();
    http::PartStream stream = next_stream();
    const std::string head = client->read_until("\r\n\r\n");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(head, HasSubstr("X-Own: 1\r\n"));
    EXPECT_THAT(head, HasSubstr("Content-Type: text/plain\r\n"));
    stream.write("one");
    EXPECT_EQ(client->read_until("one\r\n"), "3\r\none\r\n") << "before the second is written";
    stream.write(std::string(1'000'000, 'x') + "two");
    std::string body = client->read_until("two\r\n");
    EXPECT_GT(body.size(), 1'000'000U);
    is_whole ? stream.close() : stream.cut();
    EXPECT_EQ(client->read_all(), is_whole ? "0\r\n\r\n" : "");
  }
  EXPECT_EQ(ask().status, 200);
}

TEST_F(Forwarding, a_client_that_goes_ends_what_its_owner_writes_in_parts) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  auto client = ask_for_parts();
  http::PartStream stream = next_stream();
  std::promise<void> over;
  stream.on_over([&over] { over.set_value(); });
  client->read_until("\r\n\r\n");
  client.reset();
  EXPECT_EQ(over.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(Forwarding, answers_in_parts_leave_threads_to_others_and_end_where_the_node_stops) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<http::PartStream> streams;
  for (std::size_t i = 0; i < parts_passed_on_max; ++i) {
    clients.push_back(ask_for_parts());
    streams.push_back(next_stream());
    EXPECT_THAT(clients.back()->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  const auto one_more = ask_for_parts();
  const RawAnswer refused = one_more->read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("passes on 8 requests and answers in parts"));
  EXPECT_EQ(ask().status, 200);
  forwarder_.reset();
  for (const auto& client : clients) EXPECT_EQ(client->read_all(), "") << "cut, without a last chunk";
}

TEST_F(Forwarding, a_node_is_believed_who_its_client_is_and_must_say_it) {
  const auto owner = this->owner(certificates());
  EXPECT_THAT(ask_as(owner->port(), certificates(), "Travertine-Client: 192.0.2.7"), StartsWith("GET from 192.0.2.7 "));
  EXPECT_THAT(ask_as(owner->port(), certificates(), "X-Other: 1"), HasSubstr("Travertine-Client"));
  EXPECT_EQ(asked_, 1);
}

TEST_F(Forwarding, a_client_that_says_so_is_not_believed) {
  const auto api = this->owner(nullptr);
  RawClient client(api->port());
  client.send("GET /say HTTP/1.1\r\nHost: x\r\nTravertine-Client: 192.0.2.7\r\n\r\n");
  EXPECT_THAT(client.read_answer().body, StartsWith("GET from 127.0.0.1 client "));
}

TEST_F(Forwarding, who_has_no_certificate_of_this_cluster_is_not_let_in) {
  EXPECT_THAT(why_not_let_in(nullptr), HasSubstr("from 127.0.0.1 to the port of the nodes is refused: it shows no "
                                                 "certificate"));
  EXPECT_THAT(why_not_let_in(certificates("theirs")), HasSubstr("its certificate is refused: "));
  EXPECT_THAT(why_not_let_in(certificates_of(std::chrono::hours(30))), HasSubstr("certificate has expired"));
  EXPECT_THAT(why_not_let_in(certificates_of(-std::chrono::hours(30))), HasSubstr("certificate is not yet valid"));
}

TEST_F(Forwarding, a_client_without_tls_is_pointed_to_the_port_of_the_api) {
  const auto owner = this->owner(certificates());
  RawClient client(owner->port());
  client.send("GET /say HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("this port is for the other nodes, over TLS"));
  EXPECT_TRUE(client.closes());
  RawClient silent(owner->port());
  silent.end_sending();
  EXPECT_TRUE(silent.closes());
  RawClient noise(owner->port());
  noise.send(std::string(600, '\x16'));
  EXPECT_TRUE(noise.closes());
  EXPECT_EQ(asked_, 0);
  EXPECT_THAT(owner->log_text(), HasSubstr("it speaks HTTP without TLS"));
}

TEST_F(Forwarding, the_owner_is_given_the_names_of_the_clients_certificate) {
  const http::TestAuthority clients;
  http::TlsIdentity shown = clients.issue();
  shown.authority = clients.certificate();
  asked_options_.tls = [&shown] { return http::TlsContext::for_clients(shown); };
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  const auto names = [this](const http::TlsIdentity& shows) {
    http::TlsClient client(asked_node_->port(), {.shows = shows});
    client.send("GET /names HTTP/1.1\r\nHost: x\r\nTravertine-Certificate: cn:boss\r\nConnection: close\r\n\r\n");
    const std::string answer = client.read_all();
    return answer.substr(answer.find("\r\n\r\n") + 4);
  };
  EXPECT_THAT(names(clients.issue({.name = "robot", .also = "URI:spiffe://a/b"})),
              testing::MatchesRegex("sha256:[0-9a-f]*;uri:spiffe://a/b;cn:robot;"));
  EXPECT_EQ(names({}), "") << "what a client says of itself counts for nothing";
}

TEST_F(Forwarding, a_server_that_is_not_a_node_of_this_cluster_is_shown_nothing) {
  for (const auto& impostor : {certificates("theirs"), certificates_of(std::chrono::hours(30)),
                               certificates("ours", "127.0.0.2"), certificates("ours", "node-1")}) {
    const auto owner = this->owner(impostor);
    sends_on(certificates(), at(owner->port()));
    log_text_.str("");
    expect_refused(ask("Authorization: Bearer x\r\n"));
  }
  std::atomic<bool> is_shown = false;
  http::LoopbackServer plain([&](const std::string& request) {
    is_shown = request.find("Bearer") != std::string::npos;
    return std::string();
  });
  sends_on(certificates(), plain.url().substr(7));
  log_text_.str("");
  expect_refused(ask("Authorization: Bearer x\r\n"));
  EXPECT_FALSE(is_shown);
}

TEST_F(Forwarding, an_owner_that_does_not_let_this_node_in_has_changed_nothing) {
  const auto owner = this->owner(certificates());
  const auto good = certificates();
  for (const auto& bad : {certificates("theirs"), certificates_of(std::chrono::hours(30))}) {
    // It trusts the owner, and is not trusted by it.
    sends_on(
        [good, bad] {
          http::TlsIdentity mixed = bad();
          mixed.authority = good().authority;
          return mixed;
        },
        at(owner->port()));
    log_text_.str("");
    const RawAnswer answer = ask();
    expect_refused(answer);
  }
}

TEST_F(Forwarding, an_owner_that_ends_during_the_handshake_is_asked_again_and_is_not_called_a_stranger) {
  const auto owner = this->owner(certificates());
  for (const bool resets : {false, true}) {
    const http::LoopbackListener ending;
    std::thread ends([&ending, resets] {
      const int connection = ::accept(ending.socket(), nullptr, nullptr);
      char begun = 0;
      EXPECT_EQ(::recv(connection, &begun, 1, 0), 1);
      // With unread bytes the end is a reset; else the handshake just ends.
      std::array<char, 4096> rest{};
      if (!resets) {
        EXPECT_GT(::recv(connection, rest.data(), rest.size(), 0), 0);
      }
      ::close(connection);
    });
    std::atomic<int> looks = 0;
    sends_on(certificates(), [&](record::ShardId) { return at(looks++ == 0 ? ending.port() : owner->port()); });
    log_text_.str("");
    EXPECT_EQ(ask().status, 200);
    ends.join();
    EXPECT_EQ(looks, 2);
    EXPECT_THAT(log_text_.str(), HasSubstr("ended the connection during the TLS handshake"));
    EXPECT_THAT(log_text_.str(), testing::Not(HasSubstr("one cluster")));
  }
}

TEST_F(Forwarding, certificates_are_issued_anew_twice_a_day_by_one_authority) {
  base::SimulatedClock clock(clock_.now());
  const Certificates one(key("ours"), "ours", "node-1", "10.0.0.5", clock);
  const Certificates two(key("ours"), "ours", "node-2", "::1", clock);
  const Certificates other(key("theirs"), "theirs", "node-1", "node-1.example", clock);
  const http::TlsIdentity first = one.identity();
  EXPECT_EQ(first.authority, two.identity().authority);
  EXPECT_NE(first.authority, other.identity().authority);
  EXPECT_NE(first.certificate, two.identity().certificate);
  clock.advance(std::chrono::hours(11));
  EXPECT_EQ(one.identity().certificate, first.certificate);
  clock.advance(std::chrono::hours(2));
  EXPECT_NE(one.identity().certificate, first.certificate);
  EXPECT_NE(one.identity().key, first.key);
  EXPECT_EQ(one.identity().authority, first.authority);
  const http::TlsIdentity later = one.identity();
  clock.step(-std::chrono::hours(20));
  EXPECT_NE(one.identity().certificate, later.certificate) << "the clock was wrong";
}

TEST_F(Forwarding, a_body_in_parts_goes_on_as_it_comes) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  constexpr std::size_t count = 20'000'000;
  const std::string sent = letters(count);
  for (const bool is_chunked : {false, true}) {
    came_ = 0;
    RawClient client(asked_node_->port());
    client.send(is_chunked ? "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n"
                           : fmt::format("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", count));
    client.send(std::string_view(sent).substr(0, 500'000));
    for (int i = 0; i < 500 && came_ < 500'000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(came_, 500'000U) << "before the rest is sent";
    client.send(std::string_view(sent).substr(500'000, 500'000));
    for (std::size_t at = 1'000'000; at < count; at += 1'000'000) {
      if (is_chunked) client.send("\r\nf4240\r\n");
      client.send(std::string_view(sent).substr(at, 1'000'000));
    }
    if (is_chunked) client.send("\r\n0\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, fmt::format("{} came", count));
    EXPECT_FALSE(came_otherwise_);
  }
  EXPECT_FALSE(broke_);
}

TEST_F(Forwarding, a_client_that_goes_within_its_body_breaks_it_for_the_owner_too) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  {
    RawClient client(asked_node_->port());
    client.send("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + letters(1'000));
    for (int i = 0; i < 500 && came_ < 1'000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(came_, 1'000U);
  }
  for (int i = 0; i < 500 && !broke_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(broke_);
}

TEST_F(Forwarding, an_owner_that_answers_before_the_body_is_whole_is_heard) {
  const auto owner = this->owner(certificates());
  sends_on(certificates(), at(owner->port()));
  refuses_ = true;
  RawClient client(asked_node_->port());
  client.send("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + letters(1'000));
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "enough");
}

TEST_F(Forwarding, an_owner_that_is_found_later_gets_the_whole_body) {
  const auto owner = this->owner(certificates());
  std::atomic<int> looks = 0;
  sends_on(certificates(), [&](record::ShardId) { return looks++ < 5 ? std::string() : at(owner->port()); });
  RawClient client(asked_node_->port());
  client.send("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + letters(1'000));
  EXPECT_EQ(client.read_answer().body, "1000 came");
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace trv::node
