// One HTTP call from its input to its outcome: the document of an OpenAPI call, the token of its authentication, the
// request. Each of these is a step that begins when the answer of the one before is there.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "kernel/effects/call_secrets.hpp"
#include "kernel/effects/http_answer.hpp"
#include "kernel/effects/openapi.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/effects/token_request.hpp"
#include "kernel/egress/url.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/trace/context.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using base::fail;
using json::Value;

std::string as_text(const Value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

std::string text_at(const Value& value, std::string_view name) {
  const Value* found = value.find(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::string with_query(std::string address, const Value* query) {
  if (query == nullptr || !query->is_object()) return address;
  char separator = address.find('?') == std::string::npos ? '?' : '&';
  for (const auto& parameter : query->entries()) {
    address += separator;
    address += base::percent_encoded(parameter.name());
    address += '=';
    address += base::percent_encoded(as_text(parameter.value));
    separator = '&';
  }
  return address;
}

}  // namespace

class HttpCalls::Call : public std::enable_shared_from_this<Call> {
 public:
  Call(HttpCalls& calls, const shard::Effect& effect, std::uint32_t try_number, base::Duration left, TryDone done)
      : calls_(calls),
        tenant_(effect.tenant),
        key_(effect.key),
        traceparent_(effect.traceparent),
        was_begun_before_(try_number > 1),
        deadline_(left > base::Duration::zero() ? calls.clock_.monotonic() + left : base::Duration::max()),
        done_(std::move(done)) {
    request_.method = effect.operation;
    request_.connection = effect.connection;
  }

  void begin(const std::string& input) {
    auto parsed = json::parse(input);
    if (!parsed) return refuse(parsed.error());
    input_ = *std::move(parsed);
    if (base::Status put = secrets_.put_into(input_, tenant_, calls_.connections_, calls_.secrets_); !put) {
      return refuse(put.error());
    }
    output_ = text_at(input_, "output");
    if (input_.find("document") != nullptr) return find_document();
    const Value* endpoint = input_.find("endpoint");
    if (endpoint == nullptr || !endpoint->is_string()) {
      return refuse(base::Error(ErrorCode::invalid, "the HTTP call has no endpoint"));
    }
    std::string address = with_query(std::string(endpoint->as_string()), input_.find("query"));
    (request_.connection.empty() ? request_.url : request_.path) = std::move(address);
    if (const Value* headers = input_.find("headers"); headers != nullptr && headers->is_object()) {
      for (const auto& header : headers->entries()) {
        request_.headers.push_back({std::string(header.name()), as_text(header.value)});
      }
    }
    if (const Value* body = input_.find("body"); body != nullptr && !body->is_null()) {
      request_.body = as_text(*body);
      if (!body->is_string() && !egress::has_header(request_.headers, "content-type")) {
        request_.headers.push_back({"Content-Type", "application/json"});
      }
    }
    authenticate();
  }

  void cancel() {
    egress::RequestId current = 0;
    std::shared_ptr<Call> before;
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
      current = current_;
      before = before_;
    }
    if (before != nullptr) before->cancel();
    if (current != 0) calls_.broker_.cancel(current);
  }

 private:
  using Answer = std::function<void(const egress::Response&)>;

  void finish(TryResult result) { done_(secrets_.redacted(std::move(result))); }
  void refuse(const base::Error& error) { finish(result_of(error)); }

  /// `then` is called with the answer; where there is none, the try ends.
  void send(egress::Request request, std::string_view what, Answer then) {
    request.tenant = tenant_;
    if (trace::Context::parse(traceparent_) && request.headers.size() < egress::request_headers_max &&
        !egress::has_header(request.headers, "traceparent")) {
      request.headers.push_back({"traceparent", traceparent_});
    }
    if (deadline_ != base::Duration::max()) {
      const base::Duration left = deadline_ - calls_.clock_.monotonic();
      if (left <= base::Duration::zero()) {
        return refuse(base::Error(ErrorCode::timeout, fmt::format("{}the call's time is over",
                                                                  what.empty() ? "" : fmt::format("{}: ", what))));
      }
      request.timeout_ms = static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
    }
    const std::string prefix(what);
    {
      const std::lock_guard lock(mutex_);
      if (!cancelled_) {
        current_ = calls_.broker_.send(std::move(request), [self = shared_from_this(), prefix, then = std::move(then)](
                                                               base::Result<egress::Response> response) {
          if (response) return then(*response);
          const base::Error error =
              prefix.empty() ? std::move(response).error() : std::move(response).error().in(prefix);
          self->finish(result_of(error));
        });
        return;
      }
    }
    refuse(base::Error(ErrorCode::cancelled, "the call has been cancelled"));
  }

  void find_document() {
    document_address_ = text_at(input_, "document");
    if (input_.find("documentAuthentication") != nullptr) return find_own_document();
    if (is_below_connection(document_address_)) {
      is_document_kept_ = false;
      return fetch_document(request_.connection);
    }
    if (auto known = calls_.memory_.document(tenant_, document_address_)) return use_document(*known);
    fetch_document({});
  }

  /// The credentials of the call's connection go with whatever is below its base URL.
  bool is_below_connection(const std::string& address) const {
    if (request_.connection.empty()) return false;
    const base::Result<egress::Connection> connection = calls_.connections_.find(tenant_, request_.connection);
    return connection && egress::path_below(connection->base_url, address).has_value();
  }

  void fetch_document(const std::string& connection) {
    egress::Request request;
    request.url = document_address_;
    request.connection = connection;
    request.headers.push_back({"Accept", "application/json, application/yaml;q=0.9, */*;q=0.5"});
    send(std::move(request), fmt::format("the OpenAPI document {}", document_address_),
         [this](const egress::Response& response) { take_document(response); });
  }

  /// A document that is not for everybody is fetched by a call of its own, each time.
  void find_own_document() {
    is_document_kept_ = false;
    if (base::Status may = secrets_.may_go_to(document_address_, CallSecrets::Where::document); !may) {
      return refuse(may.error());
    }
    shard::Effect effect;
    effect.tenant = tenant_;
    effect.key = key_;
    effect.traceparent = traceparent_;
    effect.operation = "GET";
    const base::Duration left =
        deadline_ == base::Duration::max() ? base::Duration::zero() : deadline_ - calls_.clock_.monotonic();
    if (left < base::Duration::zero()) return refuse(base::Error(ErrorCode::timeout, "the call's time is over"));
    auto call = std::make_shared<Call>(calls_, effect, 1, left, [self = shared_from_this()](TryResult result) {
      self->forget_before();
      if (!result.outcome.ok) {
        result.outcome.message =
            fmt::format("the OpenAPI document {}: {}", self->document_address_, result.outcome.message);
        return self->finish(std::move(result));
      }
      auto bytes = json::parse(result.outcome.output, {.bytes_max = result.outcome.output.size() + 4});
      egress::Response response{.status = result.outcome.status, .headers = {}, .body = {}};
      if (bytes && bytes->is_string()) {
        const auto body = base::from_base64(bytes->as_string());
        if (body) response.body = std::string(base::as_text(*body));
      }
      self->take_document(response);
    });
    bool is_cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      is_cancelled = cancelled_;
      if (!is_cancelled) before_ = call;
    }
    if (is_cancelled) return refuse(base::Error(ErrorCode::cancelled, "the call has been cancelled"));
    call->begin(json::serialize({{"endpoint", document_address_},
                                 {"authentication", *input_.find("documentAuthentication")},
                                 {"output", "raw"}}));
  }
  void forget_before() {
    const std::lock_guard lock(mutex_);
    before_.reset();
  }

  void take_document(const egress::Response& response) {
    if (response.status != 200) {
      TryResult result;
      result.outcome.code = response.status >= 500 || response.status == 429 ? "unavailable" : "not_found";
      result.outcome.status = response.status;
      result.outcome.message =
          fmt::format("the OpenAPI document {} was answered with status {}", document_address_, response.status);
      return finish(std::move(result));
    }
    auto document = read_openapi_document(document_address_, response.body);
    if (!document) return refuse(document.error());
    auto kept = std::make_shared<const Value>(*std::move(document));
    if (is_document_kept_) {
      calls_.memory_.keep_document(tenant_, document_address_, kept, response.body.size());
    }
    use_document(*kept);
  }

  void use_document(const Value& document) {
    const std::string operation_id = text_at(input_, "operationId");
    const Value* parameters = input_.find("parameters");
    const bool has_any = parameters != nullptr && parameters->is_object();
    auto described =
        openapi_request(document, {document_address_, operation_id, has_any ? *parameters : Value::object()});
    if (!described) return refuse(described.error());
    request_.method = std::move(described->method);
    request_.url = std::move(described->url);
    request_.headers = std::move(described->headers);
    request_.body = std::move(described->body);
    authenticate();
  }

  void authenticate() {
    const Value* policy = input_.find("authentication");
    if (policy == nullptr) return request();
    using Scheme = egress::Credential::Scheme;
    const std::string scheme = text_at(*policy, "scheme");
    const std::string connection = text_at(*policy, "use");
    const bool asks_for_token = scheme == "oauth2" || scheme == "oidc";
    authorization_ = scheme == "basic" ? "Basic" : scheme == "digest" ? "Digest" : "Bearer";
    request_.credential.scheme = scheme == "basic"    ? Scheme::basic
                                 : scheme == "digest" ? Scheme::digest
                                                      : Scheme::bearer;
    if (!connection.empty()) request_.connection = connection;
    if (asks_for_token) return find_token(scheme == "oidc", *policy, connection);
    if (connection.empty()) {
      request_.credential.user = text_at(*policy, "username");
      request_.credential.secret = text_at(*policy, scheme == "bearer" ? "token" : "password");
      secrets_.note_user(request_.credential.user);
    }
    request();
  }

  void find_token(bool is_oidc, const Value& policy, const std::string& connection) {
    policy_ = policy;
    if (!connection.empty()) {
      base::Result<Value> kept = kept_policy(connection);
      if (!kept) return refuse(std::move(kept).error().in(fmt::format("the connection '{}'", connection)));
      policy_ = *std::move(kept);
    }
    token_name_ = HttpMemory::token_name(tenant_, policy_);
    if (auto token = calls_.memory_.token(token_name_)) {
      token_is_old_ = true;
      return use_token(*std::move(token));
    }
    if (!is_oidc) return ask_for_token(token_endpoint(policy_));
    base::Result<std::string> address = discovery_address(policy_);
    if (!address) return refuse(address.error());
    egress::Request request;
    request.url = *address;
    send(std::move(request), "the authority's OpenID configuration",
         [this, address = *address](const egress::Response& response) {
           if (response.status == 200) return ask_for_token(discovered_token_endpoint(policy_, response.body));
           refuse(base::Error(response.status >= 500 ? ErrorCode::unavailable : ErrorCode::unauthenticated,
                              fmt::format("{} was answered with status {}", address, response.status)));
         });
  }

  /// The policy that is the secret of a connection.
  base::Result<Value> kept_policy(const std::string& name) {
    TRV_TRY_ASSIGN(const egress::Connection connection, calls_.connections_.find(tenant_, name));
    if (!connection.plugin.empty()) {
      return fail(ErrorCode::denied, fmt::format("it belongs to plugin '{}'", connection.plugin));
    }
    if (connection.authentication.secret_reference.empty()) return fail(ErrorCode::invalid, "it has no secret");
    TRV_TRY_ASSIGN(const std::string secret,
                   calls_.secrets_.reveal(tenant_, connection.authentication.secret_reference));
    auto policy = json::parse(secret);
    // The reader's message would show a part of the secret.
    if (policy && policy->is_object()) return *std::move(policy);
    return fail(ErrorCode::invalid,
                "its secret must be a JSON object with the policy: authority, grant, client and so on");
  }

  void ask_for_token(base::Result<std::string> endpoint) {
    if (!endpoint) return refuse(endpoint.error());
    if (base::Status may = secrets_.may_go_to(*endpoint, CallSecrets::Where::authentication); !may) {
      return refuse(may.error());
    }
    base::Result<egress::Request> request = token_request(policy_, *endpoint, assertion_time());
    if (!request) return refuse(request.error());
    send(*std::move(request), "the token request", [this, endpoint = *endpoint](const egress::Response& response) {
      base::Result<Token> token = read_token(policy_, endpoint, response);
      if (!token) return finish(result_of(token.error()));
      calls_.memory_.keep_token(token_name_, token->text, token->lifetime);
      token_is_old_ = false;
      use_token(std::move(token->text));
    });
  }

  /// Each try of a call asks at another time.
  AssertionTime assertion_time() const {
    const base::Timestamp now = calls_.clock_.now();
    return {now, base::to_hex(base::sha256(base::as_bytes(fmt::format("{} {}", key_, now.ns()))))};
  }

  void use_token(std::string token) {
    request_.credential.secret = std::move(token);
    request();
  }

  /// Where the request goes; empty where there is no such connection, which the broker reports.
  std::string address() const {
    if (!request_.url.empty()) return request_.url;
    const base::Result<egress::Connection> connection = calls_.connections_.find(tenant_, request_.connection);
    if (!connection) return {};
    std::string base_url = connection->base_url;
    while (base_url.ends_with('/')) base_url.pop_back();
    return base_url + request_.path;
  }

  void request() {
    if (!secrets_.empty()) {
      using Where = CallSecrets::Where;
      const std::string to = address();
      base::Status may = secrets_.may_go_to(to, Where::request);
      // What asks for a token does not go to the service.
      if (may && token_name_.empty()) may = secrets_.may_go_to(to, Where::authentication);
      if (!may) return refuse(may.error());
    }
    if (was_begun_before_ && !is_idempotent(request_.method)) {
      return refuse(base::Error(
          ErrorCode::unavailable,
          fmt::format("the process ended while the {} was under way, so whether the service did what it asks is not "
                      "known; it is not made again by itself, as twice may be wrong",
                      request_.method)));
    }
    if (request_.method != "GET" && request_.method != "HEAD" && request_.method != "OPTIONS") {
      request_.idempotency_key = key_;
    }
    SentRequest sent{request_.method, request_.url.empty() ? request_.path : request_.url, {}};
    if (output_ == "response") {
      sent.headers = request_.headers;
      if (!authorization_.empty()) sent.headers.push_back({"Authorization", authorization_ + " [redacted]"});
    }
    send(request_, {}, [this, sent = std::move(sent)](const egress::Response& response) {
      if (response.status == 401 && token_is_old_) {
        // The service no longer takes the token: it did nothing, and another may do.
        calls_.memory_.forget_token(token_name_);
        token_is_old_ = false;
        return authenticate();
      }
      if (secrets_.empty() || output_ != "raw") return finish(result_of(sent, output_, response));
      // In base64 nothing of the secret would be found.
      egress::Response redacted = response;
      redacted.body = secrets_.redacted(std::move(redacted.body));
      done_(result_of(sent, output_, redacted));
    });
  }

  HttpCalls& calls_;
  const base::TenantId tenant_;
  const std::string key_;
  const std::string traceparent_;
  const bool was_begun_before_;  ///< and the process ended before its outcome was recorded
  const base::Duration deadline_;
  TryDone done_;
  Value input_;
  CallSecrets secrets_;
  std::string output_;
  egress::Request request_;
  std::string document_address_;
  bool is_document_kept_ = true;  ///< for later calls: it is for everybody
  std::string authorization_;     ///< scheme of the credential; empty: there is none
  Value policy_;
  std::string token_name_;
  bool token_is_old_ = false;  ///< it was kept from an earlier call

  std::mutex mutex_;
  bool cancelled_ = false;
  egress::RequestId current_ = 0;
  std::shared_ptr<Call> before_;  ///< the one that fetches the document
};

CancelTry HttpCalls::perform(const shard::Effect& effect, std::uint32_t try_number, base::Duration left, TryDone done) {
  auto call = std::make_shared<Call>(*this, effect, try_number, left, std::move(done));
  call->begin(effect.input);
  return [call] { call->cancel(); };
}

}  // namespace trv::effects
