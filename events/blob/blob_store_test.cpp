// Both stores against the suite, and what each does beyond it.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "events/blob/blob_store_suite.hpp"
#include "events/blob/folder_blob_store.hpp"
#include "events/blob/in_memory_blob_store.hpp"

namespace trv::blob {
namespace {

namespace fs = std::filesystem;

class InMemoryWorld final : public BlobStoreWorld {
 public:
  BlobStore& store() override { return store_; }
  bool reopen() override { return false; }
  void damage(const base::Digest& digest) override { store_.damage(digest); }

 private:
  InMemoryBlobStore store_{bytes_max};
};

fs::path new_folder() {
  std::string name = (fs::temp_directory_path() / "trv-blob-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  return name;
}

class FolderWorld final : public BlobStoreWorld {
 public:
  FolderWorld() { open(); }
  ~FolderWorld() override {
    store_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  BlobStore& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    open();
    return true;
  }
  void damage(const base::Digest& digest) override {
    const fs::path path = path_of(digest);
    fs::permissions(path, fs::perms::owner_all);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.put('\x7f');
    EXPECT_TRUE(file.flush().good());
  }
  fs::path blobs() const { return folder_ / "data" / "blobs"; }
  fs::path path_of(const base::Digest& digest) const {
    const std::string name = base::to_hex(digest);
    return blobs() / name.substr(0, 2) / name.substr(2);
  }

 private:
  void open() {
    auto opened = FolderBlobStore::open(blobs(), {.bytes_max = bytes_max}, clock_, random_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = std::move(*opened);
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  fs::path folder_ = new_folder();
  std::unique_ptr<FolderBlobStore> store_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, BlobStoreSuite,
                         testing::Values(BlobStoreWorldMaker{[] { return std::make_unique<InMemoryWorld>(); }}));
INSTANTIATE_TEST_SUITE_P(Folder, BlobStoreSuite,
                         testing::Values(BlobStoreWorldMaker{[] { return std::make_unique<FolderWorld>(); }}));

TEST(FolderBlobStoreTest, a_blob_is_a_read_only_file_of_its_owner_under_its_digest) {
  FolderWorld world;
  const auto digest = world.store().put(base::as_bytes("travertine"));
  ASSERT_TRUE(digest);
  struct stat about{};
  ASSERT_EQ(::stat(world.path_of(*digest).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0400U);
  ASSERT_EQ(::stat(world.blobs().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0700U);
}

void make_older(const fs::path& path, std::chrono::hours by) {
  fs::last_write_time(path, fs::last_write_time(path) - by);
}

TEST(FolderBlobStoreTest, what_an_unfinished_put_left_is_never_listed_and_goes_with_the_next_open) {
  FolderWorld world;
  const auto digest = world.store().put(base::as_bytes("whole"));
  ASSERT_TRUE(digest);
  const fs::path half = world.blobs() / ".unfinished" / "0123456789abcdef";
  std::ofstream(half) << "hal";
  std::ofstream(world.blobs() / "00-not-a-folder") << "foreign";
  std::ofstream(world.path_of(*digest).parent_path() / "foreign") << "foreign";
  EXPECT_EQ(world.store().list(std::nullopt, 10).value(), std::vector{*digest});
  ASSERT_TRUE(world.reopen());
  EXPECT_FALSE(fs::exists(half));
  EXPECT_EQ(world.store().list(std::nullopt, 10).value(), std::vector{*digest});
}

TEST(FolderBlobStoreTest, a_blob_that_grew_behind_the_stores_back_is_damaged) {
  FolderWorld world;
  const auto digest = world.store().put(base::as_bytes("short"));
  ASSERT_TRUE(digest);
  fs::permissions(world.path_of(*digest), fs::perms::owner_all);
  fs::resize_file(world.path_of(*digest), BlobStoreWorld::bytes_max + 1);
  const auto read = world.store().get(*digest);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), base::ErrorCode::corrupt);
  EXPECT_NE(read.error().message().find(world.path_of(*digest).string()), std::string::npos);
}

TEST(FolderBlobStoreTest, a_put_that_the_disk_refuses_is_unavailable_and_leaves_nothing) {
  FolderWorld world;
  // A file where the folder of the digest belongs: no permission is needed to refuse it.
  const base::Digest digest = base::sha256(base::as_bytes("refused"));
  const fs::path folder = world.path_of(digest).parent_path();
  std::ofstream(folder) << "in the way";
  const auto refused = world.store().put(base::as_bytes("refused"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable);
  EXPECT_TRUE(fs::is_empty(world.blobs() / ".unfinished"));
  fs::remove(folder);
  EXPECT_EQ(world.store().put(base::as_bytes("refused")).value(), digest);
}

TEST(FolderBlobStoreTest, a_put_for_which_there_is_no_room_writes_nothing_and_what_is_stored_needs_none) {
  FolderWorld world;
  const base::Digest stored = world.store().put(base::as_bytes("stored")).value();
  base::SystemRandom random;
  const auto has_room = [](std::uint64_t bytes) -> base::Status {
    if (bytes <= 4) return {};
    return base::fail(base::ErrorCode::unavailable, fmt::format("no room for {} bytes", bytes));
  };
  const base::SystemClock clock;
  const auto store = FolderBlobStore::open(
                         world.blobs(), {.bytes_max = BlobStoreWorld::bytes_max, .has_room = has_room}, clock, random)
                         .value();
  EXPECT_EQ(store->put(base::as_bytes("stored")).value(), stored);
  EXPECT_EQ(store->put(base::as_bytes("large")).error().message(), "no room for 5 bytes");
  EXPECT_EQ(store->list(std::nullopt, 10).value(), std::vector{stored});
  EXPECT_TRUE(store->put(base::as_bytes("tiny")));
}

TEST(FolderBlobStoreTest, parts_are_beside_the_blobs_until_they_are_whole_and_need_room_each) {
  FolderWorld world;
  const fs::path unfinished = world.blobs() / ".unfinished";
  auto writer = world.store().begin().value();
  ASSERT_TRUE(writer->add(base::as_bytes("half")));
  EXPECT_EQ(std::distance(fs::directory_iterator(unfinished), {}), 1);
  writer.reset();
  EXPECT_TRUE(fs::is_empty(unfinished));
  base::SystemRandom random;
  const base::SystemClock clock;
  int asked = 0;
  const auto has_room = [&asked](std::uint64_t) -> base::Status {
    if (++asked < 3) return {};
    return base::fail(base::ErrorCode::unavailable, "no room");
  };
  const auto store = FolderBlobStore::open(
                         world.blobs(), {.bytes_max = BlobStoreWorld::bytes_max, .has_room = has_room}, clock, random)
                         .value();
  writer = store->begin().value();
  ASSERT_TRUE(writer->add(base::as_bytes("half")));
  EXPECT_EQ(writer->add(base::as_bytes("whole")).error().message(), "no room");
  writer.reset();
  EXPECT_TRUE(fs::is_empty(unfinished));
  EXPECT_TRUE(store->list(std::nullopt, 10).value().empty());
}

class SharedFolderTest : public testing::Test {
 protected:
  std::unique_ptr<FolderBlobStore> open() {
    return FolderBlobStore::open(world_.blobs(),
                                 {.bytes_max = BlobStoreWorld::bytes_max, .stays_for = std::chrono::hours(24)}, clock_,
                                 random_)
        .value();
  }
  static base::Digest put(BlobStore& store, std::string_view text) { return store.put(base::as_bytes(text)).value(); }

  FolderWorld world_;
  base::SystemClock clock_;
  base::SystemRandom random_;
};

TEST_F(SharedFolderTest, what_was_put_less_than_a_day_ago_is_not_removed) {
  const auto store = open();
  const base::Digest old = put(*store, "old");
  const base::Digest young = put(*store, "young");
  make_older(world_.path_of(old), std::chrono::hours(25));
  make_older(world_.path_of(young), std::chrono::hours(23));
  for (const base::Digest& one : {old, young, base::sha256(base::as_bytes("never put"))}) {
    EXPECT_TRUE(store->remove(one));
  }
  EXPECT_EQ(store->get(old).error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(store->list(std::nullopt, 10).value(), std::vector{young});
  EXPECT_TRUE(fs::is_empty(world_.blobs() / ".unfinished"));
}

TEST_F(SharedFolderTest, what_an_unfinished_put_left_goes_a_day_later) {
  const auto store = open();
  const fs::path half = world_.blobs() / ".unfinished" / "0123456789abcdef";
  std::ofstream(half) << "hal";
  EXPECT_TRUE(store->remove_unfinished());
  EXPECT_TRUE(fs::exists(half)) << "another process that shares the folder may be writing it";
  make_older(half, std::chrono::hours(25));
  EXPECT_TRUE(store->remove_unfinished());
  EXPECT_FALSE(fs::exists(half));
}

TEST_F(SharedFolderTest, what_another_process_put_again_is_as_young_as_that) {
  const auto store = open();
  const base::Digest digest = put(*store, "put twice");
  make_older(world_.path_of(digest), std::chrono::hours(1000));
  put(*open(), "put twice");
  EXPECT_TRUE(store->remove(digest));
  EXPECT_EQ(base::as_text(store->get(digest).value()), "put twice");
}

TEST_F(SharedFolderTest, a_removal_that_was_cut_off_is_finished_or_undone_by_any_process) {
  const auto aside = [&](const base::Digest& digest) { return world_.blobs() / ".unfinished" / base::to_hex(digest); };
  const auto first = open();
  const base::Digest old = put(*first, "old");
  const base::Digest young = put(*first, "put again just before it was renamed");
  const base::Digest written = put(*first, "written again since");
  for (const base::Digest& one : {old, young, written}) fs::rename(world_.path_of(one), aside(one));
  put(*first, "written again since");
  std::ofstream(aside(written)) << "written again since";
  make_older(aside(old), std::chrono::hours(25));
  const auto store = open();
  EXPECT_TRUE(fs::is_empty(world_.blobs() / ".unfinished"));
  EXPECT_EQ(store->get(old).error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(base::as_text(store->get(young).value()), "put again just before it was renamed");
  EXPECT_EQ(base::as_text(store->get(written).value()), "written again since");
}

TEST_F(SharedFolderTest, what_one_process_puts_while_another_removes_it_is_there_for_all) {
  std::atomic<bool> is_over = false;
  std::atomic<int> not_removed = 0;
  const base::Digest digest = base::sha256(base::as_bytes("contested"));
  std::thread remover([&] {
    const auto store = open();
    while (!is_over) {
      if (!store->remove(digest)) ++not_removed;
    }
  });
  const auto store = open();
  int not_put = 0;
  int missing = 0;
  for (int turn = 0; turn < 500; ++turn) {
    // Old, and about to be removed, when it is put.
    std::error_code ignored;
    const auto time = fs::last_write_time(world_.path_of(digest), ignored);
    if (!ignored) fs::last_write_time(world_.path_of(digest), time - std::chrono::hours(25), ignored);
    if (!store->put(base::as_bytes("contested"))) ++not_put;
    // A removal that had begun before puts it back, when the processor has time for it.
    bool is_there = store->get(digest).has_value();
    for (int looks = 0; !is_there && looks < 10'000; ++looks) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      is_there = store->get(digest).has_value();
    }
    if (!is_there) ++missing;
  }
  is_over = true;
  remover.join();
  EXPECT_EQ(not_removed, 0);
  EXPECT_EQ(not_put, 0);
  EXPECT_EQ(missing, 0);
}

TEST(InMemoryBlobStoreTest, a_fault_fails_one_call_and_changes_nothing) {
  InMemoryBlobStore store;
  const auto digest = store.put(base::as_bytes("kept"));
  ASSERT_TRUE(digest);
  store.fail_next(base::Error(base::ErrorCode::unavailable, "the disk is gone"));
  EXPECT_EQ(store.put(base::as_bytes("lost")).error().message(), "the disk is gone");
  store.fail_next(base::Error(base::ErrorCode::unavailable, "the disk is gone"));
  EXPECT_EQ(store.remove(*digest).error().code(), base::ErrorCode::unavailable);
  EXPECT_EQ(store.list(std::nullopt, 10).value(), std::vector{*digest});
}

}  // namespace
}  // namespace trv::blob
