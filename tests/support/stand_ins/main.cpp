// trv_stand_ins: GitHub, Jira and Slack on 127.0.0.1 for tests and demonstrations. stand_ins.hpp says what they imitate
// and what they do not. Prints one line of JSON with their base URLs and serves until it is ended.

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "tests/support/stand_ins/server.hpp"

namespace {

/// What was given on the command line in place of what is there by itself.
void replace(std::set<std::string>& set, const std::vector<std::string>& given) {
  if (!given.empty()) set = std::set<std::string>(given.begin(), given.end());
}

int failed(const trv::base::Error& error) {
  std::fprintf(stderr, "trv_stand_ins: %s\n", error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  trv::stand_ins::Options options;
  std::uint16_t port = 0;
  std::uint32_t delay_ms = 0;
  std::vector<std::string> repositories;
  std::vector<std::string> projects;
  std::vector<std::string> channels;
  CLI::App app(
      "GitHub, Jira and Slack for tests, on 127.0.0.1.\n"
      "Unlike the real services they honour Idempotency-Key: a repeated key gets the first answer again.");
  app.add_option("--port", port, "Port; 0 = a free one")->capture_default_str();
  app.add_option("--journal", options.journal, "File that gets a JSON line for each request, and is read at start");
  app.add_option("--github-token", options.github.token, "Bearer token")->capture_default_str();
  app.add_option("--github-repository", repositories, "Known repository, owner/name; may be repeated");
  app.add_option("--jira-user", options.jira.user, "User of basic authentication")->capture_default_str();
  app.add_option("--jira-token", options.jira.token, "Password of basic, or bearer token")->capture_default_str();
  app.add_option("--jira-project", projects, "Key of a known project; may be repeated");
  app.add_option("--slack-token", options.slack.token, "Bearer token")->capture_default_str();
  app.add_option("--slack-channel", channels, "Known channel, id or name; may be repeated");
  app.add_option("--fail-first", options.faults.fail_first, "Answer the first N requests of each route with 503");
  app.add_option("--rate-limit-first", options.faults.rate_limit_first,
                 "Answer the first N requests of each route, after those that fail, with 429 and Retry-After: 1");
  app.add_option("--drop-connection-every", options.faults.drop_connection_every,
                 "Close the connection in place of the answer to every Nth request that had an effect");
  app.add_option("--delay-ms", delay_ms, "Wait before each answer");
  CLI11_PARSE(app, argc, argv);
  replace(options.github.repositories, repositories);
  replace(options.jira.projects, projects);
  replace(options.slack.channels, channels);

  auto stand_ins = trv::stand_ins::StandIns::open(std::move(options));
  if (!stand_ins) return failed(stand_ins.error());
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  auto server = trv::stand_ins::Server::start(**stand_ins, port, std::chrono::milliseconds(delay_ms));
  if (!server) return failed(server.error());
  const int bound = (*server)->port();
  std::printf(
      "{\"github\":\"http://127.0.0.1:%d/github\",\"jira\":\"http://127.0.0.1:%d/jira\","
      "\"slack\":\"http://127.0.0.1:%d/slack/api\"}\n",
      bound, bound, bound);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}
