// HTTP that plugins serve to the clients of their tenant: trv.serve/1.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/at_owner.hpp"
#include "kernel/gateway/routes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using plugin_host::OperationError;
using plugin_host::WebCall;
using plugin_host::WebOutcome;
using plugin_host::WebRequest;
using plugin_host::WebResponse;

constexpr std::size_t key_bytes_max = 200;
constexpr std::size_t segments_before = 6;  // of "/v1/tenants/{tenant}/plugins/{id}/serve"

/// What follows the prefix, as it came.
std::string path_below(std::string_view path) {
  std::size_t at = 0;
  for (std::size_t i = 0; i <= segments_before && at != std::string_view::npos; ++i) {
    at = path.find('/', i == 0 ? 0 : at + 1);
  }
  return at == std::string_view::npos ? "/" : std::string(path.substr(at));
}

std::string query_of(const http::Request& request) {
  const std::string_view raw = request.target().raw();
  const std::size_t mark = raw.find('?');
  return mark == std::string_view::npos ? std::string() : std::string(raw.substr(mark + 1));
}

Result<WebRequest> request_of(const Call& call) {
  const http::Request& request = call.request();
  WebRequest web{.principal = call.actor(),
                 .principal_name = call.principal.name,
                 .role = std::string(tenancy::to_string(call.principal.role)),
                 .method = std::string(request.method()),
                 .path = path_below(request.path()),
                 .query = query_of(request),
                 .headers = {},
                 .body = std::string(request.body())};
  if (!base::is_utf8(web.query)) return fail(ErrorCode::invalid, "the query is not UTF-8; write %xy for other bytes");
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const http::Field field = request.header_at(i);
    std::string name = base::lower(field.name);
    if (!plugin_host::passes_to_plugin(name) || name == "x-request-id" || !base::is_utf8(field.value)) continue;
    web.headers.push_back({std::move(name), std::string(field.value)});
  }
  web.headers.push_back({"x-request-id", std::string(request.id())});
  return web;
}

/// The same for all requests of a client with one Idempotency-Key, so that they emit and send the same once.
Result<std::string> key_of(const Call& call) {
  const auto given = call.request().header("Idempotency-Key");
  if (!given) return "serve/" + call.shard.new_id().to_string();
  if (given->empty() || given->size() > key_bytes_max) {
    return fail(ErrorCode::invalid,
                fmt::format("Idempotency-Key has {} bytes; it must be 1 to {}", given->size(), key_bytes_max));
  }
  return fmt::format("serve/{}/{}", call.principal.id,
                     base::to_hex(base::sha256(base::as_bytes(*given))).substr(0, 32));
}

/// Where a request goes: the current version, as workflows that name none.
Result<WebCall> call_of(const Call& call) {
  WebCall web;
  web.tenant = call.tenant;
  web.plugin = call.request().parameter("id");
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  TRV_TRY_ASSIGN(const auto grant, call.shard.tenancy().grant(txn, call.tenant, web.plugin));
  if (!grant) {
    return fail(ErrorCode::not_found, fmt::format("plugin '{}' is not enabled for tenant '{}'",
                                                  base::utf8_prefix(web.plugin, 63), call.tenant.value()));
  }
  if (grant->quarantine) return base::fail(tenancy::in_quarantine(call.tenant, *grant));
  web.version = grant->version;
  TRV_TRY_ASSIGN(auto configuration, call.shard.tenancy().configuration(txn, call.tenant, web.plugin, web.version));
  if (configuration) web.configuration = std::move(configuration->json);
  TRV_TRY_ASSIGN(web.idempotency_key, key_of(call));
  web.traceparent = traceparent_of(call.request());
  TRV_TRY_ASSIGN(web.request, request_of(call));
  return web;
}

/// What no plugin decides: a page that it answers runs no scripts, is not framed, and sets nothing in a browser.
http::Response guarded_answer(http::Response response) {
  const auto is_caching = [](const auto& header) { return header.first == "cache-control"; };
  if (std::ranges::none_of(response.headers, is_caching)) {
    response.headers.emplace_back("Cache-Control", "private, no-store");
  }
  return std::move(response)
      .with("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
      .with("X-Content-Type-Options", "nosniff")
      .with("Referrer-Policy", "no-referrer")
      .with("Cross-Origin-Resource-Policy", "same-origin");
}

http::Response answer_of(WebResponse web) {
  http::Response response;
  response.status = static_cast<int>(web.status);
  if (!web.body.empty()) response.content_type = "application/octet-stream";
  for (egress::Header& header : web.headers) {
    if (header.name == "content-type") {
      response.content_type = std::move(header.value);
    } else {
      response.headers.emplace_back(std::move(header.name), std::move(header.value));
    }
  }
  response.body = std::move(web.body);
  return response;
}

/// A failure of the plugin is one of the server behind this one (RFC 9110 §15.6.3), whatever the client did.
http::Response problem_of(const OperationError& error) {
  const std::string_view code = base::to_string(error.code);
  switch (error.code) {
    case ErrorCode::internal:
    case ErrorCode::corrupt:
    case ErrorCode::unauthenticated: return http::problem(502, code, error.message);
    case ErrorCode::timeout: return http::problem(504, code, error.message);
    default: {
      const auto seconds = (std::min<std::uint64_t>(error.retry_after_ms, 86'400'000) + 999) / 1'000;
      return http::problem_of({error.code, error.message}, std::max(1, static_cast<int>(seconds)));
    }
  }
}

/// Cancels a call whose client has gone, whichever is known first.
class Departure {
 public:
  void gone() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(has_gone_, true)) return;
    plugin_host::PluginHost::cancel(call_);
  }
  void began(plugin_host::CallHandle call) {
    const std::lock_guard lock(mutex_);
    call_ = std::move(call);
    if (has_gone_) plugin_host::PluginHost::cancel(call_);
  }

 private:
  std::mutex mutex_;
  plugin_host::CallHandle call_;
  bool has_gone_ = false;
};

/// The body of a client's request, as its connection reads it.
class ClientBody final : public plugin_host::BodySource {
 public:
  explicit ClientBody(std::shared_ptr<http::RequestBody> body) : body_(std::move(body)) {}

  void read(std::shared_ptr<plugin_host::BodyReader> reader) override {
    body_->read([reader](std::string_view part) { reader->part(part); },
                [reader](base::Status status) { reader->end(std::move(status)); });
  }
  void take(std::uint64_t byte_count) override { body_->take(byte_count); }
  void drop() override { body_->drop(); }

 private:
  const std::shared_ptr<http::RequestBody> body_;
};

/// A client and its answer: whole, or in parts where the plugin chooses so.
class Client final : public plugin_host::PartReceiver {
 public:
  Client(http::Responder responder, std::shared_ptr<Departure> departure)
      : departure_(std::move(departure)), responder_(std::move(responder)) {
    responder_.when_gone([departure = departure_] { departure->gone(); });
  }

  void begin(WebResponse head, Taken taken) override {
    const std::string first = std::exchange(head.body, {});
    http::Response response = answer_of(std::move(head));
    if (response.content_type.empty()) response.content_type = "application/octet-stream";
    {
      const std::lock_guard lock(mutex_);
      if (!responder_.pending()) return;
      stream_.emplace(responder_.parts(guarded_answer(std::move(response))));
      stream_->on_sent(std::move(taken));
      stream_->write(first);
    }
    // Not under the lock: where the client has gone already the call may end in here.
    stream_->on_over([departure = departure_] { departure->gone(); });
  }
  void part(std::string_view part) override {
    const std::lock_guard lock(mutex_);
    if (stream_) stream_->write(part);
  }
  void ended(WebOutcome outcome) {
    const std::lock_guard lock(mutex_);
    if (stream_) return outcome ? stream_->close() : stream_->cut();
    responder_.send(guarded_answer(outcome ? answer_of(*std::move(outcome)) : problem_of(outcome.error())));
  }

 private:
  const std::shared_ptr<Departure> departure_;
  std::mutex mutex_;
  http::Responder responder_;
  std::optional<http::PartStream> stream_;
};

bool takes_parts(const plugin_host::PluginHost& plugins, std::string_view plugin, std::string_view version) {
  const auto manifest = plugins.manifest(plugin, version);
  return manifest && (*manifest)->bodies == package::Bodies::in_parts;
}

/// Whether the body of a request is read in parts: where its plugin does so, or another node has to know.
bool comes_in_parts(const node::Node& node, const plugin_host::PluginHost& plugins, const http::Request& request) {
  // A read may be made again where the plugin's process ends, and its body cannot.
  const bool is_read = request.method() == "GET" || request.method() == "HEAD";
  const auto tenant = request.parameter("tenant");
  if (is_read || !base::check_label("tenant", tenant)) return false;
  const base::TenantId id{std::string(tenant)};
  const auto shard = node.shard_of(id);
  if (!shard) return false;
  if (is_elsewhere(node, **shard, request)) {
    // Small ones take no thread for as long as their client sends.
    std::uint64_t length = UINT64_MAX;
    const std::string_view text = request.header("Content-Length").value_or("");
    std::from_chars(text.data(), text.data() + text.size(), length);
    return length > plugin_host::web_body_bytes_max;
  }
  const auto txn = (*shard)->begin_read();
  if (!txn) return false;
  const std::string_view plugin = request.parameter("id");
  const auto grant = (*shard)->tenancy().grant(*txn, id, plugin);
  return grant && *grant && takes_parts(plugins, plugin, (*grant)->version);
}

base::Status serve(plugin_host::PluginHost& plugins, Call& call) {
  // Until the request is begun: else its plugin could be switched to another version in between.
  const std::string plugin(call.request().parameter("id"));
  const plugin_host::CallGate::Pass pass(plugins.gate(), call.tenant, plugin);
  if (!pass.is_open()) {
    return fail(ErrorCode::unavailable,
                fmt::format("plugin '{}' is just being switched to another version; ask again in a moment", plugin));
  }
  TRV_TRY_ASSIGN(WebCall web, call_of(call));
  if (const std::shared_ptr<http::RequestBody> body = call.responder.body()) {
    if (!takes_parts(plugins, web.plugin, web.version)) {
      return fail(
          ErrorCode::unavailable,
          fmt::format("plugin '{}' has just been switched to a version that takes whole bodies alone, of at most "
                      "{} bytes; ask again",
                      plugin, plugin_host::web_body_bytes_max));
    }
    web.body = std::make_shared<ClientBody>(body);
  }
  const auto departure = std::make_shared<Departure>();
  const auto client = std::make_shared<Client>(std::move(call.responder), departure);
  web.receiver = client;
  departure->began(plugins.serve(std::move(web), [client](WebOutcome outcome) { client->ended(std::move(outcome)); }));
  return {};
}

}  // namespace

void add_serve_routes(http::Router& router, const node::Node& node, const Packages& packages) {
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    for (const char* path :
         {"/v1/tenants/{tenant}/plugins/{id}/serve/", "/v1/tenants/{tenant}/plugins/{id}/serve/{path...}"}) {
      router.route(
          method, path,
          guarded(node, Resource::plugins, [&plugins = packages.host](Call& call) { return serve(plugins, call); },
                  {.body = BodyRule::by_handler, .query = QueryRule::by_handler}),
          {.body_bytes_max = plugin_host::web_body_bytes_max,
           .body_in_parts = [&node, &plugins = packages.host](
                                const http::Request& request) { return comes_in_parts(node, plugins, request); },
           .takes_encoded_slash = true});
    }
  }
}

}  // namespace trv::gateway
