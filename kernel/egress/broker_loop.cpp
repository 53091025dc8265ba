#include "kernel/egress/broker_loop.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "kernel/egress/mail.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;

constexpr int idle_wait_ms_max = 60'000;
constexpr std::size_t events_per_wait_max = 64;

/// Leaves nothing of a secret in memory.
class Wiped {
 public:
  explicit Wiped(std::string& secret) : secret_(secret) {}
  ~Wiped() { OPENSSL_cleanse(secret_.data(), secret_.size()); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  std::string& secret_;
};

}  // namespace

Broker::Loop::Loop(BrokerConfiguration configuration, ConnectionSource& connections, SecretSource& secrets,
                   const base::Clock& clock)
    : configuration_(std::move(configuration)),
      allows_private_network_(configuration_.allow_private_network),
      connections_(connections),
      secrets_(secrets),
      clock_(clock) {}

Broker::Loop::~Loop() {
  stop();
  handles_.reset();
  if (multi_ != nullptr) TRV_ASSERT(curl_multi_cleanup(multi_) == CURLM_OK);
  if (curl_ready_) curl_global_cleanup();
  for (const int file : {poll_, wake_}) {
    if (file >= 0) TRV_ASSERT(::close(file) == 0);
  }
}

base::Status Broker::Loop::start() {
  curl_ready_ = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  multi_ = curl_ready_ ? curl_multi_init() : nullptr;
  if (multi_ == nullptr) return base::fail(ErrorCode::unavailable, "the HTTP library did not start: out of memory");
  const auto idle_max = static_cast<long>(configuration_.idle_connections_max);
  if (curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, idle_max) != CURLM_OK) {
    return base::fail(ErrorCode::invalid, "idle_connections_max was refused by the HTTP library");
  }
  poll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (poll_ < 0 || wake_ < 0 || ::epoll_ctl(poll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    return base::fail(ErrorCode::unavailable, fmt::format("no file descriptor for HTTP: {}", std::strerror(errno)));
  }
  sockets_.emplace(poll_);
  handles_.emplace(configuration_.certificate_file, configuration_.user_agent, *sockets_);
  const bool set = curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Loop::on_socket) == CURLM_OK &&
                   curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
                   curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Loop::on_timer) == CURLM_OK &&
                   curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this) == CURLM_OK;
  TRV_ASSERT(set);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return base::fail(ErrorCode::unavailable, fmt::format("no thread for HTTP: {}", error.what()));
  }
  return {};
}

RequestId Broker::Loop::post(Request request, Completion completion, std::shared_ptr<PartReceiver> receiver) {
  RequestId id = 0;
  {
    const std::lock_guard lock(mailbox_mutex_);
    id = ++last_id_;
    if (!stopping_) {
      const bool was_empty = mailbox_.empty();
      mailbox_.push_back({.id = id,
                          .sent_at = clock_.monotonic(),
                          .request = std::move(request),
                          .completion = std::move(completion),
                          .receiver = std::move(receiver)});
      if (was_empty) wake();
      return id;
    }
  }
  const base::Result<Response> result = base::fail(ErrorCode::cancelled, "HTTP has been stopped");
  count(result);
  completion(result);
  return id;
}

void Broker::Loop::cancel(RequestId id) {
  {
    const std::lock_guard lock(mailbox_mutex_);
    if (stopping_) return;
    mailbox_.push_back({.id = id, .of = Command::Of::cancel});
  }
  wake();
}

void Broker::Loop::take(RequestId id, std::uint64_t byte_count) {
  const std::lock_guard lock(mailbox_mutex_);
  if (stopping_) return;
  const bool was_empty = mailbox_.empty();
  mailbox_.push_back({.id = id, .of = Command::Of::take, .byte_count = byte_count});
  if (was_empty) wake();
}

void Broker::Loop::body_came(RequestId id) {
  const std::lock_guard lock(mailbox_mutex_);
  if (stopping_) return;
  const bool was_empty = mailbox_.empty();
  mailbox_.push_back({.id = id, .of = Command::Of::body});
  if (was_empty) wake();
}

void Broker::Loop::wake() {
  const std::uint64_t one = 1;
  TRV_ASSERT(::write(wake_, &one, sizeof one) == sizeof one);
}

void Broker::Loop::stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  if (!thread_.joinable()) return;
  TRV_EXPECTS(thread_.get_id() != std::this_thread::get_id());
  {
    const std::lock_guard lock(mailbox_mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

BrokerMetrics Broker::Loop::metrics() const {
  const std::lock_guard lock(metrics_mutex_);
  return metrics_;
}

void Broker::Loop::run() {
  for (;;) {
    take_commands();
    while (!startable_.empty()) {
      const RequestId id = startable_.back();
      startable_.pop_back();
      launch(id);
    }
    expire();
    if (curl_due_ <= clock_.monotonic()) {
      curl_due_ = base::Duration::max();
      transfer(CURL_SOCKET_TIMEOUT, 0);
    }
    {
      const std::lock_guard lock(mailbox_mutex_);
      if (stopping_ && mailbox_.empty()) break;
    }
    wait_and_transfer();
  }
  while (!pending_.empty()) {
    conclude(pending_.begin()->first, base::fail(ErrorCode::cancelled, "HTTP is being stopped"));
    startable_.clear();
  }
}

void Broker::Loop::transfer(curl_socket_t socket, int events) {
  int running = 0;
  TRV_ASSERT(curl_multi_socket_action(multi_, socket, events, &running) == CURLM_OK);
  collect_finished();
}

void Broker::Loop::wait_and_transfer() {
  std::array<epoll_event, events_per_wait_max> events{};
  const int wait = startable_.empty() ? wait_ms() : 0;
  sockets_->apply();
  const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait);
  TRV_ASSERT(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == wake_) {
      std::uint64_t ignored = 0;
      TRV_ASSERT(::read(wake_, &ignored, sizeof ignored) == sizeof ignored);
      continue;
    }
    const int what = ((event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                     ((event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                     ((event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    transfer(event.data.fd, what);
  }
}

int Broker::Loop::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  static_cast<Loop*>(self)->sockets_->want(socket, what);
  return 0;
}

int Broker::Loop::on_timer(CURLM*, long wait_ms, void* self) {
  Loop& loop = *static_cast<Loop*>(self);
  loop.curl_due_ = wait_ms < 0 ? base::Duration::max()
                               : loop.clock_.monotonic() + base::Duration(std::chrono::milliseconds(wait_ms));
  return 0;
}

void Broker::Loop::take_commands() {
  taken_.clear();
  {
    const std::lock_guard lock(mailbox_mutex_);
    taken_.swap(mailbox_);
  }
  for (Command& command : taken_) {
    switch (command.of) {
      case Command::Of::send: accept(std::move(command)); break;
      case Command::Of::take: go_on(command.id, command.byte_count); break;
      case Command::Of::body: go_on_sending(command.id); break;
      case Command::Of::cancel:
        if (pending_.contains(command.id)) {
          conclude(command.id,
                   base::fail(ErrorCode::cancelled, fmt::format("{}: cancelled", pending_.at(command.id).name)));
        }
        break;
    }
  }
}

void Broker::Loop::go_on(RequestId id, std::uint64_t byte_count) {
  const auto found = pending_.find(id);
  if (found == pending_.end() || found->second.transfer == nullptr) return;
  Transfer& transfer = *found->second.transfer;
  if (transfer.take(byte_count)) go_on(id, transfer, transfer.pauses(true, false));
}

void Broker::Loop::go_on_sending(RequestId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end() || found->second.transfer == nullptr) return;
  Transfer& transfer = *found->second.transfer;
  if (transfer.waits_for_bytes()) go_on(id, transfer, transfer.pauses(false, true));
}

void Broker::Loop::go_on(RequestId id, Transfer& transfer, int pauses) {
  // Calls back for what waited, and has the socket looked at again.
  if (const CURLcode code = curl_easy_pause(transfer.handle(), pauses); code != CURLE_OK) {
    conclude(id, transfer.finish(code));
  }
}

void Broker::Loop::accept(Command command) {
  const bool in_parts = command.receiver != nullptr;
  base::Result<Pending> prepared = prepare(std::move(command.request), in_parts);
  if (prepared) {
    const std::size_t waiting = lines_[prepared->line].waiting.size();
    if (waiting >= configuration_.waiting_max) {
      prepared = base::fail(ErrorCode::exhausted,
                            fmt::format("{}: {} requests wait in line already", prepared->name, waiting));
    }
  }
  if (!prepared) {
    const base::Result<Response> result = base::fail(std::move(prepared).error());
    count(result);
    command.completion(result);
    return;
  }
  prepared->completion = std::move(command.completion);
  prepared->receiver = std::move(command.receiver);
  prepared->deadline = command.sent_at + std::chrono::milliseconds(prepared->timeout_ms);
  deadlines_.emplace(prepared->deadline, command.id);
  Line& line = lines_[prepared->line];
  const bool is_free = line.running < line.concurrency_max && line.waiting.empty();
  prepared->is_waiting = !is_free;
  pending_.emplace(command.id, *std::move(prepared));
  if (is_free) {
    ++line.running;
    startable_.push_back(command.id);
  } else {
    line.waiting.push_back(command.id);
  }
  const std::lock_guard lock(metrics_mutex_);
  ++(is_free ? metrics_.in_flight : metrics_.waiting);
}

base::Result<Broker::Loop::Pending> Broker::Loop::prepare(Request request, bool in_parts) {
  Pending pending;
  ConnectionLimits limits = configuration_.url_limits;
  bool allow_private_network = allows_private_network_;
  if (request.connection.empty()) {
    if (!request.plugin.empty()) {
      return base::fail(ErrorCode::denied, fmt::format("plugin '{}' must name a connection", request.plugin));
    }
    TRV_TRY_ASSIGN(pending.url, parse_absolute_url("the URL", request.url));
    pending.name = "host " + pending.url.host;
    pending.line = request.tenant.value() + " url " + pending.url.origin;
  } else {
    TRV_TRY(prepare_connection(request, pending, limits));
    allow_private_network = allow_private_network || pending.rules.allow_private_network;
  }
  if (base::Status checked = check_request(request); !checked) {
    return base::fail(std::move(checked).error().in(pending.name));
  }
  if ((in_parts || request.departing != nullptr) && pending.url.is_mail) {
    return base::fail(
        ErrorCode::invalid,
        fmt::format("{}: what a mail server is sent, and answers, is whole; send without parts", pending.name));
  }
  pending.timeout_ms =
      request.timeout_ms == 0 ? limits.timeout_ms_max : std::min(request.timeout_ms, limits.timeout_ms_max);
  pending.rules = {.response_bytes_max = limits.response_bytes_max,
                   .response_header_bytes_max = configuration_.response_header_bytes_max,
                   .response_headers_max = configuration_.response_headers_max,
                   .allow_private_network = allow_private_network,
                   .handles = &*handles_};
  pending.request = std::move(request);
  lines_[pending.line].concurrency_max = std::max<std::uint32_t>(1, limits.concurrency_max);
  return pending;
}

base::Status Broker::Loop::prepare_connection(Request& request, Pending& pending, ConnectionLimits& limits) {
  pending.name = fmt::format("connection '{}'", request.connection.substr(0, 80));
  base::Result<Connection> found = connections_.find(request.tenant, request.connection);
  if (!found) return base::fail(std::move(found).error().in(pending.name));
  if (found->plugin != request.plugin) {
    return base::fail(ErrorCode::denied,
                      request.plugin.empty()
                          ? fmt::format("{} belongs to plugin '{}'", pending.name, found->plugin)
                          : fmt::format("{} is not granted to plugin '{}'", pending.name, request.plugin));
  }
  if (!request.url.empty()) {
    base::Result<std::string> path = path_below(found->base_url, request.url);
    if (!path) return base::fail(std::move(path).error().in(pending.name));
    request.path = *std::move(path);
  }
  if (base::Status path = check_path(request.path); !path) {
    return base::fail(std::move(path).error().in(pending.name));
  }
  base::Result<Url> url = append_path(found->base_url, request.path);
  if (!url) return base::fail(std::move(url).error().in(pending.name));
  pending.url = *std::move(url);
  pending.name = fmt::format("{} (host {})", pending.name, pending.url.host);
  pending.line = fmt::format("{} connection {}", request.tenant.value(), request.connection);
  if (pending.url.is_mail) {
    if (base::Status mail = check_mail(request, found->authentication); !mail) {
      return base::fail(std::move(mail).error().in(pending.name));
    }
  }
  limits = found->limits;
  pending.rules.allow_private_network = found->allow_private_network;
  if (!request.credential.secret.empty()) return {};
  pending.authentication = std::move(found->authentication);
  using Scheme = Credential::Scheme;
  const AuthenticationScheme needed = request.credential.scheme == Scheme::none     ? pending.authentication.scheme
                                      : request.credential.scheme == Scheme::bearer ? AuthenticationScheme::bearer
                                                                                    : AuthenticationScheme::basic;
  if (pending.authentication.scheme == needed) return {};
  return base::fail(ErrorCode::invalid,
                    fmt::format("{}: the call needs a connection with authentication '{}', and this one has another",
                                pending.name, needed == AuthenticationScheme::basic ? "basic" : "bearer"));
}

base::Result<std::string> Broker::Loop::credential(Pending& pending) {
  Credential& own = pending.request.credential;
  Authentication authentication = pending.authentication;
  std::string secret;
  if (own.scheme != Credential::Scheme::none && authentication.scheme == AuthenticationScheme::none) {
    authentication.scheme =
        own.scheme == Credential::Scheme::bearer ? AuthenticationScheme::bearer : AuthenticationScheme::basic;
    authentication.user = own.user;
    secret = own.secret;
    if (!check_user(own.user)) {
      return base::fail(ErrorCode::invalid, "the user name of the call holds ':' or a control character");
    }
  } else if (authentication.scheme != AuthenticationScheme::none) {
    TRV_TRY_ASSIGN(secret, secrets_.reveal(pending.request.tenant, authentication.secret_reference));
  } else {
    return std::string();
  }
  const Wiped wiped(secret);
  if (!base::is_field_value(secret)) {
    return base::fail(ErrorCode::invalid, "the secret holds a control character; set it again without line breaks");
  }
  // libcurl says these itself.
  if (own.scheme == Credential::Scheme::digest || pending.url.is_mail) {
    own.user = authentication.user;
    own.secret = secret;
    return std::string();
  }
  std::string line;
  switch (authentication.scheme) {
    case AuthenticationScheme::none: break;
    case AuthenticationScheme::bearer: line = fmt::format("Authorization: Bearer {}", secret); break;
    case AuthenticationScheme::basic: {
      std::string pair = fmt::format("{}:{}", authentication.user, secret);
      line = fmt::format("Authorization: Basic {}", base::to_base64(base::as_bytes(pair)));
      OPENSSL_cleanse(pair.data(), pair.size());
      break;
    }
    case AuthenticationScheme::header: line = fmt::format("{}: {}", authentication.header, secret); break;
  }
  return line;
}

// The path as it is sent: the base URL's, then the request's.
base::Status Broker::Loop::check_permitted(const Pending& pending) {
  if (!pending.request.permits) return {};
  TRV_TRY_ASSIGN(const std::string path, path_of(pending.url));
  return pending.request.permits(pending.request.method, pending.url.host, path);
}

void Broker::Loop::launch(RequestId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  if (base::Status permitted = check_permitted(pending); !permitted) {
    return conclude(id, base::fail(std::move(permitted).error().in(pending.name)));
  }
  base::Result<std::string> secret_line = credential(pending);
  if (!secret_line) return conclude(id, base::fail(std::move(secret_line).error().in(pending.name)));
  auto transfer = Transfer::make(pending.name, std::move(pending.url), std::move(pending.request),
                                 *std::move(secret_line), pending.rules, std::move(pending.receiver));
  if (!transfer) return conclude(id, base::fail(std::move(transfer).error()));
  pending.transfer = *std::move(transfer);
  if (curl_multi_add_handle(multi_, pending.transfer->handle()) != CURLM_OK) {
    pending.transfer.reset();
    conclude(id, base::fail(ErrorCode::unavailable, fmt::format("{}: out of memory for a request", pending.name)));
    return;
  }
  ids_.emplace(pending.transfer->handle(), id);
  if (DepartingBody* body = pending.transfer->departing()) body->on_more([this, id] { body_came(id); });
}

void Broker::Loop::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    const auto found = ids_.find(message->easy_handle);
    TRV_ASSERT(found != ids_.end());
    const RequestId id = found->second;
    conclude(id, pending_.at(id).transfer->finish(code));
  }
}

void Broker::Loop::expire() {
  const base::Duration now = clock_.monotonic();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const RequestId id = deadlines_.begin()->second;
    Pending& pending = pending_.at(id);
    if (pending.transfer != nullptr && pending.transfer->has_head()) {
      deadlines_.erase(deadlines_.begin());
      continue;
    }
    // A body that goes on is in time.
    if (pending.transfer != nullptr && pending.transfer->departing() != nullptr &&
        pending.transfer->bytes_sent() > pending.bytes_sent) {
      pending.bytes_sent = pending.transfer->bytes_sent();
      deadlines_.erase(deadlines_.begin());
      pending.deadline = now + std::chrono::milliseconds(pending.timeout_ms);
      deadlines_.emplace(pending.deadline, id);
      continue;
    }
    conclude(id, base::fail(ErrorCode::timeout,
                            fmt::format("{}: no whole response within {} ms{}", pending.name, pending.timeout_ms,
                                        pending.transfer ? "" : ", all of them in line")));
  }
}

int Broker::Loop::wait_ms() const {
  const base::Duration due = deadlines_.empty() ? curl_due_ : std::min(curl_due_, deadlines_.begin()->first);
  if (due == base::Duration::max()) return idle_wait_ms_max;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - clock_.monotonic());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, idle_wait_ms_max));
}

void Broker::Loop::conclude(RequestId id, base::Result<Response> result) {
  auto node = pending_.extract(id);
  TRV_EXPECTS(!node.empty());
  Pending& pending = node.mapped();
  deadlines_.erase({pending.deadline, id});
  Line& line = lines_.at(pending.line);
  const bool was_waiting = pending.is_waiting;
  bool starts_next = false;
  if (was_waiting) {
    const auto place = std::ranges::find(line.waiting, id);
    TRV_ASSERT(place != line.waiting.end());
    line.waiting.erase(place);
  } else {
    --line.running;
    if (!line.waiting.empty() && line.running < line.concurrency_max) {
      startable_.push_back(line.waiting.front());
      line.waiting.pop_front();
      pending_.at(startable_.back()).is_waiting = false;
      ++line.running;
      starts_next = true;
    }
  }
  if (line.running == 0 && line.waiting.empty()) lines_.erase(pending.line);
  {
    const std::lock_guard lock(metrics_mutex_);
    --(was_waiting ? metrics_.waiting : metrics_.in_flight);
    if (starts_next) {
      --metrics_.waiting;
      ++metrics_.in_flight;
    }
    if (pending.transfer != nullptr) {
      metrics_.bytes_sent += pending.transfer->bytes_sent();
      metrics_.bytes_received += pending.transfer->bytes_received() + (result ? result->body.size() : 0);
      metrics_.connections_opened += pending.transfer->sockets_opened();
    }
  }
  if (pending.transfer != nullptr) {
    ids_.erase(pending.transfer->handle());
    TRV_ASSERT(curl_multi_remove_handle(multi_, pending.transfer->handle()) == CURLM_OK);
    pending.transfer.reset();
  }
  count(result);
  pending.completion(std::move(result));
}

void Broker::Loop::count(const base::Result<Response>& result) {
  const std::lock_guard lock(metrics_mutex_);
  if (result) {
    ++metrics_.succeeded;
    return;
  }
  switch (result.error().code()) {
    case ErrorCode::invalid: ++metrics_.invalid; break;
    case ErrorCode::denied: ++metrics_.denied; break;
    case ErrorCode::not_found: ++metrics_.not_found; break;
    case ErrorCode::too_large: ++metrics_.too_large; break;
    case ErrorCode::exhausted: ++metrics_.exhausted; break;
    case ErrorCode::unavailable: ++metrics_.unavailable; break;
    case ErrorCode::timeout: ++metrics_.timeout; break;
    case ErrorCode::cancelled: ++metrics_.cancelled; break;
    default: ++metrics_.other; break;
  }
}

}  // namespace trv::egress
