// Runs the official JSON Schema test suite: every required case of the drafts that are spoken here, and the optional
// ones that fit. A case outside the reviewed list that fails, or a listed one that passes, is a failure.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json_schema/schema.hpp"

namespace trv::json_schema {
namespace {

struct ExpectedFailure {
  std::string_view file;   ///< "draft7/ref.json"
  std::string_view group;  ///< empty: all
  std::string_view test;   ///< empty: all
  std::string_view reason;
};

constexpr auto expected_failures = std::to_array<ExpectedFailure>({
    {"draft2020-12/optional/cross-draft.json", "refs to historic drafts are processed as historic drafts", "",
     "draft 2019-09 is not spoken here"},
    {"draft7/optional/cross-draft.json", "refs to future drafts are processed as future drafts", "",
     "draft 2019-09 is not spoken here"},
    {"draft2020-12/optional/ecmascript-regex.json", "\\a is not an ECMA 262 control escape", "",
     "older suites ask it of `format`, which is an annotation"},
    {"draft2020-12/optional/format/hostname.json", "validation of A-label (punycode) host names", "",
     "encoded labels are not decoded"},
    {"draft7/optional/format/hostname.json", "validation of A-label (punycode) host names", "",
     "encoded labels are not decoded"},
    {"draft2020-12/optional/format/uri.json", "validation of URIs", "non-numeric port is invalid",
     "the URL library takes it for a name"},
    {"draft7/optional/format/uri.json", "validation of URIs", "non-numeric port is invalid",
     "the URL library takes it for a name"},
    {"draft2020-12/optional/format/uri-reference.json", "validation of URI References",
     "a non-numeric port in a network-path reference", "the URL library takes it for a path"},
    {"draft2020-12/optional/format/uri-reference.json", "validation of URI References",
     "more than one at-sign in the authority", "the URL library takes it for a path"},
    {"draft7/optional/format/uri-reference.json", "validation of URI References",
     "a non-numeric port in a network-path reference", "the URL library takes it for a path"},
    {"draft7/optional/format/uri-reference.json", "validation of URI References",
     "more than one at-sign in the authority", "the URL library takes it for a path"},
});

/// Debian's package libtest-json-schema-acceptance-perl carries the suite.
std::filesystem::path suite_folder() {
  if (const char* folder = std::getenv("TRV_JSON_SCHEMA_SUITE"); folder != nullptr) return folder;
  return "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance";
}

json::Value read(const std::filesystem::path& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  auto value = json::parse(text, {.bytes_max = 10'000'000,
                                  .depth_max = 512,
                                  .duplicate_keys = json::DuplicateKeys::last_wins,
                                  .large_numbers = json::LargeNumbers::largest});
  EXPECT_TRUE(value) << file << ": " << value.error().message();
  return value ? *value : json::Value();
}

/// What the suite has a web server for.
std::vector<Document> remotes(const std::filesystem::path& folder) {
  std::vector<Document> documents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".json") continue;
    documents.push_back({"http://localhost:1234/" + std::filesystem::relative(entry.path(), folder).generic_string(),
                         read(entry.path())});
  }
  return documents;
}

class Run {
 public:
  Run(std::string draft, Dialect dialect) : draft_(std::move(draft)), dialect_(dialect) {
    documents_ = remotes(suite_folder() / "remotes");
  }

  void file(const std::filesystem::path& path, Formats formats) {
    const std::string name = std::filesystem::relative(path, suite_folder() / "tests").generic_string();
    const json::Value groups = read(path);
    for (const json::Value& group : groups.items()) {
      const std::string_view about = group.find("description")->as_string();
      CompileOptions options;
      options.dialect = dialect_;
      options.formats = formats;
      options.documents = documents_;
      const auto schema = compile(*group.find("schema"), options);
      for (const json::Value& test : group.find("tests")->items()) {
        const std::string_view promise = test.find("description")->as_string();
        std::string wrong;
        if (!schema) {
          wrong = "refused: " + schema.error().to_error().message();
        } else {
          const auto problems = schema->validate(*test.find("data"));
          if (!problems) {
            wrong = "stopped: " + problems.error().message();
          } else if (problems->empty() != test.find("valid")->as_bool()) {
            wrong = problems->empty() ? "accepted" : "not accepted: " + to_text(*problems);
          }
        }
        count(name, about, promise, wrong);
      }
    }
  }

  void folder(const std::filesystem::path& path, Formats formats) {
    ASSERT_TRUE(std::filesystem::is_directory(path)) << path;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    for (const auto& one : files) file(one, formats);
  }

  [[nodiscard]] int passed() const { return passed_; }
  [[nodiscard]] int left_out() const { return left_out_; }

 private:
  void count(std::string_view file, std::string_view group, std::string_view test, const std::string& wrong) {
    const auto* listed = std::ranges::find_if(expected_failures, [&](const ExpectedFailure& failure) {
      return failure.file == file && (failure.group.empty() || failure.group == group) &&
             (failure.test.empty() || failure.test == test);
    });
    if (listed != expected_failures.end()) {
      ++left_out_;
      EXPECT_FALSE(wrong.empty() && !listed->test.empty())
          << file << ": " << group << ": " << test << " is listed and passes";
      return;
    }
    passed_ += wrong.empty() ? 1 : 0;
    EXPECT_TRUE(wrong.empty()) << file << ": " << group << ": " << test << ": " << wrong;
  }

  std::string draft_;
  Dialect dialect_;
  std::vector<Document> documents_;
  int passed_ = 0;
  int left_out_ = 0;
};

void run_required(const std::string& draft, Dialect dialect, int cases_min) {
  if (!std::filesystem::is_directory(suite_folder() / "tests" / draft)) {
    GTEST_SKIP() << suite_folder() << " is not there; ./dev setup installs libtest-json-schema-acceptance-perl";
  }
  Run run(draft, dialect);
  run.folder(suite_folder() / "tests" / draft, Formats::annotations);
  std::printf("%s: %d cases passed, %d left out\n", draft.c_str(), run.passed(), run.left_out());
  EXPECT_GE(run.passed(), cases_min);
}

TEST(OfficialSuite, every_required_case_of_2020_12_holds) {
  run_required("draft2020-12", Dialect::draft_2020_12, 1'000);
}

TEST(OfficialSuite, every_required_case_of_draft_7_holds) {
  run_required("draft7", Dialect::draft_7, 800);
}

TEST(OfficialSuite, every_required_case_of_draft_4_holds) {
  run_required("draft4", Dialect::draft_4, 500);
}

void run_optional(const std::string& draft, Dialect dialect, int cases_min) {
  const std::filesystem::path folder = suite_folder() / "tests" / draft / "optional";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << folder << " is not there; ./dev setup installs libtest-json-schema-acceptance-perl";
  }
  Run run(draft, dialect);
  for (const char* file :
       {"anchor.json", "bignum.json", "cross-draft.json", "dependencies-compatibility.json", "dynamicRef.json",
        "ecmascript-regex.json", "float-overflow.json", "format-assertion.json", "id.json", "no-schema.json",
        "non-bmp-regex.json", "refOfUnknownKeyword.json", "unknownKeyword.json"}) {
    if (std::filesystem::exists(folder / file)) run.file(folder / file, Formats::annotations);
  }
  for (const char* format : {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri",
                             "uri-reference", "uuid", "json-pointer", "relative-json-pointer", "regex", "unknown"}) {
    const std::filesystem::path file = folder / "format" / (std::string(format) + ".json");
    if (std::filesystem::exists(file)) run.file(file, Formats::asserted);
  }
  std::printf("%s, optional: %d cases passed, %d left out\n", draft.c_str(), run.passed(), run.left_out());
  EXPECT_GE(run.passed(), cases_min);
}

TEST(OfficialSuite, optional_cases_of_2020_12_hold) {
  run_optional("draft2020-12", Dialect::draft_2020_12, 300);
}

TEST(OfficialSuite, optional_cases_of_draft_7_hold) {
  run_optional("draft7", Dialect::draft_7, 300);
}

}  // namespace
}  // namespace trv::json_schema
