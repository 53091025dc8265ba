// Functions of catalogs: fetched when a workflow is applied, and never again.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <map>
#include <mutex>

#include "kernel/http/testing/loopback_server.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using testing::HasSubstr;

class CatalogFunctionTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = std::make_unique<http::LoopbackServer>([this](const std::string& request) { return answer(request); });
    begin();
    owner_ = create_tenant(*daemon_, "acme");
  }
  void begin() {
    auto started =
        Daemon::start(scratch_, {}, {.variables = {{"TRAV_EGRESS_ALLOW_PRIVATE_NETWORK", allows_ ? "true" : "false"}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  void begin_again_after_a_crash() {
    ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
    ASSERT_TRUE(eventually([&] { return !daemon_->running(); }));
    daemon_.reset();
    begin();
  }

  std::string answer(const std::string& request) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    if (path == "/moved.yaml") return "HTTP/1.1 302 Found\r\nLocation: /f.yaml\r\nContent-Length: 0\r\n\r\n";
    if (path.starts_with("/closed/") && !request.contains("Authorization: Basic YWRhOnMzY3JldA==")) {
      return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    }
    const auto found = files_.find(path);
    if (found == files_.end()) return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}",
                       found->second.size(), found->second);
  }
  void put(const std::string& path, const std::string& text) {
    const std::lock_guard lock(mutex_);
    files_[path] = text;
  }
  int requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  Answer apply(const std::string& name, const std::string& rest) {
    return ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows",
               fmt::format("document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '1.0.0'}}\n{}", name, rest),
               {{"Content-Type", "application/yaml"}});
  }
  json::object run(const std::string& name, const std::string& input) {
    const Answer started =
        ask(*daemon_, owner_, "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", name), input);
    EXPECT_EQ(started.status, 201) << started.body;
    return ended_instance(*daemon_, owner_, started.text("id"));
  }
  std::string refused(const std::string& rest) {
    const Answer answer = apply("refused", rest);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.text("detail");
  }
  std::string catalog() const { return "use: {catalogs: {shared: {endpoint: '" + server_->url() + "/catalog'}}}\n"; }

  ScratchFolder scratch_;
  bool allows_ = true;
  std::unique_ptr<http::LoopbackServer> server_;
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
  std::mutex mutex_;
  std::map<std::string, std::string> files_;
  int requests_ = 0;
};

TEST_F(CatalogFunctionTest, is_recorded_with_the_text_and_runs_without_its_catalog) {
  put("/catalog/functions/twice/1.0.0/function.yaml",
      "input: {schema: {document: {type: object, required: [n]}}}\n"
      "do:\n- doubled:\n    call: once:1.0.0@shared\n    with: {n: '${ .n * 2 }'}\n");
  put("/catalog/functions/once/1.0.0/function.yaml", "set: {n: '${ .n }', from: catalog}\n");
  put("/f.json", R"({"set": {"seen": "${ .n }"}})");
  const std::string text = catalog() +
                           "do:\n- a:\n    call: twice:1.0.0@shared\n    with: {n: '${ .n }'}\n- b: {call: '" +
                           server_->url() + "/f.json'}\n";
  const Answer applied = apply("reuse", text);
  ASSERT_EQ(applied.status, 201) << applied.body;
  ASSERT_EQ(applied.value().at("fetched").as_array().size(), 3U) << applied.body;
  EXPECT_EQ(applied.value().at("warning_count"), 0) << applied.body;
  EXPECT_EQ(requests(), 3);
  const Answer again = apply("reuse", text);
  EXPECT_EQ(again.status, 200) << again.body;
  const std::string shown = ask(*daemon_, owner_, "GET", "/v1/tenants/acme/workflows/demo/reuse/1.0.0").body;
  EXPECT_THAT(shown, HasSubstr("call: twice:1.0.0@shared")) << "the author's text";
  EXPECT_THAT(shown, HasSubstr(R"("once:1.0.0@shared": {"set")")) << "with what was fetched";

  put("/catalog/functions/once/1.0.0/function.yaml", "set: {n: 0, from: elsewhere}\n");
  const Answer changed = apply("reuse", text);
  EXPECT_EQ(changed.status, 409) << "a version never changes, what it is made of included: " << changed.body;
  server_.reset();
  begin_again_after_a_crash();
  const json::object ended = run("reuse", R"({"n":21})");
  ASSERT_EQ(ended.at("status"), "completed") << json::serialize(ended);
  EXPECT_EQ(json::serialize(ended.at("output")), R"({"seen":42})");
}

TEST_F(CatalogFunctionTest, what_cannot_be_fetched_is_a_problem_at_its_call) {
  const auto call_of = [&](const std::string& path) { return "do: [{a: {call: '" + server_->url() + path + "'}}]\n"; };
  EXPECT_THAT(refused(catalog() + "do: [{a: {call: 'log:1.0.0@shared'}}]\n"),
              testing::AllOf(HasSubstr("the function 'log:1.0.0@shared' cannot be fetched from " + server_->url() +
                                       "/catalog/functions/log/1.0.0/function.yaml"),
                             HasSubstr("status 404")));
  EXPECT_THAT(refused(call_of("/moved.yaml")), HasSubstr("redirects are not followed"));
  put("/broken.yaml", "do:\n- a: {set: {x: 1}\n");
  EXPECT_THAT(refused(call_of("/broken.yaml")),
              testing::AllOf(HasSubstr("/broken.yaml, line"), HasSubstr("in the function")));
  put("/wrong.yaml", "do:\n- a:\n    sett: {x: 1}\n");
  const Answer wrong = apply("wrong", call_of("/wrong.yaml"));
  EXPECT_THAT(wrong.text("detail"),
              testing::AllOf(HasSubstr("/wrong.yaml, line 3): "), HasSubstr("did you mean 'set'?")));
  EXPECT_EQ(wrong.value().at("line"), 2);
  EXPECT_EQ(wrong.value().at("column"), 17);
  put("/list.yaml", "[]\n");
  EXPECT_THAT(refused(call_of("/list.yaml")), HasSubstr("a function is a task"));
  put("/long.yaml", "set: {x: '" + std::string(300'000, 'x') + "'}\n");
  EXPECT_THAT(refused(call_of("/long.yaml")), HasSubstr("at most 262144"));
  put("/itself.yaml", "call: '" + server_->url() + "/itself.yaml'\n");
  EXPECT_THAT(refused(call_of("/itself.yaml")), HasSubstr("calls itself"));
  for (int i = 0; i < 10; ++i) {
    put(fmt::format("/deep{}.yaml", i), fmt::format("call: '{}/deep{}.yaml'\n", server_->url(), i + 1));
  }
  EXPECT_THAT(refused(call_of("/deep0.yaml")), HasSubstr("more than 6 deep"));
  std::string many = "do:\n";
  for (int i = 0; i < 40; ++i) many += fmt::format("- t{}: {{call: '{}/many{}.yaml'}}\n", i, server_->url(), i);
  EXPECT_THAT(refused(many), HasSubstr("more than 32 functions"));
}

TEST_F(CatalogFunctionTest, is_fetched_with_credentials_below_their_base_url_only) {
  put("/elsewhere/functions/f/1.0.0/function.yaml", "set: {x: 1}\n");
  put("/closed/functions/f/1.0.0/function.yaml", "set: {x: 1}\n");
  const Answer made = ask(*daemon_, owner_, "PUT", "/v1/tenants/acme/connections/shop",
                          fmt::format(R"({{"base_url":"{}/closed","auth":{{"scheme":"basic","user":"ada"}},)"
                                      R"("secret":"s3cret"}})",
                                      server_->url()));
  ASSERT_EQ(made.status / 100, 2) << made.body;
  const auto text = [&](const std::string& folder) {
    return "use: {secrets: [shop], catalogs: {shared: {endpoint: {uri: '" + server_->url() + folder +
           "', authentication: {basic: {use: shop}}}}}}\ndo: [{a: {call: 'f:1.0.0@shared'}}]\n";
  };
  const Answer applied = apply("closed", text("/closed"));
  EXPECT_EQ(applied.status, 201) << applied.body;
  EXPECT_THAT(refused(text("/elsewhere")), HasSubstr("cannot be fetched"));
}

TEST_F(CatalogFunctionTest, is_not_fetched_from_a_private_network_unless_the_operator_allows_it) {
  put("/f.yaml", "set: {x: 1}\n");
  allows_ = false;
  begin_again_after_a_crash();
  const int before = requests();
  EXPECT_THAT(refused("do: [{a: {call: '" + server_->url() + "/f.yaml'}}]\n"), HasSubstr("cannot be fetched"));
  EXPECT_EQ(requests(), before);
}

}  // namespace
}  // namespace trv::api
