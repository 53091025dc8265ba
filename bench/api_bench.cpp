// Speed of travd from outside: starting a workflow over HTTP, durable before it is answered; what that costs travd, and
// what it costs while a client follows the tenant by events. Client and server share this machine.
//
//   api_bench [--seconds S] [--connections N] [--travd PATH]

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "bench/http_load.hpp"

namespace trv::bench {
namespace {

constexpr std::string_view trivial = R"(document: {dsl: 1.0.3, namespace: bench, name: trivial, version: 1.0.0}
do:
  - answer: {set: {done: true}}
)";

/// travd on a fresh data folder; stopped when this goes.
class Daemon {
 public:
  Daemon(const std::string& program, const std::filesystem::path& folder) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) give_up("no pipe");
    process_ = ::fork();
    if (process_ < 0) give_up("no process");
    const std::string data = (folder / "data").string();
    if (process_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl(program.c_str(), program.c_str(), "--data", data.c_str(), "--port", "0", nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    read_start();
  }
  ~Daemon() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
    ::close(output_);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  /// Processor time of all its threads so far.
  [[nodiscard]] double cpu() const {
    clockid_t clock{};
    if (::clock_getcpuclockid(process_, &clock) != 0) give_up("no processor time of travd");
    return cpu_seconds(clock);
  }

 private:
  void read_start() {
    std::string text;
    char bytes[4096];
    while (text.find("trav tenant create") == std::string::npos) {
      const ssize_t got = ::read(output_, bytes, sizeof bytes);
      if (got <= 0) give_up("travd did not start: " + text);
      text.append(bytes, static_cast<std::size_t>(got));
    }
    constexpr std::string_view before_port = "is ready at http://127.0.0.1:";
    const std::size_t port = text.find(before_port);
    const std::size_t token = text.find("trv_");
    if (port == std::string::npos || token == std::string::npos) give_up("travd printed no port or no token");
    port_ = static_cast<std::uint16_t>(std::atoi(text.c_str() + port + before_port.size()));
    token_ = text.substr(token, text.find_first_of(" \n", token) - token);
  }

  pid_t process_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
  std::string token_;
};

std::string request(std::string_view method, std::string_view path, std::string_view token, std::string_view type,
                    std::string_view body) {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
      method, path, token, type, body.size(), body);
}

/// Follows a tenant's events from now on, in a thread of its own.
class Follower {
 public:
  Follower(std::uint16_t port, const std::string& tenant, const std::string& token) : connection_(port) {
    connection_.send(fmt::format(
        "GET /v1/tenants/{}/events/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\r\n", tenant, token));
    thread_ = std::thread([this] { read(); });
    while (!connected_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Follower() {
    ending_ = true;
    ::shutdown(connection_.socket(), SHUT_RDWR);
    thread_.join();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Waits until none has come for a second.
  [[nodiscard]] std::uint64_t drained() const {
    std::uint64_t seen = 0;
    do {
      seen = events_;
      std::this_thread::sleep_for(std::chrono::seconds(1));
    } while (events_ != seen);
    return seen;
  }

 private:
  void read() {
    constexpr std::string_view event_begins = "\nid:";
    std::string text;
    char bytes[64 * 1024];
    for (;;) {
      const ssize_t got = ::recv(connection_.socket(), bytes, sizeof bytes, 0);
      if (got <= 0) break;
      text.append(bytes, static_cast<std::size_t>(got));
      connected_ = connected_ || text.find(": connected") != std::string::npos;
      std::uint64_t begun = 0;
      for (auto at = text.find(event_begins); at != std::string::npos; at = text.find(event_begins, at + 1)) ++begun;
      events_ += begun;
      // What may be the beginning of a mark is looked at again.
      if (connected_) text.erase(0, text.size() - std::min(text.size(), event_begins.size() - 1));
    }
    if (!ending_) give_up("travd cut its follower off");
  }

  HttpConnection connection_;
  std::atomic<bool> connected_{false};
  std::atomic<bool> ending_{false};
  std::atomic<std::uint64_t> events_{0};
  std::thread thread_;
};

std::string created(HttpConnection& connection, const std::string& request) {
  HttpAnswer answer = connection.ask(request);
  if (answer.status != 201) give_up(fmt::format("answer {}: {}", answer.status, answer.body));
  return std::move(answer.body);
}

int run(int argc, char** argv) {
  double seconds = 5;
  std::size_t connections = 64;
  std::string program = TRV_TRAVD;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--seconds") {
      seconds = std::strtod(argv[i + 1], nullptr);
    } else if (flag == "--connections") {
      connections = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (flag == "--travd") {
      program = argv[i + 1];
    } else {
      give_up(fmt::format("{} is not a flag", flag));
    }
  }
  if (argc % 2 == 0 || !(seconds > 0) || connections == 0) give_up("a flag lacks its value, or it is not above 0");

  const ScratchFolder scratch("api_bench");
  const Daemon daemon(program, scratch.path());
  std::string token;
  {
    HttpConnection connection(daemon.port());
    const std::string body =
        created(connection, request("POST", "/v1/tenants", daemon.token(), "application/json", R"({"id":"bench"})"));
    const std::size_t at = body.find("\"trv_");
    if (at == std::string::npos) give_up("a new tenant has no token: " + body);
    token = body.substr(at + 1, body.find('"', at + 1) - at - 1);
    (void)created(connection, request("POST", "/v1/tenants/bench/workflows", token, "application/yaml", trivial));
  }
  const std::string start =
      request("POST", "/v1/tenants/bench/workflows/bench/trivial/instances", token, "application/json", "{}");
  (void)drive(daemon.port(), connections, start, 201, seconds / 5);
  progress("{} s at full load, {} connections", seconds, connections);
  const HttpLoad full = drive(daemon.port(), connections, start, 201, seconds);
  report({.name = "api_start_workflow", .value = full.requests_per_s, .unit = "requests/s", .floor = at_least(10'000)});
  report({.name = "api_start_workflow_p99_full_load", .value = full.p99_ms, .unit = "ms"});
  progress("{} s at half that load", seconds);
  const double cpu_before = daemon.cpu();
  const HttpLoad half = drive(daemon.port(), connections, start, 201, seconds, full.requests_per_s / 2);
  const double cpu_alone = (daemon.cpu() - cpu_before) / static_cast<double>(half.requests);
  const double offered = full.requests_per_s / 2;
  report({.name = "api_half_load",
          .value = half.requests_per_s,
          .unit = "requests/s",
          .compares_with = "half of api_start_workflow",
          .ratio = half.requests_per_s / offered});
  report({.name = "api_start_workflow_p50_half_load", .value = half.p50_ms, .unit = "ms"});
  report({.name = "api_start_workflow_p99_half_load", .value = half.p99_ms, .unit = "ms", .floor = at_most(25)});
  report({.name = "api_start_workflow_cpu", .value = cpu_alone * 1e6, .unit = "us of travd per start"});

  progress("{} s at half that load, followed by events", seconds);
  const Follower follower(daemon.port(), "bench", token);
  const double cpu_before_followed = daemon.cpu();
  const HttpLoad followed = drive(daemon.port(), connections, start, 201, seconds, full.requests_per_s / 2);
  const std::uint64_t events = follower.drained();
  const double cpu_followed = (daemon.cpu() - cpu_before_followed) / static_cast<double>(followed.requests);
  report({.name = "api_start_workflow_cpu_followed",
          .value = cpu_followed * 1e6,
          .unit = fmt::format("us of travd per start, {:.1f} events sent for each",
                              static_cast<double>(events) / static_cast<double>(followed.requests)),
          .compares_with = "no follower",
          .ratio = cpu_followed / cpu_alone});
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
