#include "kernel/sandbox/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sdk/base/contract.hpp"

namespace trv::sandbox {
namespace {

using base::ErrorCode;

// Texts that end with a zero byte; a list is preceded by its length.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::string text() {
    const std::size_t end = rest_.find('\0');
    is_whole_ = is_whole_ && end != std::string_view::npos;
    if (!is_whole_) return {};
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return out;
  }
  std::uint64_t number() {
    const std::string digits = text();
    std::uint64_t value = 0;
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    is_whole_ = is_whole_ && !digits.empty() && error == std::errc() && last == digits.data() + digits.size();
    return is_whole_ ? value : 0;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> out;
    for (std::uint64_t left = number(); left > 0 && is_whole_; --left) out.push_back(text());
    return out;
  }
  [[nodiscard]] bool is_at_end() const noexcept { return is_whole_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_whole_ = true;
};

void append(std::string& out, std::string_view text) {
  TRV_EXPECTS(text.find('\0') == std::string_view::npos);
  out += text;
  out += '\0';
}

void append(std::string& out, std::uint64_t number) {
  append(out, std::to_string(number));
}

void append(std::string& out, const std::vector<std::string>& texts) {
  append(out, texts.size());
  for (const std::string& text : texts) append(out, text);
}

}  // namespace

base::Status check(const Job& job) {
  const auto has_zero = [](std::string_view text) { return text.find('\0') != std::string_view::npos; };
  const auto refuse = [](std::string_view what) {
    return base::fail(ErrorCode::invalid, fmt::format("{} holds a zero byte, which no program can be given", what));
  };
  if (has_zero(job.script)) return refuse("the script");
  if (std::ranges::any_of(job.arguments, has_zero)) return refuse("an argument");
  if (std::ranges::any_of(job.environment, has_zero)) return refuse("the environment");
  return {};
}

std::string encode(const Job& job) {
  TRV_EXPECTS(job.interpreter.starts_with('/') && !job.script_name.empty() &&
              job.script_name.find('/') == std::string::npos);
  std::string out;
  append(out, job.interpreter);
  append(out, job.script_name);
  append(out, job.script);
  append(out, job.arguments);
  append(out, job.environment);
  for (const std::uint64_t limit : {job.limits.memory_bytes, job.limits.files_bytes, job.limits.processes,
                                    job.limits.open_files, job.limits.cpu_seconds}) {
    append(out, limit);
  }
  return out;
}

base::Result<Job> decode(std::string_view bytes) {
  Reader reader(bytes);
  Job job;
  job.interpreter = reader.text();
  job.script_name = reader.text();
  job.script = reader.text();
  job.arguments = reader.texts();
  job.environment = reader.texts();
  for (std::uint64_t* limit : {&job.limits.memory_bytes, &job.limits.files_bytes, &job.limits.processes,
                               &job.limits.open_files, &job.limits.cpu_seconds}) {
    *limit = reader.number();
  }
  if (!reader.is_at_end()) return base::fail(ErrorCode::invalid, "the job is not whole");
  return job;
}

}  // namespace trv::sandbox
