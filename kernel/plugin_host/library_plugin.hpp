#pragma once
// A plugin whose library is mapped into this process: the C ABI on one side, PluginSide and HostSide on the other.
// Host services given: trv.call/1 and /2, trv.log/1, trv.http/1, trv.timer/1, trv.kv/1, trv.blob/1,
// trv.secret/1, trv.event/1, trv.serve/1, trv.stream/1 and /2. Of the plugin's side also trv.state/1 and trv.health/1.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/plugin_host/plugin_library.hpp"
#include "kernel/plugin_host/plugin_side.hpp"
#include "sdk/abi/ext/blob.h"
#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/event.h"
#include "sdk/abi/ext/health.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/ext/metrics.h"
#include "sdk/abi/ext/operation.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/ext/state.h"
#include "sdk/abi/ext/stream.h"
#include "sdk/abi/ext/timer.h"
#include "sdk/abi/ext/trace.h"
#include "sdk/abi/plugin.h"

namespace trv::plugin_host {

class LibraryPlugin final : public PluginSide {
 public:
  /// Creates and activates the plugin with `configuration`, a JSON object, on this thread. `host` outlives the plugin.
  /// Errors: what the plugin said when it refused, also the state, or that it is not well; invalid (the plugin breaks
  /// the ABI).
  [[nodiscard]] static base::Result<std::unique_ptr<LibraryPlugin>> start(std::shared_ptr<PluginLibrary> library,
                                                                          const std::string& configuration,
                                                                          HostSide& host, const StartWith& with = {});
  /// The operations that the code says it has; nullopt where it does not say. Creates a plugin on this thread, which is
  /// not activated, and destroys it.
  [[nodiscard]] static std::optional<std::vector<std::string>> operations_of(const PluginLibrary& library);
  LibraryPlugin(const LibraryPlugin&) = delete;
  LibraryPlugin& operator=(const LibraryPlugin&) = delete;

  void invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) override;
  void cancel(CallId call) override;
  void http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) override;
  void time_came(std::uint64_t timer_id) override;
  void served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) override;
  void part_arrived(std::uint64_t stream_id, std::string_view part) override;
  void stream_ended(std::uint64_t stream_id, const base::Status& end) override;
  void room(std::uint64_t stream_id, std::uint64_t byte_count) override;
  [[nodiscard]] bool keeps_state() const override { return plugin_state_ != nullptr; }
  void save() override;
  void end() override;

 private:
  LibraryPlugin(std::shared_ptr<PluginLibrary> library, HostSide& side);
  [[nodiscard]] base::Status activate(const std::string& configuration);
  [[nodiscard]] base::Status begin_with(const StartWith& with);
  [[nodiscard]] base::Status find_extensions();
  template <typename T, typename IsWhole>
  [[nodiscard]] base::Result<const T*> find_extension(const char* id, std::string_view name, std::uint32_t size_v1,
                                                      IsWhole is_whole) const;

  static LibraryPlugin& self(const trv_host* host) noexcept { return *static_cast<LibraryPlugin*>(host->context); }
  static const void* get_extension(const trv_host* host, const char* id) noexcept;
  static void fail_activation(const trv_host* host, const trv_error* error) noexcept;

  static const trv_host_call call_service;
  static const trv_host_call_2 call_2_service;
  static const trv_host_call_3 call_3_service;
  static const trv_host_log log_service;
  static const trv_host_metrics metrics_service;
  static const trv_host_trace trace_service;
  static const trv_host_http http_service;
  static const trv_host_timer timer_service;
  static const trv_host_kv kv_service;
  static const trv_host_blob blob_service;
  static const trv_host_secret secret_service;
  static const trv_host_event event_service;
  void upload(CallId call, std::uint64_t request_id, const trv_http_request* request, const trv_upload* upload);
  void send_in_parts(CallId call, std::uint64_t request_id, const trv_http_request* request);

  static const trv_host_serve serve_service;
  static const trv_host_stream stream_service;
  static const trv_host_stream_2 stream_2_service;

  void answer_blob(std::uint64_t request_id, const KeptBlobs& blobs);
  void answer_kv(std::uint64_t request_id, const StoredValues& values);

  const std::shared_ptr<PluginLibrary> library_;
  HostSide& side_;
  trv_host host_{};
  const trv_plugin* plugin_ = nullptr;
  const trv_plugin_http* plugin_http_ = nullptr;
  const trv_plugin_timer* plugin_timer_ = nullptr;
  const trv_plugin_kv* plugin_kv_ = nullptr;
  const trv_plugin_blob* plugin_blob_ = nullptr;
  const trv_plugin_secret* plugin_secret_ = nullptr;
  const trv_plugin_event* plugin_event_ = nullptr;
  const trv_plugin_serve* plugin_serve_ = nullptr;
  const trv_plugin_stream* plugin_stream_ = nullptr;
  const trv_plugin_state* plugin_state_ = nullptr;
  const trv_plugin_health* plugin_health_ = nullptr;
  std::optional<OperationError> activation_error_;
};

}  // namespace trv::plugin_host
