#include "plugins/models/failure.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sdk/cpp/http_failure.hpp"

namespace models {
namespace {

using namespace trv::sdk;

/// What a provider says of an error, whatever the shape that it says it in.
struct Words {
  std::string type = {};
  std::string code = {};
  std::string message = {};
};

std::string code_text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

/// {"error": {"message", "type", "code"}}, {"error": "text"}, {"message", "type", "code"} or {"detail": "text"}.
Words words_of(const json::object& body) {
  const json::object* error = object_of(body, "error");
  const json::object& from = error == nullptr ? body : *error;
  Words words{.type = code_text(from, "type"), .code = code_text(from, "code"), .message = {}};
  for (const std::string_view member : {"message", "error", "detail"}) {
    if (!words.message.empty()) break;
    words.message = text_of(from, member);
  }
  return words;
}

Words words_of(std::string_view body) {
  boost::system::error_code failure;
  const json::value value = json::parse(body, failure);
  if (failure) return {};
  if (value.is_object()) return words_of(value.get_object());
  // A list of one error, as Google's compatible endpoint answers.
  if (value.is_array() && !value.get_array().empty() && value.get_array()[0].is_object())
    return words_of(value.get_array()[0].get_object());
  return {};
}

bool says(const Words& words, std::initializer_list<std::string_view> codes) {
  return std::any_of(codes.begin(), codes.end(),
                     [&](std::string_view code) { return words.code == code || words.type == code; });
}

std::optional<Kind> kind_of(const Words& words) {
  if (says(words, {"insufficient_quota", "billing_error", "billing_hard_limit_reached"})) return Kind::no_quota;
  if (says(words, {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}) ||
      words.message.find("prompt is too long") != std::string::npos ||
      words.message.find("maximum context length") != std::string::npos) {
    return Kind::context_length;
  }
  if (says(words, {"content_filter", "content_policy_violation"})) return Kind::refused;
  if (says(words, {"rate_limit_error", "rate_limit_exceeded", "tokens", "requests"})) return Kind::rate_limited;
  if (says(words, {"overloaded_error"})) return Kind::overloaded;
  if (says(words, {"authentication_error", "invalid_api_key"})) return Kind::unauthenticated;
  if (says(words, {"permission_error"})) return Kind::denied;
  if (says(words, {"not_found_error", "model_not_found"})) return Kind::not_found;
  if (says(words, {"timeout_error"})) return Kind::timeout;
  if (says(words, {"api_error", "server_error"})) return Kind::unavailable;
  if (says(words, {"invalid_request_error", "request_too_large"})) return Kind::invalid_request;
  return std::nullopt;
}

Kind kind_of_status(int status) {
  switch (status) {
    case 401: return Kind::unauthenticated;
    case 402: return Kind::no_quota;
    case 403: return Kind::denied;
    case 404: return Kind::not_found;
    case 408: return Kind::timeout;
    case 413: return Kind::context_length;
    case 429: return Kind::rate_limited;
    case 503:
    case 529: return Kind::overloaded;
    default: return status >= 500 ? Kind::unavailable : Kind::invalid_request;
  }
}

/// What the status and the words say together. The words are more exact, but a status of 5xx or 429 is the word of
/// whatever was in front of the model, too.
Kind kind_of(int status, const Words& words) {
  const Kind by_status = kind_of_status(status);
  const std::optional<Kind> by_words = kind_of(words);
  if (!by_words) return by_status;
  if (status >= 500 || status == 429) {
    const bool agrees = *by_words == Kind::no_quota || *by_words == Kind::rate_limited ||
                        *by_words == Kind::overloaded || *by_words == Kind::timeout;
    return agrees ? *by_words : by_status;
  }
  // A type of 4xx that says no more than "wrong" is less than 401, 403 or 404.
  return *by_words == Kind::invalid_request ? by_status : *by_words;
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::invalid_request: return "invalid_request";
    case Kind::unauthenticated: return "unauthenticated";
    case Kind::denied: return "denied";
    case Kind::no_quota: return "no_quota";
    case Kind::not_found: return "not_found";
    case Kind::context_length: return "context_length";
    case Kind::rate_limited: return "rate_limited";
    case Kind::overloaded: return "overloaded";
    case Kind::unavailable: return "unavailable";
    case Kind::timeout: return "timeout";
    case Kind::cut: return "cut";
    case Kind::refused: return "refused";
    case Kind::length: return "length";
    case Kind::unreadable: return "unreadable";
  }
  return "unavailable";
}

Code code_of(Kind kind) {
  switch (kind) {
    case Kind::invalid_request:
    case Kind::length: return Code::invalid;
    case Kind::unauthenticated: return Code::unauthenticated;
    case Kind::denied:
    case Kind::refused: return Code::denied;
    case Kind::not_found: return Code::not_found;
    case Kind::context_length: return Code::too_large;
    case Kind::no_quota:
    case Kind::rate_limited: return Code::exhausted;
    case Kind::timeout: return Code::timeout;
    case Kind::overloaded:
    case Kind::unavailable:
    case Kind::cut:
    case Kind::unreadable: return Code::unavailable;
  }
  return Code::unavailable;
}

bool is_worth_another_try(Kind kind) {
  return kind == Kind::rate_limited || kind == Kind::overloaded || kind == Kind::unavailable || kind == Kind::timeout ||
         kind == Kind::cut || kind == Kind::unreadable;
}

/// "1s", "6m0s", "120ms", "1h2m3.5s": how OpenAI writes a time to wait.
std::uint64_t duration_ms(std::string_view text) {
  double total = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    if (digits == 0 || digits > 12) return 0;
    double number = 0;
    double place = 0;
    for (const char c : text.substr(0, digits)) {
      if (c == '.') {
        place = 1;
      } else {
        number = number * 10 + (c - '0');
        place *= 10;
      }
    }
    if (place > 1) number /= place;
    text.remove_prefix(digits);
    const std::size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, letters);
    text.remove_prefix(letters);
    if (unit == "ms") {
      total += number;
    } else if (unit == "s") {
      total += number * 1'000;
    } else if (unit == "m") {
      total += number * 60'000;
    } else if (unit == "h") {
      total += number * 3'600'000;
    } else {
      return 0;
    }
  }
  return total >= static_cast<double>(retry_after_ms_max) ? retry_after_ms_max : static_cast<std::uint64_t>(total);
}

std::uint64_t wait_ms(const Response& response) {
  if (const auto exact = response.header("retry-after-ms")) {
    if (const auto wait = parse_decimal(exact->substr(0, exact->find('.')))) return std::min(*wait, retry_after_ms_max);
  }
  if (const std::uint64_t wait = retry_after_ms(response)) return wait;
  std::uint64_t longest = 0;
  for (const std::string of : {"requests", "tokens"}) {
    if (response.header("x-ratelimit-remaining-" + of) != "0") continue;
    longest = std::max(longest, duration_ms(response.header("x-ratelimit-reset-" + of).value_or("")));
  }
  return longest;
}

Failure make(Kind kind, const Provider& provider, std::string_view model, const std::string& message,
             const Words& words) {
  json::object detail = {{"kind", name_of(kind)}, {"provider", provider.name}, {"model", model}};
  if (!words.type.empty()) detail["type"] = words.type;
  if (!words.code.empty()) detail["code"] = words.code;
  Failure failure;
  failure.code = code_of(kind);
  failure.message = provider.title + ", model " + std::string(model) + ": " + message;
  failure.retry = is_worth_another_try(kind) ? Retry::safe : Retry::never;
  failure.detail = json::serialize(detail);
  return failure;
}

}  // namespace

Failure failure_of(Kind kind, const Provider& provider, std::string_view model, const std::string& message) {
  return make(kind, provider, model, message, {});
}

Failure refusal(const Provider& provider, std::string_view model, const Response& response) {
  const Words words = words_of(response.body);
  const Kind kind = kind_of(response.status, words);
  Failure failure = make(kind, provider, model,
                         "answered " + std::to_string(response.status) + ": " +
                             (words.message.empty() ? "no reason given" : words.message),
                         words);
  failure.status = response.status;
  if (failure.retry == Retry::safe) {
    failure.retry_after_ms = wait_ms(response);
    // The provider's own clients obey it, too.
    if (response.header("x-should-retry") == "false") failure.retry = Retry::never;
  }
  return failure;
}

Failure error_in_answer(const Provider& provider, std::string_view model, const json::object& body) {
  const Words words = words_of(body);
  return make(kind_of(words).value_or(Kind::unavailable), provider, model,
              "the answer broke off: " + (words.message.empty() ? "no reason given" : words.message), words);
}

}  // namespace models
