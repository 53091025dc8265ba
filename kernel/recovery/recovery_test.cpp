#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "events/backup/backup.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "kernel/recovery/create.hpp"
#include "kernel/recovery/folder_target.hpp"
#include "kernel/recovery/restore.hpp"
#include "kernel/recovery/signing.hpp"
#include "kernel/recovery/verify.hpp"
#include "sdk/base/file.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::int64_t epoch_ns = 1'700'000'000'000'000'000;  // of the example records; each has its lsn behind it
constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;

/// A data folder with a log, and a target beside it.
class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    std::string name = testing::TempDir() + "recovery_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    write("keys/audit.pem", "key");
    write("secrets/master.key", "master");
    write("secrets/acme/" + std::string(32, 'a'), "sealed");
    write("projection/0/data.mdb", "comes back by itself");
    write("snapshots/0/00000000000000000001-0123456789abcdef/manifest", "comes back by itself");
    write("plugins/ab/plugin.so", "comes back by itself");
    write("tries/0", "of one process");
    write(".half", "half written");
    log_ = *log::LmdbEventLog::open(data() / "log", {.map_bytes = map_bytes, .shards_max = 8});
    const auto key = open_signing_key(data(), nullptr, random_);
    EXPECT_TRUE(key) << key.error().message();
    key_ = std::make_unique<note::SigningKey>(*open_signing_key(data(), nullptr, random_));
  }
  ~RecoveryTest() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] path data() const { return folder_ / "data"; }
  [[nodiscard]] path to() const { return folder_ / "to"; }
  void write(const path& name, const std::string& text) const {
    std::filesystem::create_directories((data() / name).parent_path());
    std::ofstream(data() / name, std::ios::trunc) << text;
  }
  /// A file as the blob store keeps it; gives its path below the data folder.
  std::string write_blob(const std::string& text) const {
    const std::string hex = base::to_hex(base::sha256(base::as_bytes(text)));
    const std::string name = "blobs/" + hex.substr(0, 2) + "/" + hex.substr(2);
    write(name, text);
    return name;
  }
  static std::string read(const path& file) {
    const auto bytes = base::read_file(file, std::size_t{1} << 30);
    EXPECT_TRUE(bytes) << file;
    return bytes ? std::string(base::as_text(*bytes)) : std::string();
  }

  void append(std::size_t count, std::uint64_t shard = 0, log::Ends ends = log::Ends::each) {
    const auto claim = log_->claim(ShardId(shard), "test", base::Uuid::v7(clock_.now(), random_));
    ASSERT_TRUE(claim) << claim.error().message();
    log::LogWriter writer(*claim);
    const auto ticket = log_->append(*claim, writer.batch(count, 64, ends));
    ASSERT_TRUE(ticket);
    ASSERT_TRUE(log_->settle(*ticket));
    clock_.advance(std::chrono::seconds(1));
  }

  [[nodiscard]] Source source() { return Source{data(), data(), *log_, shards_, *key_, clock_}; }
  base::Result<Taken> take(Begin begin = Begin::follow) {
    FolderTarget target(to(), random_);
    Known known;  // as a command, which knows nothing of the runs before
    return take_segment(source(), target, begin, {}, known);
  }
  base::Result<Verified> verified(std::optional<note::VerifierKey> key = std::nullopt) {
    FolderTarget target(to(), random_);
    return verify(target, key);
  }
  base::Result<Restored> restored(const path& folder, const Until& until = UntilEnd{}) {
    FolderTarget target(to(), random_);
    return restore(target, std::nullopt, folder, until, clock_, random_);
  }
  /// The stored records of a shard, one behind the other.
  static std::string records_of(log::EventLog& log, std::uint64_t shard = 0) {
    const auto bounds = log.bounds(ShardId(shard));
    EXPECT_TRUE(bounds);
    std::string text;
    if (!bounds || bounds->last == Lsn(0)) return text;
    const auto reader = log.read(ShardId(shard), bounds->first);
    EXPECT_TRUE(reader);
    for (std::uint64_t i = bounds->first.value(); i <= bounds->last.value(); ++i) {
      const auto stored = (*reader)->next(std::chrono::seconds(10));
      EXPECT_TRUE(stored && *stored);
      text += base::as_text((*stored)->bytes);
    }
    return text;
  }
  static std::string records_in(const path& folder, std::uint64_t shard = 0) {
    const auto log = log::LmdbEventLog::open(folder / "log", {.map_bytes = map_bytes, .shards_max = 8});
    EXPECT_TRUE(log) << log.error().message();
    return records_of(**log, shard);
  }
  std::vector<path> target_files() const {
    std::vector<path> files;
    for (const auto& one : std::filesystem::recursive_directory_iterator(to())) {
      if (one.is_regular_file()) files.push_back(one.path());
    }
    return files;
  }

  path folder_;
  std::uint64_t shards_ = 1;
  base::SystemRandom random_;
  base::SimulatedClock clock_{base::Timestamp(epoch_ns + 1'000'000'000)};
  std::unique_ptr<log::LmdbEventLog> log_;
  std::unique_ptr<note::SigningKey> key_;
};

TEST_F(RecoveryTest, what_is_restored_is_what_was_backed_up_in_several_segments) {
  append(10);
  const std::string first = write_blob("first");
  const auto base = take();
  ASSERT_TRUE(base) << base.error().message();
  EXPECT_EQ(base->segment.number, 1U);
  EXPECT_EQ(base->segment.records, 10U);
  append(7);
  const std::string large = write_blob(std::string(2 * object_bytes_max + 5, 'b'));
  write("keys/audit.pem", "another key");
  const auto next = take();
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_EQ(next->segment.base, 1U);
  EXPECT_EQ(next->segment.records, 7U) << "only what came since";
  const auto same = take();
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->is_added) << "nothing came";

  const auto whole = verified(key_->verifier());
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(whole->records, 17U);
  const auto done = restored(folder_ / "new");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(records_in(folder_ / "new"), records_of(*log_));
  for (const std::string& name : {first, large, std::string("keys/audit.pem"), std::string("keys/backup.pem"),
                                  std::string("secrets/master.key"), "secrets/acme/" + std::string(32, 'a')}) {
    EXPECT_EQ(read(folder_ / "new" / name), read(data() / name)) << name;
  }
  for (const char* name : {"projection", "snapshots", "plugins", "tries", ".half", "backup.unfinished"}) {
    EXPECT_FALSE(std::filesystem::exists(folder_ / "new" / name)) << name;
  }
  EXPECT_NE(restored_line(folder_ / "new")->find("the end of the backup"), std::string::npos);
  EXPECT_TRUE(restored_line(data())->empty());
}

TEST_F(RecoveryTest, a_changed_byte_anywhere_is_named) {
  append(3);
  write_blob("a blob");
  ASSERT_TRUE(take());
  append(2);
  ASSERT_TRUE(take());
  ASSERT_TRUE(verified());
  std::size_t changed = 0;
  for (const path& file : target_files()) {
    const std::string good = read(file);
    const std::size_t step = good.size() < 200 ? 1 : 13;
    for (std::size_t i = 0; i < good.size(); i += step) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
      std::ofstream(file, std::ios::trunc) << bad;
      const auto found = verified();
      ASSERT_FALSE(found) << file << " at " << i;
      EXPECT_EQ(found.error().code(), ErrorCode::corrupt) << file << " at " << i;
      EXPECT_NE(found.error().message().find(file.string()), std::string::npos) << found.error().message();
      ++changed;
    }
    std::ofstream(file, std::ios::trunc) << good.substr(0, good.size() / 2);
    EXPECT_FALSE(verified()) << file;
    std::filesystem::remove(file);
    const bool is_last = file.filename() == "0000000002";
    EXPECT_EQ(verified().has_value(), is_last) << file << ": only the end cannot be missed";
    std::ofstream(file, std::ios::trunc) << good;
  }
  EXPECT_GT(changed, 400U);
  EXPECT_TRUE(verified());
}

TEST_F(RecoveryTest, a_target_that_another_key_has_signed_is_not_taken_for_ours) {
  append(3);
  ASSERT_TRUE(take());
  const auto other = note::SigningKey::generate("travertine-backup", random_);
  ASSERT_TRUE(other);
  EXPECT_EQ(verified(other->verifier()).error().code(), ErrorCode::corrupt);
  key_ = std::make_unique<note::SigningKey>(*note::SigningKey::from_pem("travertine-backup", other->to_pem()));
  const auto refused = take();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_NE(refused.error().message().find("another installation"), std::string::npos) << refused.error().message();
}

TEST_F(RecoveryTest, an_older_segment_in_the_place_of_a_newer_one_is_named) {
  for (int i = 0; i < 3; ++i) {
    append(2);
    ASSERT_TRUE(take());
  }
  const path segments = to() / "segments";
  const std::string second = read(segments / "0000000002");
  std::ofstream(segments / "0000000002", std::ios::trunc) << read(segments / "0000000001");
  EXPECT_NE(verified().error().message().find("0000000002: it is segment 1 and not 2"), std::string::npos)
      << verified().error().message();
  std::ofstream(segments / "0000000002", std::ios::trunc) << second;
  // Another second segment of the same installation, from a target that went another way.
  std::filesystem::rename(to(), folder_ / "kept");
  std::filesystem::create_directories(to());
  std::filesystem::copy(folder_ / "kept", to(), std::filesystem::copy_options::recursive);
  std::filesystem::remove(segments / "0000000002");
  std::filesystem::remove(segments / "0000000003");
  ASSERT_TRUE(take());
  std::filesystem::copy_file(folder_ / "kept/segments/0000000003", segments / "0000000003");
  EXPECT_NE(verified().error().message().find("segment 2 is not the one"), std::string::npos)
      << verified().error().message();
}

TEST_F(RecoveryTest, the_cut_is_any_time_event_or_record_and_decisions_are_whole) {
  append(5);
  ASSERT_TRUE(take());
  append(4, 0, log::Ends::last);  // 6 to 9 are one decision
  append(3);
  ASSERT_TRUE(take());
  const auto last_of = [&](const Until& until) {
    const path folder = folder_ / "cut";
    std::filesystem::remove_all(folder);
    const auto done = restored(folder, until);
    EXPECT_TRUE(done) << done.error().message();
    return done ? done->shards.at(0).last.value() : 0;
  };
  for (std::uint64_t lsn = 1; lsn <= 12; ++lsn) {
    const std::uint64_t whole = lsn >= 6 && lsn <= 9 ? 9 : lsn;
    EXPECT_EQ(last_of(UntilLsn{.shard = ShardId(0), .lsn = Lsn(lsn)}), whole);
    EXPECT_EQ(last_of(UntilEvent{record::example_draft(lsn).event_id}), whole);
    if (lsn >= 6 && lsn <= 8) continue;  // a decision of the kernel has one time
    EXPECT_EQ(last_of(UntilTime{base::Timestamp(epoch_ns + static_cast<std::int64_t>(lsn))}), lsn);
  }
  EXPECT_EQ(last_of(UntilEnd{}), 12U);
  for (const Until& until :
       {Until(UntilLsn{.shard = ShardId(0), .lsn = Lsn(13)}), Until(UntilLsn{.shard = ShardId(7), .lsn = Lsn(1)}),
        Until(UntilEvent{record::example_draft(13).event_id}), Until(UntilTime{base::Timestamp(epoch_ns)})}) {
    const auto refused = restored(folder_ / "refused", until);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid) << refused.error().message();
    std::filesystem::remove_all(folder_ / "refused");
  }
}

TEST_F(RecoveryTest, of_several_shards_a_time_is_the_cut) {
  shards_ = 3;
  append(5, 0);
  append(9, 2);
  ASSERT_TRUE(take());
  const auto done = restored(folder_ / "new", UntilTime{base::Timestamp(epoch_ns + 4)});
  ASSERT_TRUE(done) << done.error().message();
  ASSERT_EQ(done->shards.size(), 3U);
  EXPECT_EQ(done->shards[0].last, Lsn(4));
  EXPECT_EQ(done->shards[1].last, Lsn(0));
  EXPECT_EQ(done->shards[2].last, Lsn(4));
  ASSERT_TRUE(restored(folder_ / "whole"));
  EXPECT_EQ(records_in(folder_ / "whole", 2), records_of(*log_, 2));
  // What is behind the time at which the segment was taken waits for the next one.
  const base::Timestamp now = clock_.now();
  clock_.step(base::Timestamp(epoch_ns + 7) - now);
  std::filesystem::remove_all(to());
  const auto cut = take();
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ(cut->segment.cut, base::Timestamp(epoch_ns)) << "in microseconds";
  EXPECT_EQ(cut->segment.records, 0U);
  clock_.step(now - base::Timestamp(epoch_ns + 7));
  ASSERT_TRUE(take());
  EXPECT_EQ(verified()->records, 14U);
}

TEST_F(RecoveryTest, records_that_were_trimmed_before_they_were_backed_up_need_a_new_base) {
  append(10);
  ASSERT_TRUE(take());
  append(10);
  ASSERT_TRUE(log_->trim(ShardId(0), Lsn(9)));
  ASSERT_TRUE(take()) << "the target has what was trimmed";
  append(10);
  ASSERT_TRUE(log_->trim(ShardId(0), Lsn(26)));
  const auto refused = take();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_NE(refused.error().message().find("begins with record 26"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("--new-base"), std::string::npos);
  write("snapshots/0/00000000000000000026-0123456789abcdef/manifest", "leads on");
  write("snapshots/0/00000000000000000031-0123456789abcdef/manifest", "is ahead");
  const auto base = take(Begin::new_base);
  ASSERT_TRUE(base) << base.error().message();
  EXPECT_EQ(base->segment.base, 3U);
  EXPECT_EQ(base->segment.shards[0].first, Lsn(26));
  append(2);
  ASSERT_TRUE(take());
  ASSERT_TRUE(verified()) << verified().error().message();
  ASSERT_TRUE(restored(folder_ / "new"));
  EXPECT_EQ(records_in(folder_ / "new"), records_of(*log_));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "new/snapshots/0/00000000000000000026-0123456789abcdef/manifest"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new/snapshots/0/00000000000000000031-0123456789abcdef/manifest"));
  // An older moment comes from the base before.
  const auto older = restored(folder_ / "older", UntilLsn{.shard = ShardId(0), .lsn = Lsn(15)});
  ASSERT_TRUE(older) << older.error().message();
  EXPECT_EQ(older->shards[0].first, Lsn(1));
  EXPECT_EQ(older->shards[0].last, Lsn(15));
}

TEST_F(RecoveryTest, a_log_of_another_history_does_not_go_on_in_the_target) {
  append(10);
  ASSERT_TRUE(take());
  ASSERT_TRUE(restored(folder_ / "older", UntilLsn{.shard = ShardId(0), .lsn = Lsn(6)}));
  log_.reset();
  std::filesystem::remove_all(data() / "log");
  std::filesystem::rename(folder_ / "older/log", data() / "log");
  log_ = *log::LmdbEventLog::open(data() / "log", {.map_bytes = map_bytes, .shards_max = 8});
  EXPECT_NE(take().error().message().find("ends with record 6, the target has 10"), std::string::npos);
  append(6);
  const auto refused = take();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_NE(refused.error().message().find("record 10 is another one"), std::string::npos) << refused.error().message();
  ASSERT_TRUE(verified());
}

TEST_F(RecoveryTest, what_is_restored_from_the_end_goes_on_in_the_same_target) {
  append(10);
  ASSERT_TRUE(take());
  ASSERT_TRUE(restored(folder_ / "new"));
  log_.reset();
  std::filesystem::remove_all(data());
  std::filesystem::rename(folder_ / "new", data());
  log_ = *log::LmdbEventLog::open(data() / "log", {.map_bytes = map_bytes, .shards_max = 8});
  append(5);
  const auto next = take();
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_EQ(next->segment.records, 5U);
  ASSERT_TRUE(verified());
}

TEST_F(RecoveryTest, goes_to_an_empty_folder) {
  append(3);
  ASSERT_TRUE(take());
  std::filesystem::create_directories(folder_ / "full");
  std::ofstream(folder_ / "full/mine") << "x";
  EXPECT_EQ(restored(folder_ / "full").error().code(), ErrorCode::conflict);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "full"), {}), 1) << "nothing was written";
  FolderTarget none(folder_ / "none", random_);
  EXPECT_EQ(restore(none, std::nullopt, folder_ / "new", UntilEnd{}, clock_, random_).error().code(),
            ErrorCode::not_found);
}

TEST_F(RecoveryTest, one_backup_of_a_folder_runs_at_a_time_and_nothing_is_removed_meanwhile) {
  append(3);
  write_blob("a blob");
  FolderTarget target(to(), random_);
  Known known;
  bool was_running = false;
  ErrorCode second = ErrorCode::internal;
  const auto taken =
      take_segment(source(), target, Begin::follow, {}, known, [&](std::string_view, std::uint64_t, std::uint64_t) {
        was_running = backup::is_running(data());
        second = take().error().code();
      });
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_TRUE(was_running);
  EXPECT_EQ(second, ErrorCode::conflict);
  EXPECT_FALSE(backup::is_running(data()));
}

TEST_F(RecoveryTest, of_two_creators_at_once_one_adds_each_segment) {
  append(20);
  // The same installation twice, as two nodes see it: one log, two folders that are locked.
  const path other = folder_ / "other";
  std::filesystem::create_directories(other);
  std::filesystem::create_directories(folder_ / "third");
  std::atomic<int> added = 0;
  const auto run = [&](const path& locked) {
    base::SystemRandom random;
    FolderTarget target(to(), random);
    Known known;
    for (int i = 0; i < 20; ++i) {
      const auto taken =
          take_segment(Source{locked, data(), *log_, 1, *key_, clock_}, target, Begin::new_base, {}, known);
      if (taken && taken->is_added) ++added;
      if (!taken) {
        EXPECT_EQ(taken.error().code(), ErrorCode::conflict) << taken.error().message();
      }
    }
  };
  {
    std::jthread one([&] { run(other); });
    std::jthread two([&] { run(folder_ / "third"); });
  }
  const auto whole = verified();
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(static_cast<int>(whole->history.segments.size()), added);
}

TEST_F(RecoveryTest, a_blob_that_is_damaged_in_the_data_folder_is_reported_and_left_out) {
  append(1);
  const std::string name = write_blob("good");
  write(name, "bad");
  const auto taken = take();
  ASSERT_TRUE(taken) << taken.error().message();
  ASSERT_EQ(taken->problems.size(), 1U);
  EXPECT_NE(taken->problems[0].find(name), std::string::npos);
  ASSERT_TRUE(restored(folder_ / "new"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new" / name));
}

TEST_F(RecoveryTest, a_manifest_that_leads_out_of_the_folder_is_refused) {
  for (const char* name : {"../x", "/x", "a/../../x", "log/data.mdb", "projection/0", "lock", "a//b", "a/./b"}) {
    const Contents contents{.records = {}, .files = {{.path = name, .mode = 0600, .whole = {}, .parts = {}}}};
    EXPECT_FALSE(parse_contents(to_text(contents))) << name;
  }
  const Contents good{.records = {}, .files = {{.path = "a b/c", .mode = 0600, .whole = {}, .parts = {}}}};
  EXPECT_EQ(*parse_contents(to_text(good)), good);
}

}  // namespace
}  // namespace trv::recovery
