// Packages and webhooks: what is not right is refused with the reason, and the daemon goes on.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class PluginTest : public ApiTest {
 protected:
  static Answer install(const base::Bytes& package) {
    return call(daemon().operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end()),
                {{"Content-Type", "application/octet-stream"}});
  }
  static std::size_t installed() {
    return call(daemon().operator_token(), "GET", "/v1/plugins").value().at("items").as_array().size();
  }
  static std::size_t stored() {
    std::size_t files = 0;
    for (const char* folder : {"plugins", "packages"}) {
      for (const auto& file : std::filesystem::recursive_directory_iterator(daemon().data() / folder))
        files += file.is_regular_file() ? 1 : 0;
    }
    return files;
  }
  /// What the archive itself shows: nothing is recorded.
  static constexpr std::size_t by_its_bytes = 0;
  /// What the library shows: its request and its outcome are recorded.
  static constexpr std::size_t by_trial = 2;
  /// Nothing stays on disk, the reason is reported, the daemon goes on.
  static void expect_refused(const base::Bytes& package, std::string_view reason, std::size_t records,
                             long status = 400) {
    const std::size_t before = events(daemon().operator_token(), "system").size();
    const std::size_t stored_before = stored();
    const Answer answer = install(package);
    EXPECT_EQ(stored(), stored_before);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_NE(answer.text("detail").find(reason), std::string::npos) << answer.body;
    EXPECT_EQ(events(daemon().operator_token(), "system").size(), before + records);
    EXPECT_EQ(installed(), 0U);
    EXPECT_TRUE(daemon().running());
  }
  static void enable_tracker() {
    ASSERT_EQ(install(tracker_package("good")).status, 201);
    ASSERT_EQ(call(acme(), "PUT", "/v1/tenants/acme/plugins/tracker", R"({"version":"1.2.3"})").status, 200);
    ASSERT_EQ(call(acme(), "PUT", "/v1/tenants/acme/connections/tracker",
                   R"({"plugin":"tracker","base_url":"http://h","webhook_secret":"hush"})")
                  .status,
              200);
    const std::string workflow =
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: pushed\n  version: '1.0.0'\n"
        "schedule:\n  on:\n    one:\n      with:\n        type: com.tracker.opened\n"
        "do:\n  - keep:\n      set:\n        kept: true\n";
    ASSERT_EQ(apply_workflow(acme(), "acme", workflow).status, 201);
  }
  static Answer deliver(const std::string& body, Headers headers) {
    return call("", "POST", "/v1/tenants/acme/webhooks/tracker/push", body, std::move(headers));
  }
};

TEST_F(PluginTest, a_library_without_the_symbol_is_refused) {
  expect_refused(tracker_package("no_entry"), "trv_entry_v1", by_trial);
}

TEST_F(PluginTest, a_library_of_another_abi_is_refused) {
  expect_refused(tracker_package("other_abi"), "ABI", by_trial);
  expect_refused(tracker_package("good", 2), "abi", by_its_bytes);
}

TEST_F(PluginTest, a_library_that_is_cut_or_crashes_is_refused_and_the_daemon_goes_on) {
  expect_refused(tracker_package("good", 1, 5'000), "library 'plugin.so'", by_trial);
  expect_refused(tracker_package("crashes"), "does not start: it crashed (Aborted)", by_trial);
}

TEST_F(PluginTest, a_package_whose_digest_is_wrong_is_refused) {
  base::Bytes package = tracker_package("good");
  package[package.size() / 2] ^= 1;
  expect_refused(package, "lib/linux-x86_64/plugin.so", by_its_bytes);
}

TEST_F(PluginTest, what_is_no_package_is_refused) {
  base::Bytes cut = tracker_package("good");
  cut.resize(cut.size() / 2);
  expect_refused(cut, fmt::format("truncated at byte {}", cut.size()), by_its_bytes);
  expect_refused(base::Bytes((std::size_t{64} << 20) + 1), "the body is larger than", by_its_bytes, 413);
  expect_refused({}, "package", by_its_bytes);
  expect_refused(base::Bytes(10'000, 0xff), "package", by_its_bytes);
  // A member of the manifest is misspelt; the archive is whole otherwise.
  base::Bytes misspelt = tracker_package("good");
  const std::string_view all(reinterpret_cast<const char*>(misspelt.data()), misspelt.size());
  const std::size_t at = all.find("\"license\"");
  ASSERT_NE(at, std::string_view::npos);
  misspelt[at + 1] = 'k';
  expect_refused(misspelt, "manifest: license: is missing", by_its_bytes);
}

TEST_F(PluginTest, a_package_is_installed_once_and_its_version_never_changes) {
  const base::Bytes package = tracker_package("good");
  const Answer first = install(package);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(install(package).status, 200);
  EXPECT_EQ(installed(), 1U);
  const Answer other = install(tracker_package("no_entry"));
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_TRUE(eventually([] { return stored() == 2; })) << "its archive and its library";
  const Answer shown = call(acme(), "GET", "/v1/plugins/tracker/1.2.3");
  EXPECT_EQ(shown.text("package_sha256"), first.text("package_sha256"));
  EXPECT_EQ(shown.value().at("manifest").at("id").as_string(), "tracker");
  EXPECT_EQ(call(acme(), "GET", "/v1/plugins/tracker/9.9.9").status, 404);
  EXPECT_EQ(call(acme(), "PUT", "/v1/tenants/acme/plugins/tracker", R"({"version":"9.9.9"})").status, 404);
}

TEST_F(PluginTest, a_wrong_signature_is_refused_and_recorded_and_starts_nothing) {
  enable_tracker();
  const std::string body = R"({"action":"opened"})";
  const std::pair<const char*, Headers> cases[] = {
      {"missing", {}},
      {"match", {{"X-Signature", signature_of(body, "guess")}}},
      {"match", {{"X-Signature", signature_of(body + " ", "hush")}}},
      {"begin", {{"X-Signature", "md5=00"}}},
      {"hexadecimal", {{"X-Signature", "sha256=zz"}}},
      {"32 bytes", {{"X-Signature", "sha256=00"}}},
      {"twice", {{"X-Signature", signature_of(body, "hush")}, {"X-Signature", signature_of(body, "hush")}}}};
  std::size_t refused = 0;
  for (const auto& [reason, headers] : cases) {
    const Answer answer = deliver(body, headers);
    EXPECT_EQ(answer.status, 401) << answer.body;
    EXPECT_NE(answer.text("detail").find(reason), std::string::npos) << answer.body;
    EXPECT_EQ(count_events(acme(), "acme", "trv.webhook.refused"), ++refused);
  }
  EXPECT_EQ(count_events(acme(), "acme", "trv.event.received"), 0U);
  EXPECT_EQ(count_instances(acme(), "acme"), 0U);
  // Each is in the trail: it has a proof.
  for (const json::value& event : events(acme(), "acme")) {
    if (event.at("type").as_string() != "trv.webhook.refused") continue;
    const std::string lsn(event.at("position").as_string());
    EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/audit/proofs/" + lsn).status, 200);
  }
}

TEST_F(PluginTest, a_right_signature_starts_the_workflow_and_the_same_delivery_again_starts_nothing) {
  enable_tracker();
  const std::string body = R"({"action":"opened"})";
  const Headers headers = {{"X-Signature", signature_of(body, "hush")}, {"X-Delivery", "d-1"}};
  const Answer first = deliver(body, headers);
  ASSERT_EQ(first.status, 202) << first.body;
  const json::value taken = first.value();
  EXPECT_FALSE(taken.at("duplicate").as_bool());
  ASSERT_EQ(taken.at("started").as_array().size(), 1U);
  const std::string id(taken.at("started").at(0).as_string());
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/instances/" + id).text("status"), "completed");

  const std::size_t before = events(acme(), "acme").size();
  const Answer again = deliver(body, headers);
  ASSERT_EQ(again.status, 202) << again.body;
  EXPECT_TRUE(again.value().at("duplicate").as_bool());
  EXPECT_EQ(again.text("event"), first.text("event"));
  EXPECT_TRUE(again.value().at("started").as_array().empty());
  EXPECT_EQ(events(acme(), "acme").size(), before);
  EXPECT_EQ(count_instances(acme(), "acme"), 1U);
}

TEST_F(PluginTest, a_delivery_id_counts_for_its_connection) {
  enable_tracker();
  EXPECT_EQ(call(acme(), "PUT", "/v1/tenants/acme/connections/second",
                 R"({"plugin":"tracker","base_url":"http://h","webhook_secret":"quiet"})")
                .status,
            200);
  const std::string body = R"({"action":"opened"})";
  const auto send = [&](const std::string& connection, const std::string& secret) {
    return call("", "POST", "/v1/tenants/acme/webhooks/tracker/push?connection=" + connection, body,
                {{"X-Signature", signature_of(body, secret)}, {"X-Delivery", "same"}});
  };
  const Answer first = send("tracker", "hush");
  ASSERT_EQ(first.status, 202) << first.body;
  const Answer second = send("second", "quiet");
  ASSERT_EQ(second.status, 202) << second.body;
  EXPECT_FALSE(second.value().at("duplicate").as_bool()) << "the same source, but another connection";
  EXPECT_EQ(second.value().at("started").as_array().size(), 1U);
  EXPECT_TRUE(send("second", "quiet").value().at("duplicate").as_bool());
  EXPECT_TRUE(send("tracker", "hush").value().at("duplicate").as_bool());
  EXPECT_EQ(count_instances(acme(), "acme"), 2U);
  EXPECT_EQ(send("%00", "hush").status, 400);
  EXPECT_EQ(send("", "hush").status, 404);
  EXPECT_EQ(send("third", "hush").status, 404);
}

TEST_F(PluginTest, a_signed_delivery_that_makes_no_event_is_refused_with_the_reason) {
  enable_tracker();
  const std::size_t before = events(acme(), "acme").size();
  for (const char* body : {"{\"action\":}", R"({"action":3})", "[]"}) {
    const Answer answer = deliver(body, {{"X-Signature", signature_of(body, "hush")}, {"X-Delivery", "d"}});
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_FALSE(answer.text("detail").empty());
  }
  const std::string body = R"({"action":"opened"})";
  EXPECT_EQ(deliver(body, {{"X-Signature", signature_of(body, "hush")}}).status, 400);
  EXPECT_EQ(deliver(body, {{"X-Signature", signature_of(body, "hush")}, {"X-Delivery", "\xff"}}).status, 400);
  EXPECT_EQ(events(acme(), "acme").size(), before);
}

TEST_F(PluginTest, what_a_delivery_is_encoded_as_is_asked_after_its_signature) {
  enable_tracker();
  const std::string body = R"({"action":"opened"})";
  const std::pair<const char*, const char*> headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
                                                         {"Content-Type", "application/json; charset=utf-16"},
                                                         {"Content-Encoding", "gzip"}};
  for (const auto& [name, value] : headers) {
    EXPECT_EQ(deliver(body, {{name, value}}).status, 401) << value;
    const Answer answer =
        deliver(body, {{name, value}, {"X-Signature", signature_of(body, "hush")}, {"X-Delivery", "d"}});
    EXPECT_EQ(answer.status, 415) << value << answer.body;
  }
  EXPECT_EQ(count_instances(acme(), "acme"), 0U);
}

TEST_F(PluginTest, a_form_that_is_signed_with_its_time_is_taken_once_and_not_when_it_is_old) {
  enable_tracker();
  const auto send = [](const std::string& body, std::chrono::seconds age, std::string_view secret,
                       bool is_whole = true) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::string time = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - age).count());
    Headers headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                       {"X-Time", time},
                       {"X-Signature", signature_of("v0:" + time + ":" + body, secret)}};
    if (is_whole) headers.emplace_back("X-Kind", "command");
    return std::pair(headers, call("", "POST", "/v1/tenants/acme/webhooks/tracker/command", body, headers));
  };
  const auto [headers, first] = send("action=opened&text=a+b%21", std::chrono::seconds(0), "hush");
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.body, "");
  EXPECT_EQ(count_instances(acme(), "acme"), 1U);
  const Answer copy =
      call("", "POST", "/v1/tenants/acme/webhooks/tracker/command", "action=opened&text=a+b%21", headers);
  EXPECT_EQ(copy.status, 200) << copy.body;
  EXPECT_EQ(count_instances(acme(), "acme"), 1U) << "a copy starts nothing";

  EXPECT_EQ(send("action=opened", std::chrono::seconds(0), "guess").second.status, 401);
  EXPECT_EQ(send("action=opened", std::chrono::seconds(400), "hush").second.status, 401);
  EXPECT_EQ(send("action=opened", std::chrono::seconds(-400), "hush").second.status, 401);
  EXPECT_EQ(send("action=opened", std::chrono::seconds(0), "hush", false).second.status, 400) << "a header is missing";
  EXPECT_EQ(send("action=%zz", std::chrono::seconds(0), "hush").second.status, 400);
  const Answer challenge = send("hello=3eZbrw", std::chrono::seconds(0), "hush").second;
  EXPECT_EQ(challenge.status, 200);
  EXPECT_EQ(challenge.body, "3eZbrw");
  EXPECT_EQ(send("hello=3eZbrw", std::chrono::seconds(0), "guess").second.status, 401) << "also of a challenge";
  EXPECT_EQ(count_events(acme(), "acme", "trv.event.received"), 1U);
  EXPECT_EQ(count_events(acme(), "acme", "trv.webhook.refused"), 4U);
}

TEST_F(PluginTest, a_token_in_a_header_is_the_secret_or_the_delivery_is_refused) {
  enable_tracker();
  const auto send = [](Headers headers) {
    return call("", "POST", "/v1/tenants/acme/webhooks/tracker/hook", R"({"action":"opened"})", std::move(headers));
  };
  EXPECT_EQ(send({{"X-Token", "hush"}}).status, 202);
  for (const Headers& headers :
       {Headers{}, Headers{{"X-Token", "hus"}}, Headers{{"X-Token", "hush"}, {"X-Token", "hush"}}}) {
    EXPECT_EQ(send(headers).status, 401);
  }
  EXPECT_EQ(count_events(acme(), "acme", "trv.webhook.refused"), 3U);
  EXPECT_EQ(count_instances(acme(), "acme"), 1U);
}

TEST_F(PluginTest, webhooks_that_are_not_there_answer_alike) {
  enable_tracker();
  for (const char* path : {"/v1/tenants/beta/webhooks/tracker/push", "/v1/tenants/nobody/webhooks/tracker/push",
                           "/v1/tenants/acme/webhooks/tracker/pull", "/v1/tenants/acme/webhooks/other/push",
                           "/v1/tenants/acme/webhooks/tracker/push?connection=other"}) {
    const Answer answer = call("", "POST", path, "{}");
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.text("detail"), "no such webhook");
  }
}

}  // namespace
}  // namespace trv::api
