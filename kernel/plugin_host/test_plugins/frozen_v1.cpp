// A library of plugin ABI 1.0 that does not include its headers: it declares every struct as it was in 1.0, so that
// what a later header says cannot change it. LATER_BYTES makes each struct larger, as one of a later minor version;
// SMALL_x makes the struct x say that it is smaller.

#include <cstdint>
#include <cstring>
#include <string>

#ifndef LATER_BYTES
#define LATER_BYTES 0
#endif
#ifndef ABI_MINOR
#define ABI_MINOR 0
#endif
#ifndef SMALL_entry
#define SMALL_entry 0
#endif
#ifndef SMALL_factory
#define SMALL_factory 0
#endif
#ifndef SMALL_descriptor
#define SMALL_descriptor 0
#endif
#ifndef SMALL_plugin
#define SMALL_plugin 0
#endif
#ifndef SMALL_plugin_http
#define SMALL_plugin_http 0
#endif

namespace {

struct Text {
  const char* data;
  std::uint64_t size;
};
struct Header {
  Text name;
  Text value;
};
struct Error {
  std::uint32_t struct_size;
  std::int32_t code;
  std::int32_t retry;
  std::int32_t status;
  std::uint64_t retry_after_ms;
  Text message;
  Text detail;
};
struct Host {
  std::uint32_t struct_size;
  std::uint16_t abi_major;
  std::uint16_t abi_minor;
  void* context;
  const void* (*get_extension)(const Host*, const char*);
  void (*fail_activation)(const Host*, const Error*);
};
struct HostCall {
  std::uint32_t struct_size;
  void (*complete)(const Host*, std::uint64_t, Text);
  void (*fail)(const Host*, std::uint64_t, const Error*);
};
struct HttpRequest {
  std::uint32_t struct_size;
  std::uint32_t header_count;
  const Header* headers;
  Text connection;
  Text method;
  Text path;
  Text body;
  std::uint64_t timeout_ms;
};
struct HttpResponse {
  std::uint32_t struct_size;
  std::uint32_t status;
  std::uint32_t header_count;
  std::uint32_t reserved;
  const Header* headers;
  Text body;
};
struct HostHttp {
  std::uint32_t struct_size;
  void (*send)(const Host*, std::uint64_t, std::uint64_t, const HttpRequest*);
};
struct Call {
  std::uint32_t struct_size;
  std::uint32_t attempt;
  std::uint64_t call_id;
  Text operation;
  Text tenant;
  Text connection;
  Text idempotency_key;
  Text traceparent;
  std::uint64_t timeout_ms;
  Text input;
};
struct Plugin {
  std::uint32_t struct_size;
  void* instance;
  std::int32_t (*activate)(const Plugin*, Text);
  void (*invoke)(const Plugin*, const Call*);
  void (*cancel)(const Plugin*, std::uint64_t);
  void (*deactivate)(const Plugin*);
  void (*destroy)(const Plugin*);
  const void* (*get_extension)(const Plugin*, const char*);
};
struct PluginHttp {
  std::uint32_t struct_size;
  void (*on_response)(const Plugin*, std::uint64_t, const HttpResponse*);
  void (*on_error)(const Plugin*, std::uint64_t, const Error*);
};
struct Descriptor {
  std::uint32_t struct_size;
  Text id;
  Text version;
};
struct Factory {
  std::uint32_t struct_size;
  std::uint32_t (*count)();
  const Descriptor* (*describe)(std::uint32_t);
  const Plugin* (*create)(const Host*, Text);
};
struct Entry {
  std::uint32_t struct_size;
  std::uint16_t abi_major;
  std::uint16_t abi_minor;
  std::int32_t (*init)();
  void (*deinit)();
  const void* (*get_factory)(const char*);
};

/// What a later minor version adds: never null, and nothing that a host of today could use.
template <typename T>
struct Stored {
  T known;
  unsigned char later[LATER_BYTES + 1];
  static constexpr std::uint32_t size = sizeof(T) + LATER_BYTES;
};

struct Instance {
  Stored<Plugin> plugin;
  const Host* host;
  const HostCall* call;
  const HostHttp* http;
  std::uint64_t waiting;
};

Instance& of(const Plugin* plugin) {
  return *static_cast<Instance*>(plugin->instance);
}
Text text(const char* value) {
  return {value, std::strlen(value)};
}

std::int32_t activate(const Plugin* plugin, Text) {
  Instance& self = of(plugin);
  self.call = static_cast<const HostCall*>(self.host->get_extension(self.host, "trv.call/1"));
  self.http = static_cast<const HostHttp*>(self.host->get_extension(self.host, "trv.http/1"));
  return self.call != nullptr && self.http != nullptr ? 0 : 1;
}

void invoke(const Plugin* plugin, const Call* call) {
  Instance& self = of(plugin);
  const std::string operation(call->operation.data, call->operation.size);
  if (operation == "fetch") {
    self.waiting = call->call_id;
    Stored<HttpRequest> request{
        {Stored<HttpRequest>::size, 0, nullptr, call->connection, text("GET"), text("/frozen"), Text{}, 0}, {0xee}};
    return self.http->send(self.host, call->call_id, 1, &request.known);
  }
  if (operation == "fail") {
    Stored<Error> error{{Stored<Error>::size, 1, 0, 0, 0, text("frozen"), Text{}}, {0xee}};
    return self.call->fail(self.host, call->call_id, &error.known);
  }
  self.call->complete(self.host, call->call_id, call->input);
}

void on_response(const Plugin* plugin, std::uint64_t, const HttpResponse* response) {
  Instance& self = of(plugin);
  const std::string output = "\"" + std::string(response->body.data, response->body.size) + "\"";
  self.call->complete(self.host, self.waiting, {output.data(), output.size()});
}
void on_error(const Plugin* plugin, std::uint64_t, const Error* error) {
  of(plugin).call->fail(of(plugin).host, of(plugin).waiting, error);
}

const Stored<PluginHttp> plugin_http{{Stored<PluginHttp>::size - SMALL_plugin_http, on_response, on_error}, {0xee}};
const Stored<Descriptor> descriptor{{Stored<Descriptor>::size - SMALL_descriptor, {"tracker", 7}, {"1.2.3", 5}},
                                    {0xee}};

const Plugin* create(const Host* host, Text) {
  if (host->struct_size < 32 || host->abi_major != 1) return nullptr;
  auto* self = new Instance{};
  // A host cannot destroy an instance that is smaller than it should be; this keeps it from counting as a leak.
  [[maybe_unused]] static const Instance* volatile last;
  last = self;
  self->host = host;
  self->plugin.known = {Stored<Plugin>::size - SMALL_plugin,
                        self,
                        activate,
                        invoke,
                        [](const Plugin*, std::uint64_t) {},
                        [](const Plugin*) {},
                        [](const Plugin* plugin) { delete &of(plugin); },
                        [](const Plugin*, const char* id) -> const void* {
                          return std::strcmp(id, "trv.http/1") == 0 ? &plugin_http : nullptr;
                        }};
  return &self->plugin.known;
}

const Stored<Factory> factory{{Stored<Factory>::size - SMALL_factory, [] { return std::uint32_t{1}; },
                               [](std::uint32_t index) { return index == 0 ? &descriptor.known : nullptr; }, create},
                              {0xee}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const Stored<Entry> trv_entry_v1 = {
    {Stored<Entry>::size - SMALL_entry, 1, ABI_MINOR, [] { return std::int32_t{0}; }, [] {},
     [](const char* id) -> const void* { return std::strcmp(id, "trv.factory/1") == 0 ? &factory : nullptr; }},
    {0xee}};
