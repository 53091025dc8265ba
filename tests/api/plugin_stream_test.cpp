// What a plugin serves in parts goes out as it is written, as fast as it is read, and is never taken for whole where it
// is not.

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernel/http/testing/raw_client.hpp"
#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using http::RawClient;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// In a process of the plugin's own, and within travd.
class PluginStreamTest : public PluginFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) surroundings_.variables["TRAV_PLUGINS_IN_PROCESS"] = "tracker";
    PluginFixture::SetUp();
    if (IsSkipped()) return;
    const Answer installed = install(tracker_package("streams_for_clients", 1, std::string::npos, "1.4.0",
                                                     R"("permissions":["serve","webhooks"],)"));
    ASSERT_EQ(installed.status, 201) << installed.body;
    const Answer enabled = call("PUT", "/tracker", R"({"version":"1.4.0","permissions":["serve","webhooks"]})");
    ASSERT_EQ(enabled.status, 200) << enabled.body;
  }
  std::unique_ptr<RawClient> ask_for(const std::string& path, const std::string& method = "GET",
                                     const std::string& version = "1.1", int receive_buffer_bytes = 0) {
    const std::string& url = daemon_->url();
    auto client = std::make_unique<RawClient>(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))),
                                              receive_buffer_bytes);
    client->send(
        fmt::format("{} /v1/tenants/acme/plugins/tracker/serve{} HTTP/{}\r\nHost: x\r\nConnection: "
                    "close\r\nAuthorization: Bearer {}\r\n\r\n",
                    method, path, version, acme_));
    return client;
  }
  std::string whole(const std::string& path) {
    const auto client = ask_for(path);
    std::string answer = client->read_all();
    EXPECT_TRUE(client->closes(20'000)) << path;
    return answer;
  }
  /// Of the daemon.
  [[nodiscard]] long memory_kib() const {
    std::ifstream status(fmt::format("/proc/{}/status", daemon_->id()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0;
  }
};

/// The body of an answer in chunks, to its last one.
std::string joined(const std::string& answer) {
  std::string body;
  std::size_t at = answer.find("\r\n\r\n") + 4;
  while (at < answer.size()) {
    const std::size_t size = std::stoul(answer.substr(at, 16), nullptr, 16);
    const std::size_t begin = answer.find("\r\n", at) + 2;
    if (size == 0) return body;
    body.append(answer, begin, size);
    at = begin + size + 2;
  }
  return body + "(cut)";
}

TEST_P(PluginStreamTest, events_are_seen_one_by_one) {
  const auto client = ask_for("/steps");
  const std::string head = client->read_until("one \r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(head, HasSubstr("Cache-Control: private, no-store\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Security-Policy: "));
  ASSERT_EQ(call("GET", "/tracker/serve/next").status, 200);
  EXPECT_EQ(client->read_until("two \r\n"), "4\r\ntwo \r\n");
  ASSERT_EQ(call("GET", "/tracker/serve/finish").status, 200);
  EXPECT_EQ(client->read_all(), "0\r\n\r\n");

  const std::string of_head = ask_for("/count?5", "HEAD")->read_all();
  EXPECT_THAT(of_head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(of_head, EndsWith("\r\n\r\n"));
  EXPECT_THAT(ask_for("/count?5", "GET", "1.0")->read_all(), EndsWith("\r\n\r\nfffff"));
}

TEST_P(PluginStreamTest, a_slow_client_costs_no_memory) {
  ASSERT_EQ(joined(whole("/count?2000000")).size(), 2'000'000U);
  const long before = memory_kib();
  const auto client = ask_for("/count?20000000", "GET", "1.1", 4'096);
  client->read_until("\r\n\r\n");
  long most = 0;
  std::string answer = "\r\n\r\n";
  for (int i = 0; i < 40; ++i) {
    for (int line = 0; line < 2; ++line) answer += client->read_until("\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    most = std::max(most, memory_kib() - before);
  }
  answer += client->read_all();
  most = std::max(most, memory_kib() - before);
  EXPECT_EQ(joined(answer).size(), 20'000'000U);
  EXPECT_LT(most, 8'192) << "KiB more than before";
  RecordProperty("kib_more", static_cast<int>(most));
}

TEST_P(PluginStreamTest, what_is_not_whole_is_cut) {
  for (const char* path : {"/over-the-room", "/other-stream", "/whole-after", "/fails-midway", "/long-part"}) {
    const std::string answer = whole(path);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << path;
    EXPECT_THAT(joined(answer), EndsWith("(cut)")) << path;
    const auto old = ask_for(path, "GET", "1.0");
    EXPECT_TRUE(old->closes(30'000)) << path;
    EXPECT_TRUE(old->was_reset()) << path;
  }
  for (const char* path : {"/cookie", "/no-body", "/no-head", "/before-the-head", "/long-first"}) {
    EXPECT_EQ(call("GET", std::string("/tracker/serve") + path).status, 502) << path;
  }
  EXPECT_EQ(joined(whole("/count?100000")).size(), 100'000U);
  if (!GetParam()) return;
  EXPECT_THAT(joined(whole("/dies-midway")), EndsWith("(cut)"));
  EXPECT_TRUE(eventually([&] { return call("GET", "/tracker/serve/seen").status == 200; }));
  EXPECT_EQ(joined(whole("/count?100000")).size(), 100'000U);
}

TEST_P(PluginStreamTest, a_client_that_goes_leaves_its_place_to_another) {
  std::vector<std::unique_ptr<RawClient>> open;
  for (int i = 0; i < 32; ++i) open.push_back(ask_for("/endless", "GET", "1.1", 4'096));
  for (const auto& one : open) EXPECT_THAT(one->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(call("GET", "/tracker/serve/seen").status, 429);
  open.clear();
  EXPECT_TRUE(eventually([&] { return call("GET", "/tracker/serve/seen").body == "32 ended"; }))
      << call("GET", "/tracker/serve/seen").body;
}

INSTANTIATE_TEST_SUITE_P(Everywhere, PluginStreamTest, testing::Bool(),
                         [](const auto& is_isolated) { return is_isolated.param ? "isolated" : "here"; });

}  // namespace
}  // namespace trv::api
