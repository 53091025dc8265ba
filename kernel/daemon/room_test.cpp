#include "kernel/daemon/room.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "events/lmdb/table.hpp"

namespace trv::daemon {
namespace {

constexpr std::uint64_t map_bytes = std::uint64_t{4} << 20;

class RoomTest : public testing::Test {
 protected:
  RoomTest() {
    std::string name = testing::TempDir() + "room_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    auto env = lmdb::Env::open(folder_, {.map_bytes = map_bytes, .sync = lmdb::Sync::none});
    EXPECT_TRUE(env);
    env_ = std::make_unique<lmdb::Env>(*std::move(env));
    auto txn = env_->begin_write();
    EXPECT_TRUE(txn);
    table_ = txn->create_table("rows").value();
    EXPECT_TRUE(txn->commit());
    room_ = std::make_unique<Room>(folder_,
                                   std::vector<Room::Store>{{.name = "log", .stats = [this] { return env_->stats(); }}},
                                   clock_, std::make_shared<spdlog::logger>("test"));
  }
  ~RoomTest() override { std::filesystem::remove_all(folder_); }

  bool put(std::uint64_t number) {
    auto txn = env_->begin_write();
    return table_.put(*txn, std::to_string(number), base::Bytes(30'000, 'x')) && txn->commit();
  }
  base::Status check() {
    clock_.advance(std::chrono::seconds(1));
    return room_->check();
  }

  std::filesystem::path folder_;
  base::SimulatedClock clock_{base::Timestamp(1)};
  std::unique_ptr<lmdb::Env> env_;
  lmdb::Table table_;
  std::unique_ptr<Room> room_;
};

TEST_F(RoomTest, ends_before_the_map_does_and_comes_back_with_free_pages) {
  ASSERT_TRUE(check());
  std::uint64_t number = 0;
  while (check() && number < 1000) ASSERT_TRUE(put(number++));
  const base::Status full = check();
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), base::ErrorCode::unavailable);
  EXPECT_NE(full.error().message().find("the log has used"), std::string::npos) << full.error().message();
  EXPECT_NE(full.error().message().find("raise data.map_gib"), std::string::npos);
  EXPECT_EQ(full.error().message().find(folder_.string()), std::string::npos);
  EXPECT_TRUE(put(number)) << "there is a reserve";
  const auto erase = [&](std::uint64_t from, std::uint64_t to) {
    auto some = env_->begin_write();
    for (std::uint64_t i = from; i < to; ++i) ASSERT_TRUE(table_.erase(*some, std::to_string(i)).value());
    ASSERT_TRUE(some->commit());
  };
  erase(0, 3);
  EXPECT_FALSE(check()) << "it is not there again the moment that a little is free";
  auto txn = env_->begin_write();
  for (std::uint64_t i = 3; i < number; ++i) ASSERT_TRUE(table_.erase(*txn, std::to_string(i)).value());
  ASSERT_TRUE(txn->commit());
  EXPECT_TRUE(check()) << check().error().message();
}

}  // namespace
}  // namespace trv::daemon
