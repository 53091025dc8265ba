#include "kernel/egress/transfer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "kernel/egress/address.hpp"
#include "kernel/egress/mail.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::egress {

using base::ErrorCode;

namespace {

/// Whether libcurl would describe a body, by headers of its own.
bool has_body(const Request& request) {
  return !request.body.empty() || request.departing != nullptr || request.method == "POST" || request.method == "PUT" ||
         request.method == "PATCH";
}

}  // namespace

Handles::Handles(std::string certificate_file, const std::string& user_agent, SocketWatch& sockets)
    : certificate_file_(std::move(certificate_file)),
      user_agent_line_("User-Agent: " + user_agent),
      plain_lines_(curl_slist_append(nullptr, user_agent_line_.c_str())),
      sockets_(sockets) {}

Handles::~Handles() {
  for (CURL* handle : idle_) curl_easy_cleanup(handle);
  curl_slist_free_all(plain_lines_);
}

CURL* Handles::take() {
  if (!idle_.empty()) {
    CURL* handle = idle_.back();
    idle_.pop_back();
    return handle;
  }
  CURL* handle = curl_easy_init();
  if (handle == nullptr) return nullptr;
  const auto set = [handle](CURLoption option, auto value) {
    return curl_easy_setopt(handle, option, value) == CURLE_OK;
  };
  bool ok =
      set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_PATH_AS_IS, 1L) && set(CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps") &&
      set(CURLOPT_FOLLOWLOCATION, 0L) && set(CURLOPT_SSL_VERIFYPEER, 1L) && set(CURLOPT_SSL_VERIFYHOST, 2L) &&
      set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
      // A proxy named in the environment would connect on our behalf, past the address check.
      set(CURLOPT_PROXY, "") && set(CURLOPT_NOPROXY, "*") &&
      // Without it, dropping a request whose name is still being resolved would wait for the resolver.
      set(CURLOPT_QUICK_EXIT, 1L) && set(CURLOPT_TCP_KEEPALIVE, 1L) && set(CURLOPT_HTTP09_ALLOWED, 0L) &&
      set(CURLOPT_HEADERFUNCTION, &Transfer::on_header) && set(CURLOPT_WRITEFUNCTION, &Transfer::on_body) &&
      set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_socket) && set(CURLOPT_CLOSESOCKETFUNCTION, &Transfer::on_close) &&
      set(CURLOPT_CLOSESOCKETDATA, static_cast<void*>(&sockets_)) &&
      set(CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
  if (ok && !certificate_file_.empty()) ok = set(CURLOPT_CAINFO, certificate_file_.c_str());
  if (ok) return handle;
  curl_easy_cleanup(handle);
  return nullptr;
}

// The next transfer sets anew whatever belonged to the one before.
void Handles::give_back(CURL* handle) {
  if (handle != nullptr) idle_.push_back(handle);
}

base::Result<std::unique_ptr<Transfer>> Transfer::make(std::string name, Url url, Request request,
                                                       std::string credential, TransferRules rules,
                                                       std::shared_ptr<PartReceiver> receiver) {
  auto transfer = std::unique_ptr<Transfer>(new Transfer(std::move(name), std::move(url), std::move(request), rules));
  if (receiver != nullptr) transfer->parts_.emplace(std::move(receiver));
  if (transfer->handle_ == nullptr || !transfer->set_up(std::move(credential))) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}: out of memory for a request", transfer->name_));
  }
  return transfer;
}

Transfer::Transfer(std::string name, Url url, Request request, TransferRules rules)
    : name_(std::move(name)),
      url_(std::move(url)),
      request_(std::move(request)),
      rules_(rules),
      handle_(rules_.handles->take()) {
  response_.headers.reserve(16);
}

Transfer::~Transfer() {
  if (request_.departing != nullptr) {
    request_.departing->on_more({});
    request_.departing->close();
  }
  if (is_once_ && handle_ != nullptr) {
    curl_easy_cleanup(handle_);
  } else {
    rules_.handles->give_back(handle_);
  }
  OPENSSL_cleanse(request_.credential.secret.data(), request_.credential.secret.size());
  for (curl_slist* line = header_lines_; line != nullptr; line = line->next) {
    OPENSSL_cleanse(line->data, std::strlen(line->data));
  }
  curl_slist_free_all(header_lines_);
}

bool Transfer::add_header_line(const std::string& line) {
  curl_slist* longer = curl_slist_append(header_lines_, line.c_str());
  if (longer == nullptr) return false;
  header_lines_ = longer;
  return true;
}

bool Transfer::set_up(std::string credential) {
  const auto set = [this](CURLoption option, auto value) {
    return curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  const auto self = static_cast<void*>(this);
  bool ok = set(CURLOPT_CURLU, url_.handle.get()) && set(CURLOPT_PRIVATE, self) &&
            set(CURLOPT_ERRORBUFFER, static_cast<char*>(error_text_)) && set(CURLOPT_HEADERDATA, self) &&
            set(CURLOPT_WRITEDATA, self) && set(CURLOPT_OPENSOCKETDATA, self) && set(CURLOPT_PREREQDATA, self);
  if (url_.is_mail) return ok && set_up_mail();
  ok = ok && set_up_method();
  if (request_.departing != nullptr) ok = ok && set_up_departing();
  if (parts_) {
    // A stream of HTTP/2 that is not read on fills memory here: its connection has to be read for the others.
    is_once_ = true;
    ok = ok && set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) &&
         set(CURLOPT_BUFFERSIZE, static_cast<long>(stream_part_bytes));
  }
  if (request_.credential.scheme == Credential::Scheme::digest) {
    is_once_ = true;
    ok = ok && set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_DIGEST)) &&
         set(CURLOPT_USERNAME, request_.credential.user.c_str()) &&
         set(CURLOPT_PASSWORD, request_.credential.secret.c_str());
  }
  const bool is_plain =
      request_.headers.empty() && request_.idempotency_key.empty() && credential.empty() && !has_body(request_);
  if (is_plain) return ok && set(CURLOPT_HTTPHEADER, rules_.handles->plain_lines());
  // Not by CURLOPT_USERAGENT, which costs more: libcurl formats that one anew for each request.
  if (!has_header(request_.headers, "user-agent")) {
    ok = ok && add_header_line(rules_.handles->user_agent_line());
  }
  for (const Header& header : request_.headers) {
    // libcurl sends an empty value only when the name ends in ';' instead of ':'.
    ok = ok && add_header_line(base::trimmed(header.value).empty() ? fmt::format("{};", header.name)
                                                                   : fmt::format("{}: {}", header.name, header.value));
  }
  if (!request_.idempotency_key.empty()) {
    ok = ok && add_header_line(fmt::format("Idempotency-Key: {}", request_.idempotency_key));
  }
  if (has_body(request_)) {
    // libcurl's own defaults: a form's content type on every body, and a wait before large ones.
    if (!has_header(request_.headers, "content-type")) ok = ok && add_header_line("Content-Type:");
    ok = ok && add_header_line("Expect:");
  }
  if (!credential.empty()) {
    ok = ok && add_header_line(credential);
    OPENSSL_cleanse(credential.data(), credential.size());
  }
  return ok && set(CURLOPT_HTTPHEADER, header_lines_);
}

bool Transfer::set_up_method() {
  const auto set = [this](CURLoption option, auto value) {
    return curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  // Ends what an earlier request of the handle was: a body, or none in the answer.
  if (!set(CURLOPT_HTTPGET, 1L)) return false;
  if (request_.method == "HEAD") {
    return set(CURLOPT_NOBODY, 1L) && set(CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
  }
  if (has_body(request_) && !(set(CURLOPT_POSTFIELDS, request_.body.data()) &&
                              set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size())))) {
    return false;
  }
  return set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

bool Transfer::set_up_departing() {
  const auto set = [this](CURLoption option, auto value) {
    return curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  is_once_ = true;
  const std::optional<std::uint64_t> length = request_.departing->length();
  return set(CURLOPT_UPLOAD, 1L) && set(CURLOPT_CUSTOMREQUEST, request_.method.c_str()) &&
         set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) &&
         set(CURLOPT_INFILESIZE_LARGE, length ? static_cast<curl_off_t>(*length) : curl_off_t{-1}) &&
         set(CURLOPT_READFUNCTION, &Transfer::on_departing) && set(CURLOPT_READDATA, static_cast<void*>(this)) &&
         // A kept connection may be closed already, which is seen once bytes were taken that nobody has any more.
         set(CURLOPT_FRESH_CONNECT, 1L);
}

std::size_t Transfer::on_departing(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto taken = transfer.request_.departing->take(data, size * count);
  if (!taken) {
    transfer.refusal_ = Refusal::body;
    transfer.body_problem_ = taken.error();
    return CURL_READFUNC_ABORT;
  }
  transfer.waits_for_bytes_ = !taken->has_value();
  if (transfer.waits_for_bytes_) return CURL_READFUNC_PAUSE;
  transfer.departed_ += **taken;
  return **taken;
}

int Transfer::pauses(bool has_leave, bool has_bytes) noexcept {
  if (has_leave) waits_for_leave_ = false;
  if (has_bytes) waits_for_bytes_ = false;
  return (waits_for_leave_ ? CURLPAUSE_RECV : 0) | (waits_for_bytes_ ? CURLPAUSE_SEND : 0);
}

// The service has answered, and reads no more where it did not take the request: libcurl sends no more then either.
void Transfer::end_departing() {
  constexpr long refused_from = 300;
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  if (status >= refused_from && request_.departing != nullptr) request_.departing->close();
}

bool Transfer::set_up_mail() {
  const auto set = [this](CURLoption option, auto value) {
    return curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  is_once_ = true;
  const base::Result<Envelope> envelope = envelope_of(request_);
  TRV_ASSERT(envelope);
  for (const std::string& address : envelope->to) {
    if (!add_header_line(address)) return false;
  }
  // What the path is to libcurl: the name that is said to the server, which is not the node's own here.
  const std::string says = envelope->from.substr(envelope->from.find('@') + 1);
  bool ok = curl_url_set(url_.handle.get(), CURLUPART_PATH, ("/" + says).c_str(), 0) == CURLUE_OK;
  ok = ok && set(CURLOPT_UPLOAD, 1L) && set(CURLOPT_MAIL_FROM, envelope->from.c_str()) &&
       set(CURLOPT_MAIL_RCPT, header_lines_) && set(CURLOPT_READFUNCTION, &Transfer::on_message) &&
       set(CURLOPT_READDATA, static_cast<void*>(this)) &&
       set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size())) &&
       set(CURLOPT_HEADERFUNCTION, &Transfer::on_reply) && set(CURLOPT_FORBID_REUSE, 1L) &&
       set(CURLOPT_FRESH_CONNECT, 1L);
  const bool has_credential = !request_.credential.secret.empty();
  ok = ok && set(CURLOPT_USE_SSL, static_cast<long>(has_credential ? CURLUSESSL_ALL : CURLUSESSL_TRY));
  if (!has_credential) return ok;
  return ok && set(CURLOPT_USERNAME, request_.credential.user.c_str()) &&
         set(CURLOPT_PASSWORD, request_.credential.secret.c_str());
}

std::size_t Transfer::on_message(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view rest = std::string_view(transfer.request_.body).substr(transfer.message_at_);
  const std::size_t bytes = std::min(size * count, rest.size());
  std::memcpy(data, rest.data(), bytes);
  transfer.message_at_ += bytes;
  return bytes;
}

// Every reply comes here, a code and four bytes on its text; the last one counts, unless it is the server's goodbye.
std::size_t Transfer::on_reply(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  std::string_view line(data, size * count);
  transfer.header_bytes_ += line.size();
  if (transfer.header_bytes_ > transfer.rules_.response_header_bytes_max) {
    transfer.refusal_ = Refusal::headers_too_large;
    return 0;
  }
  if (line.size() < 4 || line.starts_with("221")) return size * count;
  transfer.response_.status = 0;
  std::from_chars(line.data(), line.data() + 3, transfer.response_.status);
  transfer.response_.body = base::trimmed(line.substr(4));
  return size * count;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  return transfer.take_header({data, size * count}) ? size * count : 0;
}

bool Transfer::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > rules_.response_header_bytes_max || response_.headers.size() >= rules_.response_headers_max) {
    refusal_ = Refusal::headers_too_large;
    return false;
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    response_.headers.clear();  // what came before belonged to an interim response
    return true;
  }
  if (line.empty()) {
    const bool goes_on = !parts_ || parts_->has_head() || take_head();
    end_departing();
    return goes_on;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_header_name(line.substr(0, colon))) {
    refusal_ = Refusal::header_malformed;
    return false;
  }
  response_.headers.push_back({base::lower(line.substr(0, colon)), std::string(base::trimmed(line.substr(colon + 1)))});
  return true;
}

// The headers are over; behind those of an interim response others follow.
bool Transfer::take_head() {
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 100 && status < 200 && status != 101) return true;
  if (status < 200 || status > 599) {
    refusal_ = Refusal::status;
    response_.status = static_cast<std::uint32_t>(std::max(status, 0L));
    return false;
  }
  response_.status = static_cast<std::uint32_t>(status);
  parts_->head(std::exchange(response_, {}));
  return true;
}

std::size_t Transfer::take_part(std::string_view bytes) {
  switch (parts_->accept(bytes)) {
    case ArrivingParts::Taken::all: return bytes.size();
    case ArrivingParts::Taken::waits_for_leave: waits_for_leave_ = true; return CURL_WRITEFUNC_PAUSE;
    case ArrivingParts::Taken::too_large: break;
  }
  refusal_ = Refusal::body_too_large;
  return 0;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  if (transfer.parts_) return transfer.take_part({data, bytes});
  if (transfer.response_.body.size() + bytes > transfer.rules_.response_bytes_max) {
    transfer.refusal_ = Refusal::body_too_large;
    return 0;
  }
  transfer.response_.body.append(data, bytes);
  return bytes;
}

curl_socket_t Transfer::on_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (!transfer.rules_.allow_private_network && !is_public_address(address->addr)) {
    transfer.refusal_ = Refusal::private_address;
    return CURL_SOCKET_BAD;
  }
  ++transfer.sockets_opened_;
  const curl_socket_t opened = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (opened >= 0) transfer.rules_.handles->sockets().opened(opened);
  return opened;
}

int Transfer::on_close(void* sockets, curl_socket_t socket) {
  return static_cast<SocketWatch*>(sockets)->close(socket);
}

// Also called where a kept-alive connection is used again, which another connection's rules may have allowed.
int Transfer::on_connected(void* self, char* remote, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.rules_.allow_private_network || (remote != nullptr && is_public_address(std::string_view(remote)))) {
    transfer.refusal_ = Refusal::none;  // one of the host's addresses may have been refused before this one
    return CURL_PREREQFUNC_OK;
  }
  transfer.refusal_ = Refusal::private_address;
  return CURL_PREREQFUNC_ABORT;
}

base::Result<Response> Transfer::finish(CURLcode code) {
  switch (refusal_) {
    case Refusal::none: break;
    case Refusal::private_address:
      return base::fail(
          ErrorCode::denied,
          fmt::format("{}: the host's address is private, loopback or reserved; only a connection with "
                      "allow_private_network reaches it, or any call where the daemon's configuration says "
                      "egress.allow_private_network",
                      name_));
    case Refusal::body_too_large:
      return base::fail(ErrorCode::too_large, fmt::format("{}: the response body has more than {} bytes", name_,
                                                          parts_ ? stream_bytes_max : rules_.response_bytes_max));
    case Refusal::headers_too_large:
      return base::fail(ErrorCode::too_large,
                        fmt::format("{}: the response has more than {} headers or {} bytes of them", name_,
                                    rules_.response_headers_max, rules_.response_header_bytes_max));
    case Refusal::header_malformed:
      return base::fail(ErrorCode::unavailable, fmt::format("{}: the response has a malformed header", name_));
    case Refusal::body: return base::fail(std::move(body_problem_).in(name_));
    case Refusal::status:
      return base::fail(ErrorCode::unavailable,
                        fmt::format("{}: the response has the status {}", name_, response_.status));
  }
  long status = response_.status;
  if (!url_.is_mail) curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  // A mail server that refuses has answered, too.
  const bool is_refused_mail = url_.is_mail && code != CURLE_OPERATION_TIMEDOUT && status >= 400 && status <= 599;
  if (code == CURLE_OK || is_refused_mail) {
    const bool has_answer = status >= 100 && status <= 599 && (!parts_ || parts_->has_head());
    if (!has_answer) {
      return base::fail(ErrorCode::unavailable, fmt::format("{}: the response has the status {}", name_, status));
    }
    response_.status = static_cast<std::uint32_t>(status);
    return std::move(response_);
  }
  // The buffer names host, port and the peer's TLS defects; it never holds header values.
  const std::string_view why = error_text_[0] != '\0' ? std::string_view(error_text_) : curl_easy_strerror(code);
  const ErrorCode kind = code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::timeout
                         : code == CURLE_OUT_OF_MEMORY    ? ErrorCode::exhausted
                                                          : ErrorCode::unavailable;
  return base::fail(kind, fmt::format("{}: {}", name_, why));
}

}  // namespace trv::egress
