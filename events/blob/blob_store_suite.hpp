#pragma once
// What every blob store promises, as tests. An implementation provides a BlobStoreWorld and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Folder, BlobStoreSuite, testing::Values(BlobStoreWorldMaker{[] { … }}));

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "events/blob/blob_store.hpp"

namespace trv::blob {

/// One store; each test gets a new, empty one that takes blobs of 100,000 bytes at most.
class BlobStoreWorld {
 public:
  static constexpr std::size_t bytes_max = 100'000;
  virtual ~BlobStoreWorld() = default;
  virtual BlobStore& store() = 0;
  /// Ends the store and opens it again. False where it lives in memory only.
  virtual bool reopen() = 0;
  /// Changes a byte of a stored blob behind the store's back.
  virtual void damage(const base::Digest& digest) = 0;
};
using BlobStoreWorldMaker = std::function<std::unique_ptr<BlobStoreWorld>()>;

class BlobStoreSuite : public testing::TestWithParam<BlobStoreWorldMaker> {
 protected:
  BlobStoreSuite() : world_(GetParam()()) {}

  BlobStore& store() { return world_->store(); }
  base::Digest put(std::string_view text) {
    const auto digest = store().put(base::as_bytes(text));
    EXPECT_TRUE(digest.has_value()) << digest.error().message();
    return digest.value_or(base::Digest{});
  }
  std::string text_of(const base::Digest& digest) {
    const auto bytes = store().get(digest);
    EXPECT_TRUE(bytes.has_value()) << bytes.error().message();
    return bytes ? std::string(base::as_text(*bytes)) : std::string();
  }
  std::vector<base::Digest> all() { return store().list(std::nullopt, 100'000).value(); }

  std::unique_ptr<BlobStoreWorld> world_;
};

TEST_P(BlobStoreSuite, what_was_put_is_got_back_under_its_sha256) {
  const base::Digest digest = put("layer by layer");
  EXPECT_EQ(digest, base::sha256(base::as_bytes("layer by layer")));
  EXPECT_EQ(text_of(digest), "layer by layer");
  const base::Digest empty = put("");
  EXPECT_EQ(text_of(empty), "");
}

TEST_P(BlobStoreSuite, the_same_bytes_are_stored_once) {
  const base::Digest digest = put("twice");
  EXPECT_EQ(put("twice"), digest);
  EXPECT_EQ(all(), std::vector{digest});
}

TEST_P(BlobStoreSuite, a_blob_survives_a_restart) {
  const base::Digest digest = put(std::string(BlobStoreWorld::bytes_max, 'x'));
  if (!world_->reopen()) return;
  EXPECT_EQ(text_of(digest), std::string(BlobStoreWorld::bytes_max, 'x'));
  EXPECT_EQ(all(), std::vector{digest});
}

TEST_P(BlobStoreSuite, what_was_never_put_or_was_removed_is_not_found) {
  EXPECT_EQ(store().get(base::Digest{}).error().code(), base::ErrorCode::not_found);
  const base::Digest digest = put("short-lived");
  const base::Digest other = put("stays");
  EXPECT_TRUE(store().remove(digest));
  EXPECT_TRUE(store().remove(digest));
  EXPECT_EQ(store().get(digest).error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(all(), std::vector{other});
  static_cast<void>(world_->reopen());
  EXPECT_EQ(store().get(digest).error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(put("short-lived"), digest);
  EXPECT_EQ(text_of(digest), "short-lived");
}

TEST_P(BlobStoreSuite, more_than_the_bound_is_refused_and_leaves_nothing) {
  EXPECT_EQ(store().bytes_max(), BlobStoreWorld::bytes_max);
  const std::string large(BlobStoreWorld::bytes_max + 1, 'x');
  const auto refused = store().put(base::as_bytes(large));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::too_large);
  EXPECT_NE(refused.error().message().find("100001"), std::string::npos);
  EXPECT_TRUE(all().empty());
}

TEST_P(BlobStoreSuite, what_comes_in_parts_is_stored_as_if_it_had_come_whole) {
  std::string whole;
  auto writer = store().begin();
  ASSERT_TRUE(writer) << writer.error().message();
  for (int i = 0; i < 9; ++i) {
    const std::string part(static_cast<std::size_t>(i) * 1'234, static_cast<char>('a' + i));
    ASSERT_TRUE((*writer)->add(base::as_bytes(part)));
    whole += part;
  }
  EXPECT_EQ((*writer)->byte_count(), whole.size());
  EXPECT_TRUE(all().empty()) << "it is not whole yet";
  EXPECT_EQ((*writer)->digest(), base::sha256(base::as_bytes(whole)));
  const base::Digest digest = (*writer)->finish().value();
  EXPECT_EQ(digest, base::sha256(base::as_bytes(whole)));
  EXPECT_EQ(text_of(digest), whole);
  EXPECT_EQ(put(whole), digest);
  auto again = store().begin();
  ASSERT_TRUE((*again)->add(base::as_bytes(whole)));
  EXPECT_EQ((*again)->finish().value(), digest);
  EXPECT_EQ(store().begin().value()->finish().value(), base::sha256({})) << "no part: an empty blob";
}

TEST_P(BlobStoreSuite, parts_that_are_given_up_or_over_the_bound_leave_nothing) {
  {
    auto given_up = store().begin();
    ASSERT_TRUE((*given_up)->add(base::as_bytes("half")));
    auto too_large = store().begin();
    ASSERT_TRUE((*too_large)->add(base::as_bytes(std::string(BlobStoreWorld::bytes_max, 'x'))));
    const auto refused = (*too_large)->add(base::as_bytes("y"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), base::ErrorCode::too_large);
  }
  EXPECT_TRUE(all().empty());
}

TEST_P(BlobStoreSuite, a_part_is_read_from_anywhere) {
  std::string whole;
  for (int i = 0; whole.size() < 50'000; ++i) whole += std::to_string(i);
  const base::Digest digest = put(whole);
  const auto part = [&](std::uint64_t offset, std::size_t length) {
    const auto read = store().read(digest, offset, length);
    EXPECT_TRUE(read) << read.error().message();
    return read ? std::string(base::as_text(*read)) : std::string();
  };
  EXPECT_EQ(part(0, 10), whole.substr(0, 10));
  EXPECT_EQ(part(12'345, 23'456), whole.substr(12'345, 23'456));
  EXPECT_EQ(part(whole.size() - 3, 10), whole.substr(whole.size() - 3));
  EXPECT_EQ(part(whole.size(), 10), "");
  EXPECT_EQ(part(UINT64_MAX, SIZE_MAX), "");
  EXPECT_EQ(part(5, 0), "");
  EXPECT_EQ(store().read(base::Digest{}, 0, 1).error().code(), base::ErrorCode::not_found);
}

TEST_P(BlobStoreSuite, damage_is_found_also_behind_the_part_that_is_read) {
  const std::string whole(90'000, 'z');
  const base::Digest digest = put(whole);
  ASSERT_TRUE(store().read(digest, 80'000, 10));
  world_->damage(digest);
  EXPECT_EQ(store().read(digest, 80'000, 10).error().code(), base::ErrorCode::corrupt);
  EXPECT_EQ(put(whole), digest);
  EXPECT_EQ(base::as_text(store().read(digest, 89'999, 10).value()), "z");
}

TEST_P(BlobStoreSuite, damage_is_found_when_when_a_blob_is_read_and_mended_when_it_is_put_again) {
  for (const std::string& text : {std::string("some text"), std::string()}) {
    const base::Digest digest = put(text);
    world_->damage(digest);
    EXPECT_EQ(store().get(digest).error().code(), base::ErrorCode::corrupt);
    EXPECT_EQ(put(text), digest);
    EXPECT_EQ(text_of(digest), text);
  }
}

TEST_P(BlobStoreSuite, a_list_gives_every_digest_once_in_order_in_pages_of_any_size) {
  EXPECT_TRUE(all().empty());
  std::vector<base::Digest> put_in;
  for (int i = 0; i < 60; ++i) put_in.push_back(put("blob " + std::to_string(i)));
  std::ranges::sort(put_in);
  for (const std::size_t page : {std::size_t{1}, std::size_t{7}, std::size_t{59}, std::size_t{60}, std::size_t{61}}) {
    std::vector<base::Digest> listed;
    std::optional<base::Digest> after;
    for (;;) {
      const auto some = store().list(after, page);
      ASSERT_TRUE(some.has_value());
      ASSERT_LE(some->size(), page);
      listed.insert(listed.end(), some->begin(), some->end());
      if (some->size() < page) break;
      after = some->back();
    }
    EXPECT_EQ(listed, put_in) << "pages of " << page;
  }
}

TEST_P(BlobStoreSuite, a_blob_that_threads_put_and_remove_at_the_same_time_is_whole_or_absent) {
  const std::string text(50'000, 'y');
  const base::Digest digest = base::sha256(base::as_bytes(text));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 25; ++turn) {
        if (i == 0 && !store().remove(digest)) ++wrong;
        if (i != 0 && store().put(base::as_bytes(text)) != digest) ++wrong;
        const auto read = store().get(digest);
        if (read ? base::as_text(*read) != text : read.error().code() != base::ErrorCode::not_found) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  put(text);
  EXPECT_EQ(text_of(digest), text);
}

}  // namespace trv::blob
