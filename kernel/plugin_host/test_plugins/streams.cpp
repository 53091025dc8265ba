// A plugin that answers in parts, well and badly. Written against the C headers alone.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/ext/stream.h"
#include "sdk/abi/plugin.h"

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.2.3"
#endif

namespace {

trv_string text(const char* value) {
  return {value, std::strlen(value)};
}
trv_bytes bytes(const std::string& value) {
  return {reinterpret_cast<const std::uint8_t*>(value.data()), value.size()};
}

/// An answer that is not whole.
struct Open {
  std::uint64_t call = 0;
  std::uint64_t room = TRV_STREAM_ROOM_BYTES;
  std::uint64_t left = 0;  // bytes to write
  bool waits = false;      // for the path /next
};

struct Plugin {
  trv_plugin plugin{};
  const trv_host* host = nullptr;
  const trv_host_call* call = nullptr;
  const trv_host_serve* serve = nullptr;
  const trv_host_stream* stream = nullptr;
  const trv_host_stream_2* stream_2 = nullptr;
  std::mutex mutex;
  std::map<std::uint64_t, Open> open;  // by stream
  std::uint64_t ends = 0;              // streams that the host ended
};

Plugin& self(const trv_plugin* plugin) {
  return *static_cast<Plugin*>(plugin->instance);
}

std::int32_t activate(const trv_plugin* plugin, trv_bytes) {
  Plugin& p = self(plugin);
  p.call = static_cast<const trv_host_call*>(p.host->get_extension(p.host, TRV_EXT_CALL));
  p.serve = static_cast<const trv_host_serve*>(p.host->get_extension(p.host, TRV_EXT_SERVE));
  p.stream = static_cast<const trv_host_stream*>(p.host->get_extension(p.host, TRV_EXT_STREAM));
  p.stream_2 = static_cast<const trv_host_stream_2*>(p.host->get_extension(p.host, TRV_EXT_STREAM_2));
  return p.call != nullptr && p.serve != nullptr && p.stream != nullptr && p.stream_2 != nullptr ? 0 : 1;
}

void begin(Plugin& p, std::uint64_t call, std::uint64_t stream, const std::string& first, std::uint32_t status = 200,
           const char* header_name = "Content-Type") {
  const trv_header header{text(header_name), text("text/plain")};
  const trv_serve_response head{sizeof(trv_serve_response), status, 1, 0, &header, bytes(first)};
  p.stream->respond(p.host, call, stream, &head);
}

// What the room allows. The lock is held.
void go_on(Plugin& p, std::uint64_t stream, Open& open) {
  std::string part;
  while (open.left > 0 && open.room > 0) {
    const std::uint64_t size = std::min<std::uint64_t>({open.left, open.room, TRV_STREAM_PART_BYTES});
    part.assign(size, static_cast<char>('a' + open.left % 26));
    open.left -= size;
    open.room -= size;
    p.stream->write(p.host, open.call, stream, bytes(part));
  }
}

// Ends what is whole.
void go_on(Plugin& p, std::uint64_t stream) {
  std::uint64_t call = 0;
  {
    const std::lock_guard lock(p.mutex);
    const auto found = p.open.find(stream);
    if (found == p.open.end() || found->second.waits) return;
    go_on(p, stream, found->second);
    if (found->second.left > 0) return;
    call = found->second.call;
    p.open.erase(found);
  }
  p.stream->end(p.host, call, stream);
}

void fail(Plugin& p, std::uint64_t call, int code) {
  const trv_error error{sizeof(trv_error), code, TRV_RETRY_NEVER, 0, 0, text("it went wrong"), {}};
  p.call->fail(p.host, call, &error);
}

void respond(Plugin& p, std::uint64_t call, const std::string& body) {
  const trv_serve_response response{sizeof(trv_serve_response), 200, 0, 0, nullptr, bytes(body)};
  p.serve->respond(p.host, call, &response);
}

void note(Plugin& p, std::uint64_t stream, const Open& open) {
  const std::lock_guard lock(p.mutex);
  p.open[stream] = open;
}

// The body of a request that is against a rule. The answer to it is not looked at.
void upload_badly(Plugin& p, std::uint64_t call, std::uint64_t stream, const std::string& how) {
  const bool is_short = how == "longer";
  const trv_http_request request{sizeof(trv_http_request),
                                 0,
                                 nullptr,
                                 text("api"),
                                 text("PUT"),
                                 text("/"),
                                 how == "two-bodies" ? bytes("a") : trv_bytes{},
                                 0};
  const trv_upload upload{sizeof(trv_upload), 0, stream + 1, is_short ? 10 : TRV_LENGTH_UNKNOWN};
  p.stream_2->upload(p.host, call, how == "own-number" ? stream + 1 : stream, &request,
                     how == "none" ? nullptr : &upload);
  if (how == "twice") p.stream_2->upload(p.host, call, stream + 2, &request, &upload);
  const std::string part(how == "long-part" ? TRV_STREAM_PART_BYTES + 1 : TRV_STREAM_PART_BYTES, 'x');
  const int parts = how == "over-the-room" ? 1'000 : 1;
  for (int i = 0; i < parts; ++i) p.stream_2->write(p.host, call, stream + 1, bytes(part));
  if (how == "after-the-end") {
    p.stream_2->end(p.host, call, stream + 1);
    p.stream_2->write(p.host, call, stream + 1, bytes("more"));
  }
  note(p, stream, {.call = call, .waits = true});
}

// What the path says. Streams have numbers of their own.
void serve(const trv_plugin* plugin, const trv_serve_request* request) {
  Plugin& p = self(plugin);
  const std::uint64_t call = request->call_id;
  const std::uint64_t stream = call * 3;
  const std::string path(request->path.data, request->path.size);
  const std::string query(request->query.data, request->query.size);
  if (path == "/count") {
    note(p, stream, {.call = call, .left = std::strtoull(query.c_str(), nullptr, 10)});
    begin(p, call, stream, {});
    go_on(p, stream);
  } else if (path == "/endless") {
    note(p, stream, {.call = call, .left = ~std::uint64_t{0}});
    begin(p, call, stream, {});
    go_on(p, stream);
  } else if (path == "/steps") {
    note(p, stream, {.call = call, .waits = true});
    begin(p, call, stream, "one ");
  } else if (path == "/next") {
    const std::lock_guard lock(p.mutex);
    for (const auto& [waiting, open] : p.open) p.stream->write(p.host, open.call, waiting, bytes("two "));
    respond(p, call, {});
  } else if (path == "/finish") {
    const std::lock_guard lock(p.mutex);
    for (const auto& [waiting, open] : p.open) p.stream->end(p.host, open.call, waiting);
    p.open.clear();
    respond(p, call, {});
  } else if (path == "/seen") {
    const std::lock_guard lock(p.mutex);
    respond(p, call, std::to_string(p.ends) + " ended");
  } else if (path == "/over-the-room") {
    begin(p, call, stream, "a");
    // More than any client takes meanwhile.
    const std::string part(TRV_STREAM_PART_BYTES, 'x');
    for (int i = 0; i < 1'000; ++i) p.stream->write(p.host, call, stream, bytes(part));
  } else if (path == "/long-part") {
    begin(p, call, stream, {});
    p.stream->write(p.host, call, stream, bytes(std::string(10'000'000, 'x')));
  } else if (path == "/long-first") {
    begin(p, call, stream, std::string(TRV_STREAM_PART_BYTES + 1, 'x'));
  } else if (path == "/begun-twice") {
    begin(p, call, stream, "a");
    begin(p, call, stream + 1, "b");
  } else if (path == "/whole-after") {
    begin(p, call, stream, "a");
    respond(p, call, "whole");
  } else if (path == "/other-stream") {
    begin(p, call, stream, "a");
    p.stream->write(p.host, call, stream + 1, bytes("b"));
  } else if (path == "/before-the-head") {
    p.stream->write(p.host, call, stream, bytes("b"));
  } else if (path == "/ends-nothing") {
    p.stream->end(p.host, call, stream);
  } else if (path == "/cookie") {
    begin(p, call, stream, "a", 200, "Set-Cookie");
  } else if (path == "/no-body") {
    begin(p, call, stream, {}, 204);
  } else if (path == "/no-head") {
    p.stream->respond(p.host, call, stream, nullptr);
  } else if (path == "/after-the-end") {
    begin(p, call, stream, "a");
    p.stream->end(p.host, call, stream);
    p.stream->write(p.host, call, stream, bytes("b"));
    p.stream->end(p.host, call, stream);
  } else if (path.starts_with("/upload-")) {
    upload_badly(p, call, stream, path.substr(8));
  } else if (path.starts_with("/read-")) {
    p.stream_2->read(p.host, call, stream);
    if (path == "/read-twice") p.stream_2->read(p.host, call, stream + 1);
    if (path == "/read-greedily") p.stream_2->take(p.host, call, stream, ~std::uint64_t{0});
    note(p, stream, {.call = call, .waits = true});
  } else if (path == "/fails-midway") {
    begin(p, call, stream, "a");
    fail(p, call, TRV_ERROR_UNAVAILABLE);
  } else if (path == "/dies-midway") {
    begin(p, call, stream, "a");
    p.stream->write(p.host, call, stream, bytes("b"));
    std::abort();
  } else {
    fail(p, call, TRV_ERROR_NOT_FOUND);
  }
}

void on_room(const trv_plugin* plugin, std::uint64_t stream, std::uint64_t byte_count) {
  Plugin& p = self(plugin);
  {
    const std::lock_guard lock(p.mutex);
    const auto found = p.open.find(stream);
    if (found == p.open.end()) return;
    found->second.room += byte_count;
  }
  go_on(p, stream);
}

void on_stream_error(const trv_plugin* plugin, std::uint64_t stream, const trv_error*) {
  Plugin& p = self(plugin);
  const std::lock_guard lock(p.mutex);
  ++p.ends;
  if (const auto found = p.open.find(stream); found != p.open.end()) found->second.left = 0;
}

void cancel(const trv_plugin* plugin, std::uint64_t call) {
  Plugin& p = self(plugin);
  {
    const std::lock_guard lock(p.mutex);
    std::erase_if(p.open, [call](const auto& one) { return one.second.call == call; });
  }
  fail(p, call, TRV_ERROR_CANCELLED);
}

// The plugin reads no answers in parts.
const trv_plugin_stream plugin_stream{sizeof(trv_plugin_stream), [](const trv_plugin*, std::uint64_t, trv_bytes) {},
                                      [](const trv_plugin*, std::uint64_t) {}, on_stream_error, on_room};
const trv_plugin_serve plugin_serve{sizeof(trv_plugin_serve), serve};

const trv_factory factory{sizeof(trv_factory), [] { return std::uint32_t{1}; },
                          [](std::uint32_t index) -> const trv_descriptor* {
                            static const trv_descriptor descriptor{sizeof(trv_descriptor), text("tracker"),
                                                                   text(PLUGIN_VERSION)};
                            return index == 0 ? &descriptor : nullptr;
                          },
                          [](const trv_host* host, trv_string) -> const trv_plugin* {
                            auto* p = new Plugin;
                            p->host = host;
                            p->plugin = {sizeof(trv_plugin),
                                         p,
                                         activate,
                                         [](const trv_plugin* plugin, const trv_call* call) {
                                           Plugin& operations = self(plugin);
                                           begin(operations, call->call_id, call->call_id, "a");
                                         },
                                         cancel,
                                         [](const trv_plugin*) {},
                                         [](const trv_plugin* plugin) { delete &self(plugin); },
                                         [](const trv_plugin*, const char* id) -> const void* {
                                           if (std::strcmp(id, TRV_EXT_SERVE) == 0) return &plugin_serve;
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
