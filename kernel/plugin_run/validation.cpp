#include "kernel/plugin_run/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "kernel/plugin_run/fuzz_answers.hpp"
#include "kernel/plugin_run/isolated_plays.hpp"
#include "kernel/plugin_run/kill_and_retry.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/conformance/suite/apart.hpp"
#include "sdk/conformance/suite/library.hpp"
#include "sdk/conformance/suite/play.hpp"
#include "sdk/conformance/suite/suite.hpp"
#include "sdk/package/package.hpp"

namespace trv::plugin_run {
namespace {

using base::Result;
using conformance::HttpStep;
namespace suite = conformance::suite;

constexpr std::uint64_t odd_answers = 6;
constexpr std::size_t line_bytes_max = 300;

// The same answers on every machine: what most services give, and what no service should.
std::vector<HttpStep> answers_for(const package::Manifest& manifest) {
  using conformance::CallError;
  using conformance::HttpAnswer;
  const conformance::HeaderList type = {{"content-type", "application/json"}};
  std::vector<HttpStep> answers = {
      HttpAnswer{200, "{}", type},
      HttpAnswer{200, "[]", type},
      HttpAnswer{404, R"({"message":"it is not there"})", type},
      HttpAnswer{429, "", {{"retry-after", "2"}}},
      HttpAnswer{500, "no", {{"content-type", "text/plain"}}},
      CallError{.code = TRV_ERROR_DENIED, .message = "no grant for this connection", .retry = TRV_RETRY_NEVER}};
  FuzzAnswers odd(answer_names(manifest));
  for (std::uint64_t seed = 1; seed <= odd_answers; ++seed) {
    auto answer = odd.first_of(seed);
    if (!answer) {
      answers.emplace_back(CallError{.code = plugin_host::to_abi(answer.error().code()),
                                     .message = answer.error().message(),
                                     .retry = TRV_RETRY_SAFE});
      continue;
    }
    HttpAnswer step{static_cast<int>(answer->status), std::move(answer->body), {}};
    for (egress::Header& header : answer->headers) step.headers.emplace_back(header.name, header.value);
    answers.emplace_back(std::move(step));
  }
  return answers;
}

/// The package with operations that may give any output: what the kernel makes of one that is against its schema would
/// hide what the plugin gave.
Result<base::Bytes> with_any_output(const package::Package& package) {
  TRV_TRY_ASSIGN(json::Value manifest, json::parse(package.manifest.text, {.depth_max = 512}));
  manifest.erase("files");  // written again
  json::Value operations = json::Value::array();
  if (const json::Value* all = manifest.find("operations"); all != nullptr && all->is_array()) {
    for (const json::Value& one : all->items()) {
      json::Value operation = one;
      operation.set("output", true);
      operations.push_back(std::move(operation));
    }
    manifest.set("operations", std::move(operations));
  }
  return package::assemble(json::serialize(manifest), package.files);
}

/// What the same call did in-process.
struct Expected {
  enum class Kind { same, differs_from_itself, not_comparable };
  Kind kind = Kind::not_comparable;
  std::string text = {};
};

std::string to_text(const suite::PlayedHere& first, const suite::PlayedHere& second) {
  json::Value all = json::Value::array();
  for (std::size_t i = 0; i < first.texts.size(); ++i) {
    json::Value one = json::Value::array();
    const bool is_comparable = first.texts[i] && second.texts[i];
    one.push_back(is_comparable ? static_cast<std::int64_t>(first.texts[i] == second.texts[i]) : std::int64_t{-1});
    one.push_back(first.texts[i].value_or(""));
    all.push_back(std::move(one));
  }
  return json::serialize(all);
}

Result<std::vector<Expected>> read_expected(const std::string& text) {
  TRV_TRY_ASSIGN(const json::Value all, json::parse(text));
  std::vector<Expected> expected;
  for (const json::Value& one : all.items()) {
    const std::int64_t same = one.items()[0].as_int();
    expected.push_back({same > 0    ? Expected::Kind::same
                        : same == 0 ? Expected::Kind::differs_from_itself
                                    : Expected::Kind::not_comparable,
                        std::string(one.items()[1].as_string())});
  }
  return expected;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    lines.push_back(text.substr(0, end));
  }
  return lines;
}

std::string shortened(std::string_view line) {
  if (line.size() <= line_bytes_max) return std::string(line);
  return fmt::format("{}… ({} bytes)", line.substr(0, line_bytes_max), line.size());
}

/// The first line in which they are not the same.
std::string difference(std::string_view here, std::string_view isolated) {
  const auto of_here = lines_of(here);
  const auto of_isolated = lines_of(isolated);
  const std::size_t count = std::max(of_here.size(), of_isolated.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view one = i < of_here.size() ? of_here[i] : "does nothing more";
    const std::string_view other = i < of_isolated.size() ? of_isolated[i] : "does nothing more";
    if (one == other) continue;
    // Long ones begin alike; what differs is shown.
    const std::size_t common = static_cast<std::size_t>(std::ranges::mismatch(one, other).in1 - one.begin());
    const std::size_t from = common < line_bytes_max / 2 ? 0 : common - 60;
    return fmt::format("in-process it {}{}, isolated it {}{}", from == 0 ? "" : "…", shortened(one.substr(from)),
                       from == 0 ? "" : "…", shortened(other.substr(from)));
  }
  return {};
}

constexpr std::string_view library_name = "plugin.so";

class Validator {
 public:
  Validator(const package::Package& package, const ValidationSetup& setup, const base::Clock& clock)
      : package_(package), setup_(setup), clock_(clock) {
    validation_.plugin = package.manifest.id;
    validation_.version = package.manifest.version;
    validation_.package = package.digest;
  }

  Result<Validation> run() {
    plays_ = suite::plays_of(package_.manifest, answers_for(package_.manifest));
    if (plays_.empty()) validation_.remarks.emplace_back("no operation has an example: none was called with one");
    if (package_.manifest.program) {
      validation_.remarks.emplace_back("it is a program, which does not run in-process: it was checked isolated alone");
    } else {
      TRV_TRY(check_here());
    }
    TRV_TRY(check_isolated());
    return std::move(validation_);
  }

 private:
  void report(CheckReport check) {
    if (setup_.checked) setup_.checked(check);
    validation_.checks.push_back(std::move(check));
  }

  base::Status check_here() {
    const package::Library* library = package_.manifest.find_library(package::this_platform());
    if (library == nullptr) {
      return base::fail(base::ErrorCode::not_found,
                        fmt::format("the package has no library for {}", package::this_platform()));
    }
    const base::Bytes* bytes = package_.find_file(library->path);
    TRV_ASSERT(bytes != nullptr);
    const std::filesystem::path file = setup_.scratch / library_name;
    TRV_TRY(base::write_file(file, "plugin.so.new", *bytes, 0600));
    for (const std::string_view name : suite::checks()) check_here(name, file);
    play_here(file);
    return {};
  }

  void check_here(std::string_view name, const std::filesystem::path& library) {
    CheckReport check{.name = std::string(name)};
    const suite::ApartOutcome outcome = suite::run_apart(
        [&](const suite::Doing& doing) {
          doing("load the library");
          const auto entry = suite::load_library(library);
          json::Value findings = json::Value::array();
          if (!entry) {
            findings.push_back(entry.error().message());
            return json::serialize(findings);
          }
          const suite::Options options{.configuration = setup_.configuration.value_or("{}"), .doing = doing};
          for (const std::string& finding : suite::run_check(name, **entry, package_.manifest, options)) {
            findings.push_back(plugin_host::printable(finding, plugin_host::message_bytes_max));
          }
          return json::serialize(findings);
        },
        setup_.check_time_max);
    if (!outcome.trouble.empty()) check.findings.push_back(outcome.trouble);
    if (const auto findings = json::parse(outcome.output); findings && findings->is_array()) {
      for (const json::Value& one : findings->items()) check.findings.emplace_back(one.as_string());
    }
    report(std::move(check));
  }

  /// Twice, so that a call which is never the same is not held against another one.
  void play_here(const std::filesystem::path& library) {
    const suite::ApartOutcome outcome = suite::run_apart(
        [&](const suite::Doing& doing) {
          doing("load the library");
          const auto entry = suite::load_library(library);
          if (!entry) return std::string("[]");
          const suite::PlayOptions options{.configuration = setup_.configuration.value_or("{}"),
                                           .doing = doing,
                                           .shown = [](std::string_view message) {
                                             return plugin_host::printable(message, plugin_host::message_bytes_max);
                                           }};
          const auto first = suite::play_here(**entry, package_.manifest.id, plays_, options);
          return to_text(first, suite::play_here(**entry, package_.manifest.id, plays_, options));
        },
        setup_.check_time_max);
    const auto expected = read_expected(outcome.output.empty() ? "[]" : outcome.output);
    if (expected && expected->size() == plays_.size()) {
      expected_ = *expected;
      return;
    }
    not_compared_ = outcome.trouble.empty() ? "it cannot be activated in-process" : outcome.trouble;
  }

  base::Status check_isolated() {
    TRV_TRY_ASSIGN(const base::Bytes archive, with_any_output(package_));
    TRV_TRY_ASSIGN(const auto local, LocalPackage::open(archive, setup_.scratch, clock_));
    const IsolatedSetup isolated{
        .program = setup_.program, .configuration = setup_.configuration, .call_timeout_ms = setup_.call_timeout_ms};
    auto plays = IsolatedPlays::start(*local, isolated, clock_);
    CheckReport starts{.name = "it_starts_behind_walls_and_is_well", .mode = CheckMode::isolated};
    if (!plays) {
      starts.findings.push_back(plays.error().message());
      report(std::move(starts));
      return {};
    }
    validation_.walls = (*plays)->walls();
    for (const std::string& remark : (*plays)->remarks()) validation_.remarks.push_back(remark);
    report(std::move(starts));
    check_inputs(**plays);
    note_refused("while it starts", (*plays)->take_refused_calls());
    TRV_TRY(play_isolated(**plays));
    TRV_TRY(kill_and_retry(**plays));
    report({.name = "system_calls_are_those_that_the_sandbox_leaves",
            .mode = CheckMode::isolated,
            .findings = std::move(refused_)});
    CheckReport ends{.name = "it_ends_when_it_is_asked_to", .mode = CheckMode::isolated};
    if (const base::Status stopped = (*plays)->stop(); !stopped) ends.findings.push_back(stopped.error().message());
    report(std::move(ends));
    return {};
  }

  void check_inputs(const IsolatedPlays& isolated) {
    CheckReport check{.name = "examples_match_the_schemas_of_their_operations", .mode = CheckMode::isolated};
    std::set<std::pair<std::string, std::size_t>> seen;
    for (const suite::Play& play : plays_) {
      if (!seen.emplace(play.operation, play.example).second) continue;
      if (const base::Status fits = isolated.check_input(play); !fits) {
        check.findings.push_back(
            fmt::format("operation {}, example {}: {}", play.operation, play.example, fits.error().message()));
      }
    }
    report(std::move(check));
  }

  base::Status play_isolated(IsolatedPlays& isolated) {
    CheckReport answered{.name = "examples_are_answered_whatever_a_service_answers", .mode = CheckMode::isolated};
    CheckReport same{.name = "answers_are_those_of_the_same_call_in_process", .mode = CheckMode::isolated};
    if (!not_compared_.empty()) same.findings.push_back("the calls could not be made in-process: " + not_compared_);
    std::set<std::pair<std::string, std::size_t>> broken;
    std::size_t waiting = 0;
    std::set<std::string> never_the_same;
    std::vector<std::pair<std::size_t, std::string>> differ;  // places of plays, and what came of them isolated
    for (std::size_t i = 0; i < plays_.size(); ++i) {
      const suite::Play& play = plays_[i];
      const Expected expected = expected_.empty() ? Expected{} : expected_[i];
      if (broken.contains({play.operation, play.example})) continue;
      if (!expected_.empty() && expected.kind == Expected::Kind::not_comparable) {
        ++waiting;
        continue;
      }
      TRV_TRY_ASSIGN(const IsolatedPlay made, isolated.make(play, {.key = suite::play_key(i)}));
      note_refused(play.name(), made.refused);
      if (made.end != IsolatedPlay::End::answered) {
        answered.findings.push_back(fmt::format("{}: {}: {}", play.name(), how(made.end), made.message));
        if (made.end != IsolatedPlay::End::defect) broken.emplace(play.operation, play.example);
        continue;
      }
      if (expected.kind == Expected::Kind::differs_from_itself) never_the_same.insert(play.operation);
      if (expected.kind != Expected::Kind::same) continue;
      ++validation_.calls_compared;
      if (made.text != expected.text) differ.emplace_back(i, made.text);
    }
    report(std::move(answered));
    hold_against_later(differ, same, never_the_same);
    broken_ = std::move(broken);
    if (!package_.manifest.program) report(std::move(same));
    remark(waiting, never_the_same);
    return {};
  }

  /// Each name once: what a process is refused, the next one is, too.
  void note_refused(const std::string& where, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!refused_names_.insert(name).second) continue;
      refused_.push_back(fmt::format("{}: it called {}(), which the sandbox denies", where, name));
    }
  }

  base::Status kill_and_retry(IsolatedPlays& isolated) {
    CheckReport check{.name = "a_call_that_was_killed_is_made_again", .mode = CheckMode::isolated};
    KillAndRetry retries(package_.manifest, isolated);
    std::set<std::pair<std::string, std::size_t>> seen;
    for (std::size_t i = 0; i < plays_.size(); ++i) {
      const suite::Play& play = plays_[i];
      // The first answer is that of a service that is well.
      if (!seen.emplace(play.operation, play.example).second) continue;
      if (broken_.contains({play.operation, play.example})) continue;
      if (!expected_.empty() && expected_[i].kind == Expected::Kind::not_comparable) continue;
      TRV_TRY(retries.hold(play));
    }
    note_refused("after a kill", isolated.take_refused_calls());
    check.findings = retries.take_findings();
    for (std::string& remark : retries.take_remarks()) validation_.remarks.push_back(std::move(remark));
    report(std::move(check));
    return {};
  }

  /// What differs from a call made before may be a time of day that has gone on: then a call made in-process now
  /// differs from that one, too.
  void hold_against_later(const std::vector<std::pair<std::size_t, std::string>>& differ, CheckReport& same,
                          std::set<std::string>& never_the_same) {
    if (differ.empty()) return;
    const std::vector<Expected> before = expected_;
    play_here(setup_.scratch / library_name);
    for (const auto& [place, text] : differ) {
      const suite::Play& play = plays_[place];
      const Expected& now = expected_[place];
      if (now.kind == Expected::Kind::same && now.text == before[place].text) {
        same.findings.push_back(fmt::format("{}: {}", play.name(), difference(now.text, text)));
        continue;
      }
      --validation_.calls_compared;
      never_the_same.insert(play.operation);
    }
  }

  void remark(std::size_t waiting, const std::set<std::string>& never_the_same) {
    if (waiting > 0) {
      validation_.remarks.push_back(
          fmt::format("{} calls wait for time, and were not made isolated and not compared", waiting));
    }
    for (const std::string& operation : never_the_same) {
      validation_.remarks.push_back(fmt::format(
          "operation {}: two calls with the same input differ in-process, so those isolated were not compared",
          operation));
    }
  }

  static std::string_view how(IsolatedPlay::End end) {
    switch (end) {
      case IsolatedPlay::End::answered: break;
      case IsolatedPlay::End::crashed: return "it crashed";
      case IsolatedPlay::End::hung: return "it hung";
      case IsolatedPlay::End::defect: return "it failed as internal, which means a defect";
    }
    return {};
  }

  const package::Package& package_;
  const ValidationSetup& setup_;
  const base::Clock& clock_;
  std::vector<suite::Play> plays_;
  std::vector<Expected> expected_;
  std::string not_compared_;
  std::set<std::pair<std::string, std::size_t>> broken_ = {};  ///< operations and examples
  std::set<std::string> refused_names_ = {};
  std::vector<std::string> refused_ = {};
  Validation validation_;
};

}  // namespace

std::string_view to_string(CheckMode mode) noexcept {
  return mode == CheckMode::in_process ? "in-process" : "isolated";
}

bool Validation::holds() const noexcept {
  return !checks.empty() &&
         std::ranges::all_of(checks, [](const CheckReport& check) { return check.findings.empty(); });
}

json::Value to_value(const Validation& validation) {
  const auto texts = [](const std::vector<std::string>& all) {
    json::Value list = json::Value::array();
    for (const std::string& one : all) list.push_back(one);
    return list;
  };
  json::Value checks = json::Value::array();
  for (const CheckReport& check : validation.checks) {
    checks.push_back({{"name", check.name},
                      {"mode", to_string(check.mode)},
                      {"holds", check.findings.empty()},
                      {"findings", texts(check.findings)}});
  }
  json::Value value = {{"report", std::int64_t{1}},
                       {"plugin", validation.plugin},
                       {"version", validation.version},
                       {"package", base::to_hex(validation.package)},
                       {"platform", package::this_platform()},
                       {"holds", validation.holds()},
                       {"callsCompared", static_cast<std::int64_t>(validation.calls_compared)}};
  if (validation.walls) {
    value.set("walls", {{"systemCalls", true},
                        {"namespaces", validation.walls->no_namespaces.empty()},
                        {"landlock", static_cast<std::int64_t>(validation.walls->landlock_version)}});
  }
  value.set("checks", std::move(checks));
  value.set("remarks", texts(validation.remarks));
  return value;
}

Result<Validation> validate_plugin(base::BytesView archive, const ValidationSetup& setup, const base::Clock& clock) {
  TRV_EXPECTS(setup.program.is_absolute() && setup.scratch.is_absolute());
  TRV_TRY_ASSIGN(const package::Package package, package::read(archive));
  return Validator(package, setup, clock).run();
}

}  // namespace trv::plugin_run
