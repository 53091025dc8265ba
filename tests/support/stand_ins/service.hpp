#pragma once
// A service that a stand-in imitates: requests in, answers out. Pure: no clock, no randomness, no I/O, so the same
// requests in the same order give the same answers; the journal relies on it. One thread.

#include <memory>
#include <set>
#include <string>

#include "tests/support/stand_ins/exchange.hpp"

namespace trv::stand_ins {

class Service {
 public:
  virtual ~Service() = default;
  [[nodiscard]] virtual Answer answer(const Request& request) = 0;
  /// What the service says when it is down (503) or asked too often (429).
  [[nodiscard]] virtual Answer unavailable() const = 0;
  [[nodiscard]] virtual Answer rate_limited() const = 0;
  /// Headers with which a request is let in; the journal keeps no credentials, so its replay needs them.
  [[nodiscard]] virtual HeaderList passport() const = 0;
};

struct GithubOptions {
  std::string token = "github-token";
  std::set<std::string> repositories = {"octo-org/hello"};
};
/// Issues 1 to 1,000 of every known repository exist. Routes: POST and GET /repos/{owner}/{repo}/issues/{n}/comments,
/// POST and GET …/labels.
[[nodiscard]] std::unique_ptr<Service> make_github(GithubOptions options);

struct JiraOptions {
  std::string user = "bot@example.com";
  std::string token = "jira-token";  ///< accepted as basic user:token and as bearer
  std::set<std::string> projects = {"OPS"};
};
/// Every project has the issue types Bug, Task and Story and the transitions 11 To Do, 21 In Progress, 31 Done. Routes:
/// POST /rest/api/3/issue, GET /rest/api/3/issue/{key}, GET and POST /rest/api/3/issue/{key}/transitions.
[[nodiscard]] std::unique_ptr<Service> make_jira(JiraOptions options);

struct SlackOptions {
  std::string token = "slack-token";
  std::set<std::string> channels = {"C0123456789", "general"};  ///< ids, or names without '#'
};
/// Routes: POST /chat.postMessage.
[[nodiscard]] std::unique_ptr<Service> make_slack(SlackOptions options);

}  // namespace trv::stand_ins
