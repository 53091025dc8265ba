// The services behind trv_host: trv.call/1, trv.log/1, trv.http/1.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::size_t http_open_per_call_max = 64;
constexpr std::size_t log_bytes_max = 4'096;

bool is_safe_method(std::string_view method) noexcept {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

const trv_host_call InstanceCore::call_service = {
    .struct_size = sizeof(trv_host_call),
    .complete = [](const trv_host* host, std::uint64_t id, trv_bytes output) { self(host).answer(id, output); },
    .fail = [](const trv_host* host, std::uint64_t id,
               const trv_error* error) { self(host).answer_failed(id, error); }};

const trv_host_log InstanceCore::log_service = {
    .struct_size = sizeof(trv_host_log),
    .write = [](const trv_host* host, std::int32_t level, std::uint64_t id, trv_string message) {
      self(host).log(static_cast<LogLevel>(std::clamp<std::int32_t>(level, TRV_LOG_DEBUG, TRV_LOG_ERROR)), id,
                     view(message));
    }};

const trv_host_http InstanceCore::http_service = {
    .struct_size = sizeof(trv_host_http),
    .send = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, const trv_http_request* request) {
      self(host).send_http(id, request_id, request);
    }};

const void* InstanceCore::get_extension(const trv_host*, const char* id) noexcept {
  if (id == nullptr) return nullptr;
  if (std::strcmp(id, TRV_EXT_CALL) == 0) return &call_service;
  if (std::strcmp(id, TRV_EXT_LOG) == 0) return &log_service;
  if (std::strcmp(id, TRV_EXT_HTTP) == 0) return &http_service;
  return nullptr;
}

void InstanceCore::fail_activation(const trv_host* host, const trv_error* error) noexcept {
  self(host).activation_error_ = read_error(error);
}

void InstanceCore::log(LogLevel level, CallId call, std::string_view message) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::abandoned) return;
  }
  if (!services_.log) return;
  services_.log({.level = level,
                 .plugin = library_->id(),
                 .version = library_->version(),
                 .call = call,
                 .message = printable(message, log_bytes_max)});
}

// The lock is not held. Takes a slot of the call, and counts the key as used.
base::Result<egress::Request> InstanceCore::read_request(CallId id, std::uint64_t request_id,
                                                         const trv_http_request* request) {
  const auto refuse = [](ErrorCode code, std::string_view why) { return base::fail(code, std::string(why)); };
  if (request == nullptr || request->struct_size < TRV_HTTP_REQUEST_SIZE_V1) {
    return refuse(ErrorCode::invalid, "trv_http_request is null or too small");
  }
  if (request->header_count > egress::request_headers_max || request->body.size > egress::request_body_bytes_max ||
      request->path.size > egress::url_bytes_max || request->method.size > 32) {
    return refuse(ErrorCode::too_large, "the request's headers, body, path or method are over the limit");
  }
  if (request->header_count > 0 && request->headers == nullptr) {
    return refuse(ErrorCode::invalid, "trv_http_request.headers is null");
  }
  egress::Request read;
  std::size_t header_bytes = 0;
  for (std::uint32_t i = 0; i < request->header_count; ++i) {
    const std::string_view name = view(request->headers[i].name);
    const std::string_view value = view(request->headers[i].value);
    header_bytes += name.size() + value.size();
    if (header_bytes > egress::request_header_bytes_max) {
      return refuse(ErrorCode::too_large, "the request's headers are over the limit");
    }
    read.headers.push_back({std::string(name), std::string(value)});
  }
  if (base::Status label = base::check_label("connection", view(request->connection)); !label) {
    return base::fail(std::move(label).error());
  }
  read.plugin = library_->id();
  read.connection = view(request->connection);
  read.method = view(request->method);
  read.path = view(request->path);
  read.body = view(request->body);
  read.timeout_ms = request->timeout_ms;

  const std::lock_guard lock(mutex_);
  OpenCall* call = calls_.find(id);
  if (call == nullptr || state_ == State::abandoned) {
    return refuse(ErrorCode::cancelled, "the call that the request belongs to is not open");
  }
  if (call->http.size() >= http_open_per_call_max) {
    return base::fail(ErrorCode::exhausted,
                      fmt::format("the call has {} requests under way, its limit", call->http.size()));
  }
  read.tenant = call->request.tenant;
  // Taken before the request is sent: its answer may come first, and frees it.
  call->http.push_back({request_id, egress::RequestId{}});
  if (call->deadline != base::Duration::max()) {
    const base::Duration left = call->deadline - services_.clock.monotonic();
    const auto left_ms = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(left).count());
    const auto bound = static_cast<std::uint64_t>(left_ms);
    read.timeout_ms = read.timeout_ms == 0 ? bound : std::min(read.timeout_ms, bound);
  }
  if (!is_safe_method(read.method)) {
    ++call->keys_used;
    read.idempotency_key = call->keys_used == 1 ? call->request.idempotency_key
                                                : fmt::format("{}/{}", call->request.idempotency_key, call->keys_used);
    if (call->request.idempotency_key.empty()) read.idempotency_key.clear();
  }
  return read;
}

void InstanceCore::send_http(CallId id, std::uint64_t request_id, const trv_http_request* request) noexcept {
  base::Result<egress::Request> read = read_request(id, request_id, request);
  ++http_requests_;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::abandoned) return;
    ++http_open_;
  }
  if (!read) return http_arrived(id, request_id, base::fail(std::move(read).error()));
  const egress::RequestId sent = services_.broker.send(
      *std::move(read), [alive = shared_from_this(), id, request_id](base::Result<egress::Response> result) {
        alive->http_arrived(id, request_id, std::move(result));
      });
  bool is_open = false;
  {
    const std::lock_guard lock(mutex_);
    if (OpenCall* call = calls_.find(id)) {
      is_open = true;
      for (OpenRequest& open : call->http) {
        if (open.request_id == request_id) open.sent = sent;
      }
    }
  }
  if (!is_open) services_.broker.cancel(sent);
}

void InstanceCore::http_arrived(CallId id, std::uint64_t request_id, base::Result<egress::Response> result) {
  {
    const std::lock_guard lock(mutex_);
    if (OpenCall* call = calls_.find(id)) {
      std::erase_if(call->http, [request_id](const OpenRequest& open) { return open.request_id == request_id; });
    }
  }
  enqueue([this, request_id, answer = std::move(result)] { deliver_http(request_id, answer); });
}

void InstanceCore::deliver_http(std::uint64_t request_id, const base::Result<egress::Response>& result) {
  bool is_alive = false;
  {
    const std::lock_guard lock(mutex_);
    is_alive = state_ == State::running || state_ == State::draining;
  }
  if (is_alive && plugin_http_ != nullptr) {
    if (result) {
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
    } else {
      const ErrorCode code = result.error().code();
      const bool may_retry =
          code == ErrorCode::unavailable || code == ErrorCode::timeout || code == ErrorCode::exhausted;
      const trv_error error = {.struct_size = sizeof(trv_error),
                               .code = to_abi(code),
                               .retry = may_retry ? TRV_RETRY_SAFE : TRV_RETRY_NEVER,
                               .status = 0,
                               .retry_after_ms = 0,
                               .message = borrowed(result.error().message()),
                               .detail = {}};
      plugin_http_->on_error(plugin_, request_id, &error);
    }
  }
  const std::lock_guard lock(mutex_);
  --http_open_;
  notify_if_stopping();
}

}  // namespace trv::plugin_host
