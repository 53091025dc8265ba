#include "kernel/plugin_host/sandboxed_plugin.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "kernel/plugin_host/frame.hpp"
#include "kernel/plugin_host/frame_blob.hpp"
#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/operation_names.hpp"
#include "kernel/plugin_host/packet.hpp"
#include "kernel/plugin_host/patience.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "kernel/plugin_host/plugin_library.hpp"
#include "kernel/plugin_host/plugin_side.hpp"
#include "kernel/plugin_host/program_plugin.hpp"
#include "kernel/plugin_host/progress_board.hpp"
#include "kernel/sandbox/refused_calls.hpp"
#include "kernel/sandbox/walls.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::size_t dropped_kept_max = 1'024;
constexpr int lower_priority = 5;  // than travd, which has to react while plugins compute

/// The kernel as the plugin sees it. [any]
class FramedHost final : public HostSide {
 public:
  explicit FramedHost(int socket) : socket_(socket) {}

  void answer(CallId call, std::string_view output) noexcept override {
    const std::lock_guard lock(mutex_);
    // A frame holds no more; who reads it says what is wrong.
    send(writer_.answer(call, output.substr(0, output_bytes_max + 1)));
  }
  void answer_failed(CallId call, OperationError error) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.failed(call, error));
  }
  void respond(CallId call, base::Result<WebResponse> response) noexcept override {
    // What is over its limit may be over that of a frame.
    base::Status fits = response ? check_response(*response) : base::fail(response.error());
    const std::lock_guard lock(mutex_);
    if (fits) return send(writer_.respond(call, *response));
    send(writer_.failed(call, {.code = ErrorCode::internal,
                               .message = "the plugin's response cannot be sent: " + fits.error().message()}));
  }
  void respond_in_parts(CallId call, std::uint64_t stream_id, base::Result<WebResponse> head) noexcept override {
    base::Status fits = head ? check_head(*head) : base::fail(head.error());
    const std::lock_guard lock(mutex_);
    if (fits) return send(writer_.respond_in_parts(call, stream_id, *head));
    send(writer_.failed(call, {.code = ErrorCode::internal,
                               .message = "the plugin's response cannot be sent: " + fits.error().message()}));
  }
  void write(CallId call, std::uint64_t stream_id, std::string_view part) noexcept override {
    const std::lock_guard lock(mutex_);
    // A frame holds no more; who reads it says what is wrong.
    send(writer_.write(call, stream_id, part.substr(0, stream_part_bytes_max + 1)));
  }
  void end_stream(CallId call, std::uint64_t stream_id) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.end_stream(call, stream_id));
  }
  void take(CallId call, std::uint64_t stream_id, std::uint64_t byte_count) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.take(call, stream_id, byte_count));
  }
  void read_body(CallId call, std::uint64_t stream_id) noexcept override {
    const std::lock_guard lock(mutex_);
    std::erase(dropped_, stream_id);
    send(writer_.read_body(call, stream_id));
  }
  void drop(CallId call, std::uint64_t stream_id) noexcept override {
    const std::lock_guard lock(mutex_);
    if (dropped_.size() == dropped_kept_max) dropped_.pop_front();
    dropped_.push_back(stream_id);
    send(writer_.drop(call, stream_id));
  }
  /// What travd sent before it knew of the drop is on its way still, and not for the plugin.
  [[nodiscard]] bool has_dropped(std::uint64_t stream_id) {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(dropped_, stream_id) != dropped_.end();
  }
  void log(LogLevel level, CallId call, std::string_view message) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.log(level, call, message.substr(0, message_bytes_max)));
  }
  void send_http(CallId call, std::uint64_t request_id, base::Result<egress::Request> request) noexcept override {
    const std::lock_guard lock(mutex_);
    std::erase(dropped_, request_id);
    if (request && request->written) std::erase(dropped_, request->written->stream_id);
    send(writer_.http_request(call, request_id, request));
  }
  void set_timer(CallId call, std::uint64_t timer_id, std::uint64_t after_ms) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.set_timer(call, timer_id, after_ms));
  }
  void ask(CallId call, std::uint64_t request_id, Service service,
           base::Result<ServiceRequest> request) noexcept override {
    // What is over its limit may be over that of a frame.
    if (request) {
      if (base::Status status = check_request(*request); !status) request = base::fail(std::move(status).error());
    }
    const std::lock_guard lock(mutex_);
    send(writer_.ask(call, request_id, service, request));
  }
  void measure(base::Result<Measurement> measurement) noexcept override {
    if (!measurement) return;
    const std::lock_guard lock(mutex_);
    send(writer_.measure(*measurement));
  }
  void progress(CallId call, double fraction, std::string_view text) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.progress(call, fraction, text.substr(0, message_bytes_max)));
  }
  void begin_span(CallId call, Span span) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.begin_span(call, span));
  }
  void end_span(CallId call, std::uint64_t span_id) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.end_span(call, span_id));
  }
  void stream(CallId call, std::string_view text) noexcept override {
    // Of more than that, less is kept.
    if (text.size() > streamed_bytes_max) text.remove_prefix(text.size() - streamed_bytes_max);
    const std::lock_guard lock(mutex_);
    send(writer_.stream(call, text));
  }
  void saved(base::Result<std::string> state) noexcept override {
    const std::lock_guard lock(mutex_);
    send(writer_.saved(state));
  }
  void ready(std::string_view walls, bool keeps_state) {
    const std::lock_guard lock(mutex_);
    send(writer_.ready(walls, keeps_state));
  }
  [[noreturn]] void refuse(const base::Error& why) {
    {
      const std::lock_guard lock(mutex_);
      send(writer_.refused(why));
    }
    ::_exit(0);
  }
  void pong(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    send(writer_.pong(number));
  }

 private:
  // Waits where the kernel is slow. Without the kernel there is nothing left to do.
  void send(base::BytesView frame) noexcept {
    for (;;) {
      const Sent sent = send_packet(socket_, frame, Waits::yes);
      if (sent == Sent::done) return;
      if (sent == Sent::gone) ::_exit(0);
    }
  }

  const int socket_;
  std::mutex mutex_;
  FrameWriter writer_;
  std::deque<std::uint64_t> dropped_;  ///< the last ones
};

class SandboxedPlugin {
 public:
  explicit SandboxedPlugin(const sandbox::Room& room) : room_(room), host_(room.socket) {}

  [[noreturn]] void live() {
    for (;;) {
      Received received = Received::none;
      const auto receive = [&](Waits waits) {
        received = reader_.receive(room_.socket, waits);
        return received != Received::none;
      };
      patience_.wait([&] { return receive(Waits::no); }, [&] { receive(Waits::yes); });
      if (received != Received::some) ::_exit(0);
      for (const base::BytesView packet : reader_.packets()) {
        const auto frame = read_frame(packet);
        if (!frame) ::_exit(3);
        handle(**frame);
      }
    }
  }

 private:
  void handle(const frames::Frame& frame) {
    if (frame.body_type() == frames::Body::Begin) return begin(read_begin(*frame.body_as_Begin()));
    if (frame.body_type() == frames::Body::Ping) return react(frame.body_as_Ping()->number());
    if (frame.body_type() == frames::Body::End) end();
    if (plugin_ == nullptr) return;
    switch (frame.body_type()) {
      case frames::Body::Invoke: {
        const frames::Invoke& invoke = *frame.body_as_Invoke();
        return plugin_->invoke(read_invoke(invoke), invoke.call(), invoke.timeout_ms());
      }
      case frames::Body::Serve: {
        const frames::Serve& serve = *frame.body_as_Serve();
        const auto request = read_serve(serve);
        if (!request) return host_.answer_failed(serve.call(), {.message = request.error().message()});
        return plugin_->serve(*request, serve.call(), serve.timeout_ms());
      }
      case frames::Body::Cancel: return plugin_->cancel(frame.body_as_Cancel()->call());
      case frames::Body::HttpResponse: {
        const frames::HttpResponse& response = *frame.body_as_HttpResponse();
        if (host_.has_dropped(response.request())) return;
        return plugin_->http_arrived(response.request(), read_http_response(response));
      }
      case frames::Body::HttpError: {
        const frames::HttpError& error = *frame.body_as_HttpError();
        if (host_.has_dropped(error.request())) return;
        return plugin_->http_arrived(error.request(), base::fail(read_http_error(error)));
      }
      case frames::Body::Save: return plugin_->save();
      case frames::Body::TimeCame: return plugin_->time_came(frame.body_as_TimeCame()->timer());
      case frames::Body::StoreAnswer: {
        const frames::StoreAnswer& answer = *frame.body_as_StoreAnswer();
        return plugin_->served(Service::store, answer.request(), read_store_answer(answer));
      }
      case frames::Body::BlobAnswer: {
        const frames::BlobAnswer& answer = *frame.body_as_BlobAnswer();
        return plugin_->served(Service::blob, answer.request(), read_blob_answer(answer));
      }
      case frames::Body::Signed: {
        const frames::Signed& answer = *frame.body_as_Signed();
        return plugin_->served(Service::secret, answer.request(), read_signed(answer));
      }
      case frames::Body::Emitted: {
        const frames::Emitted& answer = *frame.body_as_Emitted();
        return plugin_->served(Service::event, answer.request(), EmittedEvent{std::string(view(answer.id()))});
      }
      case frames::Body::Part: {
        const frames::Part& part = *frame.body_as_Part();
        if (host_.has_dropped(part.stream())) return;
        return plugin_->part_arrived(part.stream(), view(part.bytes()));
      }
      case frames::Body::StreamEnded: {
        const frames::StreamEnded& ended = *frame.body_as_StreamEnded();
        if (host_.has_dropped(ended.stream())) return;
        return plugin_->stream_ended(ended.stream(), read_stream_ended(ended));
      }
      case frames::Body::Room: return plugin_->room(frame.body_as_Room()->stream(), frame.body_as_Room()->bytes());
      case frames::Body::RequestFailed: {
        const frames::RequestFailed& failed = *frame.body_as_RequestFailed();
        const auto service = service_of(failed.service());
        if (service) plugin_->served(*service, failed.request(), base::fail(read_request_failed(failed)));
        return;
      }
      default: return;  // of a later version
    }
  }

  // A library reacts by being here; of a program it is the program that has to.
  void react(std::uint64_t number) {
    if (program_ == nullptr) return host_.pong(number);
    program_->react(number);
  }

  // A wall that is not there ends the process.
  void must(std::string_view problem) {
    if (problem.empty()) return;
    host_.refuse({ErrorCode::unavailable, fmt::format("the sandbox: {}: {}", problem, std::strerror(errno))});
  }

  void begin(const ProcessPurpose& purpose) {
    if (!landlock_) prepare(purpose);
    if (purpose.only_prepares) return;
    if (purpose.interpreter.empty()) {
      start_library(purpose);
    } else if (has_program(purpose)) {
      start_program(purpose);
    }
    host_.ready(fmt::format("{}landlock {}, system calls, limits",
                            room_.has_namespaces ? "namespaces, file tree, " : "", *landlock_),
                plugin_ != nullptr && plugin_->keeps_state());
  }

  // All walls before the code: the constructors of a library run when it is loaded.
  void prepare(const ProcessPurpose& purpose) {
    errno = 0;
    ::signal(SIGABRT, [](int) { ::_exit(aborted_exit_code); });
    if (room_.has_namespaces) must(sandbox::keep_of_shown(purpose.folder));
    must(sandbox::drop_privileges());
    must(sandbox::end_with_parent());
    must(sandbox::limit(RLIMIT_CORE, 0));
    must(sandbox::limit(RLIMIT_FSIZE, frame_bytes_max * 2));
    must(sandbox::limit(RLIMIT_NOFILE, purpose.open_files));
    // Those of all processes of its user: without namespaces they are not its own.
    if (room_.has_namespaces || purpose.interpreter.empty()) must(sandbox::limit(RLIMIT_NPROC, purpose.threads));
    must(sandbox::limit(RLIMIT_MEMLOCK, 0));
    must(sandbox::limit(RLIMIT_MSGQUEUE, 0));
#ifndef __SANITIZE_ADDRESS__  // which keeps a shadow of all memory
    must(sandbox::limit(RLIMIT_DATA, purpose.memory_bytes));
#endif
    static_cast<void>(::nice(lower_priority));  // what travd itself gave up is not taken back
    landlock_ = room_.has_namespaces ? sandbox::restrict_files() : 0;
    if (*landlock_ < 0) must("the rules for its files");
    if (purpose.interpreter.empty()) {
      load(purpose);
    } else if (has_program(purpose)) {
      run(purpose);
    }
  }

  // A trial without a configuration and without operations looks at the walls alone.
  static bool has_program(const ProcessPurpose& purpose) {
    return !purpose.configuration.empty() || purpose.operations || purpose.only_prepares;
  }

  // Where the folder of the package is shown.
  [[nodiscard]] std::string place_of(const ProcessPurpose& purpose, std::string_view file) const {
    return room_.has_namespaces ? fmt::format("{}/{}", sandbox::job_folder, file)
                                : fmt::format("/proc/self/fd/{}/{}/{}", room_.folder, purpose.folder, file);
  }

  void load(const ProcessPurpose& purpose) {
    must(room_.refused < 0 ? room_.while_loading->apply() : refused_.begin(sandbox::SystemCalls::of_libraries));
    auto library = PluginLibrary::load(place_of(purpose, "plugin.so"), purpose.plugin, purpose.version);
    if (!library) host_.refuse(library.error());
    library_ = *std::move(library);
    if (room_.refused < 0) return must(room_.once_loaded->apply());
    refused_.once_loaded();
  }

  void start_library(const ProcessPurpose& purpose) {
    if (purpose.operations) {
      auto names = LibraryPlugin::operations_of(*library_);
      if (names) {
        const base::Status same =
            compare_operations(purpose.plugin, purpose.version, *purpose.operations, *std::move(names));
        if (!same) host_.refuse(same.error());
      }
    }
    if (!purpose.configuration.empty()) {
      auto plugin = LibraryPlugin::start(library_, purpose.configuration, host_, purpose.with);
      if (!plugin) host_.refuse(plugin.error());
      plugin_ = *std::move(plugin);
    }
  }

  void run(const ProcessPurpose& purpose) {
    constexpr auto left = sandbox::SystemCalls::of_scripts;
    must(room_.refused < 0 ? sandbox::SystemCallFilter(left).apply() : refused_.begin(left));
    auto program = ProgramPlugin::run(purpose, place_of(purpose, purpose.file), host_,
                                      {.reacted = [this](std::uint64_t number) { host_.pong(number); },
                                       .ended = [this](const base::Error& why) { host_.refuse(why); }});
    if (!program) host_.refuse(program.error());
    program_ = program->get();
    runs_ = *std::move(program);
  }

  void start_program(const ProcessPurpose& purpose) {
    if (const base::Status began = program_->begin(purpose); !began) host_.refuse(began.error());
    plugin_ = std::move(runs_);
  }

  [[noreturn]] void end() {
    if (plugin_ != nullptr) plugin_->end();
    ::_exit(0);
  }

  const sandbox::Room room_;
  FramedHost host_;
  PacketReader reader_;
  const base::SystemClock clock_;
  Patience patience_{clock_};
  sandbox::RefusedCalls refused_{room_.refused};
  std::optional<int> landlock_;             ///< its version; there once the walls and the code are
  std::shared_ptr<PluginLibrary> library_;  ///< nullptr: a program
  std::unique_ptr<ProgramPlugin> runs_;     ///< until it is begun
  std::unique_ptr<PluginSide> plugin_;      ///< takes calls
  ProgramPlugin* program_ = nullptr;        ///< the same, where it is one
};

}  // namespace

void live_in_sandbox(const sandbox::Room& room) {
  SandboxedPlugin(room).live();
}

}  // namespace trv::plugin_host
