#include "kernel/s3/client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <mutex>

#include "kernel/s3/answer_text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/frees.hpp"

namespace trv::s3 {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr long connect_timeout_ms = 10'000;
// A transfer that moves less than a byte per second for so long is dead.
constexpr long stall_timeout_s = 30;
constexpr std::size_t refusal_bytes_max = 65'536;
constexpr std::size_t list_bytes_max = 8'000'000;
constexpr std::size_t listed_max = 10'000'000;
constexpr std::string_view service = "s3";
constexpr long ok = 200;
constexpr long not_found = 404;
constexpr long conflict = 409;
constexpr long precondition_failed = 412;
constexpr long too_many = 429;

using HeaderList = std::unique_ptr<curl_slist, base::Frees<curl_slist_free_all>>;

void set_ok(CURLcode code) {
  TRV_ASSERT(code == CURLE_OK);
}

bool is_good(long status) {
  return status / 100 == 2;
}

bool is_loopback(std::string_view authority) {
  return authority.starts_with("127.") || authority.starts_with("localhost") || authority.starts_with("[::1]");
}

/// Waits; false where `stop` asked for the end.
bool pause(base::Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

struct Client::Request {
  std::string method;
  std::string key;  ///< empty: the bucket
  Fields query = {};
  base::BytesView body = {};
  base::Digest sha256{};  ///< of the body
  Put how = Put::replace;
  std::size_t bytes_max = refusal_bytes_max;  ///< of a good answer
};

struct Client::Answer {
  long status = 0;
  base::Bytes body;
  std::string date;        ///< the storage's time, as it writes it
  base::Duration after{};  ///< so long it asks to wait
  std::string region;      ///< of the bucket, where it says it
  bool is_too_large = false;

  [[nodiscard]] std::string code() const { return text_of(base::as_text(body), "Code"); }
  /// 404 says as well that a bucket or a user is not there.
  [[nodiscard]] bool is_no_object() const { return status == not_found && code() == "NoSuchKey"; }
  /// The same request may succeed later.
  [[nodiscard]] bool may_pass() const {
    const std::string text = code();
    return status == too_many || (status >= 500 && status != 501) || text == "SlowDown" || text == "RequestTimeout" ||
           (status == conflict && text != "BucketNotEmpty");
  }
};

struct Client::Connection {
  struct Exchange {
    Answer* answer = nullptr;
    std::size_t bytes_max = 0;
    const std::stop_token* stop = nullptr;
    CURL* handle = nullptr;
  };

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    long status = 0;
    set_ok(curl_easy_getinfo(exchange.handle, CURLINFO_RESPONSE_CODE, &status));
    const std::size_t most = is_good(status) ? exchange.bytes_max : refusal_bytes_max;
    base::Bytes& body = exchange.answer->body;
    if (body.size() + size * count > most) {
      exchange.answer->is_too_large = true;
      return 0;
    }
    const base::BytesView bytes = base::as_bytes(std::string_view(data, size * count));
    body.insert(body.end(), bytes.begin(), bytes.end());
    return size * count;
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
    Answer& answer = *static_cast<Exchange*>(user)->answer;
    const std::string_view line(data, size * count);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size * count;
    const std::string name = base::lower(line.substr(0, colon));
    const std::string_view value = base::trimmed(line.substr(colon + 1));
    if (name == "date") answer.date = value;
    if (name == "x-amz-bucket-region") answer.region = value;
    if (name == "retry-after") {
      unsigned seconds = 0;
      std::from_chars(value.data(), value.data() + value.size(), seconds);
      answer.after = std::chrono::seconds(seconds);
    }
    return size * count;
  }

  static int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<const Exchange*>(user)->stop->stop_requested() ? 1 : 0;
  }

  std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>> handle{curl_easy_init()};
};

Client::Client(Settings settings, const base::Clock& clock, base::Random& random, std::stop_token stop)
    : settings_(std::move(settings)),
      clock_(clock),
      random_(random),
      stop_(std::move(stop)),
      connection_(std::make_unique<Connection>()) {
  TRV_EXPECTS(settings_.tries.count > 0 && !settings_.bucket.empty());
  TRV_ENSURES(connection_->handle != nullptr);
}

Client::~Client() = default;

std::string Client::host() const {
  const std::string& authority = settings_.endpoint.authority;
  return settings_.is_path_style ? authority : settings_.bucket + "." + authority;
}

std::string Client::path_of(std::string_view key) const {
  return settings_.is_path_style ? fmt::format("/{}/{}", settings_.bucket, key) : fmt::format("/{}", key);
}

std::string Client::object_text(std::string_view key) const {
  return key.empty() ? fmt::format("s3://{}", settings_.bucket) : fmt::format("s3://{}/{}", settings_.bucket, key);
}

Result<Client::Answer> Client::try_once(const Request& request) {
  const base::Timestamp now = clock_.now();
  SignedRequest what{.method = request.method,
                     .path = path_of(request.key),
                     .query = request.query,
                     .headers = {{"Host", host()},
                                 {"X-Amz-Content-Sha256", base::to_hex(request.sha256)},
                                 {"X-Amz-Date", amz_date(now)}},
                     .payload_sha256 = base::to_hex(request.sha256)};
  if (!settings_.credentials.token.empty()) {
    what.headers.emplace_back("X-Amz-Security-Token", settings_.credentials.token);
  }
  if (request.how == Put::only_new) what.headers.emplace_back("If-None-Match", "*");
  HeaderList headers;
  const auto add = [&headers](const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    TRV_ASSERT(longer != nullptr);
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  for (const auto& [name, value] : what.headers) add(fmt::format("{}: {}", name, value));
  const Scope scope{.region = settings_.region, .service = std::string(service), .time = now};
  add("Authorization: " + authorization(what, scope, settings_.credentials));
  add("Expect:");

  CURL* const handle = connection_->handle.get();
  curl_easy_reset(handle);
  Answer answer;
  Connection::Exchange exchange{.answer = &answer, .bytes_max = request.bytes_max, .stop = &stop_, .handle = handle};
  const std::string query = escaped_query(what.query);
  const std::string url = fmt::format("{}://{}{}{}{}", settings_.endpoint.is_tls ? "https" : "http", host(),
                                      escaped_path(what.path), query.empty() ? "" : "?", query);
  std::array<char, CURL_ERROR_SIZE> why{};
  set_ok(curl_easy_setopt(handle, CURLOPT_URL, url.c_str()));
  set_ok(curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, settings_.endpoint.is_tls ? "https" : "http"));
  set_ok(curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L));
  set_ok(curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L));
  set_ok(curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms));
  set_ok(curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L));
  set_ok(curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, stall_timeout_s));
  set_ok(curl_easy_setopt(handle, CURLOPT_USERAGENT, "travertine"));
  set_ok(curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, why.data()));
  set_ok(curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, Connection::on_body));
  set_ok(curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, Connection::on_header));
  set_ok(curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, Connection::on_progress));
  set_ok(curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L));
  if (!settings_.ca_file.empty()) set_ok(curl_easy_setopt(handle, CURLOPT_CAINFO, settings_.ca_file.c_str()));
  // A proxy of the environment does not know this machine's own ports.
  if (is_loopback(settings_.endpoint.authority)) set_ok(curl_easy_setopt(handle, CURLOPT_PROXY, ""));
  if (request.method == "PUT") {
    add("Content-Type: application/octet-stream");
    set_ok(curl_easy_setopt(handle, CURLOPT_POST, 1L));
    set_ok(curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size())));
    set_ok(curl_easy_setopt(handle, CURLOPT_POSTFIELDS, base::as_text(request.body).data()));
  }
  set_ok(curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str()));
  set_ok(curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get()));
  const CURLcode code = curl_easy_perform(handle);
  set_ok(curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status));
  if (code == CURLE_OK || (answer.is_too_large && is_good(answer.status))) return answer;
  const std::string reason = why.front() != '\0' ? std::string(why.data()) : curl_easy_strerror(code);
  if (stop_.stop_requested()) return fail(ErrorCode::cancelled, "what uses the storage was stopped");
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return fail(ErrorCode::invalid, fmt::format("backup.ca_file: {}: {}", settings_.ca_file, reason));
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return fail(ErrorCode::denied,
                fmt::format("{} does not show a certificate that is trusted: {}; name the authority that signs it in "
                            "backup.ca_file",
                            settings_.endpoint.url(), reason));
  }
  if (code == CURLE_SSL_CONNECT_ERROR) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} does not speak TLS: {}; write http:// in backup.endpoint where it has none",
                            settings_.endpoint.url(), reason));
  }
  if (answer.status != 0) {
    return fail(ErrorCode::unavailable, fmt::format("the answer of {} about {} was cut off: {}",
                                                    settings_.endpoint.url(), object_text(request.key), reason));
  }
  return fail(ErrorCode::unavailable,
              fmt::format("{} does not answer: {}; look whether it runs, and whether backup.endpoint names it",
                          settings_.endpoint.url(), reason));
}

base::Error Client::refusal(const Request& request, const Answer& answer) const {
  const std::string code = answer.code();
  const std::string said = text_of(base::as_text(answer.body), "Message");
  const std::string url = settings_.endpoint.url();
  const auto denied = [](std::string message) { return base::Error(ErrorCode::denied, std::move(message)); };
  if (answer.may_pass()) {
    return {ErrorCode::unavailable,
            fmt::format("{} answered {} {} to {} of {} {} times: {}; look at the storage's own log", url, answer.status,
                        code, request.method, object_text(request.key), settings_.tries.count, said)};
  }
  if (code == "NoSuchBucket") {
    return denied(
        fmt::format("{} has no bucket '{}'; create it, or mend the name of the target", url, settings_.bucket));
  }
  if (code == "RequestTimeTooSkewed" || code == "RequestExpired") {
    return denied(
        fmt::format("{} refuses the request for its time: the clock of this machine says {}, that of the "
                    "storage {}; set this machine's clock",
                    url, clock_.now().to_rfc3339(), answer.date.empty() ? "another time" : answer.date));
  }
  // The last is what the Versity gateway says.
  if (code == "InvalidAccessKeyId" || code == "InvalidToken" || code == "ExpiredToken" ||
      code == "XAdminUserNotFound") {
    return denied(fmt::format("{} does not take the access key '{}' ({}): {}; put one that is valid into {}", url,
                              settings_.credentials.key_id, code, said, settings_.credentials_from));
  }
  if (code == "SignatureDoesNotMatch") {
    return denied(
        fmt::format("{} does not take the signature by the access key '{}': the secret in {} is another one, "
                    "or backup.region ('{}') is not that of the bucket",
                    url, settings_.credentials.key_id, settings_.credentials_from, settings_.region));
  }
  if (code == "AuthorizationHeaderMalformed" || code == "PermanentRedirect" || answer.status == 301) {
    const std::string region = answer.region.empty() ? text_of(base::as_text(answer.body), "Region") : answer.region;
    return denied(fmt::format(
        "the bucket '{}' is not served at {} for the region '{}'{}; mend backup.region and "
        "backup.endpoint",
        settings_.bucket, url, settings_.region, region.empty() ? "" : fmt::format(", but for '{}'", region)));
  }
  if (answer.status == 403) {
    return denied(
        fmt::format("{} does not allow the access key '{}' {} of {} ({}): {}; allow it s3:GetObject, "
                    "s3:PutObject, s3:DeleteObject and s3:ListBucket there",
                    url, settings_.credentials.key_id, request.method, object_text(request.key), code, said));
  }
  return denied(fmt::format("{} answered {} {} to {} of {}: {}", url, answer.status, code, request.method,
                            object_text(request.key), said.empty() ? "nothing more is said" : said));
}

Result<Client::Answer> Client::send(const Request& request) {
  base::Duration wait = settings_.tries.first_pause;
  for (unsigned i = 1;; ++i) {
    Result<Answer> answer = try_once(request);
    const bool may_pass = answer ? answer->may_pass() : answer.error().code() == ErrorCode::unavailable;
    if (!may_pass || i >= settings_.tries.count) return answer;
    const base::Duration asked = answer ? answer->after : base::Duration(0);
    const auto least = static_cast<std::uint64_t>(wait.count() / 2);
    const auto chosen = base::Duration(static_cast<std::int64_t>(least + random_.below(least + 1)));
    if (!pause(std::min(std::max(chosen, asked), settings_.tries.pause_max), stop_)) {
      return fail(ErrorCode::cancelled, "what uses the storage was stopped");
    }
    wait = std::min(2 * wait, settings_.tries.pause_max);
  }
}

Result<base::Bytes> Client::get(const std::string& key, std::size_t bytes_max) {
  const Request request{.method = "GET", .key = key, .sha256 = base::sha256({}), .bytes_max = bytes_max};
  TRV_TRY_ASSIGN(Answer answer, send(request));
  if (answer.is_too_large) {
    return fail(ErrorCode::too_large, fmt::format("{} has more than {} bytes", object_text(key), bytes_max));
  }
  if (is_good(answer.status)) return std::move(answer.body);
  if (answer.is_no_object()) {
    return fail(ErrorCode::not_found, fmt::format("{} does not exist", object_text(key)));
  }
  return fail(refusal(request, answer));
}

Result<bool> Client::put(const std::string& key, base::BytesView bytes, const base::Digest& sha256, Put how) {
  const Request request{.method = "PUT", .key = key, .body = bytes, .sha256 = sha256, .how = how};
  TRV_TRY_ASSIGN(const Answer answer, send(request));
  if (is_good(answer.status)) return true;
  if (how == Put::only_new && answer.status == precondition_failed) return false;
  return fail(refusal(request, answer));
}

base::Status Client::remove(const std::string& key) {
  const Request request{.method = "DELETE", .key = key, .sha256 = base::sha256({})};
  TRV_TRY_ASSIGN(const Answer answer, send(request));
  if (is_good(answer.status) || answer.is_no_object()) return {};
  return fail(refusal(request, answer));
}

Result<std::vector<std::string>> Client::list(const std::string& prefix) {
  std::vector<std::string> keys;
  std::string from;
  do {
    Request request{.method = "GET",
                    .key = "",
                    .query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}},
                    .sha256 = base::sha256({}),
                    .bytes_max = list_bytes_max};
    if (!from.empty()) request.query.emplace_back("continuation-token", from);
    TRV_TRY_ASSIGN(const Answer answer, send(request));
    if (!is_good(answer.status)) return fail(refusal(request, answer));
    const std::string_view text = base::as_text(answer.body);
    const std::string more = text_of(text, "IsTruncated");
    from = more == "true" ? text_of(text, "NextContinuationToken") : std::string();
    const bool is_list = answer.status == ok && !answer.is_too_large && (more == "false" || !from.empty());
    if (!is_list || keys.size() > listed_max) {
      return fail(ErrorCode::corrupt, fmt::format("the answer of {} to a list of {} is not one; look whether "
                                                  "backup.endpoint names an object storage",
                                                  settings_.endpoint.url(), object_text(prefix)));
    }
    for (const std::string& key : texts_of(text, "Key")) {
      const auto plain = unescaped_url(key);
      if (plain && plain->starts_with(prefix)) keys.push_back(*plain);
    }
  } while (!from.empty());
  std::ranges::sort(keys);
  return keys;
}

}  // namespace trv::s3
