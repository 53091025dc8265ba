#include "kernel/effects/process_calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <ranges>
#include <utility>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/sandbox/run.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using json::Value;
using Steady = std::chrono::steady_clock;

struct Language {
  std::string_view name;
  std::string_view program;
  std::string_view script;  ///< its name; a module of JavaScript is known by its own
};
constexpr std::array<Language, 3> languages = {
    {{"shell", "sh", "script.sh"}, {"python", "python3", "script.py"}, {"javascript", "node", "script.mjs"}}};
// Parts of the host that the sandbox shows.
constexpr std::array<std::string_view, 3> program_folders = {"/usr/bin", "/bin", "/usr/local/bin"};

constexpr std::size_t errors_quoted_max = 500;

base::Result<std::filesystem::path> interpreter_of(const Language& of) {
  for (const std::string_view folder : program_folders) {
    std::filesystem::path path = std::filesystem::path(folder) / of.program;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) return path;
  }
  return base::fail(ErrorCode::not_found, fmt::format("there is no program '{}' for {} in {}", of.program, of.name,
                                                      fmt::join(program_folders, ", ")));
}

const Language& language(std::string_view name) {
  const auto* const found = std::ranges::find(languages, name, &Language::name);
  TRV_EXPECTS(found != languages.end());
  return *found;
}

std::string text_at(const Value& value, std::string_view name) {
  const Value* found = value.find(name);
  return found == nullptr ? std::string() : std::string(found->as_string());
}

// As the workflow made it: every word is text.
sandbox::Job job_of(const Value& input, const Language& of, const std::filesystem::path& interpreter) {
  sandbox::Job job;
  job.interpreter = interpreter.string();
  job.script_name = of.script;
  job.script = text_at(input, "code");
  if (const Value* arguments = input.find("arguments")) {
    for (const Value& argument : arguments->items()) job.arguments.emplace_back(argument.as_string());
  }
  if (const Value* environment = input.find("environment")) {
    for (const json::Entry& variable : environment->entries()) {
      job.environment.push_back(fmt::format("{}={}", variable.name(), variable.value.as_string()));
    }
  }
  return job;
}

TryResult failure(ErrorCode code, std::string message) {
  TryResult result;
  result.outcome.code = base::to_string(code);
  result.outcome.message = std::move(message);
  return result;
}

// The last of what it said is what went wrong.
std::string last_words(std::string_view errors) {
  while (!errors.empty() && (errors.back() == '\n' || errors.back() == '\r')) errors.remove_suffix(1);
  if (errors.size() > errors_quoted_max) errors.remove_prefix(errors.size() - errors_quoted_max);
  return base::to_valid_utf8(errors);
}

TryResult result_of(const sandbox::Ended& ended, std::string_view wanted) {
  const bool shows_code = wanted == "code" || wanted == "all";
  if (ended.exit_code != 0 && !shows_code) {
    const std::string words = last_words(ended.errors);
    return failure(ErrorCode::internal, fmt::format("the process ended with exit code {}{}{}", ended.exit_code,
                                                    words.empty() ? "" : ": ", words));
  }
  const auto is_text = [&](std::string_view name, std::string_view bytes) {
    return (wanted != name && wanted != "all") || base::is_utf8(bytes);
  };
  if (!is_text("stdout", ended.output)) return failure(ErrorCode::invalid, "the process's output is not UTF-8");
  if (!is_text("stderr", ended.errors)) return failure(ErrorCode::invalid, "the process's errors are not UTF-8");
  Value output;
  if (wanted == "stdout") output = Value(ended.output);
  if (wanted == "stderr") output = Value(ended.errors);
  if (wanted == "code") output = Value(ended.exit_code);
  if (wanted == "all") output = {{"code", ended.exit_code}, {"stdout", ended.output}, {"stderr", ended.errors}};
  TryResult result;
  result.outcome.ok = true;
  result.outcome.output = json::serialize(output);
  return result;
}

}  // namespace

base::Result<ProcessOptions> process_options(std::string_view languages_text, std::filesystem::path program,
                                             std::size_t at_once) {
  ProcessOptions options{.program = std::move(program), .interpreters = {}, .at_once = at_once};
  for (const auto part : std::views::split(languages_text, ',')) {
    std::string_view name(part.begin(), part.end());
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.empty() && languages_text.empty()) break;
    const auto* const found = std::ranges::find(languages, name, &Language::name);
    if (found == languages.end()) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("'{}' is not a language of scripts; there are shell, python and "
                                    "javascript",
                                    name));
    }
    TRV_TRY_ASSIGN(options.interpreters[std::string(name)], interpreter_of(*found));
  }
  if (options.interpreters.empty()) return options;
  const auto& [name, interpreter] = *options.interpreters.begin();
  sandbox::Job job;
  job.interpreter = interpreter.string();
  job.script_name = language(name).script;
  if (const auto tried = sandbox::run(options.program, job, {}, {}, {}); !tried) return base::fail(tried.error());
  return options;
}

struct ProcessCalls::Call {
  base::TenantId tenant;
  std::string language;
  Value input;
  std::optional<Steady::time_point> deadline;
  TryDone done;
  std::stop_source stop{};
};

ProcessCalls::ProcessCalls(ProcessOptions options) : options_(std::move(options)) {
  TRV_EXPECTS(options_.at_once >= 1 && options_.program.is_absolute());
  for (std::size_t i = 0; i < (options_.interpreters.empty() ? 0 : options_.at_once); ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ProcessCalls::~ProcessCalls() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  for (const auto& call : waiting_) call->done(failure(ErrorCode::cancelled, "travd stops"));
}

CancelTry ProcessCalls::perform(const shard::Effect& effect, base::Duration left, TryDone done) {
  if (!options_.interpreters.contains(effect.operation)) {
    done(failure(ErrorCode::denied,
                 fmt::format("scripts in the language {} are not allowed on this server; its operator allows them with "
                             "the key run.languages",
                             effect.operation)));
    return {};
  }
  base::Result<Value> input = json::parse(effect.input);
  if (!input) {
    done(failure(ErrorCode::invalid, input.error().message()));
    return {};
  }
  const auto call =
      std::make_shared<Call>(effect.tenant, effect.operation, *std::move(input), std::nullopt, std::move(done));
  if (left > base::Duration::zero()) call->deadline = Steady::now() + left;
  {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back(call);
  }
  changed_.notify_one();
  return [call] { call->stop.request_stop(); };
}

// Null: it is to stop.
std::shared_ptr<ProcessCalls::Call> ProcessCalls::next(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return nullptr;
  const auto chosen = std::ranges::min_element(waiting_, {}, [this](const std::shared_ptr<Call>& call) {
    const auto found = under_way_.find(call->tenant);
    return found == under_way_.end() ? std::size_t{0} : found->second;
  });
  std::shared_ptr<Call> call = std::move(*chosen);
  waiting_.erase(chosen);
  ++under_way_[call->tenant];
  return call;
}

void ProcessCalls::work(const std::stop_token& stop) {
  while (const std::shared_ptr<Call> call = next(stop)) {
    const std::stop_callback ends_with_us(stop, [&call] { call->stop.request_stop(); });
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        call->deadline ? *call->deadline - Steady::now() : process_time_default);
    base::Result<sandbox::Ended> ended = base::fail(ErrorCode::timeout,
                                                    "the process did not begin in time: others "
                                                    "were under way");
    if (left.count() > 0) {
      const Language& of = language(call->language);
      const std::string wanted = text_at(call->input, "return");
      const auto gives = [&](std::string_view stream) { return wanted == stream || wanted == "all"; };
      ended = sandbox::run(options_.program, job_of(call->input, of, options_.interpreters.at(call->language)),
                           text_at(call->input, "stdin"),
                           {.time = left, .keeps_whole_output = gives("stdout"), .keeps_whole_errors = gives("stderr")},
                           call->stop.get_token());
    }
    {
      const std::scoped_lock lock(mutex_);
      const auto found = under_way_.find(call->tenant);
      TRV_ASSERT(found != under_way_.end());
      if (--found->second == 0) under_way_.erase(found);
    }
    call->done(ended ? result_of(*ended, text_at(call->input, "return"))
                     : failure(ended.error().code(), ended.error().message()));
  }
}

}  // namespace trv::effects
