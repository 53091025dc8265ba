#include "kernel/plugin_host/library_trial.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "kernel/plugin_host/plugin_library.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

class LibraryTrialTest : public testing::Test {
 protected:
  LibraryTrialTest() : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("trial_{}", ::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~LibraryTrialTest() override { std::filesystem::remove_all(folder_); }

  static std::filesystem::path library(const std::string& name) { return build_ / "test_plugins" / (name + ".so"); }
  static base::Status tried(const std::filesystem::path& library,
                            std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    return try_library(build_ / "bin" / "trav-plugin-host", library, "tracker", "1.2.3", {}, patience);
  }

  static inline const std::filesystem::path build_ = TRV_BINARY_DIR;
  const std::filesystem::path folder_;
};

TEST_F(LibraryTrialTest, a_library_that_loads_passes) {
  const base::Status passed = tried(library("good"));
  EXPECT_TRUE(passed) << passed.error().message();
}

TEST_F(LibraryTrialTest, a_library_that_ends_who_loads_it_is_refused_with_the_reason) {
  const std::vector<std::pair<std::string, std::string>> broken = {
      {"crashes", "library 'crashes.so' crashes while it is loaded (Aborted)"},
      {"exits", "library 'exits.so' ends the process that loads it, with exit code 0"},
      {"no_entry", "library 'no_entry.so' does not export trv_entry_v1"},
  };
  for (const auto& [name, reason] : broken) {
    const base::Status refused = tried(library(name));
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
    EXPECT_THAT(refused.error().message(), HasSubstr(reason));
  }
}

TEST_F(LibraryTrialTest, a_library_that_hangs_holds_nobody_longer_than_his_patience) {
  const base::Status refused = tried(library("hangs"), std::chrono::seconds(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_THAT(refused.error().message(), HasSubstr("was not loaded within 1000 ms"));
}

// The loader maps what the headers promise, and dies where the file has ended.
TEST_F(LibraryTrialTest, a_library_that_was_cut_is_refused) {
  const std::filesystem::path cut = folder_ / "cut.so";
  std::filesystem::copy_file(library("good"), cut);
  std::filesystem::resize_file(cut, 5'000);
  const base::Status refused = tried(cut);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("crashes while it is loaded (Bus error)"));
}

TEST_F(LibraryTrialTest, a_program_that_is_not_there_is_named) {
  const base::Status refused = try_library(folder_ / "nothing", library("good"), "tracker", "1.2.3");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr((folder_ / "nothing").string()));
}

TEST_F(LibraryTrialTest, a_file_that_is_no_library_is_refused_without_a_trial_too) {
  const std::filesystem::path path = folder_ / "text.so";
  std::ofstream(path) << "not an ELF file";
  const auto loaded = PluginLibrary::load(path, "tracker", "1.2.3");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::invalid);
  EXPECT_THAT(loaded.error().message(), testing::Not(HasSubstr(folder_.string())));
}

}  // namespace
}  // namespace trv::plugin_host
