// A disk without room: what cannot be stored is refused, plainly, and taken again when there is room.
//
// Three ways to be full: a write that fails (the limit of a file's size, RLIMIT_FSIZE, which needs no right), a file
// system without room (a small tmpfs in a mount namespace of this test's own, which needs the right to mount), and a
// map that has reached data.map_gib.

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

/// What shows the folder to plugins ends a moment after travd, and holds it until then.
void unmount(const std::filesystem::path& folder) {
  for (int tries = 0; tries < 400; ++tries) {
    if (::umount(folder.c_str()) == 0) return;
    if (errno != EBUSY) break;
    std::this_thread::sleep_for(50ms);
  }
  ADD_FAILURE() << folder << ": " << std::strerror(errno);
}

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
  for (int i = 0; i < 1'200 && answer.status != 202; ++i) {
    std::this_thread::sleep_for(50ms);
    answer = send(++number);
  }
  EXPECT_EQ(answer.status, 202) << answer.body;
  for (int i = 0; i < 1'200 && ask(daemon, "", "GET", "/readyz").status != 200; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(ask(daemon, "", "GET", "/readyz").status, 200);
}

/// What a client may do and what it may not, on a node without room.
class Client {
 public:
  Client(const Daemon& daemon, std::string owner) : daemon_(daemon), owner_(std::move(owner)) {}

  /// A batch of events, each of `bytes`.
  Answer send(std::size_t count, std::size_t bytes) {
    std::string batch = "[";
    for (std::size_t i = 0; i < count; ++i) {
      batch += fmt::format(R"({}{{"specversion":"1.0","id":"{}","source":"/s","type":"com.x","data":"{}"}})",
                           i == 0 ? "" : ",", ++sent_, std::string(bytes, 'x'));
    }
    return ask(daemon_, owner_, "POST", "/v1/tenants/acme/events", batch + "]",
               {{"Content-Type", "application/cloudevents-batch+json"}});
  }
  /// Sends until that is refused; the refusal.
  Answer fill(std::size_t count, std::size_t bytes) {
    Answer answer;
    for (int i = 0; i < 5000; ++i) {
      answer = send(count, bytes);
      if (answer.status != 202) return answer;
    }
    ADD_FAILURE() << "it was never full";
    return answer;
  }
  std::string new_token() {
    return ask(daemon_, owner_, "POST", "/v1/tenants/acme/tokens", R"({"name":"t","role":"viewer"})").text("id");
  }
  Answer revoke(const std::string& token) { return ask(daemon_, owner_, "DELETE", "/v1/tenants/acme/tokens/" + token); }
  Answer ready() { return ask(daemon_, "", "GET", "/readyz"); }
  void expect_refused(const Answer& answer, const std::string& because) const {
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_NE(answer.body.find(because), std::string::npos) << answer.body;
    EXPECT_EQ(answer.body.find(daemon_.data().string()), std::string::npos) << answer.body;
  }
  bool is_ready_again() {
    for (int i = 0; i < 400; ++i) {
      if (ready().status == 200) return true;
      std::this_thread::sleep_for(50ms);
    }
    return false;
  }

 private:
  const Daemon& daemon_;
  std::string owner_;
  int sent_ = 0;
};

constexpr std::string_view no_mount = "this test needs the right to mount a file system (CAP_SYS_ADMIN)";

/// A file system in memory, of this process and its children only, and gone with them. False without the right to.
bool mount_memory(const std::filesystem::path& folder, const char* size) {
  std::filesystem::create_directories(folder);
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size) == 0;
}

TEST(FullDisk, keeps_a_reserve_for_deletions_and_a_disk_that_is_really_full_recovers_by_itself) {
  const ScratchFolder scratch;
  const std::filesystem::path disk = scratch.path() / "data";
  if (!mount_memory(disk, "size=96m")) {
    GTEST_SKIP() << no_mount << "; FullDisk.is_503_for_every_write_and_passes_by_itself needs no right";
  }
  {
    const auto started = Daemon::start(scratch);
    ASSERT_TRUE(started) << started.error().message();
    Client client(**started, create_tenant(**started, "acme"));
    const std::string early = client.new_token();
    const std::string late = client.new_token();
    while (std::filesystem::space(disk).available > 24'000'000U) ASSERT_EQ(client.send(5, 200'000).status, 202);
    const std::uintmax_t before = std::filesystem::space(disk).available;
    client.expect_refused(client.send(1, before - 2'000'000U), "cannot store this now");
    EXPECT_GT(std::filesystem::space(disk).available, before / 2) << "a large body leaves the reserve alone";
    client.expect_refused(client.fill(5, 200'000), "the disk of the data folder has");
    client.expect_refused(client.ready(), "free some space on it");
    EXPECT_EQ(client.revoke(early).status, 204) << "what withdraws something is taken from the reserve";

    std::ofstream ballast(disk / "ballast", std::ios::binary);
    const std::string block(65'536, 'b');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
    ballast.close();
    ASSERT_LT(std::filesystem::space(disk).available, 65'536U);
    for (int i = 0; i < 20; ++i) client.expect_refused(client.send(1, 200'000), "disk");
    EXPECT_EQ(ask(**started, "", "GET", "/livez").status, 200);
    std::filesystem::remove(disk / "ballast");
    Answer revoked = client.revoke(late);
    for (int i = 0; i < 1'200 && revoked.status != 204; ++i) {
      client.expect_refused(revoked, "");
      std::this_thread::sleep_for(50ms);
      revoked = client.revoke(late);
    }
    EXPECT_EQ(revoked.status, 204) << revoked.body;
    EXPECT_EQ((*started)->stop(), 0) << (*started)->complaints();
  }
  ASSERT_EQ(::mount("none", disk.c_str(), nullptr, MS_REMOUNT, "size=256m"), 0) << std::strerror(errno);
  const auto again = Daemon::start(scratch);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(ask(**again, "", "GET", "/readyz").status, 200);
  EXPECT_EQ((*again)->stop(), 0);
  unmount(disk);
}

/// Writes records of a shard that travd does not have here, so that few events are left until the map is full.
base::Status write_to_log(const std::filesystem::path& data, std::size_t mib) {
  TRV_TRY_ASSIGN(const auto log,
                 log::LmdbEventLog::open(data / "log", {.map_bytes = std::uint64_t{1} << 30, .shards_max = 256}));
  TRV_TRY_ASSIGN(const log::Claim claim, log->claim(log::ShardId(99), "nobody", base::Uuid()));
  log::LogWriter writer(claim);
  for (std::size_t written = 0; written < mib; written += 9) {
    TRV_TRY_ASSIGN(const log::Ticket ticket, log->append(writer.claim(), writer.batch(10, 900'000)));
    TRV_TRY(log->settle(ticket));
  }
  return {};
}

TEST(FullMap, names_the_key_to_raise_takes_deletions_and_goes_on_with_a_larger_map) {
  const ScratchFolder scratch;
  // A GiB is written: to memory, so that the test does not depend on the speed of a disk.
  if (!mount_memory(scratch.path() / "data", "size=2g")) {
    GTEST_SKIP() << no_mount << "; kernel/daemon/room_test.cpp needs no right";
  }
  const base::Status written = write_to_log(scratch.path() / "data", 850);
  ASSERT_TRUE(written) << written.error().message();
  std::string owner;
  {
    const auto started = Daemon::start(scratch, {}, {.variables = {{"TRAV_DATA_MAP_GIB", "1"}}});
    ASSERT_TRUE(started) << started.error().message();
    owner = create_tenant(**started, "acme");
    Client client(**started, owner);
    const std::string token = client.new_token();
    client.expect_refused(client.fill(20, 250'000), "raise data.map_gib and restart travd");
    client.expect_refused(client.ready(), "raise data.map_gib and restart travd");
    client.expect_refused(client.send(1, 10), "nothing was changed");
    EXPECT_EQ(client.revoke(token).status, 204);
    EXPECT_EQ(ask(**started, owner, "GET", "/v1/tenants/acme/events?limit=1").status, 200);
    EXPECT_EQ((*started)->stop(), 0) << (*started)->complaints();
  }
  const auto larger = Daemon::start(scratch, {}, {.variables = {{"TRAV_DATA_MAP_GIB", "2"}}});
  ASSERT_TRUE(larger) << larger.error().message();
  Client client(**larger, owner);
  EXPECT_TRUE(client.is_ready_again());
  EXPECT_FALSE(client.new_token().empty());
  EXPECT_EQ((*larger)->stop(), 0);
  unmount(scratch.path() / "data");
}

}  // namespace
}  // namespace trv::api
