#include "kernel/http/client_address.hpp"

#include <gtest/gtest.h>

#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string client(const Headers& headers, const std::string& peer = "10.0.0.1",
                   const std::string& trusted = "10.0.0.0/8, fd00::/8") {
  Request request;
  for (const auto& [name, value] : headers) request.add_header(name, value);
  const auto proxies = TrustedProxies::parse(trusted);
  EXPECT_TRUE(proxies) << proxies.error().message();
  return client_address(request, peer, *proxies);
}

TEST(client_address, the_first_address_from_the_right_that_is_not_a_proxy_counts) {
  EXPECT_EQ(client({}), "10.0.0.1");
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7"}}), "192.0.2.7");
  EXPECT_EQ(client({{"X-Forwarded-For", "1.1.1.1, 192.0.2.7, 10.9.9.9"}}), "192.0.2.7") << "1.1.1.1 is invented";
  EXPECT_EQ(client({{"X-Forwarded-For", "1.1.1.1"}, {"x-forwarded-for", "192.0.2.7"}}), "192.0.2.7");
  EXPECT_EQ(client({{"X-Forwarded-For", "10.0.0.3,10.0.0.2"}}), "10.0.0.3") << "a client inside";
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7:5555"}}), "192.0.2.7");
  EXPECT_EQ(client({{"X-Forwarded-For", "2001:db8::1"}}), "2001:db8::1");
  EXPECT_EQ(client({{"X-Forwarded-For", "[2001:db8::1]:443, fd00::5"}}), "2001:db8::1");
  EXPECT_EQ(client({{"X-Forwarded-For", "::ffff:192.0.2.7"}}), "192.0.2.7");
}

TEST(client_address, forwarded_is_read_as_the_rfc_has_it) {
  EXPECT_EQ(client({{"Forwarded", "for=192.0.2.7;proto=https;by=10.0.0.1"}}), "192.0.2.7");
  EXPECT_EQ(client({{"Forwarded", "For=\"[2001:db8::1]:4711\""}}), "2001:db8::1");
  EXPECT_EQ(client({{"Forwarded", "for=1.1.1.1;ext=\"a,b;for=2.2.2.2\", proto=http;for=192.0.2.7 , for=10.0.0.2"}}),
            "192.0.2.7");
  EXPECT_EQ(client({{"Forwarded", "for=192.0.2.7"}, {"X-Forwarded-For", "192.0.2.7"}}), "192.0.2.7");
  EXPECT_EQ(client({{"Forwarded", "for=1.1.1.1"}, {"X-Forwarded-For", "192.0.2.7"}}), "10.0.0.1")
      << "one of them is the client's own";
}

TEST(client_address, what_a_peer_says_that_is_not_trusted_counts_for_nothing) {
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7"}, {"Forwarded", "for=192.0.2.7"}}, "11.0.0.1"), "11.0.0.1");
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7"}}, "unix:0"), "unix:0");
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7"}}, "unix:0", "unix"), "192.0.2.7");
  EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.7"}}, "10.0.0.1", ""), "10.0.0.1");
}

TEST(client_address, hostile_texts_end_the_reading_at_the_last_address) {
  for (const std::string& text :
       {std::string("unknown"), std::string("_hidden"), std::string(","), std::string(), std::string("256.1.1.1"),
        std::string("[::1"), std::string("\"unclosed"), std::string("fe80::1%eth0"), std::string("unix:0"),
        std::string(9000, ','), std::string(9000, '1')}) {
    EXPECT_EQ(client({{"X-Forwarded-For", "1.1.1.1, " + text}}), "10.0.0.1") << text.substr(0, 20);
    EXPECT_EQ(client({{"X-Forwarded-For", text + ", 10.0.0.9"}}), "10.0.0.9") << text.substr(0, 20);
    EXPECT_EQ(client({{"Forwarded", "for=" + text}}), "10.0.0.1") << text.substr(0, 20);
  }
  for (const char* const begin : {"for=\"unclosed", "for=\"\\", "for=a;\""}) {
    const std::string text = begin;
    EXPECT_EQ(client({{"Forwarded", text + ", for=192.0.2.7"}}), "192.0.2.7") << text;
    EXPECT_EQ(client({{"Forwarded", text + ", for=\"[2001:db8::1]\""}}), "2001:db8::1") << text;
  }
  std::string long_chain = "1.1.1.1";
  for (int i = 0; i < 100; ++i) long_chain += ",10.0.0.2";
  EXPECT_EQ(client({{"X-Forwarded-For", long_chain}}), "10.0.0.2") << "it is not read to its end";
}

TEST(client_address, networks_are_checked) {
  for (const char* bad : {"10.0.0.0/33", "host", "10.0.0.0/", "10.0.0.0/8x", "fd00::/129", "10.0.0.1,,"}) {
    EXPECT_FALSE(TrustedProxies::parse(bad)) << bad;
  }
  const auto odd = TrustedProxies::parse("192.0.2.128/25, 0.0.0.0/0");
  ASSERT_TRUE(odd);
  EXPECT_TRUE(odd->trusts("203.0.113.1"));
  EXPECT_FALSE(odd->trusts("2001:db8::1")) << "every IPv4 address, and no other";
  const auto half = TrustedProxies::parse("192.0.2.128/25");
  EXPECT_TRUE(half->trusts("192.0.2.129"));
  EXPECT_FALSE(half->trusts("192.0.2.127"));
}

TEST(client_address, each_request_of_a_connection_has_its_own_client) {
  Router router;
  router.route("GET", "/who", [](const Request& request, Responder responder) {
    responder.send(text(200, std::string(request.remote_address())));
  });
  RunningServer running(std::move(router), {.trusted_proxies = *TrustedProxies::parse("127.0.0.1")});
  RawClient proxy(running.port());
  for (const auto& [header, address] :
       {std::pair("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"), std::pair("", "127.0.0.1"),
        std::pair("Forwarded: for=192.0.2.8\r\n", "192.0.2.8")}) {
    proxy.send(std::string("GET /who HTTP/1.1\r\nHost: x\r\n") + header + "\r\n");
    EXPECT_EQ(proxy.read_answer().body, address);
  }
}

}  // namespace
}  // namespace trv::http
