// A plugin that reads an answer in parts, the body of which is the alphabet's first 23 letters over and over. Written
// against the C headers alone. Its operations:
//   read     takes what comes, and answers with what it was
//   first    answers with the first part
//   stay     takes nothing until 500 ms have passed, and then reads on
//   greedy   takes ever more than what came
//   drop     drops after the first part, and answers 200 ms later with how much came after that
//   leave    answers at the first part, without a word about the rest
//   twice    reads two answers at once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/stream.h"
#include "sdk/abi/ext/timer.h"
#include "sdk/abi/plugin.h"

namespace {

trv_string text(const char* value) {
  return {value, std::strlen(value)};
}
trv_bytes bytes(const std::string& value) {
  return {reinterpret_cast<const std::uint8_t*>(value.data()), value.size()};
}

struct Reading {
  std::uint64_t call = 0;
  std::string operation;
  std::uint32_t status = 0;
  std::uint64_t count = 0;
  std::uint64_t largest = 0;
  std::uint64_t untaken = 0;
  std::uint64_t after_drop = 0;
  bool is_as_sent = true;
  bool takes = true;
  bool has_dropped = false;
};

// One call at a time.
struct Plugin {
  trv_plugin plugin{};
  const trv_host* host = nullptr;
  const trv_host_call* call = nullptr;
  const trv_host_stream* stream = nullptr;
  const trv_host_timer* timer = nullptr;
  std::map<std::uint64_t, Reading> readings;
};

Plugin& self(const trv_plugin* plugin) {
  return *static_cast<Plugin*>(plugin->instance);
}

template <typename T>
const T* extension(const trv_host* host, const char* id) {
  return static_cast<const T*>(host->get_extension(host, id));
}

std::int32_t activate(const trv_plugin* plugin, trv_bytes) {
  Plugin& p = self(plugin);
  p.call = extension<trv_host_call>(p.host, TRV_EXT_CALL);
  p.stream = extension<trv_host_stream>(p.host, TRV_EXT_STREAM);
  p.timer = extension<trv_host_timer>(p.host, TRV_EXT_TIMER);
  return p.call == nullptr || p.stream == nullptr || p.timer == nullptr ? 1 : 0;
}

void begin(Plugin& p, std::uint64_t call, std::uint64_t stream, const std::string& operation) {
  Reading& reading = p.readings[stream];
  reading = {};
  reading.call = call;
  reading.operation = operation;
  reading.takes = operation != "stay";
  const trv_http_request request{sizeof(trv_http_request), 0, nullptr, text("api"), text("GET"), text("/parts"), {}, 0};
  p.stream->send(p.host, call, stream, &request);
  if (operation == "stay") p.timer->set(p.host, call, stream, 500);
}

void invoke(const trv_plugin* plugin, const trv_call* call) {
  Plugin& p = self(plugin);
  const std::string operation(call->operation.data, static_cast<std::size_t>(call->operation.size));
  begin(p, call->call_id, call->call_id * 2, operation);
  if (operation == "twice") begin(p, call->call_id, call->call_id * 2 + 1, operation);
}

// What is there of a call is not wanted any more; the host ends its answers.
void cancel(const trv_plugin* plugin, std::uint64_t call) {
  Plugin& p = self(plugin);
  const trv_error error{sizeof(trv_error), TRV_ERROR_CANCELLED, 0, 0, 0, text("cancelled"), {}};
  p.call->fail(p.host, call, &error);
}

void complete(Plugin& p, const Reading& reading) {
  const std::string output =
      "{\"status\":" + std::to_string(reading.status) + ",\"bytes\":" + std::to_string(reading.count) +
      ",\"largest\":" + std::to_string(reading.largest) + ",\"as_sent\":" + (reading.is_as_sent ? "true" : "false") +
      ",\"after_drop\":" + std::to_string(reading.after_drop) + "}";
  p.call->complete(p.host, reading.call, bytes(output));
}

void on_response(const trv_plugin* plugin, std::uint64_t request_id, const trv_http_response* response) {
  Reading& reading = self(plugin).readings[request_id];
  reading.status = response->status;
  if (response->body.size != 0) reading.is_as_sent = false;
}

void on_error(const trv_plugin* plugin, std::uint64_t request_id, const trv_error* error) {
  Plugin& p = self(plugin);
  p.call->fail(p.host, p.readings[request_id].call, error);
}

void on_part(const trv_plugin* plugin, std::uint64_t stream_id, trv_bytes part) {
  Plugin& p = self(plugin);
  Reading& reading = p.readings[stream_id];
  if (reading.has_dropped) {
    reading.after_drop += part.size;
    return;
  }
  for (std::uint64_t i = 0; i < part.size; ++i) {
    if (part.data[i] != 'a' + (reading.count + i) % 23) reading.is_as_sent = false;
  }
  reading.count += part.size;
  if (part.size > reading.largest) reading.largest = part.size;
  if (reading.operation == "first") {
    p.stream->drop(p.host, reading.call, stream_id);
    return complete(p, reading);
  }
  if (reading.operation == "leave") return complete(p, reading);
  if (reading.operation == "drop") {
    reading.has_dropped = true;
    p.stream->drop(p.host, reading.call, stream_id);
    return p.timer->set(p.host, reading.call, stream_id, 200);
  }
  if (!reading.takes) {
    reading.untaken += part.size;
    return;
  }
  p.stream->take(p.host, reading.call, stream_id, reading.operation == "greedy" ? ~std::uint64_t{0} : part.size);
}

void on_end(const trv_plugin* plugin, std::uint64_t stream_id) {
  Plugin& p = self(plugin);
  Reading& reading = p.readings[stream_id];
  if (reading.operation == "twice") {
    // Answered by the second to end.
    const std::uint64_t other = stream_id ^ 1;
    const auto found = p.readings.find(other);
    reading.operation = "ended";
    if (found == p.readings.end() || found->second.operation != "ended") return;
    reading.count += found->second.count;
    reading.is_as_sent = reading.is_as_sent && found->second.is_as_sent;
  }
  complete(p, reading);
}

void on_time(const trv_plugin* plugin, std::uint64_t stream_id) {
  Plugin& p = self(plugin);
  Reading& reading = p.readings[stream_id];
  if (reading.has_dropped) return complete(p, reading);
  reading.takes = true;
  p.stream->take(p.host, reading.call, stream_id, reading.untaken);
}

const trv_plugin_http plugin_http = {sizeof(trv_plugin_http), on_response, on_error};
const trv_plugin_stream plugin_stream = {sizeof(trv_plugin_stream), on_part, on_end, on_error,
                                         [](const trv_plugin*, std::uint64_t, std::uint64_t) {}};
const trv_plugin_timer plugin_timer = {sizeof(trv_plugin_timer), on_time};

const trv_factory factory = {sizeof(trv_factory), [] { return std::uint32_t{1}; },
                             [](std::uint32_t index) -> const trv_descriptor* {
                               static const trv_descriptor descriptor{sizeof(trv_descriptor), text("tracker"),
                                                                      text("1.2.3")};
                               return index == 0 ? &descriptor : nullptr;
                             },
                             [](const trv_host* host, trv_string) -> const trv_plugin* {
                               auto* p = new Plugin;
                               p->host = host;
                               p->plugin = {sizeof(trv_plugin),
                                            p,
                                            activate,
                                            invoke,
                                            cancel,
                                            [](const trv_plugin*) {},
                                            [](const trv_plugin* plugin) { delete &self(plugin); },
                                            [](const trv_plugin*, const char* id) -> const void* {
                                              if (std::strcmp(id, TRV_EXT_HTTP) == 0) return &plugin_http;
                                              if (std::strcmp(id, TRV_EXT_TIMER) == 0) return &plugin_timer;
                                              return std::strcmp(id, TRV_EXT_STREAM) == 0 ? &plugin_stream : nullptr;
                                            }};
                               return &p->plugin;
                             }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const trv_entry trv_entry_v1 = {
    sizeof(trv_entry),
    TRV_ABI_MAJOR,
    TRV_ABI_MINOR,
    [] { return std::int32_t{0}; },
    [] {},
    [](const char* id) -> const void* { return std::strcmp(id, TRV_FACTORY_ID) == 0 ? &factory : nullptr; }};
