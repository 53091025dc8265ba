// What a plugin serves over HTTP is behind the same checks as the rest, and decides nothing about a browser.

#include <gmock/gmock.h>

#include <thread>

#include "kernel/http/testing/raw_client.hpp"
#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PluginServeTest : public PluginFixture {
 protected:
  void SetUp() override {
    PluginFixture::SetUp();
    if (IsSkipped()) return;
    const Answer installed = install(
        tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev", R"("permissions":["serve","kv","webhooks"],)"));
    ASSERT_EQ(installed.status, 201) << installed.body;
    ASSERT_EQ(grant(R"(["serve","kv","webhooks"])").status, 200);
  }
  Answer grant(const std::string& permissions) {
    return call("PUT", "/tracker", fmt::format(R"({{"version":"1.3.0-dev","permissions":{}}})", permissions));
  }
  std::uint16_t port() const {
    const std::string& url = daemon_->url();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  static std::string head(const std::string& method, const std::string& target, const std::string& token,
                          const std::string& more = "") {
    return fmt::format(
        "{} /v1/tenants/acme/plugins/tracker/serve{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{}\r\n", method,
        target, token, more);
  }
  http::RawAnswer raw(const std::string& method, const std::string& target, const std::string& more = "") {
    http::RawClient client(port());
    client.send(head(method, target, acme_, more));
    return client.read_answer(method == "HEAD");
  }
  Answer get(const std::string& path) { return call("GET", "/tracker/serve" + path); }
};

TEST_F(PluginServeTest, a_request_goes_through_to_the_plugin_without_what_is_the_kernels) {
  const http::RawAnswer echo =
      raw("POST", "/echo?limit=%20x&a=b",
          "Content-Length: 4\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nAccept: text/plain\r\n"
          "X-Request-Id: r-1\r\nOrigin: http://evil\r\nMcp-Session-Id: s1\r\n\r\nbody");
  ASSERT_EQ(echo.status, 200) << echo.body;
  EXPECT_THAT(echo.body, StartsWith("POST /echo?limit=%20x&a=b\nacme token:"));
  EXPECT_THAT(echo.body, HasSubstr(" owner\nserve/"));
  EXPECT_THAT(echo.body, HasSubstr("accept: text/plain\n"));
  EXPECT_THAT(echo.body, HasSubstr("mcp-session-id: s1\n"));
  EXPECT_THAT(echo.body, HasSubstr("x-request-id: r-1\n"));
  EXPECT_THAT(echo.body, testing::EndsWith("\nbody"));
  for (const char* hidden : {"trv_acme", "cookie", "forwarded", "origin", "authorization"}) {
    EXPECT_THAT(echo.body, Not(HasSubstr(hidden)));
  }
  EXPECT_EQ(echo.headers.at("content-type"), "text/plain");
  EXPECT_EQ(echo.headers.at("content-security-policy"), "default-src 'none'; frame-ancestors 'none'; sandbox");
  EXPECT_EQ(echo.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(echo.headers.at("cache-control"), "private, no-store");
  EXPECT_FALSE(echo.headers.contains("set-cookie"));

  const http::RawAnswer made = raw("PUT", "/made", "Content-Length: 0\r\n");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.headers.at("etag"), "\"7\"");
  EXPECT_EQ(raw("HEAD", "/made").status, 201);
  EXPECT_EQ(raw("DELETE", "/nowhere").status, 404);
  EXPECT_EQ(raw("GET", "/").body, "not here") << "the root is the plugin's, too";
  EXPECT_THAT(raw("GET", "/a/").body, HasSubstr("nothing is served at this path")) << "no part of a path is empty";
}

TEST_F(PluginServeTest, one_key_of_a_client_is_one_key_of_the_plugin) {
  const auto key_of = [&](const std::string& more) {
    const std::string body = raw("GET", "/echo", more).body;
    const std::size_t at = body.find("\nserve/") + 1;
    return body.substr(at, body.find('\n', at) - at);
  };
  EXPECT_EQ(key_of("Idempotency-Key: k1\r\n"), key_of("Idempotency-Key: k1\r\n"));
  EXPECT_NE(key_of("Idempotency-Key: k1\r\n"), key_of("Idempotency-Key: k2\r\n"));
  EXPECT_NE(key_of(""), key_of(""));
  EXPECT_EQ(raw("GET", "/echo", "Idempotency-Key: " + std::string(201, 'k') + "\r\n").status, 400);
}

TEST_F(PluginServeTest, it_is_behind_the_checks_of_its_tenant) {
  EXPECT_EQ(ask(*daemon_, "", "GET", "/v1/tenants/acme/plugins/tracker/serve/made").status, 401);
  const std::string beta = create_tenant(*daemon_, "beta");
  const Answer foreign = ask(*daemon_, beta, "GET", "/v1/tenants/acme/plugins/tracker/serve/made");
  EXPECT_EQ(foreign.status, 404);
  EXPECT_THAT(foreign.body, HasSubstr("tenant 'acme' not found"));
  EXPECT_EQ(ask(*daemon_, daemon_->operator_token(), "GET", "/v1/tenants/acme/plugins/tracker/serve/made").status, 404);
  EXPECT_EQ(ask(*daemon_, beta, "GET", "/v1/tenants/beta/plugins/tracker/serve/made").status, 404) << "not enabled";

  const Answer issued =
      ask(*daemon_, acme_, "POST", "/v1/tenants/acme/tokens",
          R"({"name":"v","role":"viewer","expires_in_seconds":3600})", {{"Content-Type", "application/json"}});
  ASSERT_EQ(issued.status, 201) << issued.body;
  const std::string viewer = issued.text("token");
  EXPECT_EQ(ask(*daemon_, viewer, "GET", "/v1/tenants/acme/plugins/tracker/serve/made").status, 201);
  EXPECT_EQ(ask(*daemon_, viewer, "POST", "/v1/tenants/acme/plugins/tracker/serve/made").status, 403);
}

TEST_F(PluginServeTest, what_is_not_granted_is_not_served_and_a_withdrawal_counts_at_once) {
  ASSERT_EQ(get("/made").status, 201);
  const Answer withdrawn = call("POST", "/tracker/permissions", R"({"withdraw":["serve"]})");
  ASSERT_EQ(withdrawn.status, 200) << withdrawn.body;
  const Answer refused = get("/made");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("trav plugin grant tracker serve --tenant acme"));
  // A version whose manifest asks for nothing of the kind.
  ASSERT_EQ(call("POST", "/tracker/upgrade", R"({"version":"2.0.0","permissions":["http","webhooks"]})").status, 200);
  EXPECT_EQ(get("/made").status, 404);
}

TEST_F(PluginServeTest, hostile_paths_reach_nothing) {
  for (const char* path : {"/../permissions", "/%2e%2e/permissions", "/a/./b", "/%2e", "/a%00b", "/a%0d%0ab", "/%ff",
                           "/a%", "/..%2f", "/a#b"}) {
    EXPECT_EQ(raw("GET", path).status, std::string_view(path) == "/..%2f" ? 404 : 400) << path;
  }
  EXPECT_EQ(raw("GET", "/?" + std::string(100, '&')).status, 404);
  EXPECT_EQ(raw("GET", "/" + std::string(60'000, 'a')).status, 431);
  EXPECT_EQ(raw("POST", "/echo", "Content-Length: 1000001\r\n").status, 413);
}

TEST_F(PluginServeTest, a_plugin_that_fails_is_a_bad_gateway_and_harms_nobody) {
  for (const char* path : {"/cookie", "/two-lines", "/too-full", "/status-of-a-stranger", "/as-an-operation"}) {
    const http::RawAnswer answer = raw("GET", path);
    EXPECT_EQ(answer.status, 502) << path << answer.body;
    EXPECT_FALSE(answer.headers.contains("set-cookie")) << path;
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
  }
  EXPECT_EQ(get("/gone").status, 404);
  EXPECT_EQ(get("/twice").body, "one");
  EXPECT_EQ(get("/die").status, 503);
  EXPECT_TRUE(eventually([&] { return get("/made").status == 201; }));
}

TEST_F(PluginServeTest, a_client_that_goes_or_does_not_read_holds_nothing_up) {
  for (int i = 0; i < 40; ++i) {  // more than a plugin has open at a time
    http::RawClient client(port());
    client.send(head("GET", "/never", acme_));
  }
  EXPECT_TRUE(eventually([&] { return get("/made").status == 201; })) << "those that went were cancelled";
  std::vector<std::unique_ptr<http::RawClient>> deaf;
  for (int i = 0; i < 10; ++i) {
    deaf.push_back(std::make_unique<http::RawClient>(port(), 4'096));
    for (int request = 0; request < 10; ++request) deaf.back()->send(head("GET", "/full", acme_));
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get("/made").status, 201);
}

}  // namespace
}  // namespace trv::api
