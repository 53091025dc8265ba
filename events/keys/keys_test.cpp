#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <thread>

#include "events/keys/key_file.hpp"
#include "sdk/base/file.hpp"

namespace trv::keys {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

TEST(Sealing, only_the_key_the_additional_data_and_the_whole_bytes_open_it) {
  SealingKey key{};
  key[3] = 7;
  const base::Bytes sealed = seal(key, Nonce{1}, "what it is", base::as_bytes("secret"));
  EXPECT_EQ(sealed.size(), 6 + sealed_overhead_bytes);
  EXPECT_TRUE(is_sealed(sealed));
  EXPECT_EQ(base::as_text(sealed).find("secret"), std::string_view::npos);
  EXPECT_EQ(unseal(key, "what it is", sealed), "secret");
  EXPECT_EQ(unseal(key, "what it is not", sealed), std::nullopt);
  SealingKey other = key;
  other[31] ^= 1;
  EXPECT_EQ(unseal(other, "what it is", sealed), std::nullopt);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    base::Bytes changed = sealed;
    changed[i] ^= 1;
    EXPECT_EQ(unseal(key, "what it is", changed), std::nullopt) << "byte " << i;
    EXPECT_EQ(unseal(key, "what it is", base::BytesView(sealed).first(i)), std::nullopt) << "cut to " << i;
  }
  EXPECT_EQ(unseal(key, "", seal(key, Nonce{2}, "", {})), "") << "also nothing can be sealed";
}

// Written by the openssl of another machine would be the same: the format is that of docs/formats/keys.md.
TEST(Sealing, the_format_is_the_documented_one) {
  SealingKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  const base::Bytes sealed = seal(key, Nonce{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, "a", base::as_bytes("b"));
  EXPECT_EQ(base::to_hex(base::BytesView(sealed).first(17)), "5452565301000102030405060708090a0b");
  EXPECT_EQ(sealed.size(), 34U);
}

class KeyFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "keysXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  ClusterKey cluster(const std::string& name) {
    const auto file = folder_ / (name + ".key");
    return std::filesystem::exists(file) ? ClusterKey::load(file).value() : ClusterKey::create(file, random_).value();
  }
  base::Result<std::string> open(const ClusterKey* cluster, const std::string& content = "fresh") {
    return load_or_create(file_(), [&]() -> base::Result<std::string> { return content; }, cluster, random_);
  }
  std::filesystem::path file_() const { return folder_ / "audit.pem"; }
  std::string stored() const { return std::string(base::as_text(base::read_file(file_(), 1000).value())); }
  void store(std::string_view content) {
    std::ofstream(file_(), std::ios::binary | std::ios::trunc) << content;
    ASSERT_EQ(::chmod(file_().c_str(), 0600), 0);
  }
  static void expect(const base::Result<std::string>& refused, ErrorCode code, const std::vector<std::string>& texts) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
    for (const std::string& text : texts) EXPECT_THAT(refused.error().message(), HasSubstr(text));
  }

  std::filesystem::path folder_;
  base::SystemRandom random_;
};

TEST_F(KeyFiles, a_key_is_made_once_private_and_then_read_again) {
  EXPECT_EQ(open(nullptr, "first").value(), "first");
  struct stat status{};
  ASSERT_EQ(::stat(file_().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(open(nullptr, "second").value(), "first");
  EXPECT_EQ(stored(), "first");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(KeyFiles, starts_at_once_get_one_key) {
  const ClusterKey key = cluster("one");
  std::array<std::string, 8> got;
  {
    std::vector<std::jthread> starts;
    for (std::size_t i = 0; i < got.size(); ++i) {
      starts.emplace_back([&, i] { got.at(i) = open(&key, std::to_string(i)).value_or("failed"); });
    }
  }
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), 1U);
  EXPECT_EQ(open(&key).value(), got.front());
}

TEST_F(KeyFiles, what_others_can_read_and_what_is_not_a_file_is_refused) {
  store("key");
  ASSERT_EQ(::chmod(file_().c_str(), 0640), 0);
  expect(open(nullptr), ErrorCode::denied, {"0640", "chmod 600"});
  std::filesystem::remove(file_());
  std::filesystem::create_directory(file_());
  expect(open(nullptr), ErrorCode::invalid, {"not a regular file"});
  const auto nowhere = load_or_create(
      folder_ / "nowhere" / "audit.pem", []() -> base::Result<std::string> { return "x"; }, nullptr, random_);
  expect(nowhere, ErrorCode::unavailable, {"nowhere"});
}

TEST_F(KeyFiles, under_a_cluster_key_the_file_says_nothing_and_another_key_or_a_change_opens_nothing) {
  const ClusterKey key = cluster("one");
  const ClusterKey other = cluster("other");
  EXPECT_NE(key.id(), other.id());
  ASSERT_EQ(open(&key, "the private key").value(), "the private key");
  const std::string sealed = stored();
  EXPECT_EQ(sealed.find("private"), std::string::npos);
  EXPECT_EQ(open(&key, "another").value(), "the private key");
  expect(open(&other), ErrorCode::corrupt, {file_().string(), other.id(), "another cluster key", "backup"});
  expect(open(nullptr), ErrorCode::conflict, {file_().string(), "node.cluster_key_file"});
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    store(changed);
    EXPECT_FALSE(open(&key)) << "byte " << i;
    store(sealed.substr(0, i));
    EXPECT_FALSE(open(&key)) << "cut to " << i;
    EXPECT_EQ(stored().size(), i) << "nothing is replaced";
  }
  store(sealed);
  std::filesystem::rename(file_(), folder_ / "master.key");
  const auto moved =
      load_or_create(folder_ / "master.key", []() -> base::Result<std::string> { return "x"; }, &key, random_);
  expect(moved, ErrorCode::corrupt, {"master.key"});
}

TEST_F(KeyFiles, a_key_in_the_clear_is_not_taken_for_a_sealed_one_until_it_is_sealed) {
  const ClusterKey key = cluster("one");
  const ClusterKey next = cluster("next");
  ASSERT_TRUE(open(nullptr, "of a node that was alone"));
  expect(open(&key), ErrorCode::conflict, {"is not sealed under", "trav cluster seal"});
  EXPECT_EQ(reseal(file_(), &key, nullptr, random_), Resealed::now);
  EXPECT_EQ(reseal(file_(), &key, nullptr, random_), Resealed::already);
  EXPECT_EQ(open(&key).value(), "of a node that was alone");
  // Another cluster key: needs the one before.
  EXPECT_EQ(reseal(file_(), &next, nullptr, random_).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(reseal(file_(), &next, &next, random_).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(reseal(file_(), &next, &key, random_), Resealed::now);
  EXPECT_EQ(reseal(file_(), &next, &key, random_), Resealed::already);
  EXPECT_EQ(open(&next).value(), "of a node that was alone");
  EXPECT_EQ(open(&key).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(reseal(folder_ / "missing", &next, &key, random_).error().code(), ErrorCode::not_found);
}

TEST_F(KeyFiles, a_sealed_key_is_put_in_the_clear_by_its_cluster_key_alone) {
  const ClusterKey key = cluster("one");
  const ClusterKey other = cluster("other");
  ASSERT_TRUE(open(&key, "of several nodes"));
  const std::string sealed = stored();
  EXPECT_EQ(reseal(file_(), nullptr, &other, random_).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(stored(), sealed);
  EXPECT_EQ(reseal(file_(), nullptr, &key, random_), Resealed::now);
  EXPECT_EQ(reseal(file_(), nullptr, &key, random_), Resealed::already);
  EXPECT_EQ(stored(), "of several nodes");
  EXPECT_EQ(open(nullptr).value(), "of several nodes");
  EXPECT_EQ(reseal(folder_ / "missing", nullptr, &key, random_).error().code(), ErrorCode::not_found);
}

TEST_F(KeyFiles, a_cluster_key_is_made_once_private_and_read_back) {
  const auto path = folder_ / "cluster.key";
  const auto missing = ClusterKey::load(path);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("trav cluster key " + path.string()));
  const ClusterKey made = ClusterKey::create(path, random_).value();
  EXPECT_EQ(ClusterKey::create(path, random_).error().code(), ErrorCode::conflict);
  const ClusterKey read = ClusterKey::load(path).value();
  EXPECT_EQ(read.id(), made.id());
  EXPECT_EQ(read.derive("a"), made.derive("a"));
  EXPECT_NE(read.derive("a"), made.derive("b"));
  EXPECT_THAT(read.name(), HasSubstr(read.id()));
  ASSERT_EQ(::chmod(path.c_str(), 0604), 0);
  EXPECT_EQ(ClusterKey::load(path).error().code(), ErrorCode::denied);
}

TEST_F(KeyFiles, what_is_not_a_cluster_key_is_refused) {
  const std::string good = "trvck1_" + std::string(64, 'a');
  store(good);
  EXPECT_TRUE(ClusterKey::load(file_())) << "the line end may be missing";
  for (const std::string& bad : {std::string(), std::string("trvck1_"), good.substr(1), good + "a", good + "aa",
                                 good.substr(0, 70) + "g", good + "\n\n", std::string(64, 'a')}) {
    store(bad);
    const auto refused = ClusterKey::load(file_());
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code(), ErrorCode::corrupt) << bad;
  }
}

}  // namespace
}  // namespace trv::keys
