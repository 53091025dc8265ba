#pragma once
// GitHub, Jira and Slack for tests and demonstrations: one object that answers their requests, with a journal and
// faults.
//
// What they do imitate: the routes named in service.hpp, their status codes, their JSON shapes, their refusals of wrong
// credentials and wrong input, and state across requests (comments, labels, issues, transitions).
// What they do not: permissions, GitHub Apps and OAuth, pagination, search, mark-up, Slack's other methods and blocks,
// screens and workflows of Jira, quotas and their headers, eventual consistency, TLS. Every time stamp is the same.
// And one thing they do that the real services do NOT: they honour Idempotency-Key. A repeated key gets the first
// answer again, without a second effect. GitHub, Jira and Slack ignore the header: against them a repeated POST may act
// twice.
//
// Journal: one JSON object a line, written before the answer goes out, so a test that has an answer finds its line. It
// is read again at start: state, ids and known keys survive a restart. A last line without an end is cut off.
//
// Threads: answer() may come from any thread; it answers one request at a time.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/result.hpp"
#include "tests/support/stand_ins/service.hpp"

namespace trv::stand_ins {

struct Faults {
  std::uint32_t fail_first = 0;             ///< of each route: answered with 503, before any rate limit
  std::uint32_t rate_limit_first = 0;       ///< of each route: answered with 429 and Retry-After: 1
  std::uint32_t drop_connection_every = 0;  ///< every so many requests that had an effect: done, but the answer is lost
};

struct Options {
  GithubOptions github = {};
  JiraOptions jira = {};
  SlackOptions slack = {};
  Faults faults = {};
  std::filesystem::path journal = {};  ///< empty = none
};

class StandIns {
 public:
  /// Error: corrupt (the journal is not one, or belongs to other options), unavailable (it cannot be opened).
  [[nodiscard]] static base::Result<std::unique_ptr<StandIns>> open(Options options);

  /// `request.path` begins with /github, /jira or /slack/api. nullopt = close the connection without an answer.
  [[nodiscard]] std::optional<Answer> answer(Request request);

 private:
  /// The answer that a key got first.
  struct Known {
    Answer answer;
  };

  explicit StandIns(Options options);
  [[nodiscard]] base::Status replay();
  [[nodiscard]] base::Status replay_line(std::string_view line);
  [[nodiscard]] std::optional<Answer> fault(const Service& service, const std::string& route);
  void write(std::string_view service, const Request& request, const Answer& answer, std::string_view effect,
             bool dropped);

  Options options_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Service>, std::less<>> services_;
  std::map<std::string, Known> known_;           // by service and key
  std::map<std::string, std::uint32_t> routes_;  // how often each was asked
  std::uint32_t effects_ = 0;
  std::ofstream journal_;
};

}  // namespace trv::stand_ins
