// A log of every release replays in every later one, to the same state and the same events.
//
// TRV_WRITE_GOLDEN=1 records tests/golden/releases/<version> where it is missing. What was released is never written
// again; before the first release a format that must break is recorded anew: remove the folder and write it.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <utility>

#include "events/log/lmdb_event_log.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const fs::path releases = fs::path(TRV_SOURCE_DIR) / "tests/golden/releases";

/// Whether `now` says what `recorded` did. A later version may say more: numbers that old events do not have.
bool says(const json::value& now, const json::value& recorded) {
  if (recorded.is_object() && now.is_object()) {
    return std::ranges::all_of(recorded.as_object(), [&](const auto& member) {
      const json::value* same = now.as_object().if_contains(member.key());
      return same != nullptr && says(*same, member.value());
    });
  }
  if (recorded.is_array() && now.is_array()) {
    const auto& before = recorded.as_array();
    const auto& after = now.as_array();
    return std::equal(after.begin(), after.end(), before.begin(), before.end(), says);
  }
  return now == recorded;
}

/// The first of them, as many as were recorded. With the days a daemon has more to say: what is due, it records.
json::array first_of(json::array events, const json::value& recorded) {
  if (events.size() > recorded.as_array().size()) events.resize(recorded.as_array().size());
  return events;
}

void expect_says(const json::value& now, const json::value& recorded) {
  EXPECT_TRUE(says(now, recorded)) << json::serialize(now) << "\nwas " << json::serialize(recorded);
}

class RecordedLog : public testing::Test {
 protected:
  void start() {
    auto started = Daemon::start(
        scratch_, {}, {.variables = {{"TRAV_EGRESS_ALLOW_PRIVATE_NETWORK", "true"}, {"TRAV_EFFECTS_TRIES_MAX", "2"}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  void stop() {
    ASSERT_EQ(daemon_->stop(), 0) << daemon_->complaints();
    daemon_.reset();
  }
  /// A data folder of its own keys with this log.
  void start_with(const fs::path& log) {
    start();
    stop();
    fs::remove_all(data() / "projection");
    fs::remove_all(data() / "log");
    fs::remove(data() / "keys/log");  // says which log the keys are of
    fs::create_directories(data() / "log");
    fs::copy_file(log, data() / "log/data.mdb");
    start();
  }
  [[nodiscard]] fs::path data() const { return scratch_.path() / "data"; }
  [[nodiscard]] json::value get(const std::string& token, const std::string& path) const {
    const Answer answer = ask(*daemon_, token, "GET", path);
    EXPECT_EQ(answer.status, 200) << path << ": " << answer.body;
    return answer.value();
  }
  void post(const std::string& path, const std::string& body, Headers headers = {}) {
    const Answer answer = ask(*daemon_, acme_, "POST", "/v1/tenants/acme" + path, body, std::move(headers));
    ASSERT_EQ(answer.status / 100, 2) << path << ": " << answer.body;
  }
  void change(const std::string& method, const std::string& path, const std::string& body = {}) {
    ASSERT_EQ(ask(*daemon_, acme_, method, "/v1/tenants/acme" + path, body).status / 100, 2) << path;
  }
  void apply(const std::string& name, const std::string& rest) {
    post("/workflows",
         fmt::format("document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: {}\n  version: '1.0.0'\n{}", name, rest),
         {{"Content-Type", "application/yaml"}});
  }
  [[nodiscard]] json::array instances() const {
    json::array shown;
    const json::value page = get(acme_, "/v1/tenants/acme/instances?limit=500");
    for (const json::value& one : page.at("items").as_array()) {
      const std::string path = "/v1/tenants/acme/instances/" + std::string(one.at("id").as_string());
      shown.push_back({{"instance", get(acme_, path)}, {"tasks", get(acme_, path + "/tasks")}});
    }
    return shown;
  }
  [[nodiscard]] json::array events(const std::string& token, const std::string& tenant) const {
    return get(token, "/v1/tenants/" + tenant + "/events?limit=500").at("items").as_array();
  }
  /// The leaves of the audit tree that so many records made: they follow from the log alone, unlike a signature.
  [[nodiscard]] std::string audit_leaves(std::size_t count) const {
    TRV_EXPECTS(count > 0 && count < 256);
    const Answer tile = ask(*daemon_, acme_, "GET", fmt::format("/v1/tenants/acme/audit/tile/0/000.p/{}", count));
    EXPECT_EQ(tile.status, 200) << tile.body;
    return base::to_hex({reinterpret_cast<const std::uint8_t*>(tile.body.data()), tile.body.size()});
  }
  void work();
  void record(const fs::path& folder);

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string acme_;
};

/// As many kinds of events as a daemon without plugins makes; in the end nothing waits.
void RecordedLog::work() {
  acme_ = create_tenant(*daemon_, "acme");
  change("PUT", "/retention", R"({"instances_days":36500,"events_days":36500})");
  post("/members", R"({"user":"ada","role":"viewer"})");
  const Answer token = ask(*daemon_, acme_, "POST", "/v1/tenants/acme/tokens",
                           R"({"name":"reads","role":"viewer","expires_in_seconds":3600})");
  EXPECT_EQ(ask(*daemon_, token.text("token"), "POST", "/v1/tenants/acme/tokens", "{}").status, 403);
  change("DELETE", "/tokens/" + token.text("id"));
  change("PUT", "/connections/outside", R"({"base_url":"http://h","auth":{"scheme":"none"}})");
  change("DELETE", "/connections/outside");
  apply("every", fmt::format(R"(schedule:
  on:
    one:
      with:
        type: order.paid
do:
  - prepare:
      set:
        items: [1, 2]
  - each:
      for:
        each: item
        in: .items
      do:
        - one:
            set:
              seen: "${{ $item }}"
  - pause:
      wait:
        milliseconds: 20
  - asks:
      call: http
      with:
        method: get
        endpoint: {}/v1/version
  - risky:
      try:
        - fails:
            raise:
              error:
                type: https://example.com/errors/broken
                status: 500
                title: Broken
      catch:
        retry:
          delay:
            milliseconds: 10
          limit:
            attempt:
              count: 1
        do:
          - mended:
              set:
                mended: true
)",
                             daemon_->url()));
  apply("faults",
        "do:\n  - asks:\n      call: http\n      with:\n        method: get\n        endpoint: http://127.0.0.1:1/\n");
  apply("waits", "do:\n  - pause:\n      wait:\n        hours: 1\n");
  post("/events",
       R"({"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","subject":"7","data":{"n":0.1,"s":"é"}})",
       {{"Content-Type", "application/cloudevents+json"}});
  for (const char* name : {"every", "faults", "waits"}) {
    post(fmt::format("/workflows/demo/{}/instances", name), R"({"big":12345678901234567})");
  }
  const auto running = [&](const std::string& status) {
    return get(acme_, "/v1/tenants/acme/instances?limit=500&status=" + status).at("items").as_array();
  };
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (running("running").size() > 1) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(20ms);
  }
  ASSERT_EQ(running("faulted").size(), 1U);
  ASSERT_EQ(running("completed").size(), 2U);
  post(fmt::format("/instances/{}/cancel", running("running").at(0).at("id").as_string().c_str()), "");
}

void RecordedLog::record(const fs::path& folder) {
  start();
  ASSERT_NO_FATAL_FAILURE(work());
  const std::string system = daemon_->operator_token();
  const json::object seen = {{"acme", events(acme_, "acme")}, {"system", events(system, "system")}};
  json::object expected = {{"token", acme_}, {"operator_token", system}, {"events", seen}, {"instances", instances()}};
  stop();
  fs::create_directories(folder);
  fs::copy_file(data() / "log/data.mdb", folder / "data.mdb");
  {
    std::map<std::string, json::value> by_id;
    for (const auto& [tenant, all] : seen) {
      for (const json::value& event : all.as_array()) by_id[event.at("id").as_string().c_str()] = event;
    }
    const auto log = log::LmdbEventLog::open(data() / "log");
    ASSERT_TRUE(log) << log.error().message();
    const auto reader = (*log)->read(log::ShardId(0), log::Lsn(1));
    ASSERT_TRUE(reader) << reader.error().message();
    std::ofstream records(folder / "records.json");
    const char* before = "[\n";
    for (auto stored = (*reader)->next(0ms); stored && *stored; stored = (*reader)->next(0ms)) {
      const auto view = record::RecordView::over((*stored)->bytes);
      ASSERT_TRUE(view);
      const json::object line = {{"value", base::to_base64((*stored)->bytes)},
                                 {"event", by_id.at(view->event_id().to_string())}};
      records << std::exchange(before, ",\n") << json::serialize(line);
    }
    records << "\n]\n";
  }
  start_with(folder / "data.mdb");
  expected["audit_leaves"] = audit_leaves(seen.at("acme").as_array().size());
  stop();
  std::ofstream(folder / "expected.json") << json::serialize(expected) << "\n";
}

TEST_F(RecordedLog, of_this_version_is_there) {
  const fs::path folder = releases / TRV_VERSION;
  if (!fs::exists(folder) && std::getenv("TRV_WRITE_GOLDEN") != nullptr) record(folder);
  EXPECT_TRUE(fs::exists(folder / "expected.json")) << folder << " is missing: record it with TRV_WRITE_GOLDEN=1";
}

TEST_F(RecordedLog, of_every_release_replays_to_what_it_was_and_goes_on) {
  std::size_t replayed = 0;
  for (const auto& release : fs::directory_iterator(releases)) {
    SCOPED_TRACE(release.path());
    const json::value expected = json::parse(contents_of(release.path() / "expected.json"));
    fs::remove_all(data());
    ASSERT_NO_FATAL_FAILURE(start_with(release.path() / "data.mdb"));
    acme_ = expected.at("token").as_string();
    const std::string system = expected.at("operator_token").as_string().c_str();
    const json::value& recorded = expected.at("events");
    expect_says(first_of(events(acme_, "acme"), recorded.at("acme")), recorded.at("acme"));
    expect_says(first_of(events(system, "system"), recorded.at("system")), recorded.at("system"));
    expect_says(instances(), expected.at("instances"));
    const auto& leaves = expected.at("audit_leaves").as_string();
    EXPECT_EQ(audit_leaves(leaves.size() / (2 * sizeof(base::Digest))), std::string_view(leaves))
        << "proofs of before do not fit any more";
    post("/workflows/demo/waits/instances", "{}");
    stop();
    ++replayed;
  }
  EXPECT_GE(replayed, 1U);
}

TEST_F(RecordedLog, what_a_later_version_may_say) {
  const json::value recorded = json::parse(R"({"a":1,"b":[{"c":"x"}]})");
  EXPECT_TRUE(says(json::parse(R"({"a":1,"b":[{"c":"x","d":0}],"e":0})"), recorded));
  for (const char* other : {R"({"a":2,"b":[{"c":"x"}]})", R"({"a":1})", R"({"a":1,"b":[]})", R"({"a":1,"b":[{}]})",
                            R"({"a":1,"b":[{"c":"x"},{"c":"x"}]})", R"({"a":1,"b":{}})", "[]"}) {
    EXPECT_FALSE(says(json::parse(other), recorded)) << other;
  }
}

}  // namespace
}  // namespace trv::api
