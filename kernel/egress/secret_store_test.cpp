#include "kernel/egress/secret_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "sdk/base/clock.hpp"
#include "sdk/base/file.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::TenantId;
using testing::HasSubstr;
using testing::Not;

class SecretStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "secretsXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ / "secrets";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<SecretStore> open() {
    auto store = SecretStore::open(folder_, nullptr, random_);
    EXPECT_TRUE(store) << store.error().message();
    return store ? *std::move(store) : nullptr;
  }
  static void flip(const std::filesystem::path& path, std::size_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
  }

  base::SystemRandom random_;
  std::filesystem::path root_;
  std::filesystem::path folder_;
  const TenantId acme_ = TenantId("acme");
};

TEST_F(SecretStoreTest, a_secret_outlives_the_process_and_is_not_readable_on_disk) {
  std::string reference;
  {
    const auto store = open();
    reference = *store->put(acme_, "hunter2-hunter2");
    EXPECT_EQ(*store->reveal(acme_, reference), "hunter2-hunter2");
  }
  const auto store = open();
  EXPECT_EQ(*store->reveal(acme_, reference), "hunter2-hunter2");
  const auto bytes = *base::read_file(folder_ / "acme" / reference, 1'000);
  EXPECT_THAT(std::string(base::as_text(bytes)), Not(HasSubstr("hunter2")));
  struct stat about{};
  ASSERT_EQ(::stat((folder_ / "master.key").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
}

TEST_F(SecretStoreTest, another_tenant_and_an_unknown_reference_find_nothing) {
  const auto store = open();
  const std::string reference = *store->put(acme_, "secret");
  for (const std::string_view wrong : {"", "..", "../acme", "00000000000000000000000000000000", "master.key"}) {
    EXPECT_EQ(store->reveal(acme_, wrong).error().code(), ErrorCode::not_found) << wrong;
  }
  EXPECT_EQ(store->reveal(TenantId("other"), reference).error().code(), ErrorCode::not_found);
  EXPECT_EQ(store->reveal(TenantId("../acme"), reference).error().code(), ErrorCode::invalid);
}

TEST_F(SecretStoreTest, a_file_moved_to_another_tenant_or_name_does_not_open) {
  const auto store = open();
  const std::string reference = *store->put(acme_, "secret");
  const std::string second = *store->put(TenantId("other"), "theirs");
  EXPECT_NE(reference, second);
  std::filesystem::copy(folder_ / "acme" / reference, folder_ / "other" / reference);
  EXPECT_EQ(store->reveal(TenantId("other"), reference).error().code(), ErrorCode::corrupt);
  std::filesystem::copy(folder_ / "other" / second, folder_ / "acme" / second);
  EXPECT_EQ(store->reveal(acme_, second).error().code(), ErrorCode::corrupt);
}

TEST_F(SecretStoreTest, every_changed_byte_and_every_length_is_corrupt_and_names_the_file) {
  const auto store = open();
  const std::string reference = *store->put(acme_, "secret");
  const auto path = folder_ / "acme" / reference;
  const std::size_t size = std::filesystem::file_size(path);
  for (std::size_t at = 0; at < size; ++at) {
    flip(path, at);
    const auto revealed = store->reveal(acme_, reference);
    ASSERT_FALSE(revealed) << at;
    EXPECT_EQ(revealed.error().code(), ErrorCode::corrupt);
    EXPECT_THAT(revealed.error().message(), HasSubstr(path.string()));
    flip(path, at);
  }
  for (std::size_t length = 0; length < size; ++length) {
    const auto short_reference = std::string(31, 'a') + "b";
    std::filesystem::copy_file(path, folder_ / "acme" / short_reference,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder_ / "acme" / short_reference, length);
    EXPECT_EQ(store->reveal(acme_, short_reference).error().code(), ErrorCode::corrupt);
  }
  EXPECT_EQ(*store->reveal(acme_, reference), "secret");
}

TEST_F(SecretStoreTest, another_key_opens_nothing) {
  std::string reference;
  {
    reference = *open()->put(acme_, "secret");
  }
  flip(folder_ / "master.key", 7);
  const auto revealed = open()->reveal(acme_, reference);
  ASSERT_FALSE(revealed);
  EXPECT_EQ(revealed.error().code(), ErrorCode::corrupt);
  EXPECT_THAT(revealed.error().message(), HasSubstr("master.key"));
}

TEST_F(SecretStoreTest, a_missing_short_or_open_key_file_is_refused) {
  ASSERT_TRUE(open()->put(acme_, "secret"));
  const auto key = folder_ / "master.key";
  std::filesystem::permissions(key, std::filesystem::perms(0640));
  EXPECT_EQ(SecretStore::open(folder_, nullptr, random_).error().code(), ErrorCode::denied);
  std::filesystem::permissions(key, std::filesystem::perms(0600));
  std::filesystem::resize_file(key, 31);
  EXPECT_EQ(SecretStore::open(folder_, nullptr, random_).error().code(), ErrorCode::corrupt);
  std::filesystem::remove(key);
  EXPECT_EQ(SecretStore::open(folder_, nullptr, random_).error().code(), ErrorCode::corrupt);
  EXPECT_FALSE(std::filesystem::exists(key));
}

TEST_F(SecretStoreTest, a_replaced_secret_is_off_the_disk_and_known_to_requests_that_hold_its_reference) {
  std::vector<std::string> references;
  {
    const auto store = open();
    for (std::size_t i = 0; i <= replaced_kept_max; ++i) {
      references.push_back(*store->put(acme_, "secret " + std::to_string(i)));
      EXPECT_TRUE(store->replace(acme_, references.back()));
      EXPECT_TRUE(store->replace(acme_, references.back()));
      EXPECT_FALSE(std::filesystem::exists(folder_ / "acme" / references.back()));
      EXPECT_EQ(*store->reveal(acme_, references.back()), "secret " + std::to_string(i));
      EXPECT_EQ(store->reveal(TenantId("other"), references.back()).error().code(), ErrorCode::not_found);
    }
    EXPECT_EQ(store->reveal(acme_, references.front()).error().code(), ErrorCode::not_found) << "memory is bounded";
    EXPECT_TRUE(store->reveal(acme_, references.at(1)));
  }
  EXPECT_EQ(open()->reveal(acme_, references.back()).error().code(), ErrorCode::not_found);
}

TEST_F(SecretStoreTest, a_day_later_what_no_connection_refers_to_goes_and_nothing_else) {
  std::string kept;
  std::string gone;
  {
    const auto store = open();
    kept = *store->put(acme_, "kept");
    gone = *store->put(acme_, "gone");
  }
  // An unfinished write, another tenant's file under a kept name, and what the store has not written.
  std::ofstream(folder_ / "acme" / ("." + std::string(32, 'a'))) << "half";
  std::filesystem::create_directories(folder_ / "other");
  std::filesystem::copy(folder_ / "acme" / kept, folder_ / "other" / kept);
  std::ofstream(folder_ / "acme" / "note.txt") << "by hand";
  const auto store = open();
  const base::Timestamp now = base::SystemClock().now();
  EXPECT_EQ(store->remove_unreferenced({{acme_, kept}}, now + std::chrono::hours(23)).value(), 0U)
      << "its record may not be written yet";
  EXPECT_TRUE(std::filesystem::exists(folder_ / "acme" / ("." + std::string(32, 'a'))));
  EXPECT_EQ(store->remove_unreferenced({{acme_, kept}}, now + std::chrono::hours(25)).value(), 2U);
  EXPECT_EQ(store->remove_unreferenced({{acme_, kept}}, now + std::chrono::hours(25)).value(), 0U);
  EXPECT_EQ(*store->reveal(acme_, kept), "kept");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "acme" / gone));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other" / kept));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "acme" / ("." + std::string(32, 'a'))));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "acme" / "note.txt"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "master.key"));
}

TEST_F(SecretStoreTest, removed_secrets_are_gone_and_bounds_hold) {
  const auto store = open();
  const std::string reference = *store->put(acme_, std::string(secret_bytes_max, 's'));
  EXPECT_EQ(store->reveal(acme_, reference)->size(), secret_bytes_max);
  EXPECT_TRUE(store->remove(acme_, reference));
  EXPECT_TRUE(store->remove(acme_, reference));
  EXPECT_EQ(store->reveal(acme_, reference).error().code(), ErrorCode::not_found);
  EXPECT_EQ(store->put(acme_, "").error().code(), ErrorCode::invalid);
  EXPECT_EQ(store->put(acme_, std::string(secret_bytes_max + 1, 's')).error().code(), ErrorCode::too_large);
  EXPECT_EQ(store->put(TenantId("../x"), "s").error().code(), ErrorCode::invalid);
}

}  // namespace
}  // namespace trv::egress
