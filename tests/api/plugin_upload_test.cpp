// What a client sends to a plugin, and what a plugin sends on, goes as it comes: travd holds none of it, and nothing
// that was cut is taken for whole.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "kernel/http/testing/parts_server.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "sdk/base/digest.hpp"
#include "tests/support/api/plugin_fixture.hpp"
#include "tests/support/api/uploads_package.hpp"

namespace trv::api {
namespace {

using http::PartsAnswer;
using http::PartsBody;
using http::PartsServer;
using http::RawClient;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

std::string letters(std::size_t from, std::size_t count) {
  std::string text(count, ' ');
  for (std::size_t at = 0; at < count; ++at) text[at] = static_cast<char>('a' + (from + at) % 23);
  return text;
}

/// In a process of the plugin's own, and within travd.
class PluginUploadTest : public PluginFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) surroundings_.variables["TRAV_PLUGINS_IN_PROCESS"] = "tracker";
    PluginFixture::SetUp();
    if (IsSkipped()) return;
    const Answer installed = install(uploads_package());
    ASSERT_EQ(installed.status, 201) << installed.body;
    const Answer enabled = call("PUT", "/tracker", R"({"version":"1.5.0","permissions":["http","serve"]})");
    ASSERT_EQ(enabled.status, 200) << enabled.body;
  }
  void connect_to(const PartsServer& service) {
    const Answer put =
        ask(*daemon_, acme_, "PUT", "/v1/tenants/acme/connections/api",
            fmt::format(R"({{"base_url":"{}","plugin":"tracker","allow_private_network":true}})", service.url()),
            {{"Content-Type", "application/json"}});
    ASSERT_EQ(put.status, 200) << put.body;
  }
  std::unique_ptr<RawClient> client() {
    const std::string& url = daemon_->url();
    return std::make_unique<RawClient>(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  }
  std::string head(const std::string& path, const std::string& framing) {
    return fmt::format(
        "POST /v1/tenants/acme/plugins/tracker/serve{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{}\r\n\r\n",
        path, acme_, framing);
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

TEST_P(PluginUploadTest, fifty_megabytes_pass_through_to_a_service_and_are_never_held) {
  constexpr std::size_t count = 50'000'000;
  const auto digest_of = [](std::string_view bytes) { return base::to_hex(base::sha256(base::as_bytes(bytes))); };
  PartsServer service([&](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    std::string whole;
    for (std::string bytes = body.next(); !bytes.empty(); bytes = body.next()) {
      if (whole.size() % 1'000'000 + bytes.size() >= 1'000'000) std::this_thread::sleep_for(5ms);  // it is slow
      whole += bytes;
    }
    const std::string digest = digest_of(whole);
    if (body.is_whole()) answer.send("HTTP/1.1 201 Created\r\nContent-Length: 64\r\n\r\n" + digest);
  });
  connect_to(service);
  const std::string sent = letters(0, count);
  const std::string digest = digest_of(sent);
  for (const bool is_chunked : {false, true}) {
    const auto sends = [&](std::size_t bytes) {
      const auto asking = client();
      asking->send(head("/pass", is_chunked ? "Transfer-Encoding: chunked" : fmt::format("Content-Length: {}", bytes)));
      for (std::size_t at = 0; at < bytes; at += 100'000) {
        if (is_chunked) asking->send("186a0\r\n");
        asking->send(std::string_view(sent).substr(at, 100'000));
        if (is_chunked) asking->send("\r\n");
      }
      if (is_chunked) asking->send("0\r\n\r\n");
      std::string answer = asking->read_until("0\r\n\r\n");
      asking->send(head("/count", "Content-Length: 3") + "abc");
      EXPECT_EQ(asking->read_answer().body, "3 as sent") << "the connection goes on behind an answer in parts";
      return answer;
    };
    ASSERT_THAT(sends(2'000'000), StartsWith("HTTP/1.1 201 Created\r\n"));
    const long before = memory_kib();
    std::atomic<bool> is_over = false;
    std::atomic<long> most = 0;
    std::thread watch([&] {
      for (; !is_over; std::this_thread::sleep_for(5ms)) most = std::max(most.load(), memory_kib() - before);
    });
    const std::string answer = sends(count);
    is_over = true;
    watch.join();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 Created\r\n"));
    EXPECT_THAT(answer, HasSubstr(digest));
    EXPECT_LT(most, 8'192) << "KiB more than before";
    RecordProperty(is_chunked ? "kib_more_in_chunks" : "kib_more", static_cast<int>(most));
  }
}

TEST_P(PluginUploadTest, a_client_that_is_cut_ends_the_call_and_the_request_that_it_led_to) {
  std::atomic<bool> was_whole = false;
  std::atomic<bool> has_ended = false;
  std::atomic<std::size_t> came = 0;
  PartsServer service([&](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    for (std::string bytes = body.next(); !bytes.empty(); bytes = body.next()) came += bytes.size();
    was_whole = body.is_whole();
    has_ended = true;
  });
  connect_to(service);
  for (const std::string framing : {"Transfer-Encoding: chunked", "Content-Length: 1000000"}) {
    came = 0;
    has_ended = false;
    {
      const auto asking = client();
      asking->send(head("/pass", framing));
      if (framing.starts_with("T")) asking->send("186a0\r\n");
      asking->send(letters(0, 50'000));
      ASSERT_TRUE(eventually([&] { return came == 50'000; })) << came;
    }
    EXPECT_TRUE(eventually([&] { return has_ended.load(); }));
    EXPECT_FALSE(was_whole);
  }
  EXPECT_TRUE(eventually([&] { return call("POST", "/tracker/serve/count", "abc").body == "3 as sent"; }));
}

TEST_P(PluginUploadTest, a_service_that_is_cut_or_answers_early_is_what_the_client_hears_of) {
  std::atomic<bool> answers = false;
  PartsServer service([&](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    for (std::size_t count = 0; count < 100'000;) count += body.next().size();
    if (!answers) return;
    answer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    static_cast<void>(answer.client_is_gone());
  });
  connect_to(service);
  for (const bool one : {false, true}) {
    answers = one;
    const auto asking = client();
    std::jthread sending([&] {
      asking->send(head("/pass", "Content-Length: 20000000"));
      for (std::size_t at = 0; at < 20'000'000 && asking->send(letters(at, 100'000)); at += 100'000) {
      }
    });
    const std::string answer = asking->read_until(one ? "big" : "}");
    EXPECT_THAT(answer, StartsWith(one ? "HTTP/1.1 413 " : "HTTP/1.1 503 ")) << answer.substr(0, 1'000);
  }
}

TEST_P(PluginUploadTest, a_plugin_reads_what_it_wants_and_answers_when_it_wants) {
  {
    const auto asking = client();
    asking->send(head("/ignore", "Content-Length: 1000000\r\nExpect: 100-continue"));
    const std::string answer = asking->read_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << "and no 100";
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(answer, EndsWith("not read"));
  }
  {
    const auto asking = client();
    asking->send(head("/count", "Content-Length: 5\r\nExpect: 100-continue"));
    EXPECT_EQ(asking->read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    asking->send("abcde");
    EXPECT_EQ(asking->read_answer().body, "5 as sent");
    asking->send(head("/count", "Content-Length: 3") + "abc");
    EXPECT_EQ(asking->read_answer().body, "3 as sent") << "on the same connection";
  }
  {
    const auto asking = client();
    std::jthread sending([&] {
      asking->send(head("/first", "Content-Length: 50000000"));
      for (std::size_t at = 0; at < 50'000'000 && asking->send(letters(at, 100'000)); at += 100'000) {
      }
    });
    EXPECT_THAT(asking->read_until("enough"), StartsWith("HTTP/1.1 413 "));
  }
  EXPECT_EQ(call("GET", "/tracker/serve/count").body, "0 as sent");
  EXPECT_EQ(
      ask(*daemon_, "trv_acme_0123456789ab_no", "POST", "/v1/tenants/acme/plugins/tracker/serve/count", "abc").status,
      401);
  {
    const auto asking = client();
    asking->send(head("/count", "Content-Length: 1073741825"));
    EXPECT_EQ(asking->read_answer().status, 413);
  }
}

TEST_P(PluginUploadTest, what_is_against_the_framing_is_seen) {
  const auto chunked = client();
  chunked->send(head("/count", "Transfer-Encoding: chunked") + "3\r\nabcgarbage\r\n");
  EXPECT_THAT(chunked->read_all(), StartsWith("HTTP/1.1 400 "));
  const auto longer = client();
  longer->send(head("/count", "Content-Length: 3") + "abcdefg\r\n\r\n");
  EXPECT_EQ(longer->read_answer().body, "3 as sent");
  EXPECT_EQ(longer->read_answer().status, 400);
  const auto shorter = client();
  shorter->send(head("/count", "Content-Length: 30") + "abc");
  shorter->end_sending();
  EXPECT_THAT(shorter->read_all(), StartsWith("HTTP/1.1 400 "));
}

TEST_P(PluginUploadTest, a_path_may_have_an_encoded_slash_and_no_way_up) {
  EXPECT_EQ(call("POST", "/tracker/serve/a%2Fb", "abc").body, "3 as sent");
  EXPECT_EQ(call("POST", "/tracker/serve/a%2F..%2Fb", "abc").status, 404);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, PluginUploadTest, testing::Bool(),
                         [](const auto& is_isolated) { return is_isolated.param ? "isolated" : "here"; });

/// As above, of one whose manifest does not ask for parts.
class WholeBodyTest : public PluginFixture {};

TEST_F(WholeBodyTest, one_that_does_not_ask_for_parts_is_given_the_whole_and_reads_it_the_same_way) {
  if (IsSkipped()) return;
  ASSERT_EQ(install(uploads_package("whole")).status, 201);
  ASSERT_EQ(call("PUT", "/tracker", R"({"version":"1.5.0","permissions":["http","serve"]})").status, 200);
  EXPECT_EQ(call("POST", "/tracker/serve/count", letters(0, 500'000)).body, "500000 as sent");
  EXPECT_EQ(call("POST", "/tracker/serve/count", letters(0, 1'000'001)).status, 413);
}

}  // namespace
}  // namespace trv::api
