// What the server promises against clients that are broken or mean.
#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "kernel/http/server.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

Router echo_router() {
  Router router;
  router.route("GET", "/hello", [](const Request&, Responder responder) { responder.send(text(200, "hello")); });
  router.route("GET", "/private", [](const Request&, Responder responder) { responder.send(text(200, "private")); });
  router.route("POST", "/echo", [](const Request& request, Responder responder) {
    responder.send(text(200, std::string(request.body())));
  });
  return router;
}

class Hostile : public testing::Test {
 protected:
  /// The answer to `bytes` is a problem with `status`, after which the connection ends and the server lives.
  void expect_refusal(int status, const std::string& bytes) {
    RawClient client(running_.port());
    client.send(bytes);
    const RawAnswer answer = client.read_answer();
    const std::string shown = bytes.substr(0, 120);
    EXPECT_EQ(answer.status, status) << shown;
    if (answer.status == 0) return;
    EXPECT_EQ(answer.headers.at("connection"), "close") << shown;
    EXPECT_EQ(boost::json::parse(answer.body).at("status"), answer.status) << shown;
    EXPECT_TRUE(client.closes()) << shown;
    RawClient other(running_.port());
    other.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(other.read_answer().status, 200) << shown;
  }

  RunningServer running_{echo_router(), {.body_bytes_max = 10'000}};
};

TEST_F(Hostile, what_is_no_request_is_400) {
  for (const std::string& bytes :
       {"\x16\x03\x01\x02\x00 tls hello\r\n\r\n"s, "GET\r\n\r\n"s, "GET /hello\r\n\r\n"s, " GET / HTTP/1.1\r\n\r\n"s,
        "GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n"s, "GET /hello HTTP/1.1\r\n\r\n"s,
        "GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"s, "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n"s,
        "GET /hello HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n"s, "GET /hel\0lo HTTP/1.1\r\nHost: x\r\n\r\n"s,
        "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"s, "GET /hello HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"s,
        "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"s, "GET hello HTTP/1.1\r\nHost: x\r\n\r\n"s,
        "CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n"s, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"s}) {
    expect_refusal(400, bytes);
  }
}

TEST_F(Hostile, another_version_is_505) {
  expect_refusal(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  expect_refusal(505, "GET /hello HTTP/1.2\r\nHost: x\r\n\r\n");
}

TEST_F(Hostile, a_bare_line_feed_is_400_and_named) {
  for (const char* bytes : {"GET /hello HTTP/1.1\nHost: x\n\n\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: x\n\r\n\r\n",
                            "GET /hello HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "GET /hello HTTP/1.1\nHost: x\n\n"}) {
    RawClient client(running_.port());
    client.send(bytes);
    client.end_sending();
    const RawAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 400) << bytes;
    EXPECT_NE(answer.body.find("bare LF"), std::string::npos) << answer.body;
  }
}

TEST_F(Hostile, dot_segments_reach_no_route) {
  for (const char* path : {"/x/../private", "/x/%2e%2e/private", "/./private", "/../private"}) {
    expect_refusal(400, std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  RawClient client(running_.port());
  for (const char* path :
       {"//private", "/private/", "/x/..%2fprivate", "/private;a", "/PRIVATE", "http://h//private"}) {
    client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 404) << path;
  }
}

TEST_F(Hostile, an_absolute_target_is_the_same_resource) {
  RawClient client(running_.port());
  client.send("GET http://other.example/hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "hello");
}

TEST_F(Hostile, two_readings_of_a_length_are_refused) {
  const std::string line = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  const std::string smuggled = "0\r\n\r\nGET /private HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const char* headers :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: -1\r\n", "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n", "Content-Length:\r\n", "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"}) {
    expect_refusal(400, line + headers + "\r\n" + smuggled);
  }
  expect_refusal(400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled);
}

TEST_F(Hostile, bad_chunks_are_400) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunks : {"zz\r\nx", "-1\r\nx", "0x5\r\nhello\r\n\r\n", "5\r\nhelloXX\r\nx", "\r\n\r\nx",
                             "5 5\r\nhello\r\n", "5;\r\nhello\r\n", "5\nhello\n0\n\n\r\n"}) {
    expect_refusal(400, head + chunks);
  }
  for (const char* chunks : {"ffffffffffffffff\r\n", "2711\r\n", "2710\r\n"}) {
    expect_refusal(413, head + chunks + std::string(10'000, 'x') + "\r\n1\r\ny\r\n");
  }
  expect_refusal(400, head + "10000000000000000\r\n");
  expect_refusal(431, head + "5;" + std::string(100'000, 'a'));
}

TEST_F(Hostile, a_folded_header_is_400_and_named) {
  for (const char* bytes :
       {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \r\n\tchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 3\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n \r\n\r\nabc",
        "GET /hello HTTP/1.1\r\nHost:\r\n x\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n"}) {
    expect_refusal(400, bytes);
    RawClient byte_by_byte(running_.port());
    for (const char c : std::string_view(bytes)) byte_by_byte.send({&c, 1});
    const RawAnswer answer = byte_by_byte.read_answer();
    EXPECT_EQ(answer.status, 400) << bytes;
    EXPECT_NE(answer.body.find("folded"), std::string::npos) << bytes << answer.body;
  }
  expect_refusal(400, "GET /hello HTTP/1.1\r\n Host: x\r\n\r\n");
  expect_refusal(400,
                 "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "1\r\nx\r\n0\r\nTrailer: a\r\n b\r\n\r\n");
}

TEST_F(Hostile, a_host_that_names_no_host_is_400) {
  for (const char* host : {"",     " ",    "a b",    "a/b",          "user@a",    "a?b",      "a#b",      "a,b",
                           "a, b", "a:b",  "a:-1",   "a:+1",         "a:65536",   "a:000000", "a:1:2",    ":80",
                           "[::1", "::1",  "[::1]a", "[::1%25eth0]", "[1.2.3.4]", "[]",       "[v1.a]",   "a%",
                           "a%4",  "a%zz", "<a>",    "a\\b",         "\"a\"",     "http://a", "\xc3\xa4", "a\tb"}) {
    expect_refusal(400, std::string("GET /hello HTTP/1.1\r\nHost: ") + host + "\r\n\r\n");
    expect_refusal(400, std::string("GET /hello HTTP/1.0\r\nHost: ") + host + "\r\n\r\n");
  }
  expect_refusal(400, "GET http://user@a/hello HTTP/1.1\r\nHost: a\r\n\r\n");
  expect_refusal(400, "GET http:///hello HTTP/1.1\r\nHost: a\r\n\r\n");
  expect_refusal(400, "GET http://a:99999/hello HTTP/1.1\r\nHost: a\r\n\r\n");
  RawClient client(running_.port());
  for (const char* host : {"a", "A.example.", "a-b_c~d.e", "a:80", "a:", "127.0.0.1:65535", "[::1]",
                           "[2001:db8::1]:8080", "[::ffff:1.2.3.4]:1", "a%41b", "xn--bcher-kva.example"}) {
    client.send(std::string("GET /hello HTTP/1.1\r\nHost: ") + host + "\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 200) << host;
    client.send(std::string("GET HTTP://") + host + "/hello HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 200) << host;
  }
}

TEST_F(Hostile, a_flood_of_empty_lines_ends_and_a_few_are_read_over) {
  std::string flood;
  for (int i = 0; i < 9; ++i) flood += "\r\n";
  expect_refusal(400, flood + "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  expect_refusal(400, flood);
  RawClient client(running_.port());
  for (int request = 0; request < 3; ++request) {
    client.send(flood.substr(2) + "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 200) << request;
  }
  RawClient one_by_one(running_.port());
  for (int line = 0; line < 9; ++line) one_by_one.send("\r\n");
  EXPECT_EQ(one_by_one.read_answer().status, 400);
  EXPECT_TRUE(one_by_one.closes());
}

TEST_F(Hostile, framing_that_outweighs_its_body_is_431) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto chunks = [](std::size_t count, const std::string& size) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += size + "\r\nx\r\n";
    return text;
  };
  expect_refusal(431, head + chunks(5'000, "1;a=" + std::string(20, 'a')) + "0\r\n\r\n");
  expect_refusal(431, head + chunks(5'000, std::string(20, '0') + "1") + "0\r\n\r\n");
  RawClient client(running_.port());
  client.send(head + chunks(5'000, "1") + "0\r\nTrailer: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, std::string(5'000, 'x'));
  client.send(head + chunks(100, "01;a=\"b;c\"") + "0;d\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, std::string(100, 'x'));
}

TEST_F(Hostile, a_bare_carriage_return_is_400) {
  const std::string line = "POST /echo HTTP/1.1\r\n";
  for (const char* rest :
       {"Host: x\rA: b\r\n\r\n", "Host: x\r\nA: b\rContent-Length: 1\r\n\r\nx", "Host: x\r\n\rA: b\r\n\r\n",
        "Host: x\r\nA\r: b\r\n\r\n", "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nx\r\n0\r\n\r\n"}) {
    expect_refusal(400, line + rest);
  }
  expect_refusal(400, "GET /hello HTTP/1.1\rHost: x\r\n\r\n");
}

TEST_F(Hostile, a_body_over_the_limit_is_413) {
  expect_refusal(413, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n" + std::string(10'001, 'x'));
  expect_refusal(413, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n");
  RawClient client(running_.port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + std::string(10'000, 'x'));
  EXPECT_EQ(client.read_answer().body.size(), 10'000u);
}

TEST_F(Hostile, a_head_over_the_limit_is_431) {
  expect_refusal(431, "GET /hello HTTP/1.1\r\nHost: x\r\nA: " + std::string(1'000'000, 'a') + "\r\n\r\n");
  expect_refusal(431, "GET /" + std::string(1'000'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n");
  expect_refusal(431, std::string(100'000, 'A'));
  std::string many = "GET /hello HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 0; i < headers_max; ++i) many += "A: b\r\n";
  expect_refusal(431, many + "\r\n");
}

TEST_F(Hostile, an_unknown_expectation_is_417_and_a_giant_method_501) {
  expect_refusal(417, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx");
  expect_refusal(501, std::string(100, 'A') + " /hello HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST_F(Hostile, a_request_that_breaks_off_is_400) {
  for (const char* bytes :
       {"GET /hel", "GET /hello HTTP/1.1\r\nHo", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"}) {
    RawClient client(running_.port());
    client.send(bytes);
    client.end_sending();
    EXPECT_EQ(client.read_answer().status, 400) << bytes;
    EXPECT_TRUE(client.closes());
  }
}

TEST(hostile_memory, large_bodies_share_a_budget_and_small_ones_need_none) {
  Router router = echo_router();
  router.route("POST", "/large",
               [](const Request& request, Responder responder) {
                 responder.send(text(200, std::to_string(request.body().size())));
               },
               {.body_bytes_max = 600'000});
  RunningServer running(std::move(router), {.body_bytes_max = 10'000, .large_bodies_bytes_max = 1'000'000});
  const std::string head = "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n";
  const std::string chunked = "POST /large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body(600'000, 'x');
  for (int round = 0; round < 3; ++round) {
    RawClient first(running.port());
    first.send(head + body.substr(1));
    RawClient small(running.port());
    RawAnswer answer;
    // The first has its part of the budget when its bytes have been read.
    for (int i = 0; i < 6'000 && answer.status != 503; ++i) {
      RawClient second(running.port());
      second.send(head + body.substr(300'001));
      second.send(body.substr(300'000));
      answer = second.read_answer();
      if (answer.status != 503) std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers["retry-after"], "1");
    RawClient by_chunks(running.port());
    by_chunks.send(chunked + "927c0\r\n" + body);
    EXPECT_EQ(by_chunks.read_answer().status, 503);
    small.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + std::string(10'000, 'x'));
    EXPECT_EQ(small.read_answer().status, 200);
    first.send("x");
    EXPECT_EQ(first.read_answer().body, "600000");
  }
  RawClient more(running.port());
  more.send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 600001\r\n\r\n");
  EXPECT_EQ(more.read_answer().status, 413);
}

TEST(hostile_time, a_silent_connection_is_closed) {
  RunningServer running(echo_router(), {.idle_timeout = 100ms});
  RawClient silent(running.port());
  EXPECT_EQ(silent.read_all(), "");
  RawClient client(running.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(client.read_all(), "");
}

TEST(hostile_time, a_slow_head_and_a_slow_body_are_408) {
  RunningServer running(echo_router(), {.request_timeout = 150ms});
  for (const char* bytes : {"GET /hello HT", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"}) {
    RawClient client(running.port());
    client.send(bytes);
    std::thread dribble([&] {
      for (int i = 0; i < 5; ++i) {
        std::this_thread::sleep_for(60ms);
        client.send("x");
      }
    });
    EXPECT_EQ(client.read_answer().status, 408) << bytes;
    dribble.join();
    EXPECT_TRUE(client.closes());
  }
}

TEST(hostile_time, a_client_that_reads_nothing_is_cut) {
  Router router;
  router.route("GET", "/big", [](const Request&, Responder responder) {
    responder.send(text(200, std::string(32 * 1024 * 1024, 'x')));
  });
  RunningServer running(std::move(router), {.idle_timeout = 200ms});
  RawClient client(running.port(), 4096);
  client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 12'000 && running.server().connections() == 0; ++i) std::this_thread::sleep_for(5ms);
  for (int i = 0; i < 6'000 && running.server().connections() > 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(running.server().connections(), 0u);
}

}  // namespace
}  // namespace trv::http
