// Events: followed without loss, started once, free of secrets, proven.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "audit/export/folder.hpp"
#include "audit/export/tile.hpp"
#include "audit/note/checkpoint.hpp"
#include "audit/verify/verify.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

struct Followed {
  std::vector<std::string> ids;
  std::vector<json::value> data;
};

Followed parse_stream(std::string_view text) {
  Followed followed;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with("id: ")) followed.ids.emplace_back(line.substr(4));
    if (line.starts_with("data: ")) followed.data.push_back(json::parse(std::string(line.substr(6))));
    at = end + 1;
  }
  return followed;
}

class EventsTest : public ApiTest {
 protected:
  /// Follows until `count` events came, or five seconds have passed.
  static Followed follow(const std::string& token, const std::string& tenant, const std::string& query, Headers headers,
                         std::size_t count, std::atomic<bool>* connected = nullptr) {
    headers.emplace_back("Authorization", "Bearer " + token);
    std::string all;
    processes::HttpClient client;
    const auto go_on = [&](std::string_view body) {
      all = body;
      if (connected != nullptr) *connected = true;
      return parse_stream(body).data.size() < count || !body.ends_with("\n\n");
    };
    (void)client.send({.method = "GET",
                       .url = daemon().url() + "/v1/tenants/" + tenant + "/events/stream" + query,
                       .headers = std::move(headers),
                       .timeout = std::chrono::milliseconds(5000),
                       .go_on = go_on});
    return parse_stream(all);
  }
  static std::vector<std::string> positions(const std::string& token, const std::string& tenant) {
    std::vector<std::string> all;
    for (const json::value& event : events(token, tenant)) all.emplace_back(event.at("position").as_string());
    return all;
  }
  static void make_events(int count) {
    for (int i = 0; i < count; ++i) {
      for (const auto& [token, tenant] : {std::pair(acme(), "acme"), std::pair(beta(), "beta")})
        issue(token, tenant, "viewer");
    }
  }
};

TEST_F(EventsTest, following_from_the_beginning_gives_every_event_once_and_in_order_and_no_others) {
  make_events(40);
  const auto wanted = positions(acme(), "acme");
  const Followed followed = follow(acme(), "acme", "?after=0", {}, wanted.size());
  EXPECT_EQ(followed.ids, wanted);
  for (const json::value& event : followed.data) EXPECT_EQ(event.at("tenant").as_string(), "acme");
}

TEST_F(EventsTest, resuming_with_the_last_id_misses_nothing_and_repeats_nothing) {
  make_events(20);
  const auto wanted = positions(acme(), "acme");
  const Followed head = follow(acme(), "acme", "?after=0", {}, 7);
  ASSERT_GE(head.ids.size(), 7U);
  const std::string last = head.ids[6];
  // The header says more than the query, which is that of the first request.
  const Followed rest = follow(acme(), "acme", "?after=0", {{"Last-Event-ID", last}}, wanted.size() - 7);
  EXPECT_EQ(rest.ids, std::vector<std::string>(wanted.begin() + 7, wanted.end()));
}

TEST_F(EventsTest, lifecycle_events_come_from_the_records_and_are_resumed_by_position) {
  ASSERT_EQ(apply_workflow(acme(), "acme",
                           "document: {dsl: '1.0.3', namespace: demo, name: cycle, version: '1.0.0'}\n"
                           "do: [{a: {set: {n: 2}}}]\n")
                .status,
            201);
  const Answer started = call(acme(), "POST", "/v1/tenants/acme/workflows/demo/cycle/instances", "{}");
  ASSERT_EQ(started.status, 201) << started.body;
  const Followed all = follow(acme(), "acme", "?after=0&lifecycle=true", {}, 5);
  ASSERT_EQ(all.data.size(), 5U);
  const std::string prefix = "io.serverlessworkflow.";
  std::string types;
  std::set<std::string> ids;
  for (const json::value& one : all.data) {
    types += std::string(one.at("type").as_string()).substr(prefix.size()) + " ";
    ids.emplace(one.at("id").as_string());
    EXPECT_EQ(one.at("subject").as_string(), started.text("id"));
    EXPECT_EQ(one.at("tenant"), "acme");
  }
  EXPECT_EQ(types, "workflow.started.v1 task.created.v1 task.started.v1 task.completed.v1 workflow.completed.v1 ");
  EXPECT_EQ(ids.size(), 5U);
  EXPECT_EQ(all.data[3].at("data").at("output").at("n"), 2);
  // The parts of a record share a position, which only the last of them bears as its id.
  ASSERT_EQ(all.ids.size(), 3U);
  EXPECT_EQ(all.data[3].at("position").as_string(), all.ids[1]);
  const Followed rest = follow(acme(), "acme", "?lifecycle=true", {{"Last-Event-ID", all.ids[0]}}, 4);
  ASSERT_EQ(rest.data.size(), 4U);
  EXPECT_EQ(rest.data[0], all.data[1]) << "the same event, with the same id, each time it is read";
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/events/stream?lifecycle=yes").status, 400);
}

TEST_F(EventsTest, a_position_that_this_tenant_was_not_given_is_refused_and_named) {
  const std::string ours = positions(acme(), "acme").back();
  const std::string theirs = positions(beta(), "beta").back();
  std::string changed = ours;
  changed[7] = changed[7] == '0' ? '1' : '0';
  for (const std::string& position : {theirs, changed, ours + "0", ours.substr(1), std::string("7"), std::string("-1"),
                                      std::string("x"), std::string(24, 'f'), std::string(400, '0')}) {
    for (const char* path : {"/v1/tenants/acme/events", "/v1/tenants/acme/events/stream"}) {
      const Answer answer = call(acme(), "GET", path + ("?after=" + position));
      EXPECT_EQ(answer.status, 400) << path << position;
      EXPECT_NE(answer.text("detail").find("after '"), std::string::npos) << answer.body;
    }
    const Answer resumed = call(acme(), "GET", "/v1/tenants/acme/events/stream", {}, {{"Last-Event-ID", position}});
    EXPECT_EQ(resumed.status, 400) << position;
    EXPECT_NE(resumed.text("detail").find("Last-Event-ID '"), std::string::npos) << resumed.body;
  }
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/events?after=" + ours).status, 200);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/audit/proofs/" + ours).status, 200);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/audit/proofs/" + theirs).status, 400);
}

TEST_F(EventsTest, a_change_says_its_position_and_a_read_may_say_what_it_must_know) {
  const std::string path = "/v1/tenants/acme/";
  const Headers json_body = {{"Content-Type", "application/json"}};
  const Answer added = call(acme(), "POST", path + "members", R"({"user":"ann","role":"viewer"})", json_body);
  const Answer issued = call(acme(), "POST", path + "tokens", R"({"name":"t","role":"viewer"})", json_body);
  const Answer revoked = call(acme(), "DELETE", path + "tokens/" + issued.text("id"));
  const Answer connected = call(acme(), "PUT", path + "connections/desk",
                                R"({"base_url":"http://127.0.0.1:1","auth":{"scheme":"none"}})", json_body);
  const Answer removed = call(acme(), "DELETE", path + "connections/desk");
  const Answer applied = apply_workflow(acme(), "acme", std::string(hello_workflow));
  const Answer started = call(acme(), "POST", path + "workflows/demo/hello/instances", "{}", json_body);
  std::string last = "0";
  for (const Answer& change : {added, issued, revoked, connected, removed, applied, started}) {
    ASSERT_LT(change.status, 300) << change.body;
    EXPECT_EQ(change.position.size(), 24U) << change.body;
    EXPECT_NE(change.position, last) << change.body;
    last = change.position;
  }
  EXPECT_EQ(positions(acme(), "acme").back(), last) << "it is that of the last event of the change";
  for (const char* list :
       {"retention", "members", "tokens", "connections", "plugins", "workflows", "instances", "effects", "events"}) {
    for (const std::string& position : {last, added.position, std::string("0")}) {
      const Answer read = call(acme(), "GET", path + list + "?min_position=" + position);
      EXPECT_EQ(read.status, 200) << list << read.body;
      EXPECT_EQ(read.position, "") << list;
    }
    const Answer refused = call(acme(), "GET", path + list + "?min_position=" + positions(beta(), "beta").back());
    EXPECT_EQ(refused.status, 400) << list << refused.body;
    EXPECT_NE(refused.text("detail").find("min_position '"), std::string::npos) << refused.body;
  }
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme?min_position=0").status, 400);
  EXPECT_EQ(call(acme(), "GET", path + "audit/checkpoint?min_position=0").status, 400);
}

TEST_F(EventsTest, a_follower_without_a_place_sees_what_happens_from_now_on_in_its_tenant) {
  make_events(5);
  std::atomic<bool> connected = false;
  Followed live;
  std::thread follower([&] { live = follow(acme(), "acme", "", {}, 10, &connected); });
  for (int i = 0; i < 6'000 && !connected; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto before = positions(acme(), "acme");
  make_events(10);
  follower.join();
  const auto after = positions(acme(), "acme");
  EXPECT_EQ(live.ids,
            std::vector<std::string>(after.begin() + static_cast<std::ptrdiff_t>(before.size()), after.end()));
  for (const json::value& event : live.data) EXPECT_EQ(event.at("tenant").as_string(), "acme");
}

TEST_F(EventsTest, the_same_idempotency_key_starts_once_even_when_asked_at_once) {
  ASSERT_EQ(apply_workflow(acme(), "acme", std::string(hello_workflow)).status, 201);
  const std::string path = "/v1/tenants/acme/workflows/demo/hello/instances";
  std::array<Answer, 8> answers;
  {
    std::vector<std::jthread> clients;
    for (Answer& answer : answers) {
      clients.emplace_back([&answer, &path] { answer = call(acme(), "POST", path, "{}", {{"Idempotency-Key", "k"}}); });
    }
  }
  int created = 0;
  for (const Answer& answer : answers) {
    created += answer.status == 201 ? 1 : 0;
    EXPECT_TRUE(answer.status == 201 || answer.status == 200) << answer.body;
    EXPECT_EQ(answer.text("id"), answers[0].text("id"));
    EXPECT_EQ(answer.value().at("workflow").at("version").as_string(), "1.0.0");
    EXPECT_EQ(answer.text("status"), "completed");
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(count_instances(acme(), "acme"), 1U);
  EXPECT_EQ(call(acme(), "POST", path, "{}", {{"Idempotency-Key", "other"}}).status, 201);
  // The same key in another tenant is another key.
  ASSERT_EQ(apply_workflow(beta(), "beta", std::string(hello_workflow)).status, 201);
  EXPECT_EQ(
      call(beta(), "POST", "/v1/tenants/beta/workflows/demo/hello/instances", "{}", {{"Idempotency-Key", "k"}}).status,
      201);
}

TEST_F(EventsTest, the_same_event_starts_once_also_within_a_batch) {
  const std::string workflow =
      "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: placed\n  version: '1.0.0'\n"
      "schedule:\n  on:\n    one:\n      with:\n        type: com.example.placed\n"
      "do:\n  - keep:\n      set:\n        kept: true\n";
  ASSERT_EQ(apply_workflow(acme(), "acme", workflow).status, 201);
  const std::string one =
      R"({"specversion":"1.0","id":"1","source":"/shop","type":"com.example.placed","data":{"n":1}})";
  const Answer batch = call(acme(), "POST", "/v1/tenants/acme/events", fmt::format("[{},{}]", one, one),
                            {{"Content-Type", "application/cloudevents-batch+json"}});
  ASSERT_EQ(batch.status, 202) << batch.body;
  EXPECT_EQ(batch.value().at("started").as_array().size(), 1U);
  EXPECT_EQ(batch.value().at("received").at(0), batch.value().at("received").at(1));
  const Answer again =
      call(acme(), "POST", "/v1/tenants/acme/events", one, {{"Content-Type", "application/cloudevents+json"}});
  ASSERT_EQ(again.status, 202) << again.body;
  EXPECT_TRUE(again.value().at("started").as_array().empty());
  EXPECT_EQ(again.value().at("received").at(0), batch.value().at("received").at(0));
  EXPECT_EQ(again.value().at("duplicates"), again.value().at("received"));
  EXPECT_EQ(batch.value().at("duplicates").as_array().size(), 1U) << "the second of the two";
  const Answer binary =
      call(acme(), "POST", "/v1/tenants/acme/events", R"({"n":2})",
           {{"ce-specversion", "1.0"}, {"ce-id", "2"}, {"ce-source", "/shop"}, {"ce-type", "com.example.placed"}});
  ASSERT_EQ(binary.status, 202) << binary.body;
  EXPECT_EQ(binary.value().at("started").as_array().size(), 1U);
  EXPECT_EQ(count_instances(acme(), "acme"), 2U);
}

TEST_F(EventsTest, a_secret_is_never_shown_and_never_written_in_the_clear) {
  const std::string canary = "canary-5f2c9e1d7ab34086";
  const std::string connection = "/v1/tenants/acme/connections/outside";
  std::string seen;
  const auto tell = [&](const Answer& answer) { seen += answer.body + "\n"; };
  const auto put = [&](const std::string& body) { tell(call(acme(), "PUT", connection, body)); };
  put(fmt::format(
      R"({{"base_url":"http://127.0.0.1:1","auth":{{"scheme":"bearer"}},"secret":"{0}","webhook_secret":"{0}","allow_private_network":true}})",
      canary));
  put(fmt::format(R"({{"base_url":"ftp://h","secret":"{}"}})", canary));
  put(fmt::format(R"({{"base_url":"http://h","secret":"{}")", canary));
  put(fmt::format(R"({{"base_url":"http://h","secret":["{}"]}})", canary));
  put(fmt::format(R"({{"base_url":"http://h","auth":{{"scheme":"magic"}},"secret":"{}"}})", canary));
  tell(call(acme(), "GET", "/v1/tenants/acme/connections"));
  tell(call("trv_0123456789ab_" + canary, "GET", "/v1/whoami"));
  tell(call(beta(), "PUT", connection, fmt::format(R"({{"secret":"{}"}})", canary)));
  for (const auto& [token, tenant] : {std::pair(acme(), "acme"), std::pair(beta(), "beta")}) {
    for (const json::value& event : events(token, tenant)) seen += json::serialize(event);
  }
  tell(call(acme(), "GET", "/v1/tenants/acme/audit/tile/entries/000.p/4"));
  tell(call("", "GET", "/metrics"));
  EXPECT_EQ(seen.find(canary), std::string::npos);

  // The last part of a token, in which '_' may occur.
  constexpr std::size_t secret_characters = 43;
  const auto secret_of = [](const std::string& token) { return token.substr(token.size() - secret_characters); };
  const std::array<std::string, 3> secrets = {canary, secret_of(acme()), secret_of(daemon().operator_token())};
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon().data())) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = contents_of(entry.path());
    for (const std::string& secret : secrets) EXPECT_EQ(bytes.find(secret), std::string::npos) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5U);
  for (const std::string& secret : secrets) EXPECT_EQ(daemon().complaints().find(secret), std::string::npos);
  EXPECT_EQ(call(acme(), "GET", "/v1/tenants/acme/connections").value().at("items").at(0).at("has_secret"), true);
}

TEST_F(EventsTest, a_filter_that_fails_is_counted) {
  const auto counted = [&] {
    std::istringstream lines(call("", "GET", "/metrics").body);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("travertine_filter_failures_total{")) count += std::stoi(line.substr(line.find(' ')));
    }
    return count;
  };
  ASSERT_EQ(counted(), 0);
  for (const char* name : {"one", "two"}) {
    const std::string workflow = fmt::format(
        "document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '1.0.0'}}\n"
        "schedule: {{on: {{one: {{with: {{type: com.example.filtered, data: '${{ .n.x == 1 }}'}}}}}}}}\n"
        "do: [{{s: {{set: {{n: 1}}}}}}]\n",
        name);
    ASSERT_EQ(apply_workflow(acme(), "acme", workflow).status, 201);
  }
  const auto send = [&](int id) {
    const std::string event = fmt::format(
        R"({{"specversion":"1.0","id":"f-{}","source":"/f","type":"com.example.filtered","data":{{"n":1}}}})", id);
    EXPECT_EQ(call(acme(), "POST", "/v1/tenants/acme/events", event, {{"Content-Type", "application/cloudevents+json"}})
                  .status,
              202);
  };
  send(1);
  EXPECT_EQ(counted(), 2);
  send(2);
  EXPECT_EQ(counted(), 4);
}

TEST_F(EventsTest, the_trail_verifies_offline_and_reading_it_is_an_entry) {
  make_events(150);
  const std::string base = "/v1/tenants/acme/audit/";
  const std::size_t reads = count_events(acme(), "acme", "trv.trail.read");
  const std::string first = call(acme(), "GET", base + "checkpoint").body;
  const std::string head = call(acme(), "GET", base + "checkpoint").body;
  EXPECT_EQ(count_events(acme(), "acme", "trv.trail.read"), reads + 2);
  const std::string key_text = call(acme(), "GET", base + "key").body;
  const auto key = note::VerifierKey::parse(std::string_view(key_text).substr(0, key_text.size() - 1));
  ASSERT_TRUE(key) << key.error().message();
  const auto checkpoint = note::open_checkpoint(head, std::span(&*key, 1));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ(checkpoint->size, note::open_checkpoint(first, std::span(&*key, 1))->size + 1);
  EXPECT_EQ(checkpoint->size, events(acme(), "acme").size());

  const ScratchFolder folder;
  const auto keep = [&](const std::filesystem::path& name, std::string_view bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
  };
  const auto fetch = [&](const exporting::TileAddress& address) {
    const Answer answer = call(acme(), "GET", base + address.path());
    ASSERT_EQ(answer.status, 200) << address.path();
    keep(address.path(), answer.body);
  };
  for (std::uint64_t i = 0; i < exporting::tile_count(0, checkpoint->size); ++i) {
    fetch(exporting::bundle_at(i, checkpoint->size));
  }
  for (std::uint32_t level = 0; level < 8; ++level) {
    for (std::uint64_t i = 0; i < exporting::tile_count(level, checkpoint->size); ++i) {
      fetch(exporting::tile_at(level, i, checkpoint->size));
    }
  }
  keep(exporting::checkpoint_file, head);
  keep(exporting::key_file, key_text);
  const auto report = verify::verify_growth(first, folder.path(), *key);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_TRUE(report->holds()) << report->to_text();
  EXPECT_EQ(report->entries, checkpoint->size);
  const auto reads_of = [&](const std::string& what) {
    return std::ranges::count_if(events(acme(), "acme"), [&](const json::value& event) {
      return event.at("type") == "trv.trail.read" && event.at("data").at("what").as_string() == what;
    });
  };
  EXPECT_EQ(reads_of("tile/entries/000.p/3"), 0);
  EXPECT_EQ(call(acme(), "GET", base + "tile/entries/000.p/3").status, 200);
  EXPECT_EQ(reads_of("tile/entries/000.p/3"), 1);
  EXPECT_EQ(call(acme(), "GET", base + "tile/0/000.p/7").status, 200);
  EXPECT_EQ(call(acme(), "GET", base + "tile/0/000.p/7").status, 200);
  EXPECT_EQ(reads_of("tile/0/000.p/7"), 2);
  const std::size_t before = count_events(acme(), "acme", "trv.trail.read");
  for (const char* tile : {"tile/0/999", "tile/9/000", "tile/entries/000.p/0", "tile/x", "tile/entries/000.p/257"}) {
    EXPECT_EQ(call(acme(), "GET", base + tile).status, 404) << tile;
  }
  EXPECT_EQ(count_events(acme(), "acme", "trv.trail.read"), before) << "what does not exist is not read";
}

}  // namespace
}  // namespace trv::api
