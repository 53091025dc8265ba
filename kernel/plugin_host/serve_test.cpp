// HTTP that a plugin serves: what its response may be, and that a plugin which does not answer costs its own requests
// alone. In this process and in one of its own.

#include <fmt/format.h>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class ServeTest : public IsolatedFixture, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    limits_.hangs_after = 2s;
    limits_.cancel_grace = 1s;
    IsolatedFixture::SetUp();
    if (!IsSkipped()) start(R"(["serve","kv"])");
  }
  void prepare(HostConfiguration& configuration) override {
    configuration.in_process =
        GetParam() == "in-process" ? std::vector<std::string>{"tracker"} : std::vector<std::string>{};
    IsolatedFixture::prepare(configuration);
  }
  void start(const std::string& permissions) {
    const base::Bytes package = package_of("good", R"(,"permissions":)" + permissions, 1, "linux-x86_64", GetParam());
    const base::Status loaded = load(install(package).package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  /// Waits for a response.
  WebOutcome get(std::string path) { return serve(request("GET", std::move(path))).get(); }
  std::string refusal_of(std::string path) {
    const WebOutcome outcome = get(std::move(path));
    if (outcome) return fmt::format("status {}", outcome->status);
    return fmt::format("{}: {}", base::to_string(outcome.error().code), outcome.error().message);
  }
};

TEST_P(ServeTest, a_request_reaches_the_plugin_whole_and_its_response_comes_back) {
  const std::string body("\x00\xff{}", 4);
  const WebOutcome echo = serve(request("POST", "/echo", body)).get();
  ASSERT_TRUE(echo) << echo.error().message;
  EXPECT_EQ(echo->status, 200U);
  EXPECT_EQ(echo->body, "POST /echo?a=1\nacme token:t1 Ada owner\nkey\naccept: text/plain\n\n" + body);
  ASSERT_EQ(echo->headers.size(), 1U);
  EXPECT_EQ(echo->headers[0], (egress::Header{"content-type", "text/plain"}));

  const WebOutcome made = get("/made");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->status, 201U);
  EXPECT_EQ(made->headers.at(0), (egress::Header{"etag", "\"7\""}));
  EXPECT_EQ(get("/elsewhere")->status, 404U);
}

TEST_P(ServeTest, a_response_of_the_largest_size_passes_and_a_larger_one_is_refused) {
  const WebOutcome full = serve(request("PUT", "/full", std::string(1'000'000, '\xfe'))).get();
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->body, std::string(1'000'000, '\xff'));
  EXPECT_THAT(refusal_of("/too-full"), HasSubstr("10000000 bytes, at most 1000000"));
  EXPECT_TRUE(get("/made"));
}

TEST_P(ServeTest, a_plugin_sets_no_cookie_no_second_header_and_no_status_of_the_connection) {
  EXPECT_THAT(refusal_of("/cookie"), HasSubstr("the header 'set-cookie' is not one that a plugin may send"));
  EXPECT_THAT(refusal_of("/two-lines"), HasSubstr("control characters"));
  EXPECT_THAT(refusal_of("/status-of-a-stranger"), HasSubstr("the status is 101"));
  EXPECT_THAT(refusal_of("/many-headers"), HasSubstr("more than 32 headers"));
  EXPECT_THAT(refusal_of("/nothing"), HasSubstr("null or too small"));
  EXPECT_TRUE(get("/made"));
}

TEST_P(ServeTest, a_request_is_answered_once_and_as_a_request) {
  const WebOutcome outcome = get("/twice");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->body, "one");
  EXPECT_TRUE(eventually([this] { return metrics().answers_ignored == 2; }));
  EXPECT_THAT(refusal_of("/as-an-operation"), HasSubstr("as an operation"));
  EXPECT_THAT(refusal_of("/gone"), HasSubstr("not_found: there is no such thing"));
  const CallOutcome call_answered = run(call("respond"));
  ASSERT_FALSE(call_answered);
  EXPECT_THAT(call_answered.error().message, HasSubstr("trv.serve/1 answered a call of an operation"));
}

TEST_P(ServeTest, a_request_may_use_the_store_of_its_tenant) {
  ASSERT_TRUE(run(call("keep", "7")));
  const WebOutcome kept = get("/kept");
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->body, R"([["cursor",7,1],false])");
  const WebOutcome others = serve(request("GET", "/kept", {}, 60'000, "other")).get();
  ASSERT_TRUE(others) << others.error().message;
  EXPECT_EQ(others->body, "[false]") << "nothing of another tenant";
}

TEST_P(ServeTest, requests_that_are_never_answered_end_at_their_time_and_leave_no_room_for_more_of_their_tenant) {
  std::vector<std::future<WebOutcome>> open;
  for (std::size_t i = 0; i < web_open_max; ++i) open.push_back(serve(request("GET", "/never", {}, 3'000)));
  const WebOutcome refused = get("/made");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
  EXPECT_TRUE(serve(request("GET", "/made", {}, 60'000, "other")).get()) << "another tenant's have their own room";
  EXPECT_TRUE(run(call("echo"))) << "and calls of operations theirs";
  for (auto& one : open) {
    const WebOutcome outcome = one.get();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::timeout);
  }
  EXPECT_TRUE(get("/made"));
}

TEST_P(ServeTest, a_request_whose_client_has_gone_is_cancelled) {
  CallHandle handle;
  auto outcome = serve(request("GET", "/never"), &handle);
  PluginHost::cancel(handle);
  const WebOutcome cancelled = outcome.get();
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
}

TEST_P(ServeTest, it_serves_what_its_manifest_asks_for_alone) {
  ASSERT_TRUE(host_->unload("tracker", "1.2.3", 1s));
  start(R"(["kv"])");
  EXPECT_THAT(refusal_of("/made"), HasSubstr("not_found: plugin 'tracker' 1.2.3 serves nothing"));
  WebCall unknown = request("GET", "/made");
  unknown.version = "9.9.9";
  EXPECT_EQ(serve(std::move(unknown)).get().error().code, ErrorCode::not_found);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, ServeTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

class IsolatedServeTest : public ServeTest {};

TEST_P(IsolatedServeTest, a_crash_or_a_hang_ends_the_requests_of_its_own_tenant) {
  EXPECT_TRUE(serve(request("GET", "/made", {}, 60'000, "other")).get());
  auto waits = serve(request("GET", "/never", {}, 60'000, "other"));
  EXPECT_THAT(refusal_of("/die"), HasSubstr("unavailable"));
  EXPECT_TRUE(eventually([this] { return get("/made").has_value(); }));
  EXPECT_THAT(refusal_of("/hang"), HasSubstr("did not react"));
  EXPECT_TRUE(serve(request("GET", "/made", {}, 60'000, "other")).get());
  EXPECT_EQ(waits.wait_for(0s), std::future_status::timeout) << "what another tenant waits for goes on";
}

TEST_P(IsolatedServeTest, a_process_that_does_not_end_a_cancelled_request_is_ended) {
  auto outcome = serve(request("GET", "/deaf", {}, 500));
  EXPECT_EQ(outcome.get().error().code, ErrorCode::timeout);
  EXPECT_TRUE(eventually([this] { return !crashes().empty(); }) || eventually([this] { return !crashes().empty(); }));
  EXPECT_TRUE(eventually([this] { return get("/made").has_value(); }));
}

INSTANTIATE_TEST_SUITE_P(Isolated, IsolatedServeTest, testing::Values("sandboxed"),
                         [](const auto&) { return "isolated"; });

TEST(WebResponse, headers_that_a_plugin_may_send_are_a_list) {
  for (const char* name :
       {"Set-Cookie", "Access-Control-Allow-Origin", "Content-Security-Policy", "Location", "X-Frame-Options",
        "Strict-Transport-Security", "Connection", "Transfer-Encoding", "Content-Length", "WWW-Authenticate", "Refresh",
        "Clear-Site-Data", "Travertine-Position", "X-Request-Id", "Link", "", "a b"}) {
    WebResponse response{.status = 200, .headers = {{name, "x"}}, .body = {}};
    EXPECT_FALSE(check_response(response)) << name;
  }
  WebResponse response{.status = 200, .headers = {{"Content-Encoding", "gzip"}, {"ETAG", "x"}}, .body = {}};
  ASSERT_TRUE(check_response(response));
  EXPECT_EQ(response.headers[1].name, "etag");
  response.headers.push_back({"eTag", "y"});
  EXPECT_FALSE(check_response(response)) << "twice";
}

TEST(WebResponse, a_plugin_sees_no_credential_and_nothing_of_the_connection) {
  for (const char* name : {"authorization", "cookie", "proxy-authorization", "host", "connection", "te", "upgrade",
                           "x-forwarded-for", "forwarded", "travertine-client", "origin", "referer"}) {
    EXPECT_FALSE(passes_to_plugin(name)) << name;
  }
  EXPECT_TRUE(passes_to_plugin("accept"));
}

}  // namespace
}  // namespace trv::plugin_host
