// Authentication of HTTP calls: what reaches the service, what is asked for once, and what never leaves.

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <vector>

#include "kernel/effects/performers.hpp"
#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::effects {
namespace {

class Sources final : public egress::ConnectionSource, public egress::SecretSource {
 public:
  base::Result<egress::Connection> find(const base::TenantId&, std::string_view name) override {
    const auto found = connections.find(std::string(name));
    if (found == connections.end()) return base::fail(base::ErrorCode::not_found, "no connection");
    return found->second;
  }
  base::Result<std::string> reveal(const base::TenantId&, std::string_view reference) override {
    if (reference != "ref") return base::fail(base::ErrorCode::not_found, "no secret");
    return secret;
  }
  std::map<std::string, egress::Connection> connections;
  std::string secret = "s3cret";
};

/// A service, an authority and a document on one server. `/token` gives t1, t2, …
class HttpAuthentication : public testing::Test {
 protected:
  void SetUp() override {
    egress::BrokerConfiguration configuration;
    configuration.allow_private_network = true;
    auto started = egress::Broker::start(configuration, sources_, sources_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
    calls_ = std::make_unique<HttpCalls>(*broker_, sources_, sources_, clock_);
    egress::Connection& vault = sources_.connections["vault"];
    vault.tenant = base::TenantId("acme");
    vault.name = "vault";
    vault.base_url = server_.url() + "/api";
    vault.authentication = {egress::AuthenticationScheme::basic, "ada", "", "ref"};
  }

  static std::string reply(int status, std::string_view body, std::string_view headers = "") {
    return "HTTP/1.1 " + std::to_string(status) +
           " Text\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(headers) + "\r\n" + std::string(body);
  }
  std::string answer(const std::string& request) {
    const std::lock_guard lock(mutex_);
    const std::string line = request.substr(0, request.find("\r\n"));
    const std::string path = line.substr(line.find(' ') + 1, line.rfind(' ') - line.find(' ') - 1);
    requests_.push_back(request);
    if (path == "/token" || path == "/oauth2/token") {
      if (token_status_ != 200)
        return reply(token_status_, R"({"error":"invalid_client","error_description":"s3cret"})");
      return reply(200, R"({"access_token":")" + token_prefix_ + std::to_string(++tokens_) +
                            R"(","token_type":"bearer","expires_in":)" + std::to_string(expires_in_) + "}");
    }
    if (path == "/.well-known/openid-configuration") {
      return reply(200, R"({"issuer":"me","token_endpoint":")" + server_.url() + R"(/token"})");
    }
    if (path == "/openapi.json" || path == "/api/openapi.json") {
      return reply(200, R"({"openapi":"3.0.0","paths":{"/api/{id}":{"get":{"operationId":"get","parameters":[)"
                        R"({"name":"id","in":"path"}]}}}})");
    }
    if (path == "/digest" && request.find("Authorization: Digest") == std::string::npos) {
      return reply(401, "no", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n");
    }
    if (path == "/api/echo") return reply(200, echo_);
    if (request.find("Bearer " + refused_) != std::string::npos && !refused_.empty()) return reply(401, "{}");
    return reply(200, R"({"ok":true})");
  }

  shard::Outcome call(const std::string& authentication, const std::string& path = "/api/1",
                      const std::string& more = "", base::Duration left = {}) {
    return perform(R"("endpoint":")" + server_.url() + path + "\"" + more, authentication, left);
  }
  shard::Outcome perform(const std::string& what, const std::string& authentication, base::Duration left = {},
                         const std::string& connection = {}) {
    shard::Effect effect;
    effect.connection = connection;
    effect.tenant = base::TenantId("acme");
    effect.key = "acme/1/do/0/get/1";
    effect.kind = "http";
    effect.operation = "GET";
    effect.input = "{" + what + (authentication.empty() ? "" : R"(,"authentication":)" + authentication) + "}";
    auto promise = std::make_shared<std::promise<shard::Outcome>>();
    auto future = promise->get_future();
    (void)calls_->perform(effect, 1, left,
                          [promise](TryResult result) { promise->set_value(std::move(result.outcome)); });
    return future.get();
  }
  std::string oauth2(const std::string& more = "") const {
    return R"({"scheme":"oauth2","authority":")" + server_.url() +
           R"(","grant":"client_credentials","client":{"id":"me","secret":"s3cret"})" + more + "}";
  }
  std::size_t asked(std::string_view path) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(requests_, [&](const std::string& one) {
      return one.find(' ' + std::string(path) + " HTTP/1.1") < one.find("\r\n");
    }));
  }
  std::size_t sent_to(std::string_view path, std::string_view text) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(requests_, [&](const std::string& one) {
      return one.find(' ' + std::string(path) + " HTTP/1.1") < one.find("\r\n") && one.contains(text);
    }));
  }
  std::string last() {
    const std::lock_guard lock(mutex_);
    return requests_.empty() ? "" : requests_.back();
  }
  bool sent(std::string_view text) { return last().find(text) != std::string::npos; }

  base::SystemClock clock_;
  Sources sources_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::string token_prefix_ = "t";  ///< of the tokens that are given out
  int tokens_ = 0;
  int token_status_ = 200;
  int expires_in_ = 3'600;
  std::string refused_;
  std::string echo_;
  http::LoopbackServer server_{[this](const std::string& request) { return answer(request); }};
  std::unique_ptr<HttpCalls> calls_;
  std::unique_ptr<egress::Broker> broker_;
};

TEST_F(HttpAuthentication, basic_and_bearer_are_sent_and_never_come_back) {
  const shard::Outcome basic =
      call(R"({"scheme":"basic","username":"ada","password":"s3cret"})", "/api/1", R"(,"output":"response")");
  EXPECT_TRUE(basic.ok) << basic.message;
  EXPECT_TRUE(sent("Authorization: Basic YWRhOnMzY3JldA==\r\n")) << last();
  EXPECT_NE(basic.output.find(R"("headers":{"Authorization":"Basic [redacted]"})"), std::string::npos) << basic.output;
  EXPECT_EQ(basic.output.find("YWRhOnMzY3JldA"), std::string::npos) << basic.output;
  EXPECT_TRUE(call(R"({"scheme":"basic","username":"ada","password":""})").ok);
  EXPECT_TRUE(sent("Authorization: Basic YWRhOg==\r\n")) << last();
  EXPECT_TRUE(call(R"({"scheme":"bearer","token":"abc"})").ok);
  EXPECT_TRUE(sent("Authorization: Bearer abc\r\n")) << last();
  EXPECT_TRUE(call("").ok);
  EXPECT_FALSE(sent("Authorization")) << last();
  const shard::Outcome split = call(R"({"scheme":"bearer","token":"a\r\nX-B: c"})");
  EXPECT_EQ(split.code, "invalid");
}

TEST_F(HttpAuthentication, digest_answers_what_the_service_asks_and_the_next_call_starts_anew) {
  const shard::Outcome outcome = call(R"({"scheme":"digest","username":"ada","password":"s3cret"})", "/digest");
  EXPECT_TRUE(outcome.ok && outcome.status == 200) << outcome.status << outcome.message;
  EXPECT_EQ(outcome.output, R"({"ok":true})");
  EXPECT_EQ(asked("/digest"), 2U);
  EXPECT_TRUE(sent("Authorization: Digest username=\"ada\"")) << last();
  EXPECT_FALSE(sent("s3cret")) << last();
  EXPECT_EQ(call("", "/digest").status, 401U);
  EXPECT_FALSE(sent("Authorization")) << last();
  const shard::Outcome kept = call(R"({"scheme":"digest","use":"vault"})", "/digest");
  EXPECT_EQ(kept.code, "denied") << kept.message;
}

TEST_F(HttpAuthentication, the_secret_of_a_connection_goes_below_its_base_url_only) {
  const shard::Outcome good = call(R"({"scheme":"basic","use":"vault"})", "/api/1?x=2");
  EXPECT_TRUE(good.ok) << good.message;
  EXPECT_TRUE(sent("GET /api/1?x=2 ")) << last();
  EXPECT_TRUE(sent("Authorization: Basic YWRhOnMzY3JldA==\r\n")) << last();
  for (const std::string path : {"/apix", "/other", "/api/../other", ""}) {
    const shard::Outcome outcome = call(R"({"scheme":"basic","use":"vault"})", path);
    EXPECT_FALSE(outcome.ok) << path;
    EXPECT_EQ(outcome.message.find("s3cret"), std::string::npos);
  }
  EXPECT_EQ(requests_.size(), 1U);
  EXPECT_EQ(perform(R"("endpoint":"https://elsewhere.example.com/api/1")", R"({"scheme":"basic","use":"vault"})").code,
            "denied");
  const shard::Outcome other = call(R"({"scheme":"bearer","use":"vault"})");
  EXPECT_EQ(other.code, "invalid");
  EXPECT_NE(other.message.find("needs a connection with authentication 'bearer'"), std::string::npos) << other.message;
  EXPECT_EQ(call(R"({"scheme":"basic","use":"nobody"})").code, "not_found");
}

TEST_F(HttpAuthentication, a_token_is_asked_for_once_and_again_where_the_service_takes_it_no_more) {
  EXPECT_TRUE(call(oauth2(R"(,"scopes":["a","b"],"audiences":["c"])")).ok);
  EXPECT_TRUE(sent("Authorization: Bearer t1\r\n")) << last();
  EXPECT_NE(
      requests_.front().find("grant_type=client_credentials&client_id=me&client_secret=s3cret&scope=a%20b&audience=c"),
      std::string::npos)
      << requests_.front();
  EXPECT_TRUE(call(oauth2(R"(,"scopes":["a","b"],"audiences":["c"])")).ok);
  EXPECT_EQ(asked("/oauth2/token"), 1U);
  EXPECT_TRUE(call(oauth2()).ok);  // another policy
  EXPECT_EQ(asked("/oauth2/token"), 2U);
  refused_ = "t2";
  const shard::Outcome again = call(oauth2());
  EXPECT_TRUE(again.ok && again.status == 200) << again.status;
  EXPECT_EQ(asked("/oauth2/token"), 3U);
  refused_ = "t";
  EXPECT_EQ(call(oauth2()).status, 401U);
  EXPECT_EQ(asked("/oauth2/token"), 4U);
}

TEST_F(HttpAuthentication, a_client_says_who_it_is_with_a_signed_assertion) {
  const auto policy = [&](const std::string& client) {
    return R"({"scheme":"oauth2","authority":")" + server_.url() +
           R"(","grant":"client_credentials","client":{"id":"me",)" + client + "}}";
  };
  EXPECT_TRUE(call(policy(R"("authentication":"private_key_jwt","assertion":"a.b.c")")).ok);
  const std::string type = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
  EXPECT_NE(requests_.front().find("client_id=me&" + type + "&client_assertion=a.b.c"), std::string::npos)
      << requests_.front();
  EXPECT_TRUE(call(policy(R"("authentication":"client_secret_jwt","secret":"s3cret")")).ok);
  const std::string& request = requests_.at(2);
  const std::size_t at = request.find("client_assertion=");
  ASSERT_NE(at, std::string::npos) << request;
  const std::string jwt = request.substr(at + 17);
  const std::size_t first = jwt.find('.');
  const std::size_t second = jwt.find('.', first + 1);
  ASSERT_NE(second, std::string::npos) << jwt;
  const std::string claims = jwt.substr(first + 1, second - first - 1);
  const base::Digest signature = base::hmac_sha256(base::as_bytes("s3cret"), base::as_bytes(jwt.substr(0, second)));
  EXPECT_EQ(jwt.substr(second + 1), base::to_base64url(signature));
  EXPECT_EQ(jwt.substr(0, first), base::to_base64url(base::as_bytes(R"({"alg":"HS256","typ":"JWT"})")));
  const std::string begins = R"({"iss":"me","sub":"me","aud":")" + server_.url() + "/oauth2/token\"";
  const std::string encoded = base::to_base64url(base::as_bytes(begins));
  EXPECT_EQ(claims.substr(0, encoded.size() / 4 * 4), encoded.substr(0, encoded.size() / 4 * 4));
  EXPECT_EQ(request.find("s3cret"), std::string::npos);
}

TEST_F(HttpAuthentication, a_token_that_ends_at_once_is_not_kept) {
  expires_in_ = 20;
  EXPECT_TRUE(call(oauth2()).ok);
  EXPECT_TRUE(call(oauth2()).ok);
  EXPECT_EQ(asked("/oauth2/token"), 2U);
}

TEST_F(HttpAuthentication, an_authority_that_refuses_is_named_and_not_the_secret) {
  token_status_ = 401;
  const shard::Outcome refused = call(oauth2());
  EXPECT_EQ(refused.code, "unauthenticated");
  EXPECT_NE(refused.message.find("/oauth2/token was answered with status 401 (invalid_client)"), std::string::npos)
      << refused.message;
  EXPECT_EQ(refused.message.find("s3cret"), std::string::npos) << refused.message;
  token_status_ = 503;
  EXPECT_EQ(call(oauth2()).code, "unavailable");
  EXPECT_EQ(asked("/api/1"), 0U);
}

TEST_F(HttpAuthentication, oidc_finds_the_token_endpoint_and_holds_the_issuer) {
  const auto oidc = [this](const std::string& more) {
    return R"({"scheme":"oidc","authority":")" + server_.url() +
           R"(/","grant":"client_credentials","client":{"id":"me","secret":"s3cret","authentication":"client_secret_basic"},)"
           R"("request":{"encoding":"application/json"})" +
           more + "}";
  };
  EXPECT_TRUE(call(oidc("")).ok);
  EXPECT_TRUE(sent("Authorization: Bearer t1\r\n")) << last();
  EXPECT_EQ(asked("/token"), 1U);
  EXPECT_NE(requests_.at(1).find("Authorization: Basic bWU6czNjcmV0\r\n"), std::string::npos) << requests_.at(1);
  EXPECT_NE(requests_.at(1).find(R"({"grant_type":"client_credentials"})"), std::string::npos) << requests_.at(1);
  EXPECT_TRUE(call(oidc(R"(,"issuers":["me"])")).ok);
  EXPECT_EQ(call(oidc(R"(,"issuers":["you"])")).code, "unauthenticated");
}

TEST_F(HttpAuthentication, a_token_of_another_issuer_is_not_used) {
  const auto token_of = [](std::string_view claims) {
    return "eyJhbGciOiJub25lIn0." + base::to_base64url(base::as_bytes(claims)) + ".s3cret";
  };
  const std::string issuers = R"(,"issuers":["https://a.example","https://b.example/~?>"])";
  token_prefix_ = token_of(R"({"iss":"https://b.example/~?>"})");
  EXPECT_TRUE(call(oauth2(issuers)).ok);
  token_prefix_ = token_of(R"({"iss":"https://evil.example"})");
  const std::string others = R"(,"issuers":["https://a.example"])";
  const shard::Outcome refused = call(oauth2(others));
  EXPECT_EQ(refused.code, "unauthenticated");
  EXPECT_NE(refused.message.find("was issued by 'https://evil.example', which 'issuers' does not have"),
            std::string::npos)
      << refused.message;
  EXPECT_EQ(refused.message.find("s3cret"), std::string::npos);
  for (const std::string& odd : {std::string("opaque"), std::string("a.b"), std::string("a.!.c"), token_of("[1]"),
                                 token_of("{}"), token_of(R"({"iss":7})"), token_of("x")}) {
    token_prefix_ = odd;
    const shard::Outcome silent = call(oauth2(others));
    EXPECT_EQ(silent.code, "unauthenticated") << odd;
    EXPECT_NE(silent.message.find("does not say who issued it"), std::string::npos) << silent.message;
  }
  EXPECT_EQ(asked("/api/1"), 1U);
}

TEST_F(HttpAuthentication, a_policy_that_a_connection_keeps_is_used_below_its_base_url) {
  sources_.secret =
      R"({"authority":")" + server_.url() + R"(","grant":"client_credentials","client":{"id":"me","secret":"hidden"}})";
  EXPECT_TRUE(call(R"({"scheme":"oauth2","use":"vault"})").ok);
  EXPECT_TRUE(sent("Authorization: Bearer t1\r\n")) << last();
  EXPECT_EQ(call(R"({"scheme":"oauth2","use":"vault"})", "/other").code, "denied");
  sources_.secret = "hidden";
  const shard::Outcome wrong = call(R"({"scheme":"oauth2","use":"vault"})");
  EXPECT_EQ(wrong.code, "invalid");
  EXPECT_EQ(wrong.message.find("hidden"), std::string::npos) << wrong.message;
}

TEST_F(HttpAuthentication, secrets_are_put_in_where_they_belong) {
  const std::string in_header = R"(,"headers":{"x-key":"Key [secret vault]"},"secrets":[{"at":["headers","x-key"],)"
                                R"("parts":["Key ",{"name":"vault"}]}])";
  const shard::Outcome outcome = call("", "/api/1", in_header + R"(,"output":"response")");
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_TRUE(sent("x-key: Key s3cret\r\n")) << last();
  EXPECT_EQ(outcome.output.find("s3cret"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("Key [secret vault]"), std::string::npos) << outcome.output;
  sources_.secret = R"({"user":"ada","keys":["k1"],"pass":"p\"4"})";
  const shard::Outcome body = call("", "/api/1",
                                   R"(,"body":{"a":[1,"[secret vault]"]},"secrets":[{"at":["body","a",1],"parts":[)"
                                   R"({"name":"vault","path":["pass"]},"!"]}])");
  EXPECT_TRUE(body.ok) << body.message;
  EXPECT_TRUE(sent(R"({"a":[1,"p\"4!"]})")) << last();
  const shard::Outcome basic =
      call(R"({"scheme":"basic","username":"[secret vault]","password":"[secret vault]"})", "/api/1",
           R"(,"secrets":[{"at":["authentication","username"],"parts":[{"name":"vault","path":["user"]}]},)"
           R"({"at":["authentication","password"],"parts":[{"name":"vault","path":["pass"]}]}])");
  EXPECT_TRUE(basic.ok) << basic.message;
  EXPECT_TRUE(sent("Authorization: Basic YWRhOnAiNA==\r\n")) << last();
}

TEST_F(HttpAuthentication, a_secret_goes_below_the_base_url_of_its_connection_only) {
  const std::string secrets = R"(,"secrets":[{"at":["body"],"parts":[{"name":"vault"}]}])";
  for (const std::string path : {"/other", "/apix", "/api/../other"}) {
    const shard::Outcome outcome = call("", path, secrets);
    EXPECT_EQ(outcome.code, "denied") << path << outcome.message;
    EXPECT_EQ(outcome.message.find("s3cret"), std::string::npos) << outcome.message;
  }
  EXPECT_EQ(perform(R"("endpoint":"https://elsewhere.example.com/api/1")" + secrets, "").code, "denied");
  // The client's secret goes to the authority.
  const shard::Outcome token = call(
      oauth2(), "/api/1", R"(,"secrets":[{"at":["authentication","client","secret"],"parts":[{"name":"vault"}]}])");
  EXPECT_EQ(token.code, "denied");
  EXPECT_NE(token.message.find("/oauth2/token"), std::string::npos) << token.message;
  EXPECT_TRUE(requests_.empty());
  sources_.connections["vault"].base_url = server_.url() + "/oauth2";
  EXPECT_TRUE(
      call(oauth2(), "/api/1", R"(,"secrets":[{"at":["authentication","client","secret"],"parts":[{"name":"vault"}]}])")
          .ok);
  EXPECT_NE(requests_.front().find("client_secret=s3cret"), std::string::npos) << requests_.front();
}

TEST_F(HttpAuthentication, a_secret_that_is_not_there_is_denied) {
  const auto with = [this](const std::string& secret) {
    return call("", "/api/1", R"(,"secrets":[{"at":["body"],"parts":[)" + secret + "]}]");
  };
  EXPECT_EQ(with(R"({"name":"nobody"})").code, "denied");
  const shard::Outcome property = with(R"({"name":"vault","path":["user"]})");
  EXPECT_EQ(property.code, "invalid");
  EXPECT_EQ(property.message, "the secret 'vault' is not a JSON object with the property 'user'");
  sources_.connections["vault"].plugin = "tracker";
  EXPECT_EQ(with(R"({"name":"vault"})").code, "denied");
  EXPECT_TRUE(requests_.empty());
}

TEST_F(HttpAuthentication, a_secret_that_the_service_gives_back_is_taken_out) {
  const std::string secrets =
      R"(,"secrets":[{"at":["headers","x-key"],"parts":[{"name":"vault"}]}],"headers":{"x-key":"r"})";
  for (const std::string secret : {"s3cret", "a\"b\\c/d", "7", "ä b"}) {
    sources_.secret = secret;
    const auto escaped = json::serialize(json::Value(secret));
    const std::string base64 = base::to_base64(base::as_bytes(secret));
    echo_ = "{\"a\":" + escaped + ",\"n\":7,\"b\":[\"x" + escaped.substr(1, escaped.size() - 2) + "y\"],\"c\":\"" +
            base64 + "\",\"k" + escaped.substr(1) + ":1}";
    for (const std::string output : {"", R"(,"output":"response")", R"(,"output":"raw")"}) {
      const shard::Outcome outcome = call("", "/api/echo", secrets + output);
      ASSERT_TRUE(outcome.ok) << outcome.message;
      std::string text = outcome.output;
      if (output.find("raw") != std::string::npos && secret == "s3cret") {
        const auto body = json::parse(text);
        ASSERT_TRUE(body && body->is_string()) << text;
        const auto bytes = base::from_base64(body->as_string());
        ASSERT_TRUE(bytes) << text;
        text = base::as_text(*bytes);
      }
      if (secret != "7") {
        EXPECT_EQ(text.find(secret), std::string::npos) << text;
        EXPECT_EQ(text.find(base64), std::string::npos) << text;
        if (output.find("raw") == std::string::npos) {
          EXPECT_EQ(text.find(escaped.substr(1, escaped.size() - 2)), std::string::npos) << text;
          EXPECT_NE(text.find("[secret vault]"), std::string::npos) << text;
        }
      } else if (output.empty()) {
        EXPECT_NE(text.find(R"("n":"[secret vault]")"), std::string::npos) << text;
      }
      EXPECT_TRUE(json::parse(outcome.output)) << outcome.output;
    }
  }
}

TEST_F(HttpAuthentication, a_document_is_fetched_once_and_its_operation_called) {
  const std::string what =
      R"("document":")" + server_.url() + R"(/openapi.json","operationId":"get","parameters":{"id":5})";
  for (int i = 0; i < 2; ++i) {
    const shard::Outcome outcome = perform(what, R"({"scheme":"bearer","token":"abc"})");
    EXPECT_TRUE(outcome.ok && outcome.status == 200) << outcome.message;
    EXPECT_TRUE(sent("GET /api/5 ") && sent("Authorization: Bearer abc")) << last();
  }
  EXPECT_EQ(asked("/openapi.json"), 1U);
  const std::string own = what + R"(,"documentAuthentication":{"scheme":"basic","username":"ada","password":"s3cret"})";
  for (int i = 0; i < 2; ++i) {
    const shard::Outcome outcome = perform(own, R"({"scheme":"bearer","token":"abc"})");
    EXPECT_TRUE(outcome.ok && outcome.status == 200) << outcome.message;
    EXPECT_TRUE(sent("GET /api/5 ") && sent("Authorization: Bearer abc")) << last();
  }
  EXPECT_EQ(asked("/openapi.json"), 3U) << "what is not for everybody is not kept";
  EXPECT_EQ(sent_to("/openapi.json", "Authorization: Basic YWRhOnMzY3JldA=="), 2U);
  const shard::Outcome refused =
      perform(R"("document":")" + server_.url() + R"(/api/1","operationId":"get","documentAuthentication":{"scheme":)" +
                  R"("basic","use":"nonesuch"})",
              "");
  EXPECT_FALSE(refused.ok);
  EXPECT_NE(refused.message.find("the OpenAPI document"), std::string::npos) << refused.message;
  const shard::Outcome absent = perform(R"("document":")" + server_.url() + R"(/api/1","operationId":"get")", "");
  EXPECT_EQ(absent.code, "invalid");
  EXPECT_NE(absent.message.find("/api/1 says neither"), std::string::npos) << absent.message;
}

TEST_F(HttpAuthentication, a_connection_of_an_openapi_call_has_the_credentials_of_document_and_operation) {
  const std::string rest = R"(","operationId":"get","parameters":{"id":5})";
  const std::string credential = "Authorization: Basic YWRhOnMzY3JldA==";
  const shard::Outcome own = perform(R"("document":")" + server_.url() + "/api/openapi.json" + rest, "", {}, "vault");
  EXPECT_TRUE(own.ok && own.status == 200) << own.message;
  EXPECT_EQ(sent_to("/api/openapi.json", credential), 1U);
  EXPECT_EQ(sent_to("/api/5", credential), 1U);
  const shard::Outcome other = perform(R"("document":")" + server_.url() + "/openapi.json" + rest, "", {}, "vault");
  EXPECT_TRUE(other.ok && other.status == 200) << other.message;
  EXPECT_EQ(asked("/openapi.json"), 1U);
  EXPECT_EQ(sent_to("/openapi.json", credential), 0U) << "it is not below the base URL";
  EXPECT_EQ(sent_to("/api/5", credential), 2U);
  sources_.connections["vault"].base_url = server_.url() + "/elsewhere";
  const shard::Outcome refused = perform(R"("document":")" + server_.url() + "/openapi.json" + rest, "", {}, "vault");
  EXPECT_EQ(refused.code, "denied") << "the operation is not below the base URL";
}

}  // namespace
}  // namespace trv::effects
