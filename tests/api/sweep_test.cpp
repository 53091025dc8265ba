// What was stored and never recorded goes a day later; what the log names stays.

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

void make_older(const std::filesystem::path& file) {
  std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - std::chrono::hours(25));
}

bool goes(const std::filesystem::path& file) {
  for (int looks = 0; looks < 1200 && std::filesystem::exists(file); ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return !std::filesystem::exists(file);
}

TEST(SweepTest, what_no_record_names_is_removed_when_it_is_a_day_old) {
  const ScratchFolder scratch;
  {
    const auto daemon = Daemon::start(scratch);
    ASSERT_TRUE(daemon) << daemon.error().message();
    EXPECT_EQ((*daemon)->stop(), 0);
  }
  const std::filesystem::path data = scratch.path() / "data";
  const std::filesystem::path library = data / "plugins" / std::string(64, 'a');
  const std::filesystem::path archive = data / "packages" / "aa" / std::string(62, 'a');
  const std::filesystem::path secret = data / "secrets" / "acme" / std::string(32, 'b');
  const std::filesystem::path half = data / "blobs" / ".unfinished" / std::string(32, 'c');
  const std::filesystem::path fresh = data / "secrets" / "acme" / std::string(32, 'd');
  for (const std::filesystem::path& file : {library / "plugin.so", archive, secret, half, fresh}) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << "left behind";
  }
  make_older(secret);
  make_older(half);
  const auto daemon = Daemon::start(scratch);
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_FALSE(std::filesystem::exists(library));
  EXPECT_FALSE(std::filesystem::exists(archive));
  EXPECT_TRUE(goes(secret));
  EXPECT_TRUE(goes(half));
  EXPECT_TRUE(std::filesystem::exists(fresh)) << "its record may not be written yet";
}

TEST(SweepTest, a_blob_that_no_event_names_is_removed_and_no_other) {
  const ScratchFolder scratch;
  auto daemon = Daemon::start(scratch, {}, {.variables = {{"TRAV_SHARDS", "3"}}});
  ASSERT_TRUE(daemon) << daemon.error().message();
  const std::filesystem::path blobs = scratch.path() / "data" / "blobs";
  const auto blob_of = [&](const std::string& data) {
    const std::string name = base::to_hex(base::sha256(base::as_bytes(data)));
    return blobs / name.substr(0, 2) / name.substr(2);
  };
  const auto send = [&](const std::string& token, const std::string& tenant, const std::string& data) {
    return ask(**daemon, token, "POST", "/v1/tenants/" + tenant + "/events",
               R"({"specversion":"1.0","id":"1","source":"/s","type":"com.example.large","data":)" + data + "}",
               {{"Content-Type", "application/cloudevents+json"}})
        .status;
  };
  const std::string acme = create_tenant(**daemon, "acme");
  const std::string beta = create_tenant(**daemon, "beta");
  const std::string of_acme = '"' + std::string(300'000, 'a') + '"';
  const std::string of_beta = '"' + std::string(300'000, 'b') + '"';
  const std::string of_nobody = '"' + std::string(300'000, 'c') + '"';
  EXPECT_EQ(send(acme, "acme", of_acme), 202);
  EXPECT_EQ(send(beta, "beta", of_beta), 202);
  EXPECT_EQ(send(acme, "acme", of_nobody), 202) << "taken before, so that no record names its data";
  EXPECT_TRUE(std::filesystem::exists(blob_of(of_nobody)));
  EXPECT_EQ((*daemon)->stop(), 0);
  for (const std::string& data : {of_acme, of_beta, of_nobody}) make_older(blob_of(data));
  std::filesystem::remove_all(scratch.path() / "data" / "projection");
  daemon = Daemon::start(scratch, {}, {.variables = {{"TRAV_SHARDS", "3"}}});
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_TRUE(goes(blob_of(of_nobody)));
  EXPECT_TRUE(std::filesystem::exists(blob_of(of_acme)));
  EXPECT_TRUE(std::filesystem::exists(blob_of(of_beta)));
}

}  // namespace
}  // namespace trv::api
