#include "kernel/cli/commands/cases.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/terminal/excerpt.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/workflow/cases/run.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t excerpt_columns = 120;
constexpr std::size_t names_shown = 5;

struct Tally {
  std::size_t held = 0;
  std::size_t failed = 0;
  std::size_t restarts = 0;
};

std::string place(std::string_view file, const definition::Position& at) {
  return at.line > 0 ? fmt::format("{}:{}:{}", file, at.line, at.column) : std::string(file);
}

void show(Session& session, std::string_view file, std::string_view text, const definition::Position& at,
          std::string_view message) {
  std::string shown = fmt::format("{}: error: {}\n{}", printable(place(file, at)), printable(message),
                                  excerpt(text, at.line, at.column, 1, excerpt_columns));
  shown.pop_back();
  session.print(shown);
}

json::Value problem_json(const definition::Position& at, std::string_view message) {
  return {{"line", at.line}, {"column", at.column}, {"message", message}};
}

/// For an attribute or a text of XML 1.0, which has no control characters.
std::string xml(std::string_view text) {
  std::string out;
  for (const char c : base::to_valid_utf8(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      case '\t': out += "&#9;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? std::string("\xEF\xBF\xBD") : std::string(1, c);
    }
  }
  return out;
}

/// The results as JUnit's XML, which servers of continuous integration read.
class JunitReport {
 public:
  void begin(std::string_view file) { suites_.push_back({.file = std::string(file)}); }
  /// A case; without differences it held. `is_error`: it could not be played.
  void add(std::string_view name, const std::vector<std::string>& differences, bool is_error = false) {
    Suite& suite = suites_.back();
    suite.cases += fmt::format("    <testcase name=\"{}\" classname=\"{}\"", xml(name), xml(suite.file));
    ++suite.tests;
    if (differences.empty()) {
      suite.cases += "/>\n";
      return;
    }
    ++(is_error ? suite.errors : suite.failures);
    const std::string_view element = is_error ? "error" : "failure";
    suite.cases += fmt::format(">\n      <{} message=\"{}\">{}</{}>\n    </testcase>\n", element,
                               xml(differences.front()), xml(fmt::format("{}", fmt::join(differences, "\n"))), element);
  }
  [[nodiscard]] std::string text() const {
    Suite all;
    std::string suites;
    for (const Suite& suite : suites_) {
      suites +=
          fmt::format("  <testsuite name=\"{}\" {}>\n{}  </testsuite>\n", xml(suite.file), counts(suite), suite.cases);
      all.tests += suite.tests;
      all.failures += suite.failures;
      all.errors += suite.errors;
    }
    return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {}>\n{}</testsuites>\n", counts(all),
                       suites);
  }

 private:
  struct Suite {
    std::string file = {};
    std::string cases = {};
    std::size_t tests = 0;
    std::size_t failures = 0;
    std::size_t errors = 0;
  };
  static std::string counts(const Suite& suite) {
    return fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\"", suite.tests, suite.failures, suite.errors);
  }

  std::vector<Suite> suites_;
};

void report(Session& session, std::string_view file, std::string_view text, const cases::Case& one,
            const cases::Verdict& verdict, json::Value& all) {
  const bool holds = verdict.differences.empty();
  if (session.as_json()) {
    json::Value differences = json::Value::array();
    for (const cases::Difference& one_of : verdict.differences) {
      differences.push_back(problem_json(one_of.position, one_of.message));
    }
    all.push_back({{"file", file},
                   {"case", one.name},
                   {"holds", holds},
                   {"records", verdict.records},
                   {"restarts", verdict.restarts},
                   {"differences", std::move(differences)},
                   {"found", verdict.found}});
    return;
  }
  session.print(fmt::format("{}  {}", holds ? "ok    " : "FAILED", printable(one.name)));
  for (const cases::Difference& difference : verdict.differences) {
    show(session, file, text, difference.position, difference.message);
  }
}

base::Result<bool> run_file(Session& session, const CaseArguments& arguments, const std::string& file, Tally& tally,
                            json::Value& all, JunitReport& junit, std::vector<std::string>& names) {
  TRV_TRY_ASSIGN(const std::string text, read_file(file, cases::file_bytes_max + 1));
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  const cases::CaseFile read = cases::read_cases(
      text, [&](std::string_view path) { return read_file((folder / path).string(), definition::text_bytes_max); });
  junit.begin(file);
  std::vector<std::string> problems;
  for (const definition::Problem& problem : read.problems) {
    problems.push_back(fmt::format("{}: {}", place(file, problem.position), problem.message));
    if (session.as_json()) {
      json::Value shown = problem_json(problem.position, problem.message);
      shown.set("file", json::Value(file));
      all.push_back(std::move(shown));
    } else {
      show(session, file, text, problem.position, problem.message);
    }
  }
  if (!problems.empty()) {
    junit.add("the file can be read", problems, true);
    return false;
  }
  for (const cases::Case& one : read.cases) {
    names.push_back(one.name);
    if (one.name.find(arguments.only) == std::string::npos) continue;
    TRV_TRY_ASSIGN(const cases::Verdict verdict,
                   cases::run(one, arguments.restart ? cases::Restarts::behind_each_record : cases::Restarts::none));
    ++(verdict.differences.empty() ? tally.held : tally.failed);
    tally.restarts += verdict.restarts;
    report(session, file, text, one, verdict, all);
    std::vector<std::string> differences;
    for (const cases::Difference& difference : verdict.differences) {
      differences.push_back(fmt::format("{}: {}", place(file, difference.position), difference.message));
    }
    junit.add(one.name, differences);
  }
  return true;
}

base::Error nothing_to_run(const std::string& only, const std::vector<std::string>& names) {
  if (names.empty()) return {base::ErrorCode::not_found, "there is no case in what was read"};
  const std::vector<std::string_view> all(names.begin(), names.end());
  if (const std::string_view near = base::nearest(only, all); !near.empty()) {
    return {base::ErrorCode::not_found,
            fmt::format("no case has a name with '{}' in it; did you mean '{}'?", only, near)};
  }
  std::string shown =
      fmt::format("'{}'", fmt::join(all.begin(), all.begin() + std::min(all.size(), names_shown), "', '"));
  if (all.size() > names_shown) shown += fmt::format(" and {} more", all.size() - names_shown);
  return {base::ErrorCode::not_found, fmt::format("no case has a name with '{}' in it; there is {}", only, shown)};
}

}  // namespace

base::Result<ExitCode> run_cases(Session& session, const CaseArguments& arguments) {
  if (arguments.files.empty()) return base::fail(base::ErrorCode::invalid, "which cases? Name a FILE");
  Tally tally;
  bool all_read = true;
  json::Value all = json::Value::array();
  JunitReport junit;
  std::vector<std::string> names;
  for (const std::string& file : arguments.files) {
    TRV_TRY_ASSIGN(const bool is_read, run_file(session, arguments, file, tally, all, junit, names));
    all_read = all_read && is_read;
  }
  // A server of continuous integration would take results without a case for success.
  if (all_read && tally.held + tally.failed == 0) return base::fail(nothing_to_run(arguments.only, names));
  if (!arguments.junit.empty()) TRV_TRY(replace_file(arguments.junit, junit.text(), FileMode::everybody_reads));
  if (session.as_json()) {
    session.print_value(all);
  } else {
    session.print(fmt::format("{} {}, {} failed{}", tally.held, tally.held == 1 ? "case holds" : "cases hold",
                              tally.failed, arguments.restart ? fmt::format("; {} restarts", tally.restarts) : ""));
  }
  return all_read && tally.failed == 0 && tally.held > 0 ? ExitCode::ok : ExitCode::refused;
}

}  // namespace trv::cli
