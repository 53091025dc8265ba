#pragma once
// A plugin that is a program of its own: frames as lines of JSON on one side, PluginSide and HostSide on the other.
// Lives in the sandbox, as the parent of the program.

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernel/plugin_host/plugin_side.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::plugin_host {

struct ProcessPurpose;
struct ReadyLine;

/// What the kernel hears of a program beyond HostSide. On a thread of the plugin's.
struct ProgramEvents {
  std::function<void(std::uint64_t number)> reacted;  ///< to react()
  std::function<void(const base::Error& why)> ended;  ///< by itself; ends this process
};

class ProgramPlugin final : public PluginSide {
 public:
  /// Starts `file` by the interpreter of the purpose; it waits for begin(). `host` outlives the plugin. Before this
  /// process has other threads but that of RefusedCalls. Error: unavailable (this host has no room for it).
  [[nodiscard]] static base::Result<std::unique_ptr<ProgramPlugin>> run(const ProcessPurpose& purpose,
                                                                        const std::string& file, HostSide& host,
                                                                        ProgramEvents events);
  /// Once. Waits until it takes calls. Errors: what the program said when it refused; invalid (it ended first, or the
  /// interpreter is missing).
  [[nodiscard]] base::Status begin(const ProcessPurpose& purpose);
  /// Kills the program where it has not ended.
  ~ProgramPlugin() override;
  ProgramPlugin(const ProgramPlugin&) = delete;
  ProgramPlugin& operator=(const ProgramPlugin&) = delete;

  // A program that does not read what it is sent holds these up, and is then one that hangs.
  void invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void cancel(CallId call) override;
  void http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) override;
  void time_came(std::uint64_t timer_id) override;
  void served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) override;
  void part_arrived(std::uint64_t stream_id, std::string_view part) override;
  void stream_ended(std::uint64_t stream_id, const base::Status& end) override;
  void room(std::uint64_t stream_id, std::uint64_t byte_count) override;
  [[nodiscard]] bool keeps_state() const override { return keeps_state_; }
  void save() override;
  /// Returns when the program has ended.
  void end() override;
  /// [main] Asks for a sign of life.
  void react(std::uint64_t number);

 private:
  ProgramPlugin(pid_t program, base::OpenFile socket, base::OpenFile output, HostSide& host, ProgramEvents events,
                const ProcessPurpose& purpose);
  void send(std::string_view line);
  void listen();
  void take(std::string& waiting, bool is_output);
  void handle(std::string_view line);
  void note_output(std::string_view line);
  void began(ReadyLine ready);
  void give_up(const std::string& why);
  [[nodiscard]] std::string how_it_ended() const;

  const pid_t program_;
  const base::OpenFile socket_;
  const base::OpenFile output_;  ///< standard output and standard error
  HostSide& host_;
  const ProgramEvents events_;
  const std::string name_;
  const std::string version_;
  std::optional<std::vector<std::string>> wanted_;  ///< operations of the manifest, in a trial
  bool needs_configuration_ = false;                ///< a trial that could not give one
  bool has_state_ = false;                          ///< it was begun with one

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> keeps_state_ = false;
  bool is_ready_ = false;
  bool is_ending_ = false;
  bool is_over_ = false;
  std::optional<base::Error> refusal_;

  std::string last_output_;  ///< of the listener
  std::jthread listener_;
};

}  // namespace trv::plugin_host
