// No text may hold the kernel up: each of these has its answer within 100 ms of CPU and 64 MiB, in a process of its
// own.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/testing/hostile_texts.hpp"

namespace trv::definition {
namespace {

#ifdef TRV_SANITIZED  // what the sanitizers watch takes up to thirty times as long, and memory of their own
constexpr double cpu_ms_max = 3'000;
constexpr long peak_kib_max = 2L * 1024 * 1024;
#else
constexpr double cpu_ms_max = 100;
constexpr long peak_kib_max = 64L * 1024;
#endif

struct Cost {
  double cpu_ms = 0;
  long peak_kib = 0;  ///< beyond what the process had before
};

long status_kib(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::strtol(line.c_str() + name.size(), nullptr, 10);
  }
  return -1;
}

/// Runs `work` in a child, which can harm nobody, and gives what that took. A negative time: the child died.
Cost cost_of(const std::function<void()>& work) {
  Cost cost;
  int ends[2];
  if (pipe(ends) != 0) return {.cpu_ms = -1};
  const pid_t child = fork();
  if (child == 0) {
    const rlimit seconds{.rlim_cur = 60, .rlim_max = 60};
    setrlimit(RLIMIT_CPU, &seconds);
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    const long before = status_kib("VmRSS:");
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    work();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    cost.cpu_ms =
        static_cast<double>(end.tv_sec - begin.tv_sec) * 1e3 + static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e6;
    cost.peak_kib = status_kib("VmHWM:") - before;
    _exit(::write(ends[1], &cost, sizeof cost) == sizeof cost ? 0 : 1);
  }
  close(ends[1]);
  const bool answered = child > 0 && ::read(ends[0], &cost, sizeof cost) == sizeof cost;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return answered ? cost : Cost{.cpu_ms = -1};
}

TEST(HostileText, has_its_answer_within_100_ms_and_64_mib) {
  for (const HostileText& one : hostile_texts()) {
    Cost least;
    // The least of some tries: others use the machine, too.
    for (int attempt = 0; attempt < 5; ++attempt) {
      const Cost cost = cost_of([&] { (void)check(one.text, one.format); });
      ASSERT_GE(cost.cpu_ms, 0) << one.name << ": the process died";
      if (attempt == 0 || cost.cpu_ms < least.cpu_ms) least.cpu_ms = cost.cpu_ms;
      least.peak_kib = attempt == 0 ? cost.peak_kib : std::min(least.peak_kib, cost.peak_kib);
      if (least.cpu_ms <= cpu_ms_max && least.peak_kib <= peak_kib_max) break;
    }
    fmt::print("{:<50} {:>9} bytes {:>8.1f} ms {:>8} KiB\n", one.name, one.text.size(), least.cpu_ms, least.peak_kib);
    EXPECT_LE(least.cpu_ms, cpu_ms_max) << one.name;
    EXPECT_LE(least.peak_kib, peak_kib_max) << one.name;
  }
}

TEST(HostileText, is_refused_for_what_is_wrong_with_it) {
  for (const HostileText& one : hostile_texts()) {
    const Findings findings = check(one.text, one.format);
    EXPECT_LE(findings.problems.size(), Problems::kept_max);
    const auto first = std::ranges::find(findings.problems, false, &Problem::is_warning);
    const std::string found = first == findings.problems.end() ? "" : first->message;
    EXPECT_TRUE(one.says.empty() ? found.empty() : found.contains(one.says))
        << one.name << ": "
        << (found.size() > 150 ? found.substr(0, 40) + " … " + found.substr(found.size() - 110) : found);
    for (const Problem& problem : findings.problems) EXPECT_LE(problem.message.size(), 2'000U) << one.name;
  }
}

}  // namespace
}  // namespace trv::definition
