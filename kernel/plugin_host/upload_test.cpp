// Bodies of requests that a plugin writes in parts (trv.stream/2): each promise is held in this process and in a
// process of its own.

#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "kernel/http/testing/parts_server.hpp"
#include "kernel/plugin_host/testing/given_body.hpp"
#include "kernel/plugin_host/testing/isolated_fixture.hpp"
#include "kernel/plugin_host/testing/part_client.hpp"

namespace trv::plugin_host {
namespace {

using http::PartsAnswer;
using http::PartsBody;
using http::PartsServer;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::array operations = {"known", "chunks", "short", "never", "parts"};

class UploadTest : public IsolatedFixture, public testing::WithParamInterface<std::string> {
 protected:
  void prepare(HostConfiguration& configuration) override {
    configuration.in_process =
        GetParam() == "in-process" ? std::vector<std::string>{"tracker"} : std::vector<std::string>{};
    configuration.streams = streams_;
    IsolatedFixture::prepare(configuration);
  }
  void SetUp() override {
    limits_.cancel_grace = 2s;
    IsolatedFixture::SetUp();
    if (IsSkipped()) return;
    const base::Status loaded = load(
        install(package_of(library_, R"(,"permissions":["http","serve"])", 1, "linux-x86_64", GetParam(), operations))
            .package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  CallOutcome send(PartsServer& server, const std::string& operation, std::uint64_t bytes,
                   std::uint64_t timeout_ms = 60'000) {
    source_.connection.base_url = server.url();
    return run(call(operation, R"({"bytes":)" + std::to_string(bytes) + "}", timeout_ms));
  }
  static std::string text(const CallOutcome& outcome) {
    return outcome ? *outcome : fmt::format("{}: {}", base::to_string(outcome.error().code), outcome.error().message);
  }
  std::string library_ = "uploads";
  StreamLimits streams_;
};

INSTANTIATE_TEST_SUITE_P(Everywhere, UploadTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Reads all, `pause` after each megabyte, and answers with what it was.
auto taking(std::chrono::milliseconds pause = 0ms) {
  return [pause](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    std::uint64_t count = 0;
    bool is_as_sent = true;
    for (std::string bytes = body.next(); !bytes.empty(); bytes = body.next()) {
      for (const char c : bytes) is_as_sent = is_as_sent && c == static_cast<char>('a' + count++ % 23);
      if (pause != 0ms && count % 1'000'000 < bytes.size()) std::this_thread::sleep_for(pause);
    }
    const std::string said =
        fmt::format("{}{}{}", count, is_as_sent ? " as sent" : " otherwise", body.is_chunked() ? " in chunks" : "");
    if (body.is_whole())
      answer.send(fmt::format("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{}", said.size(), said));
  };
}

TEST_P(UploadTest, fifty_megabytes_go_to_a_slow_service_and_are_never_held) {
  PartsServer server(taking(10ms));
  ASSERT_THAT(text(send(server, "known", 1'000'000)), HasSubstr("1000000 as sent"));
  const std::uint64_t before = resident_bytes();
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> most = 0;
  std::thread watch([&] {
    while (!is_over) {
      most = std::max(most.load(), resident_bytes());
      std::this_thread::sleep_for(2ms);
    }
  });
  const CallOutcome outcome = send(server, "known", 50'000'000);
  is_over = true;
  watch.join();
  EXPECT_EQ(text(outcome), R"({"status":201,"body":"50000000 as sent","written":50000000})");
  const std::uint64_t held = most.load() - std::min(before, most.load());
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(held, 16U * 1024 * 1024);
#endif
  RecordProperty("bytes_held", std::to_string(held));
}

TEST_P(UploadTest, a_body_without_a_length_goes_in_chunks_and_the_answer_may_come_in_parts) {
  PartsServer server(taking());
  EXPECT_THAT(text(send(server, "chunks", 5'000'001)), HasSubstr(R"("5000001 as sent in chunks","written":5000001)"));
  EXPECT_THAT(text(send(server, "parts", 5'000'001)), HasSubstr(R"("5000001 as sent in chunks","written":5000001)"));
  EXPECT_THAT(text(send(server, "chunks", 0)), HasSubstr("0 as sent in chunks"));
  EXPECT_THAT(text(send(server, "known", 0)), HasSubstr("0 as sent"));
}

TEST_P(UploadTest, a_service_that_answers_early_ends_the_writing_and_its_answer_comes) {
  PartsServer server([](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    static_cast<void>(body.next());
    answer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    static_cast<void>(answer.client_is_gone());
  });
  const CallOutcome outcome = send(server, "chunks", 50'000'000);
  EXPECT_THAT(text(outcome), HasSubstr(R"("status":413,"body":"big")"));
  EXPECT_THAT(text(outcome), testing::Not(HasSubstr("50000000")));
  PartsServer other(taking());
  EXPECT_THAT(text(send(other, "known", 10)), HasSubstr("10 as sent"));
}

TEST_P(UploadTest, a_service_that_is_cut_fails_the_request_and_is_asked_once) {
  std::atomic<int> requests = 0;
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    ++requests;
    PartsBody body(request, answer);
    for (std::size_t count = 0; count < 1'000'000;) count += body.next().size();
  });
  const CallOutcome outcome = send(server, "known", 50'000'000);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_EQ(requests, 1);
}

TEST_P(UploadTest, a_body_that_is_shorter_than_was_said_fails_the_request) {
  PartsServer server(taking());
  EXPECT_THAT(text(send(server, "short", 1'000)), HasSubstr("invalid: connection 'api' (host"));
  EXPECT_THAT(text(send(server, "short", 1'000)),
              HasSubstr("the body has 1000 bytes, and its length was given as 1001"));
}

TEST_P(UploadTest, one_that_does_not_end_has_the_time_of_its_call_and_ends_with_it) {
  std::atomic<bool> is_gone = false;
  PartsServer server([&](const std::string&, PartsAnswer& answer) { is_gone = answer.client_is_gone(); });
  EXPECT_THAT(text(send(server, "never", 10, 300)), HasSubstr("timeout: "));
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
}

TEST_P(UploadTest, a_call_whose_body_is_whole_is_open_still_and_can_be_cancelled) {
  std::atomic<bool> has_all = false;
  PartsServer server([&](const std::string& request, PartsAnswer& answer) {
    PartsBody body(request, answer);
    while (!body.next().empty()) {
    }
    has_all = body.is_whole();
    static_cast<void>(answer.client_is_gone());
  });
  source_.connection.base_url = server.url();
  CallHandle handle{};
  auto outcome = invoke(call("known", R"({"bytes":1000})", 60'000), &handle);
  ASSERT_TRUE(eventually([&] { return has_all.load(); }));
  PluginHost::cancel(handle);
  ASSERT_EQ(outcome.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(outcome.get().error().code, ErrorCode::cancelled);
}

TEST_P(UploadTest, more_than_a_gibibyte_is_refused_before_it_is_sent) {
  PartsServer server(taking());
  EXPECT_THAT(text(send(server, "known", 1'073'741'825)), HasSubstr("too_large: the body is to have 1073741825 bytes"));
}

TEST_P(UploadTest, where_nothing_can_be_sent_the_body_ends_too) {
  PartsServer server(taking());
  source_.connection.allow_private_network = false;
  EXPECT_THAT(text(send(server, "chunks", 50'000'000)), HasSubstr("denied: "));
}

class HostileUploadTest : public UploadTest {
 protected:
  void SetUp() override {
    library_ = "streams";
    UploadTest::SetUp();
  }
  std::string end_of(const std::string& path) {
    WebCall web = request("POST", path);
    web.receiver = std::make_shared<PartClient>(true);
    const WebOutcome outcome = serve(std::move(web)).get();
    return outcome ? "whole" : fmt::format("{}: {}", base::to_string(outcome.error().code), outcome.error().message);
  }
};

TEST_P(HostileUploadTest, what_breaks_a_rule_ends_its_own_call_alone) {
  PartsServer server([](const std::string&, PartsAnswer& answer) { static_cast<void>(answer.client_is_gone()); });
  source_.connection.base_url = server.url();
  EXPECT_THAT(end_of("/upload-over-the-room"), HasSubstr("exhausted: the plugin wrote 65536 bytes where the receiver"));
  EXPECT_THAT(end_of("/upload-long-part"), HasSubstr("too_large: the plugin wrote a part of 65537 bytes"));
  EXPECT_THAT(end_of("/upload-longer"), HasSubstr("too_large: the plugin wrote more than 10 bytes"));
  EXPECT_THAT(end_of("/upload-after-the-end"), HasSubstr("which it has not begun"));
  EXPECT_THAT(end_of("/upload-none"), HasSubstr("which it has not begun"));
  EXPECT_THAT(end_of("/read-twice"), HasSubstr("the plugin read a body twice"));
  EXPECT_EQ(end_of("/count"), "whole") << "and others go on";
}

INSTANTIATE_TEST_SUITE_P(Everywhere, HostileUploadTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

class SilentUploadTest : public HostileUploadTest {
 protected:
  void SetUp() override {
    streams_.silence = 300ms;
    HostileUploadTest::SetUp();
  }
};

TEST_P(SilentUploadTest, a_plugin_that_takes_nothing_of_a_body_loses_its_call_and_gets_no_more_than_the_room) {
  for (const char* path : {"/read-nothing", "/read-greedily"}) {
    WebCall web = request("POST", path);
    web.body = std::make_shared<GivenBody>(10'000'000, base::Status());
    const WebOutcome outcome = serve(std::move(web)).get();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::timeout);
    EXPECT_THAT(outcome.error().message, HasSubstr("neither read on nor answered"));
  }
  EXPECT_EQ(end_of("/count"), "whole") << "and others go on";
}

INSTANTIATE_TEST_SUITE_P(Everywhere, SilentUploadTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

}  // namespace
}  // namespace trv::plugin_host
