#pragma once
// What passes between a fake host and the plugin under test, as values that own their bytes. C++20.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sdk/abi/ext/log.h"
#include "sdk/abi/types.h"

namespace trv::conformance {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// The value of the first header of that name, without regard to case.
[[nodiscard]] inline std::optional<std::string> find_header(const HeaderList& headers, std::string_view name) {
  const auto lower = [](std::string_view text) {
    std::string out(text);
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
  };
  for (const auto& [key, value] : headers)
    if (lower(key) == lower(name)) return value;
  return std::nullopt;
}

/// What a service answers.
struct HttpAnswer {
  int status = 200;
  std::string body = "{}";
  HeaderList headers = {};
};

/// Why no answer arrives; also how a call failed.
struct CallError {
  std::int32_t code = TRV_ERROR_UNAVAILABLE;
  std::string message = "connection refused";
  std::int32_t retry = TRV_RETRY_SAFE;
  std::uint64_t retry_after_ms = 0;
  std::int32_t status = 0;
  std::string detail = {};
};

using HttpStep = std::variant<HttpAnswer, CallError>;

struct SentRequest {
  std::uint64_t call_id = 0;
  std::uint64_t request_id = 0;
  std::string connection = {};
  std::string method = {};
  std::string path = {};
  std::string body = {};
  HeaderList headers = {};
  std::string idempotency_key = {};  ///< what the host adds; empty for GET, HEAD and OPTIONS
  std::uint64_t timeout_ms = 0;
  bool in_parts = false;  ///< its answer is to come in parts
  bool open = true;

  [[nodiscard]] std::optional<std::string> header(std::string_view name) const { return find_header(headers, name); }
};

/// What no host sends; each is the end of a sentence that begins with the request.
[[nodiscard]] inline std::vector<std::string> faults_of(const SentRequest& request) {
  std::vector<std::string> faults;
  if (request.method.empty()) faults.emplace_back(" has no method");
  if (!request.path.starts_with('/')) faults.push_back(": the path \"" + request.path + "\" has no '/' first");
  if (request.body.size() > 1'000'000) faults.emplace_back(": the body is over 1,000,000 bytes");
  for (const char* own : {"authorization", "cookie", "host", "content-length", "transfer-encoding", "idempotency-key"})
    if (request.header(own)) faults.push_back(std::string(": the header ") + own + " is the host's");
  for (const auto& [key, value] : request.headers)
    if (key.empty() || (key + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      faults.emplace_back(": a header is empty or has a line break");
  if (request.path.find_first_of(std::string_view(" \r\n\0", 4)) != std::string::npos)
    faults.emplace_back(": the path has a blank or a line break");
  return faults;
}

struct SetTimer {
  std::uint64_t call_id = 0;
  std::uint64_t timer_id = 0;
  std::uint64_t after_ms = 0;
};

/// What a plugin had signed.
struct SignAsked {
  std::uint64_t call_id = 0;
  std::string secret = {};
  std::int32_t kind = 0;  ///< a trv_signature
  std::string data = {};
};

struct EmittedEvent {
  std::uint64_t call_id = 0;
  std::string id = {};
  std::string type = {};
  std::string subject = {};
  std::string data = {};
};

/// A part of a call, as the plugin named it.
struct SpanFacts {
  std::uint64_t call_id = 0;
  std::uint64_t span_id = 0;
  std::uint64_t parent_id = 0;
  std::string name = {};
  HeaderList attributes = {};
  bool has_ended = false;
};

struct CallFacts {
  std::string operation = {};
  std::string input = "{}";
  std::string connection = "main";
  std::string tenant = "acme";
  std::string idempotency_key = "acme/i1/t1/1";
  std::string traceparent = {};
  std::uint32_t attempt = 1;
  std::uint64_t timeout_ms = 30'000;
};

/// How a call ended: with an output, with an error, or, where it was a request, with the response to it.
struct CallOutcome {
  std::optional<std::string> output = std::nullopt;
  std::optional<HttpAnswer> response = std::nullopt;
  std::optional<CallError> error = std::nullopt;

  [[nodiscard]] bool succeeded() const noexcept { return output.has_value() || response.has_value(); }
  [[nodiscard]] std::int32_t code() const noexcept { return error ? error->code : 0; }
};

struct LogLine {
  std::int32_t level = TRV_LOG_INFO;
  std::uint64_t call_id = 0;
  std::string message = {};
};

}  // namespace trv::conformance
