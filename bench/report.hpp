#pragma once
// One figure, one JSON line on stdout:
//   {"name", "value", "unit", "compares_with", "ratio", "floor", "holds"}
// `ratio` is value / value of what it compares with, measured in the same run; `floor` says what must be reached, and
// `holds` whether it was. Fields that do not apply are left out. Progress goes to stderr. A missed floor is a figure,
// not a failure: a benchmark's exit code is 1 only where it could not measure.

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace trv::bench {

struct Floor {
  enum class Of { value, ratio };
  enum class Bound { at_least, at_most };
  Of of = Of::value;
  Bound bound = Bound::at_least;
  double number = 0;
};

struct Figure {
  std::string_view name;
  double value = 0;
  std::string_view unit;
  std::string_view compares_with = {};
  std::optional<double> ratio = std::nullopt;
  std::optional<Floor> floor = std::nullopt;
};

[[nodiscard]] constexpr Floor at_least(double number) {
  return {Floor::Of::value, Floor::Bound::at_least, number};
}
[[nodiscard]] constexpr Floor at_most(double number) {
  return {Floor::Of::value, Floor::Bound::at_most, number};
}
[[nodiscard]] constexpr Floor ratio_at_least(double number) {
  return {Floor::Of::ratio, Floor::Bound::at_least, number};
}
[[nodiscard]] constexpr Floor ratio_at_most(double number) {
  return {Floor::Of::ratio, Floor::Bound::at_most, number};
}

/// Names and units are ours and need no escapes. A floor of the ratio needs a ratio.
inline void report(const Figure& figure) {
  std::string line = fmt::format(R"({{"name":"{}","value":{:.3f},"unit":"{}")", figure.name, figure.value, figure.unit);
  if (!figure.compares_with.empty()) line += fmt::format(R"(,"compares_with":"{}")", figure.compares_with);
  if (figure.ratio) line += fmt::format(R"(,"ratio":{:.3f})", *figure.ratio);
  if (figure.floor) {
    const bool of_value = figure.floor->of == Floor::Of::value;
    const bool from_below = figure.floor->bound == Floor::Bound::at_least;
    const double measured = of_value ? figure.value : figure.ratio.value_or(0);
    const bool holds = from_below ? measured >= figure.floor->number : measured <= figure.floor->number;
    line += fmt::format(R"(,"floor":"{} {} {}","holds":{})", of_value ? "value" : "ratio",
                        from_below ? ">=" : "<=", figure.floor->number, holds);
  }
  fmt::print("{}}}\n", line);
  std::fflush(stdout);
}

template <typename... Arguments>
void progress(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  fmt::print(stderr, "  {}\n", fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// Ends the program: it cannot measure.
[[noreturn]] inline void give_up(std::string_view what) {
  fmt::print(stderr, "cannot measure: {}\n", what);
  std::exit(1);
}

/// The value of a result without which nothing can be measured.
template <typename Result>
auto must(Result result) {
  if (!result) give_up(result.error().message());
  if constexpr (!std::is_void_v<typename Result::value_type>) return *std::move(result);
}

/// Of this thread; says more than wall time where others share the processor.
[[nodiscard]] inline double cpu_seconds(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) give_up("no processor time of this thread");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A folder of this run's own, gone when it ends.
class ScratchFolder {
 public:
  /// Under `parent`, or where temporary files go.
  explicit ScratchFolder(std::string_view name, const std::filesystem::path& parent = {})
      : path_((parent.empty() ? std::filesystem::temp_directory_path() : parent) /
              fmt::format("{}.{}", name, ::getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace trv::bench
