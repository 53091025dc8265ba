#include "kernel/plugin_host/library_plugin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "kernel/plugin_host/frame.hpp"
#include "kernel/plugin_host/library_values.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::uint32_t operations_asked_max = 1'000;  // more than a manifest has

// What is over its limit is not copied.
base::Result<std::string> text_of(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  return base::fail(ErrorCode::too_large,
                    fmt::format("{} has {} bytes, at most {} are allowed", what, text.size(), bytes_max));
}

base::Result<ServiceRequest> read_get(trv_string key) {
  TRV_TRY_ASSIGN(std::string read, text_of("the key of the store", view(key), store_key_bytes_max));
  return GetValue{std::move(read)};
}

base::Result<ServiceRequest> read_put(trv_string key, trv_bytes value, std::uint64_t expected) {
  PutValue put{.key = {}, .value = {}, .expected = expected};
  TRV_TRY_ASSIGN(put.key, text_of("the key of the store", view(key), store_key_bytes_max));
  TRV_TRY_ASSIGN(put.value, text_of(fmt::format("the value of \"{}\"", put.key), view(value), store_value_bytes_max));
  return put;
}

base::Result<ServiceRequest> read_erase(trv_string key, std::uint64_t expected) {
  EraseValue erase{.key = {}, .expected = expected};
  TRV_TRY_ASSIGN(erase.key, text_of("the key of the store", view(key), store_key_bytes_max));
  return erase;
}

base::Result<ServiceRequest> read_list(trv_string prefix, trv_string after, std::uint32_t count_max) {
  ListValues list{.prefix = {}, .after = {}, .count_max = count_max};
  TRV_TRY_ASSIGN(list.prefix, text_of("the prefix of the store", view(prefix), store_key_bytes_max));
  TRV_TRY_ASSIGN(list.after, text_of("the key before a list of the store", view(after), store_key_bytes_max));
  return list;
}

base::Result<ServiceRequest> read_sign(trv_string secret, std::int32_t kind, trv_bytes data) {
  SignData sign;
  TRV_TRY_ASSIGN(sign.secret, text_of("the name of the secret", view(secret), secret_name_bytes_max));
  TRV_TRY_ASSIGN(sign.kind, egress::signature_kind_of(kind));
  TRV_TRY_ASSIGN(sign.data, text_of("what is to be signed", view(data), signed_bytes_max));
  return sign;
}

// What is too long is cut, and refused where it is held against the limits.
base::Result<Measurement> read_metric(std::int32_t metric, trv_string name, double value, const trv_header* labels,
                                      std::uint32_t count) {
  Measurement measurement;
  TRV_TRY_ASSIGN(measurement.kind, metric_kind_of(metric));
  measurement.name = view(name).substr(0, metric_name_bytes_max + 1);
  measurement.value = value;
  if (count > metric_labels_max || (count > 0 && labels == nullptr)) {
    return base::fail(ErrorCode::invalid, fmt::format("metric '{}' has {} labels, at most {} are taken",
                                                      printable(measurement.name, 80), count, metric_labels_max));
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    measurement.labels.emplace_back(view(labels[i].name).substr(0, metric_name_bytes_max + 1),
                                    view(labels[i].value).substr(0, metric_name_bytes_max + 1));
  }
  return measurement;
}

// What is too long is cut; nullopt for what cannot be one.
std::optional<Span> read_span(const trv_span* raw) {
  if (raw == nullptr || raw->struct_size < TRV_SPAN_SIZE_V1) return std::nullopt;
  Span span{.id = raw->span_id,
            .parent = raw->parent_id,
            .name = std::string(view(raw->name).substr(0, span_name_bytes_max))};
  const std::size_t count = raw->attributes == nullptr ? 0 : raw->attribute_count;
  for (std::size_t i = 0; i < std::min(count, span_attributes_max); ++i) {
    span.attributes.emplace_back(view(raw->attributes[i].name).substr(0, span_name_bytes_max),
                                 view(raw->attributes[i].value).substr(0, span_attribute_bytes_max));
  }
  return span;
}

base::Result<ServiceRequest> read_emit(const trv_event* event) {
  if (event == nullptr || event->struct_size < TRV_EVENT_SIZE_V1) {
    return base::fail(ErrorCode::invalid, "trv_event is null or too small");
  }
  EmitEvent emit;
  TRV_TRY_ASSIGN(emit.type, text_of("the event's type", view(event->type), event_text_bytes_max));
  TRV_TRY_ASSIGN(emit.subject, text_of("the event's subject", view(event->subject), event_text_bytes_max));
  TRV_TRY_ASSIGN(emit.data, text_of("the event's data", view(event->data), event_data_bytes_max));
  return emit;
}

}  // namespace

base::Result<std::unique_ptr<LibraryPlugin>> LibraryPlugin::start(std::shared_ptr<PluginLibrary> library,
                                                                  const std::string& configuration, HostSide& host,
                                                                  const StartWith& with) {
  std::unique_ptr<LibraryPlugin> plugin(new LibraryPlugin(std::move(library), host));
  TRV_TRY(plugin->activate(configuration));
  if (base::Status begun = plugin->begin_with(with); !begun) {
    plugin->end();
    return base::fail(std::move(begun).error());
  }
  return plugin;
}

base::Status LibraryPlugin::begin_with(const StartWith& with) {
  const auto refuse = [&](std::string_view what, trv_string problem) {
    return base::fail(ErrorCode::invalid, fmt::format("plugin '{}' {} {}: {}", library_->id(), library_->version(),
                                                      what, printable(view(problem), message_bytes_max)));
  };
  if (with.state && plugin_state_ == nullptr) return refuse("takes no state", borrowed("it has no trv.state/1"));
  if (with.state) {
    const trv_string problem =
        plugin_state_->restore(plugin_, borrowed(with.state->version), borrowed_bytes(with.state->bytes));
    if (problem.size > 0) {
      return refuse(fmt::format("does not take the state that {} saved", with.state->version), problem);
    }
  }
  if (!with.checks_health || plugin_health_ == nullptr) return {};
  const trv_string problem = plugin_health_->check(plugin_);
  return problem.size == 0 ? base::Status() : refuse("is not well", problem);
}

std::optional<std::vector<std::string>> LibraryPlugin::operations_of(const PluginLibrary& library) {
  const trv_host host = {.struct_size = sizeof(trv_host),
                         .abi_major = TRV_ABI_MAJOR,
                         .abi_minor = TRV_ABI_MINOR,
                         .context = nullptr,
                         .get_extension = [](const trv_host*, const char*) noexcept -> const void* { return nullptr; },
                         .fail_activation = [](const trv_host*, const trv_error*) noexcept {}};
  const trv_plugin* plugin = library.factory().create(&host, borrowed(library.id()));
  // What breaks the ABI is found where the plugin starts.
  if (plugin == nullptr || plugin->struct_size < TRV_PLUGIN_SIZE_V1 || plugin->get_extension == nullptr ||
      plugin->destroy == nullptr) {
    return std::nullopt;
  }
  std::optional<std::vector<std::string>> names;
  const auto* named = static_cast<const trv_plugin_operation*>(plugin->get_extension(plugin, TRV_EXT_OPERATION));
  if (named != nullptr && named->struct_size >= TRV_PLUGIN_OPERATION_SIZE_V1 && named->count != nullptr &&
      named->name != nullptr) {
    names.emplace();
    const std::uint32_t count = std::min<std::uint32_t>(named->count(plugin), operations_asked_max);
    for (std::uint32_t index = 0; index < count; ++index) names->emplace_back(view(named->name(plugin, index)));
  }
  plugin->destroy(plugin);
  return names;
}

LibraryPlugin::LibraryPlugin(std::shared_ptr<PluginLibrary> library, HostSide& side)
    : library_(std::move(library)), side_(side) {
  host_ = {.struct_size = sizeof(trv_host),
           .abi_major = TRV_ABI_MAJOR,
           .abi_minor = TRV_ABI_MINOR,
           .context = this,
           .get_extension = &LibraryPlugin::get_extension,
           .fail_activation = &LibraryPlugin::fail_activation};
}

base::Status LibraryPlugin::activate(const std::string& configuration) {
  const std::string name = fmt::format("plugin '{}' {}", library_->id(), library_->version());
  plugin_ = library_->factory().create(&host_, borrowed(library_->id()));
  if (plugin_ == nullptr) return base::fail(ErrorCode::invalid, fmt::format("{}: create returned NULL", name));
  if (plugin_->struct_size < TRV_PLUGIN_SIZE_V1) {
    return base::fail(ErrorCode::invalid, fmt::format("{}: its trv_plugin has {} bytes, ABI {}.0 has at least {}", name,
                                                      plugin_->struct_size, TRV_ABI_MAJOR, TRV_PLUGIN_SIZE_V1));
  }
  if (plugin_->activate == nullptr || plugin_->invoke == nullptr || plugin_->cancel == nullptr ||
      plugin_->deactivate == nullptr || plugin_->destroy == nullptr || plugin_->get_extension == nullptr) {
    return base::fail(ErrorCode::invalid, fmt::format("{}: its trv_plugin has a null function", name));
  }
  if (base::Status found = find_extensions(); !found) {
    plugin_->destroy(plugin_);
    return base::fail(std::move(found).error().in(name));
  }
  if (plugin_->activate(plugin_, borrowed_bytes(configuration)) != 0) {
    plugin_->destroy(plugin_);
    if (activation_error_) {
      return base::fail(activation_error_->code, fmt::format("{}: {}", name, activation_error_->message));
    }
    return base::fail(ErrorCode::internal, fmt::format("{}: it refused to start without saying why", name));
  }
  return {};
}

template <typename T, typename IsWhole>
base::Result<const T*> LibraryPlugin::find_extension(const char* id, std::string_view name, std::uint32_t size_v1,
                                                     IsWhole is_whole) const {
  const auto* found = static_cast<const T*>(plugin_->get_extension(plugin_, id));
  if (found == nullptr) return found;
  if (found->struct_size < size_v1) {
    return base::fail(ErrorCode::invalid, fmt::format("its {} has {} bytes, ABI {}.0 has at least {}", name,
                                                      found->struct_size, TRV_ABI_MAJOR, size_v1));
  }
  if (!is_whole(*found)) return base::fail(ErrorCode::invalid, fmt::format("its {} has a null function", name));
  return found;
}

base::Status LibraryPlugin::find_extensions() {
  TRV_TRY_ASSIGN(plugin_http_, find_extension<trv_plugin_http>(
                                   TRV_EXT_HTTP, "trv_plugin_http", TRV_PLUGIN_HTTP_SIZE_V1, [](const auto& http) {
                                     return http.on_response != nullptr && http.on_error != nullptr;
                                   }));
  TRV_TRY_ASSIGN(plugin_timer_,
                 find_extension<trv_plugin_timer>(TRV_EXT_TIMER, "trv_plugin_timer", TRV_PLUGIN_TIMER_SIZE_V1,
                                                  [](const auto& timer) { return timer.on_time != nullptr; }));
  TRV_TRY_ASSIGN(plugin_kv_,
                 find_extension<trv_plugin_kv>(TRV_EXT_KV, "trv_plugin_kv", TRV_PLUGIN_KV_SIZE_V1, [](const auto& kv) {
                   return kv.on_answer != nullptr && kv.on_error != nullptr;
                 }));
  TRV_TRY_ASSIGN(plugin_blob_, find_extension<trv_plugin_blob>(
                                   TRV_EXT_BLOB, "trv_plugin_blob", TRV_PLUGIN_BLOB_SIZE_V1, [](const auto& blob) {
                                     return blob.on_answer != nullptr && blob.on_error != nullptr;
                                   }));
  TRV_TRY_ASSIGN(plugin_secret_,
                 find_extension<trv_plugin_secret>(
                     TRV_EXT_SECRET, "trv_plugin_secret", TRV_PLUGIN_SECRET_SIZE_V1,
                     [](const auto& secret) { return secret.on_signature != nullptr && secret.on_error != nullptr; }));
  TRV_TRY_ASSIGN(plugin_event_, find_extension<trv_plugin_event>(
                                    TRV_EXT_EVENT, "trv_plugin_event", TRV_PLUGIN_EVENT_SIZE_V1, [](const auto& event) {
                                      return event.on_emitted != nullptr && event.on_error != nullptr;
                                    }));
  TRV_TRY_ASSIGN(plugin_serve_,
                 find_extension<trv_plugin_serve>(TRV_EXT_SERVE, "trv_plugin_serve", TRV_PLUGIN_SERVE_SIZE_V1,
                                                  [](const auto& serve) { return serve.serve != nullptr; }));
  TRV_TRY_ASSIGN(plugin_stream_, find_extension<trv_plugin_stream>(TRV_EXT_STREAM, "trv_plugin_stream",
                                                                   TRV_PLUGIN_STREAM_SIZE_V1, [](const auto& stream) {
                                                                     return stream.on_part != nullptr &&
                                                                            stream.on_end != nullptr &&
                                                                            stream.on_error != nullptr &&
                                                                            stream.on_room != nullptr;
                                                                   }));
  TRV_TRY_ASSIGN(plugin_state_, find_extension<trv_plugin_state>(
                                    TRV_EXT_STATE, "trv_plugin_state", TRV_PLUGIN_STATE_SIZE_V1, [](const auto& state) {
                                      return state.save != nullptr && state.restore != nullptr;
                                    }));
  TRV_TRY_ASSIGN(plugin_health_,
                 find_extension<trv_plugin_health>(TRV_EXT_HEALTH, "trv_plugin_health", TRV_PLUGIN_HEALTH_SIZE_V1,
                                                   [](const auto& health) { return health.check != nullptr; }));
  return {};
}

void LibraryPlugin::invoke(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  const trv_call given = {.struct_size = sizeof(trv_call),
                          .attempt = request.attempt,
                          .call_id = call,
                          .operation = borrowed(request.operation),
                          .tenant = borrowed(request.tenant.value()),
                          .connection = borrowed(request.connection),
                          .idempotency_key = borrowed(request.idempotency_key),
                          .traceparent = borrowed(request.traceparent),
                          .timeout_ms = timeout_ms,
                          .input = borrowed_bytes(request.input)};
  plugin_->invoke(plugin_, &given);
}

void LibraryPlugin::cancel(CallId call) {
  plugin_->cancel(plugin_, call);
}

void LibraryPlugin::http_arrived(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  if (plugin_http_ == nullptr) return;
  if (!result) {
    const trv_error error = borrowed_error(result.error());
    plugin_http_->on_error(plugin_, request_id, &error);
    return;
  }
  std::vector<trv_header> headers;
  headers.reserve(result->headers.size());
  for (const egress::Header& header : result->headers) {
    headers.push_back({.name = borrowed(header.name), .value = borrowed(header.value)});
  }
  const trv_http_response response = {.struct_size = sizeof(trv_http_response),
                                      .status = result->status,
                                      .header_count = static_cast<std::uint32_t>(headers.size()),
                                      .reserved = 0,
                                      .headers = headers.data(),
                                      .body = borrowed_bytes(result->body)};
  plugin_http_->on_response(plugin_, request_id, &response);
}

void LibraryPlugin::time_came(std::uint64_t timer_id) {
  if (plugin_timer_ != nullptr) plugin_timer_->on_time(plugin_, timer_id);
}

void LibraryPlugin::served(Service service, std::uint64_t request_id, const base::Result<ServiceAnswer>& answer) {
  const auto fails = [&](const auto* extension) {
    if (extension == nullptr) return true;
    if (answer) return false;
    const trv_error error = borrowed_error(answer.error());
    extension->on_error(plugin_, request_id, &error);
    return true;
  };
  switch (service) {
    case Service::store:
      if (!fails(plugin_kv_)) answer_kv(request_id, std::get<StoredValues>(*answer));
      return;
    case Service::secret:
      if (fails(plugin_secret_)) return;
      return plugin_secret_->on_signature(plugin_, request_id, borrowed_bytes(std::get<Signature>(*answer).bytes));
    case Service::blob:
      if (!fails(plugin_blob_)) answer_blob(request_id, std::get<KeptBlobs>(*answer));
      return;
    case Service::event:
      if (fails(plugin_event_)) return;
      return plugin_event_->on_emitted(plugin_, request_id, borrowed(std::get<EmittedEvent>(*answer).id));
  }
}

void LibraryPlugin::answer_kv(std::uint64_t request_id, const StoredValues& values) {
  std::vector<trv_kv_entry> entries;
  entries.reserve(values.entries.size());
  for (const StoredValue& one : values.entries) {
    entries.push_back({.key = borrowed(one.key), .value = borrowed_bytes(one.value), .revision = one.revision});
  }
  const trv_kv_answer given = {.struct_size = sizeof(trv_kv_answer),
                               .entry_count = static_cast<std::uint32_t>(entries.size()),
                               .entries = entries.data(),
                               .has_more = values.has_more ? 1U : 0U,
                               .reserved = 0};
  plugin_kv_->on_answer(plugin_, request_id, &given);
}

void LibraryPlugin::save() {
  if (plugin_state_ == nullptr) return side_.saved(base::fail(ErrorCode::invalid, "it has no trv.state/1"));
  trv_bytes state = {};
  const trv_string problem = plugin_state_->save(plugin_, &state);
  if (problem.size > 0) {
    return side_.saved(base::fail(ErrorCode::internal, printable(view(problem), message_bytes_max)));
  }
  if (state.size > state_bytes_max) {
    return side_.saved(base::fail(
        ErrorCode::too_large, fmt::format("it has {} bytes, at most {} are handed over", state.size, state_bytes_max)));
  }
  side_.saved(std::string(view(state)));
}

void LibraryPlugin::end() {
  plugin_->deactivate(plugin_);
  plugin_->destroy(plugin_);
}

// ---- what the plugin calls

const trv_host_call LibraryPlugin::call_service = {
    .struct_size = sizeof(trv_host_call),
    .complete = [](const trv_host* host, std::uint64_t id,
                   trv_bytes output) { self(host).side_.answer(id, view(output)); },
    .fail = [](const trv_host* host, std::uint64_t id,
               const trv_error* error) { self(host).side_.answer_failed(id, read_error(error)); }};

const trv_host_call_2 LibraryPlugin::call_2_service = {
    .struct_size = sizeof(trv_host_call_2),
    .complete = call_service.complete,
    .fail = call_service.fail,
    .progress = [](const trv_host* host, std::uint64_t id, double fraction, trv_string text) {
      self(host).side_.progress(id, fraction, view(text));
    }};

const trv_host_call_3 LibraryPlugin::call_3_service = {
    .struct_size = sizeof(trv_host_call_3),
    .complete = call_service.complete,
    .fail = call_service.fail,
    .progress = call_2_service.progress,
    .stream = [](const trv_host* host, std::uint64_t id, trv_string text) { self(host).side_.stream(id, view(text)); }};

const trv_host_log LibraryPlugin::log_service = {
    .struct_size = sizeof(trv_host_log),
    .write = [](const trv_host* host, std::int32_t level, std::uint64_t id, trv_string message) {
      self(host).side_.log(static_cast<LogLevel>(std::clamp<std::int32_t>(level, TRV_LOG_DEBUG, TRV_LOG_ERROR)), id,
                           view(message));
    }};

const trv_host_metrics LibraryPlugin::metrics_service = {
    .struct_size = sizeof(trv_host_metrics),
    .record = [](const trv_host* host, std::int32_t metric, trv_string name, double value, const trv_header* labels,
                 std::uint32_t count) { self(host).side_.measure(read_metric(metric, name, value, labels, count)); }};

const trv_host_trace LibraryPlugin::trace_service = {
    .struct_size = sizeof(trv_host_trace),
    .begin =
        [](const trv_host* host, std::uint64_t id, const trv_span* span) {
          if (auto read = read_span(span)) self(host).side_.begin_span(id, *std::move(read));
        },
    .end = [](const trv_host* host, std::uint64_t id,
              std::uint64_t span_id) { self(host).side_.end_span(id, span_id); }};

const trv_host_http LibraryPlugin::http_service = {
    .struct_size = sizeof(trv_host_http),
    .send = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, const trv_http_request* request) {
      self(host).side_.send_http(id, request_id, read_request(request));
    }};

const trv_host_timer LibraryPlugin::timer_service = {
    .struct_size = sizeof(trv_host_timer),
    .set = [](const trv_host* host, std::uint64_t id, std::uint64_t timer_id, std::uint64_t after_ms) {
      self(host).side_.set_timer(id, timer_id, after_ms);
    }};

const trv_host_kv LibraryPlugin::kv_service = {
    .struct_size = sizeof(trv_host_kv),
    .get = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id,
              trv_string key) { self(host).side_.ask(id, request_id, Service::store, read_get(key)); },
    .put =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string key, trv_bytes value,
           std::uint64_t expected) {
          self(host).side_.ask(id, request_id, Service::store, read_put(key, value, expected));
        },
    .erase =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string key, std::uint64_t expected) {
          self(host).side_.ask(id, request_id, Service::store, read_erase(key, expected));
        },
    .list =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string prefix, trv_string after,
           std::uint32_t count_max) {
          self(host).side_.ask(id, request_id, Service::store, read_list(prefix, after, count_max));
        }};

const trv_host_secret LibraryPlugin::secret_service = {
    .struct_size = sizeof(trv_host_secret),
    .sign = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string secret,
               std::int32_t signature, trv_bytes data) {
      self(host).side_.ask(id, request_id, Service::secret, read_sign(secret, signature, data));
    }};

const trv_host_event LibraryPlugin::event_service = {
    .struct_size = sizeof(trv_host_event),
    .emit = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, const trv_event* event) {
      self(host).side_.ask(id, request_id, Service::event, read_emit(event));
    }};

const void* LibraryPlugin::get_extension(const trv_host*, const char* id) noexcept {
  if (id == nullptr) return nullptr;
  if (std::strcmp(id, TRV_EXT_CALL) == 0) return &call_service;
  if (std::strcmp(id, TRV_EXT_CALL_2) == 0) return &call_2_service;
  if (std::strcmp(id, TRV_EXT_CALL_3) == 0) return &call_3_service;
  if (std::strcmp(id, TRV_EXT_LOG) == 0) return &log_service;
  if (std::strcmp(id, TRV_EXT_METRICS) == 0) return &metrics_service;
  if (std::strcmp(id, TRV_EXT_TRACE) == 0) return &trace_service;
  if (std::strcmp(id, TRV_EXT_HTTP) == 0) return &http_service;
  if (std::strcmp(id, TRV_EXT_TIMER) == 0) return &timer_service;
  if (std::strcmp(id, TRV_EXT_KV) == 0) return &kv_service;
  if (std::strcmp(id, TRV_EXT_BLOB) == 0) return &blob_service;
  if (std::strcmp(id, TRV_EXT_SECRET) == 0) return &secret_service;
  if (std::strcmp(id, TRV_EXT_EVENT) == 0) return &event_service;
  if (std::strcmp(id, TRV_EXT_SERVE) == 0) return &serve_service;
  if (std::strcmp(id, TRV_EXT_STREAM) == 0) return &stream_service;
  if (std::strcmp(id, TRV_EXT_STREAM_2) == 0) return &stream_2_service;
  return nullptr;
}

void LibraryPlugin::fail_activation(const trv_host* host, const trv_error* error) noexcept {
  self(host).activation_error_ = read_error(error);
}

}  // namespace trv::plugin_host
