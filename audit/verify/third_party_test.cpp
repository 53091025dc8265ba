// Our exports before a verifier that shares no line with us: tests/audit/independent_verifier.py, written from the
// specifications with Python's standard library and the openssl program.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "audit/export/folder.hpp"
#include "audit/fakes/folder.hpp"
#include "audit/fakes/in_memory_trail.hpp"
#include "audit/verify/verify.hpp"

namespace trv::verify {
namespace {

using fakes::FlippedByte;
using fakes::InMemoryTrail;
using fakes::TemporaryFolder;

constexpr const char* script = TRV_SOURCE_DIR "/tests/audit/independent_verifier.py";

bool runs(const std::string& command) {
  const int status = std::system((command + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// What the script says; an exit code that is neither 0 nor 1 is a failure of the script.
bool script_accepts(const std::filesystem::path& folder, const std::string& key) {
  const std::string command = "python3 '" + std::string(script) + "' '" + folder.string() + "'" +
                              (key.empty() ? "" : " '" + key + "'") + " >/dev/null";
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << command;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool we_accept(const std::filesystem::path& folder, const std::optional<note::VerifierKey>& key) {
  const auto report = verify_folder(folder, key);
  return report && report->holds();
}

class ThirdParty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ThirdParty, agrees_on_good_exports_and_on_every_flipped_byte) {
  if (!runs("python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))'") || !runs("openssl version")) {
    GTEST_SKIP() << "needs python3 (3.9 or later) and the openssl program";
  }
  const std::uint64_t size = GetParam();
  const InMemoryTrail trail(size);
  const TemporaryFolder temporary;
  const auto folder = temporary.path() / "export";
  const std::uint64_t proofs[] = {0, size / 2, size - 1};
  ASSERT_TRUE(exporting::write_export(folder, trail, {.proofs = proofs, .on_progress = {}}));
  const std::string key = trail.key().format();
  ASSERT_TRUE(script_accepts(folder, key));
  ASSERT_TRUE(script_accepts(folder, ""));
  ASSERT_TRUE(we_accept(folder, trail.key()));

  base::SimulatedRandom random(size);
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (!file.is_regular_file() || file.path().filename() == "README.txt") {
      continue;
    }
    const bool is_key = file.path().filename() == "key.pub";
    const std::size_t end = file.file_size() - (is_key ? 1 : 0);
    const FlippedByte flipped(file.path(), random.below(end));
    EXPECT_FALSE(script_accepts(folder, is_key ? "" : key)) << file.path();
    EXPECT_FALSE(we_accept(folder, trail.key())) << file.path();
  }
  EXPECT_TRUE(script_accepts(folder, key));
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThirdParty, testing::Values(1, 2, 255, 256, 257, 1000));

}  // namespace
}  // namespace trv::verify
