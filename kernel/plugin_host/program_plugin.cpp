#include "kernel/plugin_host/program_plugin.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "kernel/plugin_host/frame_text.hpp"
#include "kernel/plugin_host/operation_names.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::OpenFile;

constexpr int program_socket = 3;  // as the program finds it
constexpr std::size_t part_bytes = 65'536;
constexpr std::size_t output_line_bytes_max = 4'096;
constexpr int no_interpreter_code = 127;  // as a shell says it

[[noreturn]] void become(const ProcessPurpose& purpose, const std::string& file, int socket, int output) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  // Through a number that is free in any case: each of the three may have the number of another.
  constexpr int aside = 60;
  const bool placed = ::dup2(socket, aside) == aside && ::dup2(output, aside + 1) == aside + 1 && nothing >= 0 &&
                      ::dup2(nothing, STDIN_FILENO) >= 0 && ::dup2(aside + 1, STDOUT_FILENO) >= 0 &&
                      ::dup2(aside + 1, STDERR_FILENO) >= 0 && ::dup2(aside, program_socket) >= 0;
  // Without a file tree of its own its files are found by a folder that is open as 5, and nothing ends it with others.
  const bool closed = placed && ::syscall(SYS_close_range, 6U, ~0U, 0U) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  if (!closed || ::chdir(std::filesystem::path(file).parent_path().c_str()) != 0) ::_exit(no_interpreter_code);
  std::string interpreter = purpose.interpreter;
  std::string argument = file;
  std::array<char*, 3> words = {interpreter.data(), argument.data(), nullptr};
  std::array<const char*, 6> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",       "HOME=/",
                                            "PYTHONDONTWRITEBYTECODE=1",         "PYTHONUNBUFFERED=1", nullptr};
  ::execvpe(interpreter.c_str(), words.data(), const_cast<char**>(environment.data()));
  const std::string why = fmt::format("this host has no program '{}': {}\n", interpreter, ::strerror(errno));
  static_cast<void>(!::write(STDERR_FILENO, why.data(), why.size()));
  ::_exit(no_interpreter_code);
}

}  // namespace

base::Result<std::unique_ptr<ProgramPlugin>> ProgramPlugin::run(const ProcessPurpose& purpose, const std::string& file,
                                                                HostSide& host, ProgramEvents events) {
  std::array<int, 2> ends{};
  std::array<int, 2> output{};
  const auto no = [](std::string_view what) {
    return base::fail(ErrorCode::unavailable, fmt::format("no {} for the program: {}", what, ::strerror(errno)));
  };
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return no("socket");
  OpenFile ours(ends[0]);
  OpenFile theirs(ends[1]);
  if (::pipe2(output.data(), O_CLOEXEC) != 0) return no("pipe");
  OpenFile hear(output[0]);
  OpenFile say(output[1]);
  const pid_t program = ::fork();
  if (program < 0) return no("process");
  if (program == 0) become(purpose, file, theirs.number(), say.number());
  // Else nobody hears that it ended.
  theirs.close();
  say.close();
  return std::unique_ptr<ProgramPlugin>(
      new ProgramPlugin(program, std::move(ours), std::move(hear), host, std::move(events), purpose));
}

ProgramPlugin::ProgramPlugin(pid_t program, OpenFile socket, OpenFile output, HostSide& host, ProgramEvents events,
                             const ProcessPurpose& purpose)
    : program_(program),
      socket_(std::move(socket)),
      output_(std::move(output)),
      host_(host),
      events_(std::move(events)),
      name_(purpose.plugin),
      version_(purpose.version) {}

ProgramPlugin::~ProgramPlugin() {
  const std::lock_guard lock(mutex_);
  if (!is_over_) ::kill(program_, SIGKILL);
}

base::Status ProgramPlugin::begin(const ProcessPurpose& purpose) {
  wanted_ = purpose.operations;
  needs_configuration_ = purpose.configuration.empty();
  has_state_ = purpose.with.state.has_value();
  send(begin_line(purpose));
  listener_ = std::jthread([this] { listen(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_ready_ || refusal_.has_value(); });
  if (refusal_) return base::fail(*refusal_);
  return {};
}

// ---- to the program

void ProgramPlugin::send(std::string_view line) {
  while (!line.empty()) {
    const ssize_t size = ::send(socket_.number(), line.data(), line.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;  // it has ended, which the listener hears
    line.remove_prefix(static_cast<std::size_t>(size));
  }
}

void ProgramPlugin::invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  send(invoke_line(request, call, timeout_ms));
}

void ProgramPlugin::serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  send(serve_line(request, call, timeout_ms));
}

void ProgramPlugin::cancel(CallId call) {
  send(cancel_line(call));
}

void ProgramPlugin::http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  send(http_line(request_id, result));
}

// A program waits by itself, and sets none.
void ProgramPlugin::time_came(std::uint64_t) {}

void ProgramPlugin::served(Service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) {
  send(served_line(request_id, answer));
}

void ProgramPlugin::part_arrived(std::uint64_t stream_id, std::string_view part) {
  send(part_line(stream_id, part));
}

void ProgramPlugin::stream_ended(std::uint64_t stream_id, const base::Status& end) {
  send(stream_ended_line(stream_id, end));
}

void ProgramPlugin::room(std::uint64_t stream_id, std::uint64_t byte_count) {
  send(room_line(stream_id, byte_count));
}

void ProgramPlugin::react(std::uint64_t number) {
  send(ping_line(number));
}

void ProgramPlugin::save() {
  send(save_line());
}

void ProgramPlugin::end() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  send(end_line());
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_over_; });
}

// ---- from the program

void ProgramPlugin::listen() {
  std::string lines;
  std::string output;
  bool talks = true;
  bool prints = true;
  while (talks || prints) {
    std::array<pollfd, 2> files{
        {{talks ? socket_.number() : -1, POLLIN, 0}, {prints ? output_.number() : -1, POLLIN, 0}}};
    if (::poll(files.data(), files.size(), -1) < 0) continue;
    std::array<char, part_bytes> part;
    const auto read_into = [&](std::size_t which, std::string& waiting) {
      if (files[which].revents == 0) return true;
      const ssize_t size = ::read(files[which].fd, part.data(), part.size());
      if (size <= 0) return size < 0 && errno == EINTR;
      waiting.append(part.data(), static_cast<std::size_t>(size));
      take(waiting, which == 1);
      return true;
    };
    talks = read_into(0, lines) && talks;
    prints = read_into(1, output) && prints;
  }
  if (!output.empty()) note_output(output);
  give_up(how_it_ended());
}

void ProgramPlugin::take(std::string& waiting, bool is_output) {
  std::size_t done = 0;
  for (std::size_t end = waiting.find('\n'); end != std::string::npos; end = waiting.find('\n', done)) {
    const std::string_view line = std::string_view(waiting).substr(done, end - done);
    done = end + 1;
    is_output ? note_output(line) : handle(line);
  }
  waiting.erase(0, done);
  if (is_output && waiting.size() > output_line_bytes_max) note_output(std::exchange(waiting, {}));
  if (!is_output && waiting.size() > line_bytes_max) {
    give_up(fmt::format("it sent a line of more than {} bytes", line_bytes_max));
  }
}

void ProgramPlugin::note_output(std::string_view line) {
  if (line.empty()) return;
  last_output_ = line;
  host_.log(LogLevel::info, 0, line);
}

void ProgramPlugin::handle(std::string_view line) {
  auto read = read_line(line);
  if (!read) return give_up(fmt::format("it sent what is not a frame: {}", read.error().message()));
  if (auto* answer = std::get_if<AnswerLine>(&*read)) return host_.answer(answer->call, answer->output);
  if (auto* web = std::get_if<RespondLine>(&*read)) return host_.respond(web->call, std::move(web->response));
  if (auto* head = std::get_if<RespondInPartsLine>(&*read)) {
    return host_.respond_in_parts(head->call, head->stream, std::move(head->head));
  }
  if (const auto* part = std::get_if<WriteLine>(&*read)) return host_.write(part->call, part->stream, part->part);
  if (const auto* end = std::get_if<EndStreamLine>(&*read)) return host_.end_stream(end->call, end->stream);
  if (const auto* take = std::get_if<TakeLine>(&*read)) return host_.take(take->call, take->stream, take->byte_count);
  if (const auto* drop = std::get_if<DropLine>(&*read)) return host_.drop(drop->call, drop->stream);
  if (const auto* body = std::get_if<ReadBodyLine>(&*read)) return host_.read_body(body->call, body->stream);
  if (auto* failed = std::get_if<FailedLine>(&*read))
    return host_.answer_failed(failed->call, std::move(failed->error));
  if (auto* log = std::get_if<LogLineOut>(&*read)) return host_.log(log->level, log->call, log->message);
  if (auto* http = std::get_if<HttpLine>(&*read)) {
    return host_.send_http(http->call, http->request_id, std::move(http->request));
  }
  if (auto* service = std::get_if<ServiceLine>(&*read)) {
    return host_.ask(service->call, service->request_id, service->service, std::move(service->request));
  }
  if (auto* measure = std::get_if<MeasureLine>(&*read)) return host_.measure(std::move(measure->measurement));
  if (const auto* progress = std::get_if<ProgressLine>(&*read)) {
    return host_.progress(progress->call, progress->fraction, progress->text);
  }
  if (auto* begun = std::get_if<BeginSpanLine>(&*read)) return host_.begin_span(begun->call, std::move(begun->span));
  if (const auto* over = std::get_if<EndSpanLine>(&*read)) return host_.end_span(over->call, over->span);
  if (const auto* stream = std::get_if<StreamLine>(&*read)) return host_.stream(stream->call, stream->text);
  if (auto* saved = std::get_if<SavedLine>(&*read)) return host_.saved(std::move(saved->state));
  if (const auto* pong = std::get_if<PongLine>(&*read)) return events_.reacted(pong->number);
  const std::lock_guard lock(mutex_);
  auto* refused = std::get_if<RefusedLine>(&*read);
  if (refused == nullptr) {
    began(std::get<ReadyLine>(*std::move(read)));
  } else if (wanted_ && needs_configuration_) {
    // It was begun without what it needs: it runs, and more cannot be seen. It ends by itself now.
    is_ending_ = true;
    is_ready_ = true;
  } else {
    refusal_ = {ErrorCode::invalid, refused->message};
  }
  changed_.notify_all();
}

// The lock is held.
void ProgramPlugin::began(ReadyLine ready) {
  if (wanted_ && ready.operations) {
    const base::Status same = compare_operations(name_, version_, *wanted_, *std::move(ready.operations));
    if (!same) refusal_ = same.error();
  }
  if (has_state_ && !ready.keeps_state) {
    refusal_ = {ErrorCode::invalid, fmt::format("plugin '{}' {} takes no state", name_, version_)};
  }
  keeps_state_ = ready.keeps_state;
  is_ready_ = true;
}

std::string ProgramPlugin::how_it_ended() const {
  int status = 0;
  while (::waitpid(program_, &status, 0) < 0 && errno == EINTR) {
  }
  std::string how = WIFSIGNALED(status) ? fmt::format("its program crashed ({})", ::strsignal(WTERMSIG(status)))
                                        : fmt::format("its program ended with exit code {}", WEXITSTATUS(status));
  if (!last_output_.empty()) how += fmt::format("; its last words: {}", printable(last_output_, 500));
  return how;
}

// Before it takes calls this is why it does not; later its process ends.
void ProgramPlugin::give_up(const std::string& why) {
  std::unique_lock lock(mutex_);
  is_over_ = true;
  const bool was_taking_calls = is_ready_;
  if (!refusal_) refusal_ = {ErrorCode::invalid, why};
  const base::Error error = *refusal_;
  const bool is_asked = is_ending_;
  changed_.notify_all();
  lock.unlock();
  if (was_taking_calls && !is_asked) events_.ended(error);
}

}  // namespace trv::plugin_host
