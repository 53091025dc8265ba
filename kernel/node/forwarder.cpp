#include "kernel/node/forwarder.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "kernel/node/passed_answer.hpp"
#include "kernel/node/passed_body.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/frees.hpp"

namespace trv::node {
namespace {

constexpr std::size_t threads = 16;  ///< requests under way
constexpr std::size_t waiting_max = 1024;
constexpr unsigned hops_max = 3;
constexpr base::Duration owner_within = std::chrono::seconds(5);
constexpr base::Duration look_again_after = std::chrono::milliseconds(50);
constexpr long connect_ms = 1000;
constexpr base::Duration answer_within = std::chrono::seconds(120);
constexpr base::Duration parts_within = std::chrono::minutes(61);  // the owner ends them before

using Headers = std::unique_ptr<curl_slist, base::Frees<curl_slist_free_all>>;

unsigned hops_of(const http::Request& request) {
  if (!request.is_from_node()) return 0;
  const std::string_view text = request.header(forwarded_header).value_or("0");
  unsigned hops = 0;
  std::from_chars(text.data(), text.data() + text.size(), hops);
  return hops;
}

void add(Headers& headers, const std::string& line) {
  curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
  TRV_ASSERT(longer != nullptr);
  static_cast<void>(headers.release());
  headers.reset(longer);
}

Headers headers_of(const http::Request& request, const std::string& forwarded) {
  Headers headers;
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const http::Field field = request.header_at(i);
    // An empty value is written with ';', or curl leaves the header out.
    if (base::equal_ignoring_case(field.name, "traceparent")) continue;
    if (is_passed_on(field.name)) {
      add(headers, fmt::format("{}{} {}", field.name, field.value.empty() ? ";" : ":", field.value));
    }
  }
  add(headers, fmt::format("X-Request-Id: {}", request.id()));
  if (!request.traceparent().empty()) add(headers, fmt::format("traceparent: {}", request.traceparent()));
  add(headers, fmt::format("{}: {}", forwarded_header, forwarded));
  add(headers, fmt::format("{}: {}", http::client_address_header, request.remote_address()));
  for (const std::string& name : request.certificate_names()) {
    add(headers, fmt::format("{}: {}", http::client_certificate_header, name));
  }
  add(headers, "Expect:");
  if (!request.header("Content-Type")) add(headers, "Content-Type:");
  return headers;
}

/// An answer that is read, and until when.
struct Reading {
  CURL* curl;
  PassedAnswer& answer;
  const base::Clock& clock;
  base::Duration began;
  bool is_long = false;  ///< the request has a body in parts
};

std::size_t on_header(const char* data, std::size_t size, std::size_t count, void* into) {
  auto& reading = *static_cast<Reading*>(into);
  const std::string_view line(data, size * count);
  if (line != "\r\n") return reading.answer.take_header(line) ? line.size() : 0;
  long status = 0;
  curl_easy_getinfo(reading.curl, CURLINFO_RESPONSE_CODE, &status);
  return reading.answer.take_status(static_cast<int>(status)) ? line.size() : 0;
}

std::size_t on_body(const char* data, std::size_t size, std::size_t count, void* into) {
  return static_cast<Reading*>(into)->answer.take_body({data, size * count}) ? size * count : 0;
}

/// Comes at least once a second. Not 0: it ends.
int on_time(void* into, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& reading = *static_cast<Reading*>(into);
  const base::Duration took = reading.clock.monotonic() - reading.began;
  const base::Duration within = reading.is_long || reading.answer.is_in_parts() ? parts_within : answer_within;
  return took < within && reading.answer.goes_on() ? 0 : 1;
}

base::Error one_too_many() {
  return {base::ErrorCode::unavailable,
          fmt::format("this node passes on {} requests and answers in parts of other nodes, as many as it can; ask "
                      "again later",
                      parts_passed_on_max)};
}

using ErrorText = std::array<char, CURL_ERROR_SIZE>;

void set_pem(CURL* curl, CURLoption option, const std::string& pem) {
  // curl only reads it; its type says otherwise.
  curl_blob blob{.data = const_cast<char*>(pem.data()), .len = pem.size(), .flags = CURL_BLOB_COPY};
  curl_easy_setopt(curl, option, &blob);
}

/// The other side did not let this one in, or is not let in: it has not taken the request. In TLS 1.3 the other side's
/// refusal comes as an alert in the place of an answer.
bool is_refusal(CURLcode code, std::string_view why) {
  return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
         (code == CURLE_RECV_ERROR && why.find(" alert ") != std::string_view::npos);
}

/// The other side ended the connection before the handshake was over, and gave no reason: as a process does that ends.
/// curl has no code of its own for it. The request was not sent.
bool is_cut_off(CURLcode code, std::string_view why) {
  constexpr std::array<std::string_view, 4> ends = {"SSL_connect: ", "unexpected eof",
                                                    "Recv failure: ", "Send failure: "};
  return code == CURLE_SSL_CONNECT_ERROR &&
         std::ranges::any_of(ends, [why](std::string_view end) { return why.find(end) != std::string_view::npos; });
}

/// A body in parts that is sent, and whether it has none to send now.
struct Sending {
  PassedBody& body;
  bool waits = false;
};

std::size_t on_body_wanted(char* to, std::size_t size, std::size_t count, void* from) {
  auto& sending = *static_cast<Sending*>(from);
  const auto taken = sending.body.take(to, size * count);
  if (!taken) return CURL_READFUNC_ABORT;
  sending.waits = !taken->has_value();
  return sending.waits ? CURL_READFUNC_PAUSE : **taken;
}

/// As curl_easy_perform, and sends a body as it comes.
CURLcode perform_with_body(CURL* curl, PassedBody& body) {
  const std::unique_ptr<CURLM, base::Frees<curl_multi_cleanup>> multi(curl_multi_init());
  TRV_ASSERT(multi != nullptr);
  Sending sending{.body = body};
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_body_wanted);
  curl_easy_setopt(curl, CURLOPT_READDATA, &sending);
  TRV_ASSERT(curl_multi_add_handle(multi.get(), curl) == CURLM_OK);
  body.begin([&multi] { curl_multi_wakeup(multi.get()); });
  constexpr int look_again_ms = 500;
  CURLcode code = CURLE_RECV_ERROR;
  for (int running = 1; running > 0;) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    if (running == 0 || curl_multi_poll(multi.get(), nullptr, 0, look_again_ms, nullptr) != CURLM_OK) break;
    if (std::exchange(sending.waits, false)) curl_easy_pause(curl, CURLPAUSE_CONT);
  }
  body.pause();
  curl_multi_remove_handle(multi.get(), curl);
  return code;
}

/// One exchange; the answer is whole where it returns CURLE_OK. Each thread keeps its connections.
CURLcode exchange(const std::string& address, const http::TlsIdentity& identity, const http::Request& request,
                  const Headers& headers, PassedBody& body, PassedAnswer& answer, const base::Clock& clock,
                  ErrorText& why) {
  thread_local const std::unique_ptr<CURL, base::Frees<curl_easy_cleanup>> handle(curl_easy_init());
  TRV_ASSERT(handle != nullptr);
  CURL* const curl = handle.get();
  curl_easy_reset(curl);
  const http::Target& target = request.target();
  const auto path = static_cast<std::size_t>(target.path().data() - target.raw().data());
  const std::string url = fmt::format("https://{}{}", address, target.raw().substr(path));
  const std::string method(request.method());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3));
  set_pem(curl, CURLOPT_SSLCERT_BLOB, identity.certificate);
  set_pem(curl, CURLOPT_SSLKEY_BLOB, identity.key);
  set_pem(curl, CURLOPT_CAINFO_BLOB, identity.authority);
  why.front() = 0;
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  Reading reading{
      .curl = curl, .answer = answer, .clock = clock, .began = clock.monotonic(), .is_long = body.is_there()};
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_time);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &reading);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reading);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reading);
  if (method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  if (body.is_there()) {
    const std::string_view length = request.header("Content-Length").value_or("");
    curl_off_t bytes = -1;
    std::from_chars(length.data(), length.data() + length.size(), bytes);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, bytes);
    return perform_with_body(curl, body);
  }
  if (!request.body().empty() || method == "POST" || method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body().size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body().empty() ? "" : request.body().data());
  }
  return curl_easy_perform(curl);
}

}  // namespace

Forwarder::Forwarder(OwnerOf owner_of, Identity identity, std::shared_ptr<spdlog::logger> logger,
                     const base::Clock& clock)
    : owner_of_(std::move(owner_of)),
      identity_(std::move(identity)),
      logger_(std::move(logger)),
      clock_(clock),
      workers_(threads, waiting_max) {
  TRV_EXPECTS(owner_of_ != nullptr && identity_ != nullptr && logger_ != nullptr);
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

Forwarder::~Forwarder() {
  const std::scoped_lock lock(mutex_);
  is_ending_ = true;
  ends_.notify_all();
}

void Forwarder::forward(record::ShardId shard, http::Responder responder, bool says_shard) {
  const unsigned hops = hops_of(responder.request()) + 1;
  queue({.address = [this, shard] { return owner_of_(shard); },
         .header = says_shard ? fmt::format("{} {}", hops, shard.value()) : std::to_string(hops),
         .unreachable = fmt::format("no node is known to own shard {} now", shard.value())},
        std::move(responder));
}

void Forwarder::forward_to(std::string address, http::Responder responder) {
  Way way{.address = [address] { return address; },
          .header = std::to_string(hops_of(responder.request()) + 1),
          .unreachable = fmt::format("the node at {} cannot be reached", address)};
  queue(std::move(way), std::move(responder));
}

void Forwarder::queue(Way way, http::Responder responder) {
  if (hops_of(responder.request()) >= hops_max) {
    return responder.fail(
        {base::ErrorCode::unavailable, "the shard is on its way to another node; ask again in a moment"});
  }
  const auto held = std::make_shared<http::Responder>(std::move(responder));
  if (workers_.run([this, way = std::move(way), held] { send(way, *held); })) return;
  held->fail({base::ErrorCode::unavailable, "too many requests wait for another node; ask again in a moment"});
}

Forwarder::Slot Forwarder::take_slot() {
  if (in_parts_.fetch_add(1) < parts_passed_on_max) return Slot(&in_parts_);
  in_parts_.fetch_sub(1);
  return nullptr;
}

bool Forwarder::wait_a_moment() {
  std::unique_lock lock(mutex_);
  return !ends_.wait_for(lock, look_again_after, [this] { return is_ending_; });
}

void Forwarder::send(const Way& way, http::Responder& responder) {
  const http::Request& request = responder.request();
  const Headers headers = headers_of(request, way.header);
  PassedBody body(responder.body());
  const auto slot = body.is_there() ? take_slot() : nullptr;
  if (body.is_there() && slot == nullptr) return responder.fail(one_too_many());
  const base::Duration deadline = clock_.monotonic() + owner_within;
  bool was_cut_off = false;
  for (;;) {
    const std::string address = way.address();
    PassedAnswer answer(responder, in_parts_, [this] {
      const std::scoped_lock lock(mutex_);
      return is_ending_;
    });
    ErrorText why{};
    const CURLcode code = address.empty() ? CURLE_COULDNT_CONNECT
                                          : exchange(address, identity_(), request, headers, body, answer, clock_, why);
    if (code == CURLE_OK) return answer.end();
    if (answer.is_in_parts()) return;  // and is cut
    if (answer.is_one_too_many()) {
      return responder.fail(one_too_many());
    }
    if (is_cut_off(code, why.data())) {
      if (!std::exchange(was_cut_off, true)) {
        logger_->warn("nodes: {} ended the connection during the TLS handshake, as a node does that ends: {}", address,
                      why.data());
      }
    } else if (is_refusal(code, why.data())) {
      logger_->error(
          "nodes: {} and this node do not take each other for nodes of one cluster: {}; compare the cluster "
          "keys, the clocks and node.address",
          address, why.data());
      return responder.fail({base::ErrorCode::unavailable,
                             fmt::format("the owner of the shard at {} and this node do not take each other for nodes "
                                         "of one cluster; nothing was changed; the logs of both say why",
                                         address)});
    } else if (code != CURLE_COULDNT_CONNECT) {
      return responder.fail({base::ErrorCode::lost,
                             "the node that owns the shard did not answer to the end; it is not known whether this "
                             "took effect; repeat it with the same Idempotency-Key"});
    }
    if (clock_.monotonic() >= deadline || !wait_a_moment()) break;
  }
  responder.fail(
      {base::ErrorCode::unavailable, fmt::format("{}; nothing was changed; ask again in a moment", way.unreachable)});
}

}  // namespace trv::node
