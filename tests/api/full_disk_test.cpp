// A disk without room: what cannot be stored is refused, plainly, and taken again when there is room.
//
// The limit of a file's size (RLIMIT_FSIZE) takes the place of a full disk: the write that exceeds it fails, as on a
// full disk. It does not imitate that statvfs() reports the lack beforehand, nor that a small file can still be
// written; those are tested where they are measured (kernel/daemon/room_test.cpp).

#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

TEST(FullDisk, is_503_for_every_write_and_passes_by_itself) {
  const ScratchFolder scratch;
  const auto started = Daemon::start(scratch, {}, {.limits = "-Sf 8192"});  // KiB
  ASSERT_TRUE(started) << started.error().message();
  const Daemon& daemon = **started;
  const std::string owner = create_tenant(daemon, "acme");
  const auto send = [&](int number) {
    const std::string event = R"({"specversion":"1.0","id":")" + std::to_string(number) +
                              R"(","source":"/test","type":"com.example.large","data":")" + std::string(100'000, 'x') +
                              "\"}";
    return ask(daemon, owner, "POST", "/v1/tenants/acme/events", event,
               {{"Content-Type", "application/cloudevents+json"}});
  };
  int number = 0;
  Answer answer = send(number);
  ASSERT_EQ(answer.status, 202) << answer.body;
  while (answer.status == 202 && number < 1000) answer = send(++number);
  ASSERT_LT(number, 1000) << "it was never full";
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_FALSE(answer.text("detail").empty());
    EXPECT_EQ(answer.body.find(daemon.data().string()), std::string::npos) << answer.body;
    answer = send(++number);
  }
  const Answer ready = ask(daemon, "", "GET", "/readyz");
  EXPECT_EQ(ready.status, 503) << ready.body;
  EXPECT_NE(ready.text("reason").find("no room"), std::string::npos) << ready.body;
  EXPECT_EQ(ask(daemon, "", "GET", "/livez").status, 200);
  EXPECT_NE(daemon.complaints().find(daemon.data().string()), std::string::npos) << "the log names the place";

  rlimit limit{};
  ASSERT_EQ(::prlimit(daemon.id(), RLIMIT_FSIZE, nullptr, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::prlimit(daemon.id(), RLIMIT_FSIZE, &limit, nullptr), 0);
  for (int i = 0; i < 100 && answer.status != 202; ++i) {
    std::this_thread::sleep_for(50ms);
    answer = send(++number);
  }
  EXPECT_EQ(answer.status, 202) << answer.body;
  for (int i = 0; i < 200 && ask(daemon, "", "GET", "/readyz").status != 200; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(ask(daemon, "", "GET", "/readyz").status, 200);
}

}  // namespace
}  // namespace trv::api
