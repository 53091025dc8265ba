// How a node is, for machines and for people.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "kernel/http/testing/raw_client.hpp"
#include "sdk/base/bytes.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string guide() {
  std::ifstream file(std::string(TRV_SOURCE_DIR) + "/docs/guides/watching.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The names of the families.
std::vector<std::string> metrics_of(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) names.push_back(line.substr(7, line.find(' ', 7) - 7));
  }
  return names;
}

class StatusTest : public ApiTest {
 protected:
  static http::RawAnswer get(const std::string& path, const std::string& more = "") {
    const std::string& url = daemon().url();
    http::RawClient client(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, more));
    return client.read_answer();
  }
};

TEST_F(StatusTest, a_node_that_serves_is_well_and_says_so_without_a_token) {
  const http::RawAnswer health = get("/health");
  ASSERT_EQ(health.status, 200) << health.body;
  EXPECT_EQ(health.headers.at("content-type"), "application/health+json");
  const json::value document = json::parse(health.body);
  EXPECT_EQ(document.at("status"), "pass") << health.body;
  const auto& checks = document.at("checks").as_object();
  for (const char* name : {"server:ready", "shard:ready", "disk:free", "log:used", "projection:used", "effects:pending",
                           "effects:parked", "plugins:quarantine", "requests:failed", "clock:step"}) {
    EXPECT_TRUE(checks.contains(name)) << name;
  }
}

TEST_F(StatusTest, the_page_asks_nobody_outside_and_names_no_tenant) {
  const http::RawAnswer page = get("/status");
  ASSERT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.headers.at("content-security-policy"), HasSubstr("default-src 'none'; script-src 'self'"));
  for (const char* path : {"/status", "/status.css", "/status.js"}) {
    const http::RawAnswer part = get(path);
    ASSERT_EQ(part.status, 200) << path;
    std::string text = part.body;
    // The name of a namespace, which nobody fetches.
    if (const auto at = text.find("'http://www.w3.org/2000/svg'"); at != std::string::npos) text.erase(at, 28);
    EXPECT_THAT(text, Not(HasSubstr("//")))
        << path << " names another place, or has a comment that can be taken for one";
    EXPECT_EQ(get(path, "If-None-Match: " + part.headers.at("etag") + "\r\n").status, 304) << path;
  }
  call(acme(), "GET", "/v1/tenants/acme/instances");
  const http::RawAnswer status = get("/status.json");
  ASSERT_EQ(status.status, 200) << status.body;
  EXPECT_THAT(status.body, Not(HasSubstr("acme")));
  const json::value shown = json::parse(status.body);
  EXPECT_EQ(shown.at("health").at("status"), "pass");
  EXPECT_EQ(shown.at("objectives").as_array().size(), 2U);
  EXPECT_EQ(shown.at("shards").at(0).at("role"), "owner");
}

TEST_F(StatusTest, what_waits_in_a_shard_is_shown) {
  const auto timers_set = [] {
    std::int64_t timers = 0;
    const json::value status = json::parse(get("/status.json").body);
    for (const json::value& shard : status.at("shards").as_array()) {
      timers += shard.at("timers").at("set").as_int64();
      EXPECT_GE(shard.at("timers").at("due").as_int64(), 0);
      for (const char* name : {"pending", "parked", "under_way", "waiting", "outcomes"}) {
        EXPECT_GE(shard.at("effects").at(name).as_int64(), 0) << name;
      }
    }
    return timers;
  };
  const std::int64_t before = timers_set();
  const auto applied = call(acme(), "POST", "/v1/tenants/acme/workflows",
                            "document: {dsl: '1.0.3', namespace: demo, name: sleep, version: '1.0.0'}\n"
                            "do: [{sleep: {wait: {hours: 3}}}]\n",
                            {{"Content-Type", "application/yaml"}});
  ASSERT_EQ(applied.status, 201) << applied.body;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(call(acme(), "POST", "/v1/tenants/acme/workflows/demo/sleep/instances", "{}").status, 201);
  }
  // Of the same daemon are timers of other tests, which may fire.
  EXPECT_GE(timers_set(), before + 10);
}

TEST_F(StatusTest, requests_of_the_api_are_counted_by_class_and_time) {
  const auto count_of = [](const std::string& line) {
    const std::string metrics = get("/metrics").body;
    const auto at = metrics.find("\n" + line + " ");
    EXPECT_NE(at, std::string::npos) << line;
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + line.size() + 2));
  };
  const std::string good = R"(travertine_http_requests_total{class="2xx"})";
  const std::string refused = R"(travertine_http_requests_total{class="4xx"})";
  const std::string timed = R"(travertine_http_request_duration_seconds_bucket{le="+Inf"})";
  const int good_before = count_of(good);
  const int refused_before = count_of(refused);
  const int timed_before = count_of(timed);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances").status, 200);
  EXPECT_EQ(call("nobody", "GET", "/v1/tenants/acme/instances").status, 401);
  get("/livez");
  EXPECT_EQ(count_of(good), good_before + 1) << "without those that watch";
  EXPECT_EQ(count_of(refused), refused_before + 1);
  EXPECT_EQ(count_of(timed), timed_before + 2);
}

TEST(StatusOfBackups, they_are_checked_shown_and_explained) {
  ScratchFolder scratch;
  const std::string target = (scratch.path() / "target").string();
  auto started = Daemon::start(scratch, {}, {.variables = {{"TRAV_BACKUP_TARGET", target}}});
  ASSERT_TRUE(started) << started.error().message();
  const Answer status = ask(**started, "", "GET", "/status.json");
  ASSERT_EQ(status.status, 200) << status.body;
  const json::value shown = status.value();
  EXPECT_EQ(shown.at("backups").at("failed"), 0);
  EXPECT_TRUE(shown.at("health").at("checks").as_object().contains("backup:age")) << status.body;
  for (const std::string& name : metrics_of(ask(**started, "", "GET", "/metrics").body)) {
    EXPECT_THAT(guide(), HasSubstr("| `" + name + "` |"));
  }
}

TEST_F(StatusTest, a_tenant_sees_its_own_page_by_its_token_and_nobody_elses) {
  const std::string acme = api::create_tenant(daemon(), "seen");
  const std::string other = api::create_tenant(daemon(), "unseen");
  const std::string path = "/v1/tenants/seen/status";
  for (const char* file : {"", ".json"}) {
    EXPECT_EQ(ask(daemon(), acme, "GET", path + file).status, 200) << file;
    EXPECT_EQ(ask(daemon(), other, "GET", path + file).status, 404) << file;
    const http::RawAnswer nobody = get(path + file);
    EXPECT_EQ(nobody.status, 401);
    EXPECT_THAT(nobody.headers.at("www-authenticate"), HasSubstr("Basic")) << "a browser asks";
    const std::string basic = base::to_base64(base::as_bytes("me:" + acme));
    EXPECT_EQ(get(path + file, "Authorization: Basic " + basic + "\r\n").status, 200);
  }
  EXPECT_THAT(get(path, "Authorization: Bearer " + acme + "\r\n").headers.at("content-security-policy"),
              HasSubstr("default-src 'none'"));
  EXPECT_EQ(get("/status-tenant.js").status, 200);
  EXPECT_EQ(get("/status-parts.js").status, 200);

  const auto apply = [&](const std::string& name, const std::string& tasks) {
    const Answer applied =
        ask(daemon(), acme, "POST", "/v1/tenants/seen/workflows",
            "document: {dsl: '1.0.3', namespace: demo, name: " + name + ", version: '1.0.0'}\n" + tasks,
            {{"Content-Type", "application/yaml"}});
    ASSERT_EQ(applied.status, 201) << applied.body;
    ASSERT_EQ(ask(daemon(), acme, "POST", "/v1/tenants/seen/workflows/demo/" + name + "/instances", "{}").status, 201);
  };
  apply("waits", "do:\n  - nap: {wait: {hours: 1}}\n");
  apply("fails",
        "do:\n  - no: {raise: {error: {type: 'https://e.example/x', status: 400, title: Refused, detail: by me}}}\n");
  const Answer answer = ask(daemon(), acme, "GET", path + ".json");
  const json::value status = answer.value();
  EXPECT_EQ(status.at("tenant"), "seen");
  EXPECT_EQ(status.at("instances").at("running"), 1) << answer.body;
  EXPECT_EQ(status.at("instances").at("faulted"), 1);
  EXPECT_EQ(status.at("faulted").at(0).at("workflow"), "demo/fails:1.0.0");
  EXPECT_EQ(status.at("faulted").at(0).at("error"), "Refused: by me");
  EXPECT_TRUE(status.at("attention").as_array().empty()) << answer.body;
  ASSERT_EQ(ask(daemon(), acme, "POST", "/v1/tenants/seen/workflows/demo/waits/disable", "{}").status, 200);
  EXPECT_THAT(ask(daemon(), acme, "GET", path + ".json").body, HasSubstr("Workflow demo/waits:1.0.0: disabled by"));
}

}  // namespace
}  // namespace trv::api
