#include "kernel/cli/client/http_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/frees.hpp"

namespace trv::cli {
namespace {

using base::ErrorCode;

constexpr long connect_timeout_ms = 10'000;
// A transfer that moves less than a byte per second for so long is dead.
constexpr long stall_timeout_s = 60;
constexpr std::size_t headers_max = 200;

using Headers = std::unique_ptr<curl_slist, base::Frees<curl_slist_free_all>>;

constexpr std::string_view unix_prefix = "unix:";
constexpr std::size_t unix_path_bytes_max = 107;  // sun_path

using base::lower;
using base::trimmed;

// What libcurl's callbacks fill while one exchange runs.
struct Exchange {
  HttpResponse response;
  bool too_large = false;
  bool head_done = false;
  const OnUpload* on_upload = nullptr;
  std::array<char, CURL_ERROR_SIZE> why{};  ///< of a failure, in the words of libcurl
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.head_done = true;
  if (exchange.response.body.size() + size * count > response_bytes_max) {
    exchange.too_large = true;
    return 0;
  }
  exchange.response.body.append(data, size * count);
  return size * count;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line = trimmed({data, size * count});
  if (line.starts_with("HTTP/")) {
    exchange.response.headers.clear();  // of an interim answer
    return size * count;
  }
  const auto colon = line.find(':');
  if (line.empty()) {
    exchange.head_done = true;
  } else if (colon != std::string_view::npos && exchange.response.headers.size() < headers_max) {
    exchange.response.headers[lower(line.substr(0, colon))] = std::string(trimmed(line.substr(colon + 1)));
  }
  return size * count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t total, curl_off_t sent) {
  const auto& exchange = *static_cast<const Exchange*>(user);
  if (exchange.on_upload != nullptr && *exchange.on_upload && total > 0) {
    (*exchange.on_upload)(static_cast<std::size_t>(sent), static_cast<std::size_t>(total));
  }
  return 0;
}

void set_ok(CURLcode code) {
  TRV_ASSERT(code == CURLE_OK);
}

bool is_loopback(std::string_view url) {
  const auto scheme_end = url.find("://");
  const std::string_view host = scheme_end == std::string_view::npos ? url : url.substr(scheme_end + 3);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

void name_files(CURL* handle, const TlsFiles& tls) {
  if (!tls.authority.empty()) set_ok(curl_easy_setopt(handle, CURLOPT_CAINFO, tls.authority.c_str()));
  if (tls.certificate.empty()) return;
  set_ok(curl_easy_setopt(handle, CURLOPT_SSLCERT, tls.certificate.c_str()));
  const std::string& key = tls.key.empty() ? tls.certificate : tls.key;
  set_ok(curl_easy_setopt(handle, CURLOPT_SSLKEY, key.c_str()));
}

Headers prepare(CURL* handle, const std::string& url, const Caller& caller, const TlsFiles& tls,
                const HttpRequest& request, Exchange& exchange) {
  curl_easy_reset(handle);
  const bool is_local = url.starts_with(unix_prefix);
  if (is_local) set_ok(curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, url.substr(unix_prefix.size()).c_str()));
  set_ok(curl_easy_setopt(handle, CURLOPT_URL, ((is_local ? "http://localhost" : url) + request.target).c_str()));
  name_files(handle, tls);
  set_ok(curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https"));
  set_ok(curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L));
  set_ok(curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms));
  set_ok(curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L));
  set_ok(curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, stall_timeout_s));
  set_ok(curl_easy_setopt(handle, CURLOPT_USERAGENT, "trav"));
  set_ok(curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body));
  set_ok(curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, exchange.why.data()));
  set_ok(curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header));
  set_ok(curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress));
  set_ok(curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange));
  set_ok(curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L));
  // A proxy of the environment does not know this machine's own ports.
  if (is_loopback(url)) set_ok(curl_easy_setopt(handle, CURLOPT_PROXY, ""));

  Headers headers;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    TRV_ASSERT(longer != nullptr);
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  if (!caller.token.empty()) add("Authorization: Bearer " + caller.token);
  if (!caller.tenant.empty()) add("Travertine-Tenant: " + caller.tenant);
  if (!request.content_type.empty()) add("Content-Type: " + request.content_type);
  add("Expect:");
  for (const std::string& line : request.headers) add(line);
  set_ok(curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get()));
  if (request.method == "POST" || request.method == "PUT") {
    set_ok(curl_easy_setopt(handle, CURLOPT_POST, 1L));
    set_ok(curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size())));
    set_ok(curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data()));
  }
  set_ok(curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str()));
  return headers;
}

bool has_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  const bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return found;
}

std::string reason_of(CURLcode code, const Exchange& exchange) {
  return exchange.why.front() != '\0' ? std::string(exchange.why.data()) : lower(curl_easy_strerror(code));
}

/// What to do about a TLS connection that did not come about.
std::string advice_of(CURLcode code, const TlsFiles& tls, std::string_view reason) {
  if (reason.find("alert") != std::string_view::npos && code != CURLE_PEER_FAILED_VERIFICATION) {
    return tls.certificate.empty()
               ? "`travd` ended the handshake; its log says why."
               : fmt::format(
                     "`travd` refused the certificate in {}: its http.client_authority_file has to hold the "
                     "authority that signed it, and its time must not have ended.",
                     tls.certificate);
  }
  if (reason.find("subject name") != std::string_view::npos)
    return "Write the host in the address as the certificate of `travd` names it.";
  if (code == CURLE_PEER_FAILED_VERIFICATION && !tls.authority.empty()) {
    return fmt::format(
        "The certificate of `travd` is held against {}, and not against the system's authorities: put "
        "the authority there that signed it.",
        tls.authority);
  }
  return "Name the authority of its certificate with --certificate-authority FILE or TRAV_CERTIFICATE_AUTHORITY; where "
         "`travd` has no certificate (http.certificate_file), write http://.";
}

base::Error failure_of(CURLcode code, const std::string& url, const TlsFiles& tls, const Exchange& exchange) {
  if (exchange.too_large) {
    return {ErrorCode::too_large, fmt::format("the answer of {} is larger than {} bytes", url, response_bytes_max)};
  }
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return {ErrorCode::invalid,
            fmt::format("'{}' is not an address of a server; write it like http://127.0.0.1:8400", url)};
  }
  // TLS 1.3 refuses a client's certificate only after the handshake, in place of an answer.
  const std::string reason = reason_of(code, exchange);
  const bool is_refused = code == CURLE_RECV_ERROR && reason.find("alert") != std::string::npos;
  if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION || is_refused) {
    return {ErrorCode::unavailable,
            fmt::format("no TLS connection to {}: {}\n{}", url, reason, advice_of(code, tls, reason))};
  }
  if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE) {
    return {ErrorCode::invalid, fmt::format("{}: {}",
                                            code == CURLE_SSL_CERTPROBLEM ? "--certificate and --certificate-key"
                                                                          : "--certificate-authority",
                                            reason)};
  }
  return {ErrorCode::unavailable,
          fmt::format("no answer from {}: {}\n"
                      "Start a server on this machine with `travd`, or name another one with --url or TRAV_URL.",
                      url, lower(curl_easy_strerror(code)))};
}

int status_of(CURL* handle) {
  long status = 0;
  set_ok(curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status));
  return static_cast<int>(status);
}

}  // namespace

base::Status check_url(const std::string& url) {
  const auto refused = [&url](std::string_view why) {
    return base::fail(ErrorCode::invalid, fmt::format("'{}' is not an address of a server: {}; write it like {}", url,
                                                      why, "http://127.0.0.1:8400"));
  };
  if (url.starts_with(unix_prefix)) {
    const std::string_view path = std::string_view(url).substr(unix_prefix.size());
    if (!path.starts_with('/')) return refused("the path of the socket is not absolute");
    if (path.size() > unix_path_bytes_max) {
      return refused(fmt::format("the path of a socket has at most {} bytes", unix_path_bytes_max));
    }
    return {};
  }
  const auto colon = url.find("://");
  if (colon == std::string::npos) return refused("it does not begin with http://, https:// or unix:/");
  const std::string scheme = lower(std::string_view(url).substr(0, colon));
  if (scheme != "http" && scheme != "https") return refused(fmt::format("{} is not http or https", scheme));
  const std::unique_ptr<CURLU, base::Frees<curl_url_cleanup>> parsed(curl_url());
  TRV_ASSERT(parsed != nullptr);
  if (const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); code != CURLUE_OK) {
    return refused(lower(curl_url_strerror(code)));
  }
  if (has_part(parsed.get(), CURLUPART_USER) || has_part(parsed.get(), CURLUPART_PASSWORD)) {
    return refused("it has a user name or a password; travd takes a token, see `trav help login`");
  }
  if (has_part(parsed.get(), CURLUPART_QUERY) || has_part(parsed.get(), CURLUPART_FRAGMENT)) {
    return refused("it has a query or a fragment; end it with the path");
  }
  return {};
}

std::string_view HttpResponse::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : found->second;
}

struct HttpClient::Connection {
  std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>> handle{curl_easy_init()};
};

HttpClient::HttpClient(std::string url, Caller caller, TlsFiles tls)
    : url_(std::move(url)),
      caller_(std::move(caller)),
      tls_(std::move(tls)),
      connection_(std::make_unique<Connection>()) {
  TRV_ENSURES(connection_->handle != nullptr);
  while (url_.ends_with('/')) url_.pop_back();
}

HttpClient::~HttpClient() = default;

base::Result<HttpResponse> HttpClient::send(const HttpRequest& request, const OnUpload& on_upload) {
  TRV_EXPECTS(request.target.starts_with('/'));
  CURL* handle = connection_->handle.get();
  Exchange exchange;
  exchange.on_upload = &on_upload;
  const Headers headers = prepare(handle, url_, caller_, tls_, request, exchange);
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) return base::fail(failure_of(code, url_, tls_, exchange));
  exchange.response.status = status_of(handle);
  return std::move(exchange.response);
}

struct HttpStream::State {
  std::string url;
  TlsFiles tls;
  HttpRequest request;
  Exchange exchange;
  Headers headers;
  std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>> handle{curl_easy_init()};
  std::unique_ptr<CURLM, base::Frees<curl_multi_cleanup>> multi{curl_multi_init()};
  bool ended = false;
  CURLcode outcome = CURLE_OK;

  ~State() {
    if (multi != nullptr && handle != nullptr) curl_multi_remove_handle(multi.get(), handle.get());
  }

  // Lets bytes move; waits at most `timeout` for some.
  base::Status step(base::Duration timeout) {
    int running = 0;
    TRV_ASSERT(curl_multi_perform(multi.get(), &running) == CURLM_OK);
    if (running > 0 && exchange.response.body.empty() && timeout.count() > 0) {
      const auto timeout_ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
      TRV_ASSERT(curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(timeout_ms), nullptr) == CURLM_OK);
      TRV_ASSERT(curl_multi_perform(multi.get(), &running) == CURLM_OK);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      ended = true;
      outcome = message->data.result;
    }
    // The server may cut a stream at any time; that is its end, not a failure, once it has begun.
    if (ended && outcome != CURLE_OK && (!exchange.head_done || exchange.too_large)) {
      return base::fail(failure_of(outcome, url, tls, exchange));
    }
    return {};
  }
};

HttpStream::HttpStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;
HttpStream::~HttpStream() = default;

base::Result<HttpStream> HttpClient::open(const HttpRequest& request) {
  TRV_EXPECTS(request.target.starts_with('/'));
  auto state = std::make_unique<HttpStream::State>();
  state->url = url_;
  state->tls = tls_;
  state->request = request;
  state->headers = prepare(state->handle.get(), url_, caller_, tls_, state->request, state->exchange);
  // A quiet stream is a healthy one.
  set_ok(curl_easy_setopt(state->handle.get(), CURLOPT_LOW_SPEED_TIME, 0L));
  TRV_ASSERT(curl_multi_add_handle(state->multi.get(), state->handle.get()) == CURLM_OK);
  return HttpStream(std::move(state));
}

base::Result<std::optional<std::string>> HttpStream::read(base::Duration timeout) {
  if (state_->exchange.response.body.empty() && state_->ended) return std::nullopt;
  if (!state_->ended) TRV_TRY(state_->step(timeout));
  if (state_->exchange.response.body.empty() && state_->ended) return std::nullopt;
  return std::exchange(state_->exchange.response.body, {});
}

base::Result<HttpResponse> HttpStream::head(base::Duration timeout) {
  const auto begun_well = [this] {
    const int status = status_of(state_->handle.get());
    return state_->exchange.head_done && status >= 200 && status < 300;
  };
  constexpr base::Duration slice = std::chrono::milliseconds(100);
  for (base::Duration left = timeout; !state_->ended && !begun_well(); left -= slice) {
    if (left.count() <= 0)
      return base::fail(failure_of(CURLE_OPERATION_TIMEDOUT, state_->url, state_->tls, state_->exchange));
    TRV_TRY(state_->step(slice));
  }
  HttpResponse response;
  response.status = status_of(state_->handle.get());
  response.headers = state_->exchange.response.headers;
  if (!begun_well()) response.body = state_->exchange.response.body;
  return response;
}

}  // namespace trv::cli
