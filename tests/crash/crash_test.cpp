// kill -9 and SIGTERM against the real programs, with effects under way: whatever was acknowledged happens, once.

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "sdk/base/random.hpp"
#include "tests/support/aftermath/aftermath.hpp"
#include "tests/support/platform/platform.hpp"

namespace trv {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr std::string_view workflow = R"(document: {dsl: '1.0.3', namespace: crash, name: triage, version: '1.0.0'}
schedule: {on: {one: {with: {type: com.github.issues.opened}}}}
input: {from: '.[0].data'}
do:
  - ticket:
      call: jira.create-issue:1.0.0@default
      metadata: {connection: jira}
      with: {project: OPS, issue_type: Bug, summary: '${ .issue.title }'}
      output: {as: '{number: $input.issue.number, ticket: .key}'}
  - pause:
      wait: {milliseconds: 50}
  - note:
      set: {number: '${ .number }', ticket: '${ .ticket }', text: '${ "Tracked as " + .ticket }'}
  - tell:
      call: slack.post-message:1.0.0@default
      metadata: {connection: slack}
      with: {channel: '#general', text: '${ .text }'}
      output: {as: $input}
  - answer:
      call: github.create-comment:1.0.0@default
      metadata: {connection: github}
      with: {owner: octo-org, repo: hello, issue_number: '${ .number }', body: '${ .text }'}
)";
constexpr int calls_per_instance = 3;

/// Delivers webhooks one after another from its own thread, each with its own id, again and again until it is
/// acknowledged.
class Deliveries {
 public:
  Deliveries(const platform::Platform& platform, std::uint64_t seed)
      : platform_(platform), random_(seed), thread_([this] { run(); }) {}
  ~Deliveries() { finish(); }
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  /// Ends after the delivery in hand was acknowledged. The members below are for afterwards.
  void finish() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::size_t count() const { return count_; }

  std::set<std::string> acknowledged;
  std::uint64_t repeats = 0;
  std::vector<std::string> surprises;  ///< answers that no platform should give, also not a dying one

 private:
  void run() {
    processes::HttpClient client;
    for (int number = 1; !stopping_; ++number) {
      const std::string id = fmt::format("delivery-{}", number);
      if (!deliver(client, id, 1 + number % 1000)) return;
      acknowledged.insert(id);
      ++count_;
      std::this_thread::sleep_for(std::chrono::milliseconds(random_.below(25)));
    }
  }

  bool deliver(processes::HttpClient& client, const std::string& id, int issue_number) {
    const processes::HttpRequest request = platform_.signed_webhook(id, issue_number);
    const auto deadline = Steady::now() + 60s;
    for (; Steady::now() < deadline; ++repeats) {
      const auto answer = client.send(request);
      if (answer && answer->status == 202) return true;
      if (answer && answer->status != 503) {
        surprises.push_back(fmt::format("{}: {} {}", id, answer->status, answer->body));
        return false;
      }
      std::this_thread::sleep_for(5ms);
    }
    surprises.push_back(id + " was never acknowledged");
    return false;
  }

  const platform::Platform& platform_;
  base::SimulatedRandom random_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> count_ = 0;
  std::thread thread_;
};

/// Decides when to kill; what the programs do at that moment is not in its power.
std::uint64_t seed_of_this_run() {
  const char* given = std::getenv("TRV_CRASH_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : base::SystemRandom().below(1'000'000);
}

int kills_of_this_run() {
  const char* given = std::getenv("TRV_CRASH_KILLS");
  return given != nullptr ? std::atoi(given) : 50;
}

/// How often each key had an effect at the services, and how often it was only repeated.
struct Journal {
  std::map<std::string, int> recorded;
  std::uint64_t repeated = 0;
};

Journal read_journal(const std::filesystem::path& path) {
  Journal journal;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto entry = boost::json::parse(line);
    const std::string_view effect = entry.at("effect").as_string();
    if (effect == "repeated") ++journal.repeated;
    if (effect != "recorded") continue;
    EXPECT_TRUE(entry.at("idempotency_key").is_string()) << line;
    if (entry.at("idempotency_key").is_string()) ++journal.recorded[entry.at("idempotency_key").as_string().c_str()];
  }
  return journal;
}

class CrashTest : public testing::Test {
 protected:
  CrashTest()
      : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("trv_crash_{}", ::getpid())),
        platform_({.build = TRV_BINARY_DIR, .folder = folder_}) {}
  ~CrashTest() override {
    platform_.kill();
    platform_.kill_services();
    if (!HasFailure()) std::filesystem::remove_all(folder_);
  }

  void SetUp() override {
    const auto ready = platform_.set_up();
    ASSERT_TRUE(ready) << ready.error().message();
    const auto applied = platform_.ask("POST", "/v1/tenants/acme/workflows", std::string(workflow), "application/yaml");
    ASSERT_TRUE(applied) << applied.error().message();
  }

  /// Waits until no instance is under way.
  void wait_until_all_ended() {
    const auto deadline = Steady::now() + 90s;
    for (;;) {
      const auto left = platform_.list("/v1/tenants/acme/instances?limit=500&status=running");
      ASSERT_TRUE(left) << left.error().message();
      if (left->empty()) return;
      ASSERT_LT(Steady::now(), deadline) << left->size() << " instances never ended, for example "
                                         << boost::json::serialize(left->front());
      std::this_thread::sleep_for(100ms);
    }
  }

  void the_event_lists_have_no_gap() {
    std::vector<std::string> ours;
    std::map<std::string, std::set<std::uint64_t>> all;  // by shard
    for (const char* tenant : {"acme", "system"}) {
      const auto events = platform_.list(fmt::format("/v1/tenants/{}/events?after=0&limit=500", tenant));
      ASSERT_TRUE(events) << events.error().message();
      for (const auto& event : *events) {
        const std::string position(event.at("position").as_string());
        // What no client does: look inside. Version, shard, lsn, mark.
        const std::uint64_t lsn = std::stoull(position.substr(6, 12), nullptr, 16);
        EXPECT_TRUE(all[position.substr(2, 4)].insert(lsn).second) << position << " came twice";
        if (tenant == std::string_view("acme")) ours.push_back(position);
      }
    }
    ASSERT_FALSE(ours.empty());
    for (const auto& [shard, lsns] : all) {
      EXPECT_EQ(*lsns.begin(), 1U);
      EXPECT_EQ(*lsns.rbegin(), lsns.size())
          << "the lists of all tenants together leave out some lsn of shard " << shard;
    }
    EXPECT_EQ(followed(ours.back()), ours) << "a follower gets another sequence than the list";
  }

  /// The ids that the event stream gives from the beginning until `last`.
  std::vector<std::string> followed(const std::string& last) {
    const std::string end = fmt::format("\nid: {}\n", last);
    processes::HttpClient client;
    std::size_t seen = 0;
    const auto answer = client.send({.url = platform_.base_url() + "/v1/tenants/acme/events/stream?after=0",
                                     .headers = {{"Authorization", "Bearer " + platform_.owner_token()}},
                                     .timeout = 30s,
                                     .go_on = [&end, &seen](std::string_view body) {
                                       const bool found = body.find(end, seen) != std::string_view::npos;
                                       seen = body.size() < end.size() ? 0 : body.size() - end.size();
                                       return !found;
                                     }});
    EXPECT_TRUE(answer) << answer.error().message();
    std::vector<std::string> positions;
    if (!answer) return positions;
    std::istringstream lines(answer->body);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("id: ")) positions.push_back(line.substr(4));
    return positions;
  }

  /// What the tenant's list gives, a follower gets too, and nothing comes twice.
  void the_stream_is_the_list() {
    const auto events = platform_.list("/v1/tenants/acme/events?after=0&limit=500");
    ASSERT_TRUE(events) << events.error().message();
    std::vector<std::string> positions;
    for (const auto& event : *events) positions.emplace_back(event.at("position").as_string());
    EXPECT_EQ(std::set<std::string>(positions.begin(), positions.end()).size(), positions.size());
    ASSERT_FALSE(positions.empty());
    EXPECT_EQ(followed(positions.back()), positions) << "a follower gets another sequence than the list";
  }

  /// After everything was stopped: the log, the projection, the trail and the services agree.
  void everything_happened_once(const Deliveries& deliveries, std::string_view summary, bool may_repeat = true,
                                std::string_view earlier_checkpoint = {}) {
    const auto facts = aftermath::read_log(platform_.data_folder(), "acme");
    ASSERT_TRUE(facts) << facts.error().message();
    std::map<std::string, int> instances_of;
    for (const auto& [id, instance] : facts->instances) {
      EXPECT_EQ(instance.started, 1) << id;
      EXPECT_EQ(instance.completed, 1) << id;
      EXPECT_EQ(instance.faulted + instance.cancelled, 0) << id;
      ++instances_of[instance.delivery];
    }
    for (const std::string& id : deliveries.acknowledged) EXPECT_EQ(instances_of[id], 1) << id << " was acknowledged";
    for (const auto& [id, count] : instances_of) EXPECT_EQ(count, 1) << id;
    for (const auto& [id, count] : facts->received) EXPECT_EQ(count, 1) << id;

    const Journal journal = read_journal(platform_.journal());
    std::map<std::pair<std::string, std::string>, int> keys_of;
    for (const auto& [key, effect] : facts->effects) {
      EXPECT_EQ(effect.requested, 1) << key;
      EXPECT_EQ(effect.succeeded + effect.failed, 1) << key;
      EXPECT_TRUE(journal.recorded.contains(key)) << key << " never reached its service";
      ++keys_of[{effect.instance, effect.task}];
    }
    for (const auto& [task, count] : keys_of) EXPECT_EQ(count, 1) << task.first << " " << task.second;
    EXPECT_EQ(keys_of.size(), facts->instances.size() * calls_per_instance);
    for (const auto& [key, count] : journal.recorded) {
      EXPECT_EQ(count, 1) << key << " had its effect more than once";
      EXPECT_TRUE(facts->effects.contains(key)) << key << " is in no log";
    }

    if (!may_repeat) {
      EXPECT_EQ(journal.repeated, 0U) << "a call was made again that nothing had cut off";
    }

    const auto replayed = aftermath::replay(platform_.data_folder(), folder_ / "rebuilt");
    ASSERT_TRUE(replayed) << replayed.error().message();
    EXPECT_TRUE(replayed->reused) << "the projection was not trusted";
    EXPECT_EQ(base::to_hex(replayed->live), base::to_hex(replayed->rebuilt)) << "replay is not what was live";
    const auto audited = aftermath::audit(platform_.data_folder(), "acme", folder_ / "export", earlier_checkpoint);
    ASSERT_TRUE(audited) << audited.error().message();
    EXPECT_EQ(audited->problems, "");
    EXPECT_EQ(audited->entries, facts->records);
    fmt::print(
        "{}: {} webhooks acknowledged after {} repeats, {} instances, {} effects, {} of them repeated, {} records\n",
        summary, deliveries.acknowledged.size(), deliveries.repeats, facts->instances.size(), journal.recorded.size(),
        journal.repeated, facts->last_lsn);
  }

  std::filesystem::path folder_;
  platform::Platform platform_;
};

TEST_F(CrashTest, what_was_acknowledged_happens_exactly_once_through_kill_9) {
  const int rounds = kills_of_this_run();
  const std::uint64_t seed = seed_of_this_run();
  SCOPED_TRACE(fmt::format("TRV_CRASH_SEED={}", seed));
  fmt::print("TRV_CRASH_SEED={}\n", seed);
  base::SimulatedRandom random(seed);
  Deliveries deliveries(platform_, seed + 1);
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + random.below(391)));
    platform_.kill();
    if (round == rounds / 2) platform_.kill_services();
    const auto started = platform_.start();
    ASSERT_TRUE(started) << started.error().message();
    if (round == rounds / 2) {
      std::this_thread::sleep_for(300ms);
      const auto services = platform_.start_services();
      ASSERT_TRUE(services) << services.error().message();
    }
  }
  deliveries.finish();
  EXPECT_EQ(deliveries.surprises, std::vector<std::string>());
  EXPECT_GT(deliveries.count(), static_cast<std::size_t>(rounds));
  wait_until_all_ended();
  the_event_lists_have_no_gap();
  EXPECT_EQ(platform_.stop(20s), 0);
  platform_.kill_services();
  everything_happened_once(deliveries, fmt::format("{} kills", rounds));
}

TEST_F(CrashTest, a_stop_under_load_is_clean_and_loses_nothing) {
  Deliveries deliveries(platform_, 1);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(500ms);
    const auto before = Steady::now();
    EXPECT_EQ(platform_.stop(10s), 0) << "exit code after SIGTERM";
    EXPECT_LT(Steady::now() - before, 10s);
    const auto started = platform_.start();
    ASSERT_TRUE(started) << started.error().message();
  }
  deliveries.finish();
  EXPECT_EQ(deliveries.surprises, std::vector<std::string>());
  wait_until_all_ended();
  EXPECT_EQ(platform_.stop(10s), 0);
  platform_.kill_services();
  everything_happened_once(deliveries, "3 stops");
}

/// The tenant moves between the shards 1 to 3 while it works.
class MoveCrashTest : public CrashTest {
 protected:
  MoveCrashTest() { ::setenv("TRAV_SHARDS", "4", 1); }
  ~MoveCrashTest() override { ::unsetenv("TRAV_SHARDS"); }

  /// Whether the tenant is there, and nothing of the move is left to do.
  bool has_moved(std::uint32_t shard) {
    const auto deadline = Steady::now() + 90s;
    while (Steady::now() < deadline) {
      const auto status = platform_.move_tenant(shard);
      if (status && *status == 200) return true;
      std::this_thread::sleep_for(50ms);
    }
    return false;
  }
};

TEST_F(MoveCrashTest, a_tenant_that_moves_while_it_works_loses_nothing_and_doubles_nothing) {
  const auto checkpoint = platform_.ask("GET", "/v1/tenants/acme/audit/checkpoint");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  Deliveries deliveries(platform_, 1);
  for (const std::uint32_t to : {2U, 3U, 1U, 3U}) {
    std::this_thread::sleep_for(200ms);
    ASSERT_TRUE(has_moved(to)) << to;
  }
  deliveries.finish();
  EXPECT_EQ(deliveries.surprises, std::vector<std::string>());
  wait_until_all_ended();
  the_stream_is_the_list();
  EXPECT_EQ(platform_.stop(20s), 0);
  platform_.kill_services();
  everything_happened_once(deliveries, "4 moves", false, *checkpoint);
}

TEST_F(MoveCrashTest, a_move_that_kill_9_cuts_off_is_finished_by_the_next_start) {
  const std::uint64_t seed = seed_of_this_run();
  SCOPED_TRACE(fmt::format("TRV_CRASH_SEED={}", seed));
  fmt::print("TRV_CRASH_SEED={}\n", seed);
  base::SimulatedRandom random(seed);
  Deliveries deliveries(platform_, seed + 1);
  const int rounds = std::min(kills_of_this_run(), 15);
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    // Whatever it answers: another move may be under way yet, and the process ends meanwhile.
    std::thread asks([this, to = static_cast<std::uint32_t>(1 + round % 3)] { (void)platform_.move_tenant(to); });
    std::this_thread::sleep_for(std::chrono::milliseconds(random.below(120)));
    platform_.kill();
    asks.join();
    const auto started = platform_.start();
    ASSERT_TRUE(started) << started.error().message();
  }
  ASSERT_TRUE(has_moved(2));
  deliveries.finish();
  EXPECT_EQ(deliveries.surprises, std::vector<std::string>());
  wait_until_all_ended();
  the_stream_is_the_list();
  EXPECT_EQ(platform_.stop(20s), 0);
  platform_.kill_services();
  everything_happened_once(deliveries, fmt::format("{} kills", rounds));
}

}  // namespace
}  // namespace trv
