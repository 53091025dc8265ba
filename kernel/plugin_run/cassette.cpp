#include "kernel/plugin_run/cassette.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using base::Result;
using json::Value;

constexpr std::string_view redacted = "[redacted]";
constexpr std::array<std::string_view, 7> secret_words = {"auth",     "cookie", "token",    "secret",
                                                          "password", "key",    "signature"};
constexpr std::size_t path_shown_max = 200;

bool may_be_secret(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(secret_words, [&](std::string_view word) { return lower.contains(word); });
}

Value headers_value(const std::vector<egress::Header>& headers) {
  Value list = Value::array();
  for (const egress::Header& header : headers) {
    const std::string_view value = may_be_secret(header.name) ? redacted : std::string_view(header.value);
    list.push_back(Value::array({base::to_valid_utf8(header.name), base::to_valid_utf8(value)}));
  }
  return list;
}

void set_body(Value& object, const std::string& body) {
  if (body.empty()) return;
  const bool is_text = base::is_utf8(body);
  object.set(is_text ? "body" : "body_base64", is_text ? body : base::to_base64(base::as_bytes(body)));
}

Value exchange_value(const Exchange& exchange) {
  Value request = {{"connection", exchange.request.connection},
                   {"method", exchange.request.method},
                   {"path", exchange.request.path},
                   {"headers", headers_value(exchange.request.headers)}};
  set_body(request, exchange.request.body);
  Value line = {{"request", std::move(request)}};
  if (!exchange.answer) {
    return line.with("error", {{"code", base::to_string(exchange.answer.error().code())},
                               {"message", exchange.answer.error().message()}});
  }
  Value response = {{"status", static_cast<std::int64_t>(exchange.answer->status)},
                    {"headers", headers_value(exchange.answer->headers)}};
  set_body(response, exchange.answer->body);
  return line.with("response", std::move(response));
}

// ---- reading

std::unexpected<base::Error> wrong(std::string_view member, std::string_view what) {
  return base::fail(ErrorCode::invalid, fmt::format("{}: {}", member, what));
}

Result<std::string> text_of(const Value& object, std::string_view member) {
  const Value* found = object.find(member);
  if (found == nullptr) return std::string();
  if (!found->is_string()) return wrong(member, "is not a text");
  return std::string(found->as_string());
}

Result<std::vector<egress::Header>> headers_of(const Value& object) {
  std::vector<egress::Header> headers;
  const Value* found = object.find("headers");
  if (found == nullptr) return headers;
  if (!found->is_array()) return wrong("headers", "is not a list of pairs");
  for (const Value& pair : found->items()) {
    const bool is_pair = pair.is_array() && pair.items().size() == 2 &&
                         std::ranges::all_of(pair.items(), [](const Value& part) { return part.is_string(); });
    if (!is_pair) return wrong("headers", "is not a list of pairs of texts");
    headers.push_back({std::string(pair.items()[0].as_string()), std::string(pair.items()[1].as_string())});
  }
  return headers;
}

Result<std::string> body_of(const Value& object) {
  TRV_TRY_ASSIGN(const std::string encoded, text_of(object, "body_base64"));
  if (encoded.empty()) return text_of(object, "body");
  const auto bytes = base::from_base64(encoded);
  if (!bytes) return wrong("body_base64", "is not base64");
  return std::string(base::as_text(*bytes));
}

Result<egress::Request> request_of(const Value& object) {
  egress::Request request;
  TRV_TRY_ASSIGN(request.connection, text_of(object, "connection"));
  TRV_TRY_ASSIGN(request.method, text_of(object, "method"));
  TRV_TRY_ASSIGN(request.path, text_of(object, "path"));
  TRV_TRY_ASSIGN(request.headers, headers_of(object));
  TRV_TRY_ASSIGN(request.body, body_of(object));
  if (request.method.empty()) return wrong("method", "is missing");
  if (request.path.empty()) return wrong("path", "is missing");
  return request;
}

Result<egress::Response> response_of(const Value& object) {
  egress::Response response;
  const Value* status = object.find("status");
  if (status == nullptr || !status->is_int() || status->as_int() < 100 || status->as_int() > 599) {
    return wrong("status", "is not a number from 100 to 599");
  }
  response.status = static_cast<std::uint32_t>(status->as_int());
  TRV_TRY_ASSIGN(response.headers, headers_of(object));
  TRV_TRY_ASSIGN(response.body, body_of(object));
  return response;
}

Result<base::Error> error_of(const Value& object) {
  TRV_TRY_ASSIGN(const std::string name, text_of(object, "code"));
  TRV_TRY_ASSIGN(std::string message, text_of(object, "message"));
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    if (base::to_string(static_cast<ErrorCode>(code)) == name) {
      return base::Error(static_cast<ErrorCode>(code), std::move(message));
    }
  }
  return wrong("code", fmt::format("'{}' is not an error code", name.substr(0, 40)));
}

Result<Exchange> read_exchange(std::string_view line) {
  TRV_TRY_ASSIGN(const Value object, json::parse(line, {.bytes_max = cassette_bytes_max}));
  const Value* request = object.find("request");
  const Value* response = object.find("response");
  const Value* error = object.find("error");
  if (request == nullptr || !request->is_object()) return wrong("request", "is missing");
  if ((response == nullptr) == (error == nullptr)) return wrong("response", "either this or error has to be there");
  Exchange exchange;
  TRV_TRY_ASSIGN(exchange.request, request_of(*request));
  if (response != nullptr) {
    TRV_TRY_ASSIGN(exchange.answer, response_of(*response));
    return exchange;
  }
  TRV_TRY_ASSIGN(base::Error kept, error_of(*error));
  exchange.answer = base::fail(std::move(kept));
  return exchange;
}

/// The first line.
Result<Cassette> head_of(std::string_view line) {
  const auto head = json::parse(line);
  const Value* version = head ? head->find("cassette") : nullptr;
  if (version == nullptr || !version->is_int() || version->as_int() != 1) {
    return base::fail(ErrorCode::invalid, R"(not a cassette; its first line is {"cassette":1})");
  }
  Cassette cassette;
  TRV_TRY_ASSIGN(cassette.idempotency_key, text_of(*head, "idempotency_key"));
  if (const Value* store = head->find("store")) {
    auto values = read_store(json::serialize(*store));
    if (!values) return base::fail(std::move(values).error().in("store"));
    cassette.store = *std::move(values);
  }
  return cassette;
}

bool is_same(const egress::Request& a, const egress::Request& b) {
  return a.connection == b.connection && a.method == b.method && a.path == b.path && a.body == b.body;
}

}  // namespace

Result<Cassette> read_cassette(std::string_view text) {
  if (text.size() > cassette_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("a cassette has at most {} bytes, this one has {}", cassette_bytes_max, text.size()));
  }
  Cassette cassette;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (number == 1) {
      auto head = head_of(line);
      if (!head) return base::fail(std::move(head).error().in("line 1"));
      cassette = *std::move(head);
      continue;
    }
    if (line.empty()) continue;
    auto exchange = read_exchange(line);
    if (!exchange) return base::fail(std::move(exchange).error().in(fmt::format("line {}", number)));
    cassette.exchanges.push_back(*std::move(exchange));
  }
  return cassette;
}

std::string to_text(const Cassette& cassette) {
  Value head = {{"cassette", 1}};
  if (!cassette.idempotency_key.empty()) head.set("idempotency_key", cassette.idempotency_key);
  if (!cassette.store.empty()) {
    Value store = Value::object();
    for (const auto& [key, value] : cassette.store) store.set(key, json::parse(value).value());
    head.set("store", std::move(store));
  }
  std::string text = json::serialize(head) + "\n";
  for (const Exchange& exchange : cassette.exchanges) text += json::serialize(exchange_value(exchange)) + "\n";
  return text;
}

Exchange exchange_of(const egress::Request& request, Result<egress::Response> answer) {
  Exchange exchange;
  exchange.request.connection = request.connection;
  exchange.request.method = request.method;
  exchange.request.path = request.path;
  exchange.request.headers = request.headers;
  exchange.request.body = request.body;
  exchange.answer = std::move(answer);
  return exchange;
}

// ---- recording

namespace {

/// What was sent of a body in parts, put together; on the sender's thread.
struct SentBody {
  std::string bytes;
  bool is_too_large = false;
};

std::shared_ptr<SentBody> watch(egress::Request& request) {
  if (request.departing == nullptr) return nullptr;
  auto sent = std::make_shared<SentBody>();
  request.departing->watch([sent](std::string_view bytes) {
    sent->is_too_large = sent->is_too_large || sent->bytes.size() + bytes.size() > cassette_bytes_max;
    if (!sent->is_too_large) sent->bytes.append(bytes);
  });
  return sent;
}

void add_sent(Exchange& exchange, const std::shared_ptr<SentBody>& sent) {
  if (sent == nullptr) return;
  exchange.request.body = std::move(sent->bytes);
  if (!sent->is_too_large) return;
  exchange.request.body.clear();
  exchange.answer =
      base::fail(ErrorCode::too_large,
                 fmt::format("the request was over {} bytes, the most that a cassette holds", cassette_bytes_max));
}

}  // namespace

egress::RequestId CassetteRecorder::send(egress::Request request, egress::Completion completion) {
  TRV_EXPECTS(completion);
  Exchange exchange = exchange_of(request, egress::Response{});
  std::shared_ptr<SentBody> sent = watch(request);
  return network_.send(std::move(request),
                       [this, sent = std::move(sent), exchange = std::move(exchange),
                        completion = std::move(completion)](Result<egress::Response> answer) mutable {
                         exchange.answer = answer;
                         add_sent(exchange, sent);
                         keep(std::move(exchange));
                         completion(std::move(answer));
                       });
}

void CassetteRecorder::keep(Exchange exchange) {
  const std::lock_guard lock(mutex_);
  cassette_.exchanges.push_back(std::move(exchange));
}

/// Passes an answer in parts on, and puts it together.
class CassetteRecorder::Parts final : public egress::PartReceiver {
 public:
  Parts(CassetteRecorder& recorder, Exchange exchange, std::shared_ptr<SentBody> sent,
        std::shared_ptr<egress::PartReceiver> receiver)
      : recorder_(recorder), exchange_(std::move(exchange)), sent_(std::move(sent)), receiver_(std::move(receiver)) {}

  void head(egress::Response head) override {
    has_head_ = true;
    exchange_.answer = head;
    receiver_->head(std::move(head));
  }
  void part(std::string_view bytes) override {
    std::string& body = exchange_.answer->body;
    is_too_large_ = is_too_large_ || body.size() + bytes.size() > cassette_bytes_max;
    if (!is_too_large_) body.append(bytes);
    receiver_->part(bytes);
  }
  void end(base::Status status) override {
    const bool is_kept = status || (has_head_ && status.error().code() == ErrorCode::cancelled);
    if (!is_kept) exchange_.answer = base::fail(status.error());
    if (is_kept && is_too_large_) {
      exchange_.answer =
          base::fail(ErrorCode::too_large,
                     fmt::format("the answer was over {} bytes, the most that a cassette holds", cassette_bytes_max));
    }
    add_sent(exchange_, sent_);
    recorder_.keep(std::move(exchange_));
    receiver_->end(std::move(status));
  }

 private:
  CassetteRecorder& recorder_;
  Exchange exchange_;
  std::shared_ptr<SentBody> sent_;
  std::shared_ptr<egress::PartReceiver> receiver_;
  bool has_head_ = false;
  bool is_too_large_ = false;
};

egress::RequestId CassetteRecorder::send_in_parts(egress::Request request,
                                                  std::shared_ptr<egress::PartReceiver> receiver) {
  TRV_EXPECTS(receiver != nullptr);
  Exchange exchange = exchange_of(request, egress::Response{});
  auto parts = std::make_shared<Parts>(*this, std::move(exchange), watch(request), std::move(receiver));
  return network_.send_in_parts(std::move(request), std::move(parts));
}

Cassette CassetteRecorder::recorded() const {
  const std::lock_guard lock(mutex_);
  return cassette_;
}

// ---- playing

CassettePlayer::CassettePlayer(Cassette cassette) : cassette_(std::move(cassette)), used_(cassette_.exchanges.size()) {}

Result<egress::Response> CassettePlayer::answer_to(const egress::Request& request) {
  bool was_there = false;
  for (std::size_t index = 0; index < used_.size(); ++index) {
    if (!is_same(cassette_.exchanges[index].request, request)) continue;
    was_there = true;
    if (used_[index]) continue;
    used_[index] = true;
    return cassette_.exchanges[index].answer;
  }
  missing_.push_back(fmt::format(
      "{} {} over connection '{}'{} has no {}recording", request.method, request.path.substr(0, path_shown_max),
      request.connection, request.body.empty() ? "" : fmt::format(" with this body of {} bytes", request.body.size()),
      was_there ? "further " : ""));
  return base::fail(ErrorCode::not_found, missing_.back());
}

std::vector<std::string> CassettePlayer::missing() const {
  const std::lock_guard lock(mutex());
  return missing_;
}

std::size_t CassettePlayer::unused() const {
  const std::lock_guard lock(mutex());
  return static_cast<std::size_t>(std::ranges::count(used_, false));
}

}  // namespace trv::plugin_run
