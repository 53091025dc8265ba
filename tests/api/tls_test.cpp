// travd with a certificate, and trav that speaks to it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/test_authority.hpp"
#include "kernel/http/testing/tls_client.hpp"
#include "sdk/base/frees.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class TlsTest : public testing::Test {
 protected:
  TlsTest() { put(authority_.issue()); }
  void put(const http::TlsIdentity& identity) const {
    write("chain.pem", identity.certificate);
    write("key.pem", identity.key);
  }
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = scratch_.path() / name;
    std::ofstream(path.string() + ".new") << text;
    ::chmod((path.string() + ".new").c_str(), 0600);
    std::filesystem::rename(path.string() + ".new", path);
    return path;
  }
  void start(Variables more = {}) {
    more["TRAV_HTTP_CERTIFICATE_FILE"] = scratch_.path() / "chain.pem";
    more["TRAV_HTTP_KEY_FILE"] = scratch_.path() / "key.pem";
    auto started = Daemon::start(scratch_, {}, {.variables = std::move(more)});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(daemon_->url().substr(daemon_->url().rfind(':') + 1)));
  }
  [[nodiscard]] std::string get(const std::string& path, const std::string& token = "") const {
    http::TlsClient client(port(), {.trusts = authority_.certificate()});
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}Connection: close\r\n\r\n", path,
                            token.empty() ? "" : "Authorization: Bearer " + token + "\r\n"));
    return client.read_all();
  }
  [[nodiscard]] long serial() const { return http::TlsClient(port()).serial(); }
  /// What trav prints, on both streams, with the credentials file of this test.
  [[nodiscard]] std::string said(const std::string& arguments) const {
    const std::string command = fmt::format("TRAV_CONFIG_DIR={}/config {}/bin/trav {} 2>&1", scratch_.path().string(),
                                            TRV_BINARY_DIR, arguments);
    const std::unique_ptr<FILE, base::Frees<::pclose>> pipe(::popen(command.c_str(), "r"));
    std::string text(100'000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), pipe.get()));
    return text;
  }
  [[nodiscard]] int trav(std::vector<std::string> arguments, bool trusts = true) const {
    if (trusts)
      arguments.insert(arguments.end(), {"--certificate-authority", write("ca.pem", authority_.certificate())});
    auto child = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
    return child ? child->wait(30s).value_or(-1) : -1;
  }

  ScratchFolder scratch_;
  http::TestAuthority authority_;
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(TlsTest, trav_speaks_to_a_server_whose_authority_it_is_given) {
  start();
  EXPECT_TRUE(daemon_->url().starts_with("https://")) << daemon_->url();
  const std::vector<std::string> whoami = {"tenant",       "list",    "--url",
                                           daemon_->url(), "--token", daemon_->operator_token()};
  EXPECT_EQ(trav(whoami), 0);
  EXPECT_EQ(trav(whoami, false), 5) << "the system does not trust the authority";
  std::vector<std::string> plain = whoami;
  plain[3] = "http" + daemon_->url().substr(5);
  EXPECT_NE(trav(plain), 0);
}

TEST_F(TlsTest, trav_keeps_the_authority_that_it_logged_in_with) {
  start();
  const std::string place = fmt::format("--url {} --token {}", daemon_->url(), daemon_->operator_token());
  EXPECT_THAT(said("login " + place), HasSubstr("Name the authority of its certificate with --certificate-authority"));
  const std::string other = write("other.pem", http::TestAuthority("other").certificate());
  EXPECT_THAT(said(fmt::format("login {} --certificate-authority {}", place, other)),
              HasSubstr("is held against " + other));
  const std::string authority = write("ca.pem", authority_.certificate());
  EXPECT_THAT(said(fmt::format("login {} --certificate-authority {}", place, authority)), HasSubstr("Logged in"));
  EXPECT_THAT(said("tenant create acme"), HasSubstr("owner token"));
  EXPECT_THAT(said("workflow list --tenant acme"), HasSubstr("No workflows"));
  EXPECT_THAT(said("tenant list"), HasSubstr("acme"));
  EXPECT_THAT(said("tenant list --certificate-authority " + other), HasSubstr("is held against"));
}

TEST_F(TlsTest, the_certificate_is_replaced_while_the_server_runs) {
  start();
  http::TlsClient kept(port());
  const long first = serial();
  put(authority_.issue());
  EXPECT_TRUE(eventually([&] { return serial() != first; })) << "by the files alone";
  const long second = serial();
  const http::TlsIdentity good = authority_.issue();
  write("key.pem", good.key);
  ::kill(daemon_->id(), SIGHUP);
  EXPECT_TRUE(eventually([&] { return daemon_->complaints().find("the last one stays in use") != std::string::npos; }));
  EXPECT_EQ(serial(), second) << "the new key is not that of the old certificate";
  put(good);
  ::kill(daemon_->id(), SIGHUP);
  EXPECT_TRUE(eventually([&] { return serial() != second; }));
  kept.send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(kept.read_all(), HasSubstr("200 OK"));
}

TEST_F(TlsTest, its_end_is_a_metric_and_a_warning) {
  put(authority_.issue({.to = std::chrono::hours(24 * 10) + std::chrono::hours(1)}));
  start();
  EXPECT_THAT(daemon_->complaints(), HasSubstr("expires in 10 days, at 20"));
  EXPECT_THAT(get("/metrics"), HasSubstr("\ntravertine_certificate_expiry_timestamp_seconds "));
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TlsTest, a_start_with_a_pair_that_does_not_belong_together_ends_with_the_key_and_the_file) {
  write("key.pem", authority_.issue().key);
  const Ended ended = run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"},
                                 {{"TRAV_HTTP_CERTIFICATE_FILE", scratch_.path() / "chain.pem"},
                                  {"TRAV_HTTP_KEY_FILE", scratch_.path() / "key.pem"}});
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("http.key_file: the key in " + (scratch_.path() / "key.pem").string()));
}

TEST_F(TlsTest, events_are_followed_over_tls) {
  start();
  const std::string token = daemon_->operator_token();
  http::TlsClient stream(port(), {.trusts = authority_.certificate()});
  stream.send(fmt::format(
      "GET /v1/tenants/system/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", token));
  EXPECT_THAT(stream.read_until("\r\n\r\n"), HasSubstr("text/event-stream"));
  http::TlsClient client(port());
  client.send(
      fmt::format("POST /v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: "
                  "application/json\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{{\"id\":\"later\"}}",
                  token));
  EXPECT_THAT(client.read_all(), HasSubstr("201 Created"));
  EXPECT_THAT(stream.read_until("data:"), HasSubstr("event:"));
}

/// A client with a certificate, and a server that asks for one.
class ClientCertificateTest : public TlsTest {
 protected:
  void SetUp() override {
    start({{"TRAV_HTTP_CLIENT_AUTHORITY_FILE", write("clients.pem", clients_.certificate())}});
    ASSERT_NE(daemon_, nullptr);
    robot_ = clients_.issue({.name = "robot", .also = "URI:spiffe://example/robot"});
  }
  struct Request {
    std::string method = "GET";
    std::string path = "/v1/whoami";
    std::string headers = {};
    std::string body = {};
  };
  /// Status line, headers and body.
  [[nodiscard]] std::string ask(const http::TlsIdentity& shows, const Request& request) const {
    http::TlsClient client(port(), {.shows = shows});
    client.send(fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}{}Content-Length: {}\r\n\r\n{}",
                            request.method, request.path, request.headers,
                            request.body.empty() ? "" : "Content-Type: application/json\r\n", request.body.size(),
                            request.body));
    return client.read_all();
  }
  [[nodiscard]] std::string as_operator(const std::string& method, const std::string& path, std::string body) const {
    return ask({}, {method, path, bearer(daemon_->operator_token()), std::move(body)});
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
  static json::value body_of(const std::string& answer) {
    return json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  }
  /// The answer to a token of the tenant for a certificate.
  [[nodiscard]] std::string issue(const std::string& certificate, const std::string& tenant = "system",
                                  const std::string& more = "") const {
    return as_operator("POST", "/v1/tenants/" + tenant + "/tokens",
                       fmt::format(R"({{"name":"robot","role":"owner","certificate":"{}"{}}})", certificate, more));
  }

  http::TestAuthority clients_{"authority of clients"};
  http::TlsIdentity robot_;
  const std::string system_ = "Travertine-Tenant: system\r\n";
};

TEST_F(ClientCertificateTest, a_certificate_is_shown_in_place_of_a_token_until_that_is_revoked) {
  EXPECT_THAT(ask(robot_, {.headers = system_}), HasSubstr("401 Unauthorized")) << "it is not bound to anything";
  const std::string issued = issue("uri:spiffe://example/robot");
  ASSERT_THAT(issued, HasSubstr("201 Created"));
  EXPECT_FALSE(body_of(issued).as_object().contains("token"));
  const std::string id(body_of(issued).at("id").as_string());
  const std::string who = ask(robot_, {.headers = system_});
  ASSERT_THAT(who, HasSubstr("200 OK"));
  EXPECT_EQ(body_of(who).at("token_id").as_string(), id);
  // As any token: in a decision it is the actor, and in the trail.
  EXPECT_THAT(ask(robot_, {"POST", "/v1/tenants", system_, R"({"id":"acme"})"}), HasSubstr("201 Created"));
  EXPECT_THAT(as_operator("GET", "/v1/tenants/system/events?limit=500", ""), HasSubstr("token:" + id));
  EXPECT_THAT(as_operator("DELETE", "/v1/tenants/system/tokens/" + id, ""), HasSubstr("204 No Content"));
  EXPECT_THAT(ask(robot_, {.headers = system_}), HasSubstr("401 Unauthorized"));
}

TEST_F(ClientCertificateTest, it_speaks_in_the_tenant_that_it_is_bound_in_and_names_and_in_no_other) {
  ASSERT_THAT(as_operator("POST", "/v1/tenants", R"({"id":"acme"})"), HasSubstr("201 Created"));
  ASSERT_THAT(issue("cn:robot", "acme"), HasSubstr("201 Created"));
  EXPECT_THAT(ask(robot_, {.headers = "Travertine-Tenant: acme\r\n"}), HasSubstr("200 OK"));
  EXPECT_THAT(ask(robot_, {.headers = system_}), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(ask(robot_, {.headers = "Travertine-Tenant: none\r\n"}), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(ask(robot_, {.path = "/v1/tenants/system/tokens", .headers = "Travertine-Tenant: acme\r\n"}),
              HasSubstr("404 Not Found"));
  const std::string unnamed = ask(robot_, {.path = "/v1/tenants/acme/tokens"});
  EXPECT_THAT(unnamed, HasSubstr("401 Unauthorized")) << "a page in a browser could send this";
  EXPECT_THAT(unnamed, HasSubstr("Travertine-Tenant"));
  EXPECT_THAT(ask({}, {.headers = "Travertine-Tenant: acme\r\nTravertine-Certificate: cn:robot\r\n"}),
              HasSubstr("401 Unauthorized"));
}

TEST_F(ClientCertificateTest, a_token_in_the_request_goes_before_the_certificate) {
  ASSERT_THAT(issue("cn:robot"), HasSubstr("201 Created"));
  EXPECT_THAT(ask(robot_, {.headers = system_ + bearer("trv_system_x_y")}), HasSubstr("401 Unauthorized"));
  const std::string who = ask(robot_, {.headers = bearer(daemon_->operator_token())});
  EXPECT_THAT(who, HasSubstr("200 OK"));
  EXPECT_THAT(ask({}, {.headers = bearer("certificate cn:robot")}), HasSubstr("401 Unauthorized"));
}

TEST_F(ClientCertificateTest, a_certificate_of_another_authority_is_refused_in_the_handshake) {
  ASSERT_THAT(issue("cn:robot"), HasSubstr("201 Created"));
  EXPECT_EQ(ask(http::TestAuthority("another").issue({.name = "robot"}), {.headers = system_}), "");
  EXPECT_EQ(ask(authority_.issue({.name = "robot"}), {.headers = system_}), "") << "the authority of the server";
}

TEST_F(ClientCertificateTest, trav_logs_in_with_a_certificate_alone_and_says_why_another_is_refused) {
  ASSERT_THAT(as_operator("POST", "/v1/tenants", R"({"id":"acme"})"), HasSubstr("201 Created"));
  ASSERT_THAT(issue("cn:robot", "acme"), HasSubstr("201 Created"));
  const auto files = [this](const http::TlsIdentity& identity) {
    return fmt::format("--certificate {} --certificate-key {} --certificate-authority {}",
                       write("me.pem", identity.certificate), write("me.key", identity.key),
                       write("ca.pem", authority_.certificate()));
  };
  const std::string login = fmt::format("login --url {} {}", daemon_->url(), files(robot_));
  EXPECT_THAT(said(login), HasSubstr("which tenant? A certificate may speak in several"));
  EXPECT_THAT(said(login + " --tenant acme"), HasSubstr("as owner of tenant 'acme'"));
  EXPECT_THAT(said("instance list"), HasSubstr("No instances"));
  const std::string foreign = files(http::TestAuthority("another").issue({.name = "robot"}));
  EXPECT_THAT(said("instance list " + foreign), HasSubstr("http.client_authority_file has to hold the authority"));
}

TEST_F(ClientCertificateTest, a_fingerprint_a_time_and_a_second_token_of_one_certificate) {
  EXPECT_THAT(issue("sha256:ABC"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(issue("robot"), HasSubstr("is not a name of a certificate"));
  ASSERT_THAT(issue("cn:robot", "system", R"(,"expires_in_seconds":2)"), HasSubstr("201 Created"));
  EXPECT_THAT(issue("cn:robot"), HasSubstr("409 Conflict"));
  EXPECT_THAT(ask(robot_, {.headers = system_}), HasSubstr("200 OK"));
  EXPECT_TRUE(eventually([&] { return ask(robot_, {.headers = system_}).find("401 ") != std::string::npos; }));
  const std::vector<std::string> create = {"token",
                                           "create",
                                           "robot",
                                           "--role",
                                           "viewer",
                                           "--certificate-of",
                                           write("robot.pem", robot_.certificate),
                                           "--tenant",
                                           "system",
                                           "--token",
                                           daemon_->operator_token(),
                                           "--url",
                                           daemon_->url()};
  EXPECT_EQ(trav(create), 0);
  EXPECT_EQ(trav({"tenant", "list", "--tenant", "system", "--url", daemon_->url(), "--certificate",
                  write("robot.pem", robot_.certificate), "--certificate-key", write("robot.key", robot_.key)}),
            0);
}

}  // namespace
}  // namespace trv::api
