// What a package needs to be installed: its signatures, held against the operator's trust file.

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "kernel/trust/revocations.hpp"
#include "kernel/trust/signatures.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

note::SigningKey key_of(std::string_view name) {
  return note::SigningKey::from_seed(name, {1}).value();
}

class SignedPackage : public testing::Test {
 protected:
  void start(const std::string& require) {
    trust("");
    auto started = Daemon::start(
        scratch_, {},
        {.variables = {{"TRAV_PLUGINS_REQUIRE", require}, {"TRAV_PLUGINS_TRUST", trust_file().string()}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    token_ = daemon_->operator_token();
  }
  void restart() {
    ASSERT_EQ(daemon_->stop(), 0);
    daemon_.reset();
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_PLUGINS_TRUST", trust_file().string()}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  static bool comes_to_be(const std::function<bool()>& is_so) {
    for (int i = 0; i < 6'000; ++i) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  std::filesystem::path trust_file() const { return scratch_.path() / "trust.keys"; }
  void trust(const std::string& lines) { std::ofstream(trust_file()) << lines; }
  Answer call(const std::string& method, const std::string& path, std::string body = {}, Headers headers = {}) {
    headers.emplace_back("Authorization", "Bearer " + token_);
    processes::HttpClient client;
    const auto answer = client.send({.method = method,
                                     .url = daemon_->url() + path,
                                     .headers = std::move(headers),
                                     .body = std::move(body),
                                     .timeout = std::chrono::seconds(60)});
    return answer ? Answer{.status = answer->status, .body = answer->body} : Answer{};
  }
  Answer install(const base::Bytes& package) {
    return call("POST", "/v1/plugins", std::string(package.begin(), package.end()),
                {{"Content-Type", "application/octet-stream"}});
  }
  static base::Bytes published() { return trust::sign(tracker_package("good"), key_of("acme")).value(); }
  static base::Bytes certified() {
    return trust::countersign(published(),
                              {.level = trust::Level::certified,
                               .report = {},
                               .expires = base::Timestamp::from_rfc3339("2200-01-01T00:00:00Z")},
                              key_of("certifier"))
        .value();
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string token_;
};

TEST_F(SignedPackage, an_unsigned_package_and_an_unknown_publisher_are_refused_and_leave_no_record) {
  start("signed");
  EXPECT_NE(daemon_->complaints().find("plugins.require is signed"), std::string::npos) << daemon_->complaints();
  const Answer unsigned_package = install(tracker_package("good"));
  EXPECT_EQ(unsigned_package.status, 403) << unsigned_package.body;
  EXPECT_NE(unsigned_package.text("detail").find("`trav plugin sign FILE --key KEY`"), std::string::npos)
      << unsigned_package.body;
  const Answer unknown = install(published());
  EXPECT_EQ(unknown.status, 403) << unknown.body;
  EXPECT_NE(unknown.text("detail").find(key_of("acme").verifier().format() + " publisher"), std::string::npos);
  EXPECT_TRUE(call("GET", "/v1/plugins").value().at("items").as_array().empty());
  // The file is read at each installation: what the message says to do is enough.
  trust(key_of("acme").verifier().format() + " publisher\n");
  const Answer known = install(published());
  EXPECT_EQ(known.status, 201) << known.body;
  const json::value publisher = known.value().at("publisher");
  EXPECT_EQ(publisher.at("key").as_string(), key_of("acme").verifier().format());
  EXPECT_TRUE(publisher.at("trusted").as_bool());
  trust("nonsense\n");
  EXPECT_NE(install(certified()).status, 201) << "a trust file that cannot be read trusts nobody";
}

TEST_F(SignedPackage, a_damaged_signature_is_refused_whatever_is_required) {
  start("none");
  base::Bytes damaged = published();
  const std::string note = package::read(base::BytesView(damaged))->signatures.publisher;
  const std::string_view text = base::as_text(damaged);
  damaged[text.find(note) + note.size() - 10] ^= 1;
  const Answer refused = install(damaged);
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_NE(refused.text("detail").find("signatures/publisher.note"), std::string::npos) << refused.body;
  EXPECT_EQ(install(published()).status, 201);
}

TEST_F(SignedPackage, the_outcome_is_in_the_record_and_in_what_is_shown) {
  start("certified");
  trust(key_of("certifier").verifier().format() + " certified\n");
  const Answer published_only = install(published());
  EXPECT_EQ(published_only.status, 403) << published_only.body;
  EXPECT_NE(published_only.text("detail").find("`trav plugin countersign FILE"), std::string::npos);
  const Answer installed = install(certified());
  ASSERT_EQ(installed.status, 201) << installed.body;
  for (const json::value& shown : {installed.value(), call("GET", "/v1/plugins/tracker/1.2.3").value(),
                                   call("GET", "/v1/plugins").value().at("items").at(0)}) {
    EXPECT_EQ(shown.at("level").as_string(), "certified");
    EXPECT_FALSE(shown.at("publisher").at("trusted").as_bool()) << "the certifier alone vouches for it";
    EXPECT_TRUE(shown.at("certifier").at("trusted").as_bool());
    EXPECT_TRUE(std::string(shown.at("certifier").at("expires").as_string()).starts_with("2200-01-01T00:00:00"));
    EXPECT_EQ(shown.at("content_sha256").as_string(), base::to_hex(base::sha256(tracker_package("good"))));
  }
  const json::value page = call("GET", "/v1/tenants/system/events?limit=500").value();
  bool is_recorded = false;
  for (const json::value& event : page.at("items").as_array()) {
    if (event.at("type").as_string() != "trv.plugin.requested") continue;
    is_recorded = true;
    EXPECT_EQ(event.at("data").at("level").as_string(), "certified");
    EXPECT_EQ(event.at("data").at("certifier_key").as_string(), key_of("certifier").verifier().format());
  }
  EXPECT_TRUE(is_recorded);
}

std::string list_of(std::uint64_t counter, trust::Revocations list) {
  list.counter = counter;
  return trust::sign_revocations(list, key_of("operations")).value();
}

TEST_F(SignedPackage, a_revocation_stops_what_runs_and_is_followed_after_a_restart_too) {
  start("none");
  trust(key_of("operations").verifier().format() + " revocations\n");
  ASSERT_EQ(install(published()).status, 201);
  const base::Digest content = package::read(base::BytesView(published()))->content;
  const std::string second = list_of(2, {.counter = 1, .contents = {{content, "reads files"}}, .signers = {}});
  const auto import = [this](const std::string& list) {
    return call("POST", "/v1/revocations", list, {{"Content-Type", "application/octet-stream"}});
  };
  const Answer foreign = import(trust::sign_revocations({}, key_of("acme")).value());
  EXPECT_EQ(foreign.status, 403) << foreign.body;
  EXPECT_NE(foreign.text("detail").find(" revocations`"), std::string::npos) << foreign.body;
  const Answer imported = import(second);
  ASSERT_EQ(imported.status, 201) << imported.body;
  const auto status = [this] { return call("GET", "/v1/plugins/tracker/1.2.3"); };
  ASSERT_TRUE(comes_to_be([&] { return status().text("status") == "failed"; })) << status().body;
  EXPECT_NE(status().text("reason").find("its content is revoked: reads files (list 2 of operations)"),
            std::string::npos)
      << status().body;
  EXPECT_EQ(import(second).status, 200) << "the very same list again";
  EXPECT_EQ(import(list_of(2, {})).status, 409);
  EXPECT_EQ(import(list_of(1, {})).status, 409) << "an older list brings nothing back";
  const Answer again = install(published());
  EXPECT_EQ(again.status, 403) << again.body;
  EXPECT_NE(again.text("detail").find("is revoked: reads files"), std::string::npos) << again.body;
  EXPECT_EQ(call("GET", "/v1/revocations").value().at("items").at(0).at("counter").to_number<int>(), 2);

  restart();
  EXPECT_EQ(status().text("status"), "failed") << status().body;
  // A newer list that does not name it any more.
  ASSERT_EQ(import(list_of(3, {})).status, 201);
  EXPECT_TRUE(comes_to_be([&] { return status().text("status") == "loaded"; })) << status().body;
  // By the key of its publisher.
  const Answer by_key =
      import(list_of(4, {.counter = 1, .contents = {}, .signers = {{key_of("acme").verifier(), "stolen"}}}));
  ASSERT_EQ(by_key.status, 201) << by_key.body;
  EXPECT_TRUE(comes_to_be([&] { return status().text("status") == "failed"; })) << status().body;
  EXPECT_NE(status().text("reason").find("the key of its publisher acme is revoked: stolen"), std::string::npos);
}

TEST(SignedPackageStart, a_policy_without_a_trust_file_is_refused_at_the_start) {
  const ScratchFolder scratch;
  const auto started = Daemon::start(scratch, {}, {.variables = {{"TRAV_PLUGINS_REQUIRE", "signed"}}});
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find("plugins.require is set, which needs plugins.trust"), std::string::npos)
      << started.error().message();
}

}  // namespace
}  // namespace trv::api
