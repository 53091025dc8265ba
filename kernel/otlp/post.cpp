#include "kernel/otlp/post.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::otlp {
namespace {

using Easy = std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>>;
using HeaderList = std::unique_ptr<curl_slist, base::Frees<curl_slist_free_all>>;

constexpr long connect_max_ms = 5'000;
constexpr long upload_bytes = 256 * 1024;  ///< about a batch: it goes with few calls of the system
constexpr std::size_t problem_bytes_max = 300;
constexpr base::Duration retry_after_max = std::chrono::hours(1);

struct Reading {
  std::string body;
  bool is_too_large = false;
  const std::function<bool()>& given_up;
};

std::size_t on_body(const char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& reading = *static_cast<Reading*>(to);
  if (reading.body.size() + size * count > answer_bytes_max) {
    reading.is_too_large = true;
    return 0;
  }
  reading.body.append(bytes, size * count);
  return size * count;
}

int on_time(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Reading*>(to)->given_up() ? 1 : 0;
}

/// A count is a string in JSON, and some receivers write a number.
std::uint64_t count_of(const json::Value& value) {
  if (value.is_number()) return static_cast<std::uint64_t>(std::max(0.0, value.as_double()));
  std::uint64_t count = 0;
  if (!value.is_string()) return 0;
  const std::string_view text = value.as_string();
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

/// A text of the receiver in a line of ours.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, problem_bytes_max));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

Answer meaning_of(long status, std::string_view body) {
  if (status == 429 || status == 502 || status == 503 || status == 504) {
    return {.verdict = Verdict::later, .problem = fmt::format("it answered {}", status)};
  }
  if (status < 200 || status > 299) {
    return {.verdict = Verdict::refused,
            .problem = fmt::format("it answered {}{}{}", status, body.empty() ? "" : ": ", printable(body))};
  }
  if (body.empty()) return {};
  const auto value = json::parse(body, {.bytes_max = answer_bytes_max, .depth_max = 20});
  if (!value || !value->is_object()) {
    return {.problem = fmt::format("it answered {} and no JSON of OTLP: {}", status, printable(body))};
  }
  const json::Value* const partial = value->find("partialSuccess");
  if (partial == nullptr || !partial->is_object()) return {};
  Answer answer;
  for (const char* name : {"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"}) {
    if (const json::Value* const count = partial->find(name)) answer.rejected += count_of(*count);
  }
  const json::Value* const message = partial->find("errorMessage");
  if (message != nullptr && message->is_string() && !message->as_string().empty()) {
    answer.problem = fmt::format("it says: {}", printable(message->as_string()));
  } else if (answer.rejected > 0) {
    answer.problem = fmt::format("it refused {} of them", answer.rejected);
  }
  return answer;
}

struct Poster::Connection {
  Easy easy{curl_easy_init()};
  HeaderList headers;
  std::array<char, CURL_ERROR_SIZE> why{};
  std::string authority_file;
};

Poster::Poster(std::vector<std::string> headers, std::string authority_file, base::Duration request_max)
    : connection_(std::make_unique<Connection>()) {
  Connection& to = *connection_;
  TRV_ASSERT(to.easy != nullptr);
  headers.emplace_back("Content-Type: application/json");
  headers.emplace_back("Expect:");
  for (const std::string& header : headers) {
    to.headers.reset(curl_slist_append(to.headers.release(), header.c_str()));
  }
  to.authority_file = std::move(authority_file);
  CURL* const curl = to.easy.get();
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_max_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(request_max).count()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, to.headers.get());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, to.why.data());
  curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, upload_bytes);
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_time);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  if (!to.authority_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, to.authority_file.c_str());
}

Poster::~Poster() = default;

Answer Poster::post(const std::string& url, const std::string& body, const std::function<bool()>& given_up) {
  Connection& to = *connection_;
  CURL* const curl = to.easy.get();
  Reading reading{.body = {}, .given_up = given_up};
  to.why.front() = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reading);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &reading);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (reading.is_too_large) {
    return {.verdict = Verdict::refused,
            .problem = fmt::format("it answered {} with more than {} bytes", status, answer_bytes_max)};
  }
  if (code != CURLE_OK) {
    const std::string_view why = to.why.front() != '\0' ? to.why.data() : curl_easy_strerror(code);
    return {.verdict = Verdict::later, .problem = printable(why)};
  }
  Answer answer = meaning_of(status, reading.body);
  curl_off_t seconds = 0;
  if (answer.verdict == Verdict::later && curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK &&
      seconds > 0) {
    answer.retry_after =
        std::min<base::Duration>(std::chrono::seconds(std::min<curl_off_t>(seconds, 86'400)), retry_after_max);
  }
  return answer;
}

}  // namespace trv::otlp
