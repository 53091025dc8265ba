// A plugin whose operations are the cases that a host must bear. Written against the C headers alone.

#include "sdk/abi/plugin.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sdk/abi/ext/call.h"
#include "sdk/abi/ext/event.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/ext/log.h"
#include "sdk/abi/ext/secret.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/ext/timer.h"

#ifndef ENTRY_NAME
#define ENTRY_NAME trv_entry_v1
#endif
#ifndef ENTRY_ABI_MAJOR
#define ENTRY_ABI_MAJOR TRV_ABI_MAJOR
#endif
#ifndef PLUGIN_ID
#define PLUGIN_ID "tracker"
#endif
#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.2.3"
#endif
#ifndef FACTORY_ID
#define FACTORY_ID TRV_FACTORY_ID
#endif
#ifndef INIT_CODE
#define INIT_CODE 0
#endif
#ifndef INIT_ACTION
#define INIT_ACTION do_nothing
#endif
#ifndef ACTIVATE_ACTION
#define ACTIVATE_ACTION do_nothing
#endif

namespace {

[[maybe_unused]] void do_nothing() {}
[[maybe_unused]] void hang() {
  std::this_thread::sleep_for(std::chrono::hours(1));
}
[[maybe_unused]] void exit_at_once() {
  std::exit(0);
}

trv_string text(const char* value) {
  return {value, std::strlen(value)};
}
trv_bytes bytes(const std::string& value) {
  return {reinterpret_cast<const std::uint8_t*>(value.data()), value.size()};
}
std::string copy(trv_string value) {
  return {value.data, static_cast<std::size_t>(value.size)};
}
std::string copy(trv_bytes value) {
  return {reinterpret_cast<const char*>(value.data), static_cast<std::size_t>(value.size)};
}

struct Plugin {
  trv_plugin plugin{};
  const trv_host* host = nullptr;
  const trv_host_call* call = nullptr;
  const trv_host_log* log = nullptr;
  const trv_host_http* http = nullptr;
  const trv_host_timer* timer = nullptr;
  const trv_host_kv* kv = nullptr;
  const trv_host_secret* secret = nullptr;
  const trv_host_event* event = nullptr;
  const trv_host_serve* serve = nullptr;
  std::mutex mutex;
  std::string configuration;
  std::map<std::uint64_t, std::string> waiting;     // open calls by id, with their operation
  std::map<std::uint64_t, std::uint64_t> requests;  // request id to call id
  std::vector<std::thread> threads;
  std::atomic<int> inside = 0;
};

Plugin& self(const trv_plugin* plugin) {
  return *static_cast<Plugin*>(plugin->instance);
}

// Until the stack has no room.
[[gnu::noinline]] int recurse(int depth) {
  volatile char room[4096];
  room[0] = static_cast<char>(depth);
  return depth > 0 ? recurse(depth + 1) + room[0] : 0;
}

void fail(Plugin& p, std::uint64_t id, int code, const char* message) {
  const std::string detail = R"({"field":"title"})";
  const trv_error error{sizeof(trv_error), code, TRV_RETRY_SAFE, 429, 1500, text(message), bytes(detail)};
  p.call->fail(p.host, id, &error);
}

std::int32_t activate(const trv_plugin* plugin, trv_bytes config) {
  ACTIVATE_ACTION();
  Plugin& p = self(plugin);
  p.call = static_cast<const trv_host_call*>(p.host->get_extension(p.host, TRV_EXT_CALL));
  p.log = static_cast<const trv_host_log*>(p.host->get_extension(p.host, TRV_EXT_LOG));
  p.http = static_cast<const trv_host_http*>(p.host->get_extension(p.host, TRV_EXT_HTTP));
  p.timer = static_cast<const trv_host_timer*>(p.host->get_extension(p.host, TRV_EXT_TIMER));
  p.kv = static_cast<const trv_host_kv*>(p.host->get_extension(p.host, TRV_EXT_KV));
  p.secret = static_cast<const trv_host_secret*>(p.host->get_extension(p.host, TRV_EXT_SECRET));
  p.event = static_cast<const trv_host_event*>(p.host->get_extension(p.host, TRV_EXT_EVENT));
  p.serve = static_cast<const trv_host_serve*>(p.host->get_extension(p.host, TRV_EXT_SERVE));
  if (p.kv == nullptr || p.secret == nullptr || p.event == nullptr || p.serve == nullptr) return 1;
  if (p.call == nullptr || p.log == nullptr || p.http == nullptr || p.timer == nullptr) return 1;
  if (p.host->get_extension(p.host, "trv.unknown/1") != nullptr) return 2;
  p.configuration = copy(config);
  if (p.configuration.find("refuse") != std::string::npos) {
    const trv_error error{sizeof(trv_error), TRV_ERROR_INVALID, 0, 0, 0, text("the configuration says refuse"), {}};
    p.host->fail_activation(p.host, &error);
    return 3;
  }
  return 0;
}

void send(Plugin& p, std::uint64_t call_id, std::uint64_t request_id, const std::string& connection, const char* method,
          const char* path) {
  {
    const std::lock_guard lock(p.mutex);
    p.requests[request_id] = call_id;
  }
  const trv_header header{text("Accept"), text("application/json")};
  const trv_http_request request{
      sizeof(trv_http_request), 1, &header, {connection.data(), connection.size()}, text(method), text(path), {}, 0};
  p.http->send(p.host, call_id, request_id, &request);
}

void keep_again(Plugin& p, std::uint64_t call_id, std::uint64_t request_id) {
  {
    const std::lock_guard lock(p.mutex);
    p.requests[request_id] = call_id;
  }
  p.kv->put(p.host, call_id, request_id, text("cursor"), bytes(std::to_string(request_id)), TRV_KV_ANY);
}

void invoke(const trv_plugin* plugin, const trv_call* call) {
  Plugin& p = self(plugin);
  const std::uint64_t id = call->call_id;
  const auto is = [call](const char* name) {
    return call->operation.size == 4 && std::memcmp(call->operation.data, name, 4) == 0;
  };
  if (is("echo") || is("call")) {
    p.call->complete(p.host, id, call->input);
    return;
  }
  const std::string operation = copy(call->operation);
  const bool alone = p.inside.fetch_add(1) == 0;
  if (operation == "describe") {
    const std::string out = "{\"tenant\":\"" + copy(call->tenant) + "\",\"connection\":\"" + copy(call->connection) +
                            "\",\"key\":\"" + copy(call->idempotency_key) + "\",\"trace\":\"" +
                            copy(call->traceparent) + "\",\"attempt\":" + std::to_string(call->attempt) +
                            ",\"timeout\":" + std::to_string(call->timeout_ms) + "}";
    p.call->complete(p.host, id, bytes(out));
  } else if (operation == "about") {
    p.call->complete(
        p.host, id,
        bytes(std::string(R"({"version":")" PLUGIN_VERSION R"(","configuration":)") + p.configuration + "}"));
  } else if (operation == "serial") {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    p.call->complete(p.host, id, bytes(alone ? "true" : "false"));
  } else if (operation == "fail") {
    fail(p, id, TRV_ERROR_EXHAUSTED, "slow\ndown");
  } else if (operation == "bad-error") {
    p.call->fail(p.host, id, nullptr);
  } else if (operation == "later") {
    p.threads.emplace_back([&p, id] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      p.call->complete(p.host, id, bytes("\"later\""));
    });
  } else if (operation == "too-late") {
    p.threads.emplace_back([&p, id] {
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
      p.call->complete(p.host, id, bytes("\"too late\""));
    });
  } else if (operation == "twice") {
    p.call->complete(p.host, id, bytes("1"));
    p.call->complete(p.host, id, bytes("2"));
    fail(p, id, TRV_ERROR_INTERNAL, "three");
  } else if (operation == "never" || operation == "deaf") {
    const std::lock_guard lock(p.mutex);
    p.waiting[id] = operation;
  } else if (operation == "never-slowly") {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const std::lock_guard lock(p.mutex);
    p.waiting[id] = operation;
  } else if (operation == "hang") {
    std::this_thread::sleep_for(std::chrono::milliseconds(1'000));
    p.call->complete(p.host, id, bytes("null"));
  } else if (operation == "hang-long") {
    std::this_thread::sleep_for(std::chrono::milliseconds(3500));
    p.call->complete(p.host, id, bytes("null"));
    p.log->write(p.host, TRV_LOG_INFO, id, text("awake"));
    send(p, id, id * 10, "api", "GET", "/");
  } else if (operation == "not-json") {
    p.call->complete(p.host, id, bytes("{\"a\":"));
  } else if (operation == "nothing") {
    p.call->complete(p.host, id, {nullptr, 0});
  } else if (operation == "huge") {
    p.call->complete(p.host, id, bytes("\"" + std::string(1'000'000, 'x') + "\""));
  } else if (operation == "log") {
    p.log->write(p.host, TRV_LOG_WARNING, id, text("one\ntwo\x1b[31m \xff \xc3\xa9"));
    const std::string longer(10'000, 'y');
    p.log->write(p.host, 99, 0, {longer.data(), longer.size()});
    p.call->complete(p.host, id, bytes("null"));
  } else if (operation == "fetch") {
    send(p, id, id * 10, copy(call->connection), "GET", "/items?q=1");
  } else if (operation == "post-thrice") {
    send(p, id, id * 10 + 1, copy(call->connection), "POST", "/one");
  } else if (operation == "wait") {
    p.timer->set(p.host, id, id * 1'000, 50);
  } else if (operation == "wait-100-times") {
    for (std::uint64_t i = 0; i < 100; ++i) p.timer->set(p.host, id, id * 1'000 + i, 60'000);
  } else if (operation == "keep") {
    p.kv->put(p.host, id, id, text("cursor"), call->input, TRV_KV_ANY);
  } else if (operation == "keep-first") {
    p.kv->put(p.host, id, id, text("cursor"), call->input, TRV_KV_ABSENT);
  } else if (operation == "keep-large") {
    const std::string large = "\"" + std::string(2'000'000, 'x') + "\"";
    p.kv->put(p.host, id, id, text("cursor"), bytes(large), TRV_KV_ANY);
  } else if (operation == "keep-for-ever") {
    keep_again(p, id, id * 10'000);
  } else if (operation == "kept") {
    p.kv->get(p.host, id, id, text("cursor"));
  } else if (operation == "kept-badly") {
    p.kv->get(p.host, id, id, text("cur\nsor"));
  } else if (operation == "kept-all") {
    p.kv->list(p.host, id, id, {nullptr, 0}, {nullptr, 0}, 1);
  } else if (operation == "sign") {
    p.secret->sign(p.host, id, id, text("vault"), TRV_SIGNATURE_HMAC_SHA256, call->input);
  } else if (operation == "sign-oddly") {
    p.secret->sign(p.host, id, id, text("vault"), 99, call->input);
  } else if (operation == "emit" || operation == "emit-foreign") {
    const char* type = operation == "emit" ? "com." PLUGIN_ID ".made" : "com.other.made";
    const trv_event event{sizeof(trv_event), 0, text(type), text("subject"), call->input};
    p.event->emit(p.host, id, id, &event);
  } else if (operation == "respond") {
    const trv_serve_response response{sizeof(trv_serve_response), 200, 0, 0, nullptr, {}};
    p.serve->respond(p.host, id, &response);
  } else if (operation == "forget") {
    p.kv->erase(p.host, id, id, text("cursor"), TRV_KV_ANY);
  } else if (operation == "brittle") {
    if (copy(call->input).find("\xf0\x9f\x98\x80") != std::string::npos) std::abort();
    p.call->complete(p.host, id, call->input);
  } else if (operation == "die") {
    std::abort();
  } else if (operation == "recurse") {
    p.call->complete(p.host, id, bytes(std::to_string(recurse(1))));
  } else if (operation == "fail-200-times") {
    send(p, id, id * 1'000, copy(call->connection), "GET", "/");
  } else if (operation == "escape") {
    send(p, id, id * 10, copy(call->connection), "GET", "/../admin");
  } else {
    fail(p, id, TRV_ERROR_NOT_FOUND, "no such operation");
  }
  p.inside.fetch_sub(1);
}

void cancel(const trv_plugin* plugin, std::uint64_t id) {
  Plugin& p = self(plugin);
  {
    const std::lock_guard lock(p.mutex);
    const auto found = p.waiting.find(id);
    if (found == p.waiting.end() || found->second == "deaf") return;
    p.waiting.erase(found);
  }
  fail(p, id, TRV_ERROR_CANCELLED, "cancelled");
}

std::uint64_t take_request(Plugin& p, std::uint64_t request_id) {
  const std::lock_guard lock(p.mutex);
  const auto found = p.requests.find(request_id);
  if (found == p.requests.end()) return 0;
  const std::uint64_t id = found->second;
  p.requests.erase(found);
  return id;
}

void on_response(const trv_plugin* plugin, std::uint64_t request_id, const trv_http_response* response) {
  Plugin& p = self(plugin);
  const std::uint64_t id = take_request(p, request_id);
  const std::uint64_t step = request_id % 10;
  if (step == 1 || step == 2) return send(p, id, request_id + 1, "api", "POST", step == 1 ? "/two" : "/three");
  const std::string out = "{\"status\":" + std::to_string(response->status) + ",\"body\":\"" + copy(response->body) +
                          "\",\"headers\":" + std::to_string(response->header_count) + "}";
  p.call->complete(p.host, id, bytes(out));
}

void on_error(const trv_plugin* plugin, std::uint64_t request_id, const trv_error* error) {
  Plugin& p = self(plugin);
  const std::uint64_t id = take_request(p, request_id);
  if (request_id / 1'000 == id && request_id % 1'000 < 199 && error->code != TRV_ERROR_EXHAUSTED) {
    return send(p, id, request_id + 1, "missing", "GET", "/");
  }
  p.call->fail(p.host, id, error);
}

void on_time(const trv_plugin* plugin, std::uint64_t timer_id) {
  Plugin& p = self(plugin);
  p.call->complete(p.host, timer_id / 1'000, bytes(std::to_string(timer_id % 1'000)));
}

void respond(Plugin& p, std::uint64_t id, std::uint32_t status, const char* name, const char* value,
             const std::string& body);

// [[key, value, revision], …], and whether there is more.
void on_answer(const trv_plugin* plugin, std::uint64_t request_id, const trv_kv_answer* answer) {
  Plugin& p = self(plugin);
  if (const std::uint64_t id = take_request(p, request_id)) return keep_again(p, id, request_id + 1);
  std::string out = "[";
  for (std::uint32_t i = 0; i < answer->entry_count; ++i) {
    const trv_kv_entry& entry = answer->entries[i];
    out += "[\"" + copy(entry.key) + "\"," + (entry.value.size == 0 ? "null" : copy(entry.value)) + "," +
           std::to_string(entry.revision) + "],";
  }
  out += answer->has_more != 0 ? "true]" : "false]";
  {
    const std::lock_guard lock(p.mutex);
    if (p.waiting.erase(request_id) == 0) return p.call->complete(p.host, request_id, bytes(out));
  }
  respond(p, request_id, 200, "Content-Type", "application/json", out);
}

void on_refusal(const trv_plugin* plugin, std::uint64_t request_id, const trv_error* error) {
  Plugin& p = self(plugin);
  const std::uint64_t id = take_request(p, request_id);
  p.call->fail(p.host, id == 0 ? request_id : id, error);
}

const trv_plugin_secret plugin_secret{sizeof(trv_plugin_secret),
                                      [](const trv_plugin* plugin, std::uint64_t request_id, trv_bytes signature) {
                                        Plugin& p = self(plugin);
                                        std::string hex = "\"";
                                        for (std::uint64_t i = 0; i < signature.size; ++i) {
                                          hex += "0123456789abcdef"[signature.data[i] >> 4];
                                          hex += "0123456789abcdef"[signature.data[i] & 15];
                                        }
                                        p.call->complete(p.host, request_id, bytes(hex + "\""));
                                      },
                                      on_refusal};
const trv_plugin_event plugin_event{sizeof(trv_plugin_event),
                                    [](const trv_plugin* plugin, std::uint64_t request_id, trv_string id) {
                                      Plugin& p = self(plugin);
                                      p.call->complete(p.host, request_id, bytes("\"" + copy(id) + "\""));
                                    },
                                    on_refusal};
const trv_plugin_kv plugin_kv{sizeof(trv_plugin_kv), on_answer, on_refusal};
void respond(Plugin& p, std::uint64_t id, std::uint32_t status, const char* name, const char* value,
             const std::string& body) {
  const trv_header header{text(name), text(value)};
  const trv_serve_response response{sizeof(trv_serve_response), status, 1, 0, &header, bytes(body)};
  p.serve->respond(p.host, id, &response);
}

// What the path says.
void serve(const trv_plugin* plugin, const trv_serve_request* request) {
  Plugin& p = self(plugin);
  const std::uint64_t id = request->call_id;
  const std::string path = copy(request->path);
  if (path == "/echo") {
    std::string out = copy(request->method) + " " + path + "?" + copy(request->query) + "\n" + copy(request->tenant) +
                      " " + copy(request->principal) + " " + copy(request->principal_name) + " " + copy(request->role) +
                      "\n" + copy(request->idempotency_key) + "\n";
    for (std::uint32_t i = 0; i < request->header_count; ++i) {
      out += copy(request->headers[i].name) + ": " + copy(request->headers[i].value) + "\n";
    }
    respond(p, id, 200, "Content-Type", "text/plain", out + "\n" + copy(request->body));
  } else if (path == "/made") {
    respond(p, id, 201, "ETag", "\"7\"", "made");
  } else if (path == "/cookie") {
    respond(p, id, 200, "Set-Cookie", "a=b", "");
  } else if (path == "/two-lines") {
    respond(p, id, 200, "ETag", "a\r\nSet-Cookie: b", "");
  } else if (path == "/status-of-a-stranger") {
    respond(p, id, 101, "Content-Type", "text/plain", "");
  } else if (path == "/full") {
    respond(p, id, 200, "Content-Type", "application/octet-stream", std::string(1'000'000, '\xff'));
  } else if (path == "/too-full") {
    respond(p, id, 200, "Content-Type", "text/plain", std::string(10'000'000, 'x'));
  } else if (path == "/many-headers") {
    const trv_header header{text("etag"), text("1")};
    const std::vector<trv_header> headers(100'000, header);
    const trv_serve_response response{sizeof(trv_serve_response), 200, 100'000, 0, headers.data(), {}};
    p.serve->respond(p.host, id, &response);
  } else if (path == "/nothing") {
    p.serve->respond(p.host, id, nullptr);
  } else if (path == "/twice") {
    respond(p, id, 200, "Content-Type", "text/plain", "one");
    respond(p, id, 200, "Content-Type", "text/plain", "two");
    p.call->complete(p.host, id, bytes("3"));
  } else if (path == "/as-an-operation") {
    p.call->complete(p.host, id, bytes("3"));
  } else if (path == "/gone") {
    fail(p, id, TRV_ERROR_NOT_FOUND, "there is no such thing");
  } else if (path == "/never" || path == "/deaf") {
    const std::lock_guard lock(p.mutex);
    p.waiting[id] = path.substr(1);
  } else if (path == "/kept") {
    p.kv->get(p.host, id, id, text("cursor"));
    const std::lock_guard lock(p.mutex);
    p.waiting[id] = "kept over HTTP";
  } else if (path == "/hang") {
    std::this_thread::sleep_for(std::chrono::hours(1));
  } else if (path == "/die") {
    std::abort();
  } else {
    respond(p, id, 404, "Content-Type", "text/plain", "not here");
  }
}

const trv_plugin_serve plugin_serve{sizeof(trv_plugin_serve), serve};
const trv_plugin_timer plugin_timer{sizeof(trv_plugin_timer), on_time};
const trv_plugin_http plugin_http{sizeof(trv_plugin_http), on_response, on_error};

const trv_factory factory{sizeof(trv_factory), [] { return std::uint32_t{1}; },
                          [](std::uint32_t index) -> const trv_descriptor* {
                            static const trv_descriptor descriptor{sizeof(trv_descriptor), text(PLUGIN_ID),
                                                                   text(PLUGIN_VERSION)};
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
                                         [](const trv_plugin* plugin) {
                                           for (std::thread& thread : self(plugin).threads) thread.join();
                                           self(plugin).threads.clear();
                                         },
                                         [](const trv_plugin* plugin) { delete &self(plugin); },
                                         [](const trv_plugin*, const char* id) -> const void* {
                                           if (std::strcmp(id, TRV_EXT_TIMER) == 0) return &plugin_timer;
                                           if (std::strcmp(id, TRV_EXT_SERVE) == 0) return &plugin_serve;
                                           if (std::strcmp(id, TRV_EXT_KV) == 0) return &plugin_kv;
                                           if (std::strcmp(id, TRV_EXT_SECRET) == 0) return &plugin_secret;
                                           if (std::strcmp(id, TRV_EXT_EVENT) == 0) return &plugin_event;
                                           return std::strcmp(id, TRV_EXT_HTTP) == 0 ? &plugin_http : nullptr;
                                         }};
                            return &p->plugin;
                          }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const trv_entry ENTRY_NAME = {
    sizeof(trv_entry),
    ENTRY_ABI_MAJOR,
    TRV_ABI_MINOR,
    [] { return INIT_ACTION(), std::int32_t{INIT_CODE}; },
    [] {},
    [](const char* id) -> const void* { return std::strcmp(id, FACTORY_ID) == 0 ? &factory : nullptr; }};
