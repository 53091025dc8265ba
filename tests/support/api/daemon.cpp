#include "tests/support/api/daemon.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

pid_t spawn(const std::vector<std::string>& arguments, const Variables& variables, const std::filesystem::path& out,
            const std::filesystem::path& err, const Surroundings& surroundings = {}) {
  const std::string program = surroundings.program.empty() ? TRAVD_PROGRAM : surroundings.program;
  std::vector<std::string> texts = {program};
  if (!surroundings.limits.empty()) {
    texts = {"/bin/bash", "-c", "ulimit " + surroundings.limits + " && exec \"$0\" \"$@\"", program};
  }
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings;
  for (const auto& [name, value] : variables) settings.push_back(name + "=" + value);
  const auto pointers = [](std::vector<std::string>& from) {
    std::vector<char*> to;
    for (std::string& text : from) to.push_back(text.data());
    to.push_back(nullptr);
    return to;
  };
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t id = -1;
  const int failure =
      posix_spawn(&id, texts[0].c_str(), &actions, nullptr, pointers(texts).data(), pointers(settings).data());
  posix_spawn_file_actions_destroy(&actions);
  return failure == 0 ? id : -1;
}

/// The exit code; -1 where it lives on or a signal ended it.
int wait_for(pid_t id, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  int status = 0;
  while (::waitpid(id, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) {
      ::kill(id, SIGKILL);
      ::waitpid(id, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(5ms);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The word in `text` that begins with `start`.
std::string word_from(const std::string& text, std::string_view start) {
  const std::size_t at = text.find(start);
  return at == std::string::npos ? std::string() : text.substr(at, text.find_first_of(" \n", at) - at);
}

Variables with_home(const ScratchFolder& scratch, Variables variables) {
  variables.emplace("HOME", scratch.path().string());
  // On a host without namespaces, too, plugins are loaded: what is tested here is not their isolation.
  variables.emplace("TRAV_PLUGINS_ISOLATION", "best-effort");
  if (const char* shards = std::getenv("TRV_TEST_SHARDS")) variables.emplace("TRAV_SHARDS", shards);
  return variables;
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "travd_api_XXXXXX").string();
  TRV_ASSERT(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string contents_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Ended run_daemon(const ScratchFolder& scratch, const std::vector<std::string>& arguments, const Variables& variables) {
  const auto out = scratch.path() / "ended_out";
  const auto err = scratch.path() / "ended_err";
  const pid_t id = spawn(arguments, with_home(scratch, variables), out, err);
  Ended ended;
  if (id > 0) ended.code = wait_for(id, 60s);
  ended.out = contents_of(out);
  ended.err = contents_of(err);
  return ended;
}

std::unique_ptr<Daemon> Daemon::spawned(const ScratchFolder& scratch, const std::vector<std::string>& more_arguments,
                                        const Surroundings& surroundings) {
  std::unique_ptr<Daemon> daemon(new Daemon);
  daemon->data_ = scratch.path() / "data";
  daemon->complaints_ = scratch.path() / "err";
  daemon->output_ = scratch.path() / "out";
  std::vector<std::string> arguments{"--data", daemon->data_.string(), "--port", "0"};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  daemon->id_ =
      spawn(arguments, with_home(scratch, surroundings.variables), daemon->output_, daemon->complaints_, surroundings);
  return daemon;
}

base::Status Daemon::wait_for_text(const std::filesystem::path& file, std::string_view text) const {
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (running() && std::chrono::steady_clock::now() < until) {
    if (contents_of(file).find(text) != std::string::npos) return {};
    std::this_thread::sleep_for(5ms);
  }
  return base::fail(base::ErrorCode::unavailable, fmt::format("travd did not start: {}{}", output(), complaints()));
}

base::Result<std::unique_ptr<Daemon>> Daemon::start(const ScratchFolder& scratch,
                                                    const std::vector<std::string>& more_arguments,
                                                    const Surroundings& surroundings) {
  std::unique_ptr<Daemon> daemon = spawned(scratch, more_arguments, surroundings);
  TRV_TRY(daemon->wait_for_text(daemon->output_, " loaded\n"));  // written at once, with a token where there is one
  const std::string said = daemon->output();
  daemon->url_ = word_from(said, "http");
  daemon->operator_token_ = word_from(said, "trv_");
  return daemon;
}

base::Result<std::unique_ptr<Daemon>> Daemon::launch(const ScratchFolder& scratch, Surroundings surroundings) {
  constexpr std::string_view before_port = "listening on 127.0.0.1 port ";
  surroundings.variables["TRAV_LOG_LEVEL"] = "debug";
  std::unique_ptr<Daemon> daemon = spawned(scratch, {}, surroundings);
  TRV_TRY(daemon->wait_for_text(daemon->complaints_, before_port));
  const std::string said = daemon->complaints();
  const std::size_t at = said.find(before_port) + before_port.size();
  daemon->url_ = "http://127.0.0.1:" + said.substr(at, said.find('\n', at) - at);
  return daemon;
}

Daemon::~Daemon() {
  (void)stop();
}

int Daemon::stop() {
  if (id_ <= 0) return -1;
  const pid_t id = std::exchange(id_, -1);
  ::kill(id, SIGTERM);
  return wait_for(id, 60s);
}

std::string Daemon::output() const {
  return contents_of(output_);
}

std::string Daemon::complaints() const {
  return contents_of(complaints_);
}

bool Daemon::running() const {
  return id_ > 0 && ::kill(id_, 0) == 0 && ::waitpid(id_, nullptr, WNOHANG) == 0;
}

}  // namespace trv::api
