#include "installer/release/bundle.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sdk/base/scratch_folder.hpp"

namespace trv::release {
namespace {

using base::ErrorCode;
using std::filesystem::path;
using testing::HasSubstr;

const base::Timestamp now = *base::Timestamp::from_rfc3339("2026-11-30T00:00:00Z");

std::string text_of(const path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write(const path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
}

class Bundles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new base::ScratchFolder(*base::ScratchFolder::make("bundles", std::filesystem::temp_directory_path()));
    const std::string command =
        fmt::format("PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 '{}/tests/installer/tiny_bundles.py' '{}'",
                    TRV_SOURCE_DIR, folder_->path().string());
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() { delete folder_; }

  static path bundle(std::string_view name) { return folder_->path() / name; }
  static base::Result<Verified> verified(std::string_view name, const Memory& memory = {},
                                         Expired expired = Expired::refused) {
    return verify(bundle(name), memory, now, expired);
  }
  /// What an installation of the bundle remembers.
  static Memory after(std::string_view name) {
    const auto done = verified(name);
    EXPECT_TRUE(done) << done.error().message();
    return {.root = done->root_text,
            .release_counter = done->manifest.release_counter,
            .security_floor = done->manifest.security_floor};
  }
  static void expect_refused(const base::Result<Verified>& result, ErrorCode code, std::string_view part) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), code) << result.error().message();
    EXPECT_THAT(result.error().message(), HasSubstr(part));
  }

  static base::ScratchFolder* folder_;
};
base::ScratchFolder* Bundles::folder_ = nullptr;

TEST_F(Bundles, one_that_is_whole_is_believed) {
  const auto done = verified("one");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->manifest.version, "1.0.0");
  EXPECT_EQ(done->root.version, 1);
  EXPECT_TRUE(done->warnings.empty());
}

TEST_F(Bundles, a_flipped_bit_of_any_byte_is_refused) {
  std::size_t flipped = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(bundle("rotated"))) {
    if (!entry.is_regular_file()) continue;
    const std::string whole = text_of(entry.path());
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
      write(entry.path(), changed);
      ASSERT_FALSE(verified("rotated")) << entry.path() << " byte " << at;
      ++flipped;
    }
    write(entry.path(), whole);
  }
  EXPECT_TRUE(verified("rotated"));
  EXPECT_GT(flipped, 5'000U);
}

TEST_F(Bundles, a_file_that_is_missing_cut_or_added_is_refused) {
  const path file = bundle("two") / "files/bin/travd";
  const std::string whole = text_of(file);
  write(file, whole.substr(1));
  expect_refused(verified("two"), ErrorCode::corrupt, "files/bin/travd is not what was released");
  std::filesystem::remove(file);
  expect_refused(verified("two"), ErrorCode::not_found, "files/bin/travd is missing");
  std::filesystem::create_symlink("trav", file);
  expect_refused(verified("two"), ErrorCode::not_found, "files/bin/travd is missing");
  std::filesystem::remove(file);
  write(file, whole);
  write(bundle("two") / "files/bin/more", "");
  expect_refused(verified("two"), ErrorCode::invalid, "files/bin/more is not in the manifest");
  std::filesystem::remove(bundle("two") / "files/bin/more");
  EXPECT_TRUE(verified("two"));
}

TEST_F(Bundles, the_keys_of_others_are_refused) {
  EXPECT_TRUE(verified("foreign")) << "on a host that has no memory, the three commands of the host decide";
  expect_refused(verified("foreign", after("one")), ErrorCode::unauthenticated, "the bundle is of somebody else");
}

TEST_F(Bundles, an_older_counter_is_refused_and_the_same_is_not) {
  expect_refused(verified("one", after("two")), ErrorCode::denied, "counter 100, and 200 was installed here before");
  EXPECT_TRUE(verified("two", after("two")));
}

TEST_F(Bundles, an_expired_root_is_refused_unless_that_is_accepted) {
  expect_refused(verified("expired"), ErrorCode::denied, "expired at");
  const auto accepted = verified("expired", {}, Expired::accepted);
  ASSERT_TRUE(accepted) << accepted.error().message();
  EXPECT_THAT(accepted->warnings, testing::ElementsAre(HasSubstr("expired at")));
}

TEST_F(Bundles, new_keys_are_believed_by_the_chain_of_roots) {
  const auto done = verified("rotated", after("one"));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->root.version, 2);
  EXPECT_EQ(done->root.revoked.size(), 3U);
}

TEST_F(Bundles, revoked_keys_sign_nothing_any_more) {
  Memory memory = after("rotated");
  memory.release_counter = 0;
  expect_refused(verified("two", memory), ErrorCode::unauthenticated, "manifest.json.ed25519 does not match");
}

TEST_F(Bundles, a_root_that_one_key_of_the_old_signed_is_refused) {
  expect_refused(verified("single"), ErrorCode::unauthenticated,
                 "signed by 1 of the version before's keys; 2 are needed");
}

TEST_F(Bundles, a_manifest_names_no_file_outside_of_the_bundle) {
  const std::string text = text_of(bundle("one") / "meta/manifest.json");
  for (const std::string_view name : {"../x", "/etc/x", "files/../../x", "files//x", "."}) {
    std::string changed = text;
    changed.replace(changed.find("files/bin/travd"), 15, name);
    const auto parsed = Manifest::parse(changed);
    ASSERT_FALSE(parsed) << name;
    EXPECT_THAT(parsed.error().message(), HasSubstr("leaves the bundle"));
  }
}

TEST_F(Bundles, a_clock_that_is_before_the_bundle_is_a_warning) {
  const auto done = verify(bundle("one"), {}, base::Timestamp(0), Expired::refused);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(done->warnings, testing::ElementsAre(HasSubstr("set the clock")));
}

}  // namespace
}  // namespace trv::release
