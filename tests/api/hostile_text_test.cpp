// Definitions that are meant to hold the server up: each has its answer soon and in little memory, and other clients
// are served meanwhile.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernel/workflow/definition/testing/hostile_texts.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using Clock = std::chrono::steady_clock;

#ifdef TRV_SANITIZED
constexpr double cpu_ms_max = 6'000;
constexpr long peak_kib_max = 4L * 1024 * 1024;
constexpr double other_p99_ms_max = 10'000;
#else
// The promise is 100 ms: beside it are the request of the text itself, what the other client asks for meanwhile, and a
// clock of 10 ms.
constexpr double cpu_ms_max = 150;
constexpr long peak_kib_max = 64L * 1024;
// As other tests run beside this one.
constexpr double other_p99_ms_max = 250;
#endif

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// CPU that a process has used.
double cpu_ms_of(pid_t process) {
  const std::string stat = contents_of(fmt::format("/proc/{}/stat", process));
  std::istringstream rest(stat.substr(std::min(stat.rfind(')'), stat.size() - 1) + 1));
  std::string field;
  for (int i = 3; i < 14; ++i) rest >> field;
  double user = 0;
  double system = 0;
  rest >> user >> system;
  return (user + system) * 1e3 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

long status_kib(pid_t process, const std::string& name) {
  const std::string status = contents_of(fmt::format("/proc/{}/status", process));
  const std::size_t at = status.find(name);
  return at == std::string::npos ? -1 : std::strtol(status.c_str() + at + name.size(), nullptr, 10);
}

/// A client that starts workflows and reads lists, and how long it waits for each answer.
class OtherClient {
 public:
  OtherClient(const Daemon& daemon, const std::string& token)
      : thread_([this, &daemon, token] { run(daemon, token); }) {}
  ~OtherClient() { stop(); }
  OtherClient(const OtherClient&) = delete;
  OtherClient& operator=(const OtherClient&) = delete;

  void stop() {
    ends_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::size_t requests() const noexcept { return count_; }
  /// Only after stop().
  [[nodiscard]] std::vector<double> waits() const {
    std::vector<double> sorted = waits_;
    std::ranges::sort(sorted);
    return sorted;
  }
  [[nodiscard]] int refused() const noexcept { return refused_; }

 private:
  void run(const Daemon& daemon, const std::string& token) {
    processes::HttpClient client;
    for (bool starts = true; !ends_; starts = !starts) {
      const std::string path =
          starts ? "/v1/tenants/beta/workflows/demo/hello/instances" : "/v1/tenants/beta/workflows";
      const Clock::time_point begin = Clock::now();
      const auto answer =
          client.send({.method = starts ? "POST" : "GET",
                       .url = daemon.url() + path,
                       .headers = {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}},
                       .body = starts ? "{}" : "",
                       .timeout = std::chrono::seconds(60)});
      waits_.push_back(milliseconds(Clock::now() - begin));
      if (!answer || answer->status < 200 || answer->status > 299) ++refused_;
      ++count_;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  std::atomic<bool> ends_ = false;
  std::atomic<std::size_t> count_ = 0;
  std::vector<double> waits_;
  int refused_ = 0;
  std::thread thread_;
};

class HostileTextTest : public ApiTest {};

TEST_F(HostileTextTest, costs_little_and_holds_nobody_up) {
  ASSERT_EQ(apply_workflow(beta(), "beta", std::string(hello_workflow)).status, 201);
  const pid_t process = daemon().id();
  OtherClient other(daemon(), beta());
  int version = 0;
  for (definition::HostileText one : definition::hostile_texts()) {
    // Valid ones are different versions.
    if (const std::size_t at = one.text.find("1.0.0"); at < 200)
      one.text.replace(at, 5, fmt::format("1.0.{}", ++version));
    double cpu_ms = 0;
    long peak_kib = 0;
    Answer answer;
    // The least of some tries: the server serves others, too.
    for (int attempt = 0; attempt < 5; ++attempt) {
      std::ofstream(fmt::format("/proc/{}/clear_refs", process)) << "5";
      const long before_kib = status_kib(process, "VmRSS:");
      const double before_ms = cpu_ms_of(process);
      processes::HttpClient client;
      const auto sent =
          client.send({.method = "POST",
                       .url = daemon().url() + "/v1/tenants/acme/workflows",
                       .headers = {{"Authorization", "Bearer " + acme()},
                                   {"Content-Type",
                                    one.format == definition::Format::json ? "application/json" : "application/yaml"}},
                       .body = one.text,
                       .timeout = std::chrono::seconds(60)});
      const double took_ms = cpu_ms_of(process) - before_ms;
      const long grew_kib = status_kib(process, "VmHWM:") - before_kib;
      answer = sent ? Answer{.status = sent->status, .body = sent->body} : Answer{};
      cpu_ms = attempt == 0 ? took_ms : std::min(cpu_ms, took_ms);
      peak_kib = attempt == 0 ? grew_kib : std::min(peak_kib, grew_kib);
      if (cpu_ms <= cpu_ms_max && peak_kib <= peak_kib_max) break;
    }
    fmt::print("{:<50} {:>4} {:>8.0f} ms {:>8} KiB {:>9} bytes of answer\n", one.name, answer.status, cpu_ms, peak_kib,
               answer.body.size());
    EXPECT_TRUE(answer.status == 400 || answer.status == 413 || answer.status == 422 ||
                (one.says.empty() && (answer.status == 200 || answer.status == 201)))
        << one.name << ": " << answer.status << " " << answer.body.substr(0, 500);
    EXPECT_LE(cpu_ms, cpu_ms_max) << one.name;
    EXPECT_LE(peak_kib, peak_kib_max) << one.name;
    EXPECT_LE(answer.body.size(), 64U * 1024) << one.name;
    // The other client is heard several times between two texts.
    const std::size_t heard = other.requests() + 5;
    for (int looks = 0; other.requests() < heard && looks < 6'000; ++looks) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_GE(other.requests(), heard) << one.name << ": nobody else is served";
  }
  other.stop();
  EXPECT_EQ(other.refused(), 0);
  const std::vector<double> waits = other.waits();
  const double p99 = waits[waits.size() * 99 / 100];
  fmt::print("{} requests of another client: p50 {:.1f} ms, p99 {:.1f} ms, longest {:.1f} ms\n", waits.size(),
             waits[waits.size() / 2], p99, waits.back());
  EXPECT_LE(p99, other_p99_ms_max);
  EXPECT_TRUE(daemon().running());
}

}  // namespace
}  // namespace trv::api
