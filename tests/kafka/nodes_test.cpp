// Several travd that share the shards of one topic on a real Kafka.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "events/record/chain.hpp"
#include "events/record/record_fixture.hpp"
#include "tests/kafka/nodes_fixture.hpp"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;

/// The status of the answer to a request of a client at one of the loopback addresses; 0: there was none.
int status_from(const std::string& address, std::uint16_t port, const std::string& request) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &place.sin_addr);
  bool is_sent = ::bind(socket, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  is_sent = is_sent && ::connect(socket, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0 &&
            ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  std::array<char, 13> head{};
  if (is_sent && ::recv(socket, head.data(), head.size() - 1, MSG_WAITALL) < 12) head[9] = 0;
  ::close(socket);
  return std::atoi(head.data() + 9);
}

TEST_F(Nodes, any_node_answers_for_every_tenant_and_each_shard_has_one_owner) {
  start(0);
  ASSERT_FALSE(operator_.empty());
  ASSERT_TRUE(own({4, 0, 0}));
  start(1);
  EXPECT_TRUE(daemons_[1]->operator_token().empty()) << "the platform has its operator already";
  ASSERT_TRUE(own({2, 2, 0}));
  std::array<std::string, 6> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = create_tenant(i % 2, fmt::format("tenant-{}", i));
    ASSERT_FALSE(tokens[i].empty());
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string tenant = fmt::format("tenant-{}", i);
    for (std::size_t node : {0, 1}) {
      EXPECT_EQ(run(node, tenant, tokens[i], fmt::format("key-{}", node)).status, 201);
      EXPECT_EQ(run(1 - node, tenant, tokens[i], fmt::format("key-{}", node)).status, 200) << "the same key";
    }
    EXPECT_EQ(instances(0, tenant, tokens[i]), 2U);
    EXPECT_EQ(instances(1, tenant, tokens[i]), 2U);
    EXPECT_EQ(ask(*daemons_[i % 2], tokens[i], "GET", "/v1/tenants/elsewhere/instances").status, 404);
    EXPECT_EQ(ask(*daemons_[i % 2], tokens[i] + "x", "GET", "/v1/tenants/" + tenant + "/instances").status, 401);
  }
  std::set<std::int64_t> owned_shards;
  for (std::size_t node : {0, 1}) {
    const Answer ready = ask(*daemons_[node], "", "GET", "/readyz");
    EXPECT_EQ(ready.status, 200);
    const auto said = ready.value();
    for (const auto& shard : said.at("shards").as_array()) {
      if (shard.at("role").as_string() == "owner")
        owned_shards.insert(shard.at("shard").as_int64());
      else
        EXPECT_EQ(shard.at("role").as_string(), "standby");
    }
    EXPECT_EQ(owned_shards.size(), 2 * (node + 1)) << ready.body;
  }
  // A drained node hands its shards over, and still answers.
  const Answer drained = ask(*daemons_[0], operator_, "POST", "/v1/nodes/node-1/drain");
  EXPECT_EQ(drained.status, 200) << drained.body;
  ASSERT_TRUE(own({4, 0, 0}));
  // Which a node knows a second later.
  EXPECT_TRUE(eventually([&] {
    const Answer listed = ask(*daemons_[1], operator_, "GET", "/v1/nodes");
    return listed.status == 200 && listed.value().at("items").as_array().size() == 1;
  }));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(instances(1, fmt::format("tenant-{}", i), tokens[i]), 2U);
  }
  EXPECT_EQ(ask(*daemons_[0], operator_, "POST", "/v1/nodes/node-1/drain").status, 404) << "it is not among them now";
  EXPECT_EQ(ask(*daemons_[0], tokens[0], "GET", "/v1/nodes").status, 403);
  EXPECT_EQ(ask(*daemons_[1], tokens[0], "GET", "/v1/nodes").status, 403);
  EXPECT_EQ(ask(*daemons_[1], operator_, "POST", "/v1/nodes/node-1/resume").status, 200);
  ASSERT_TRUE(own({2, 2, 0}));
  // A node that ends in order hands over; the other one has everything.
  EXPECT_EQ(daemons_[0]->stop(), 0);
  ASSERT_TRUE(own({0, 4, 0}));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(instances(1, fmt::format("tenant-{}", i), tokens[i]), 2U);
    EXPECT_EQ(run(1, fmt::format("tenant-{}", i), tokens[i], "key-2").status, 201);
  }
  EXPECT_EQ(daemons_[1]->stop(), 0);
}

TEST_F(Nodes, the_platform_begins_also_where_the_owner_that_the_brokers_name_never_claims_it) {
  MembershipListener ignores;
  ignores.assigned = ignores.revoked = [](const std::set<ShardId>&) {};
  ignores.failed = [](const base::Error&) {};
  const auto other = Membership::join(
      settings_, {.self = {.node = "node-1", .address = "127.0.0.1:1", .version = "", .shards = {}}, .session = 2s},
      std::move(ignores));
  ASSERT_TRUE(other);
  ASSERT_TRUE(own({0, 4, 0}));
  std::thread starts([this] { start(0); });
  EXPECT_TRUE(eventually([&] { return owned()[0] > 0; }));
  (*other)->leave();
  starts.join();
  EXPECT_FALSE(operator_.empty()) << "nobody can use it";
  EXPECT_EQ(daemons_[0]->stop(), 0);
}

TEST_F(Nodes, a_tenant_moves_between_shards_of_different_owners_while_its_work_goes_on) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  const std::string token = create_tenant(0, "acme");
  ASSERT_FALSE(token.empty());
  ASSERT_EQ(run(0, "acme", token, "first").status, 201);
  const std::vector<std::string> before = positions(0, "acme", token);
  std::atomic<bool> is_over = false;
  std::array<std::size_t, 2> acknowledged{};
  std::vector<std::thread> clients;
  for (std::size_t node : {0, 1}) {
    clients.emplace_back([&, node] {
      for (std::size_t key = 0; !is_over; ++key) {
        const long status = run(node, "acme", token, fmt::format("{}-{}", node, key)).status;
        EXPECT_TRUE(status == 201 || status == 200) << status;
        ++acknowledged[node];
      }
    });
  }
  // Of three shards, two at least have different owners.
  for (const std::uint32_t to : {2U, 3U, 1U, 2U}) EXPECT_TRUE(move(to % 2, "acme", to)) << to;
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_GT(acknowledged[0], 0U);
  EXPECT_GT(acknowledged[1], 0U);
  const std::vector<std::string> after = positions(1, "acme", token);
  EXPECT_EQ(std::set<std::string>(after.begin(), after.end()).size(), after.size());
  ASSERT_GE(after.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << "positions of before stay valid";
  EXPECT_EQ(positions(0, "acme", token), after);
  EXPECT_EQ(run(1, "acme", token, "first").status, 200) << "the same key";

  // A node that dies in the middle of a move: the next owners finish it.
  std::thread asks([&] { (void)ask(*daemons_[0], operator_, "POST", "/v1/tenants/acme/move", R"({"shard":3})"); });
  std::this_thread::sleep_for(15ms);
  kill(1);
  asks.join();
  ASSERT_TRUE(own({4, 0, 0}));
  EXPECT_TRUE(move(0, "acme", 3));
  const std::vector<std::string> at_last = positions(0, "acme", token);
  ASSERT_GE(at_last.size(), after.size());
  EXPECT_TRUE(std::equal(after.begin(), after.end(), at_last.begin()));
  EXPECT_EQ(run(0, "acme", token, "last").status, 201);
  EXPECT_EQ(daemons_[0]->stop(), 0) << daemons_[0]->complaints();
}

TEST_F(Nodes, a_read_that_says_what_it_must_know_is_answered_by_any_node_that_knows_it) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  std::array<std::string, 6> tokens;
  std::array<std::string, 6> positions;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(0, fmt::format("tenant-{}", i));
  const auto read = [&](std::size_t node, std::size_t i, const std::string& position) {
    return ask(*daemons_[node], tokens[i], "GET",
               fmt::format("/v1/tenants/tenant-{}/instances?limit=500&min_position={}", i, position));
  };
  // A client reads what it wrote, through whichever node.
  for (std::size_t key = 0; key < 60; ++key) {
    const std::size_t i = key % tokens.size();
    const Answer started = run(key % 2, fmt::format("tenant-{}", i), tokens[i], fmt::format("key-{}", key));
    ASSERT_EQ(started.status, 201) << started.body;
    ASSERT_EQ(started.position.size(), 24U);
    positions[i] = started.position;
    const Answer listed = read(1 - key % 2, i, started.position);
    ASSERT_EQ(listed.status, 200) << listed.body;
    EXPECT_NE(listed.body.find(started.text("id")), std::string::npos) << "started before";
  }
  // While an owner does not answer, a node that follows it does.
  const auto knows = [&] {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (ask(*daemons_[0], tokens[i], "GET", fmt::format("/v1/tenants/tenant-{}/events?limit=1", i)).status != 200) {
        return false;
      }
    }
    return true;
  };
  ASSERT_TRUE(eventually(knows));
  ASSERT_EQ(::kill(daemons_[1]->id(), SIGSTOP), 0);
  std::size_t answered = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < tokens.size(); ++i) answered += read(0, i, positions[i]).status == 200 ? 1 : 0;
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(::kill(daemons_[1]->id(), SIGCONT), 0);
  EXPECT_EQ(answered, tokens.size());
  EXPECT_LT(took, 1500ms) << "less than the session of the owner, which nobody replaced meanwhile";
  EXPECT_EQ(read(0, 0, positions[1]).status, 400) << "a position of another tenant";
  EXPECT_EQ(daemons_[0]->stop(), 0) << daemons_[0]->complaints();
}

TEST_F(Nodes, first_starts_at_once_make_one_set_of_keys_and_one_operator) {
  std::vector<std::thread> starts;
  for (std::size_t node = 0; node < nodes_max; ++node) starts.emplace_back([this, node] { start(node); });
  for (std::thread& one : starts) one.join();
  ASSERT_TRUE(daemons_[0] && daemons_[1] && daemons_[2]);
  std::size_t tokens = 0;
  for (const auto& daemon : daemons_) tokens += daemon->operator_token().empty() ? 0 : 1;
  EXPECT_EQ(tokens, 1U);
  ASSERT_TRUE(eventually([&] {
    const auto shards = owned();
    return *std::ranges::min_element(shards) >= 1;
  }));
  EXPECT_FALSE(create_tenant(0, "acme").empty());
  EXPECT_FALSE(create_tenant(2, "beta").empty());
  EXPECT_TRUE(std::filesystem::exists(shared_.path() / "common/keys/log"));
  for (const auto& daemon : daemons_) EXPECT_EQ(daemon->stop(), 0) << daemon->complaints();
}

TEST_F(Nodes, keys_beside_the_log_are_sealed_and_open_under_the_cluster_key_alone) {
  start(0);
  const std::string token = create_tenant(0, "acme");
  const Answer connected = insist(0, token, "PUT", "/v1/tenants/acme/connections/desk",
                                  R"({"base_url":"https://desk.example","auth":{"scheme":"bearer"},"secret":"sesame"})",
                                  {{"Content-Type", "application/json"}});
  EXPECT_TRUE(connected.status == 201 || connected.status == 200) << connected.body;
  const std::string trail = insist(0, token, "GET", "/v1/tenants/acme/audit/key").body;
  EXPECT_EQ(daemons_[0]->stop(), 0);
  const auto common = shared_.path() / "common";
  for (const char* name : {"keys/audit.pem", "secrets/master.key"}) {
    EXPECT_TRUE(api::contents_of(common / name).starts_with("TRVS")) << name;
  }
  for (const auto& file : std::filesystem::recursive_directory_iterator(common)) {
    if (!file.is_regular_file()) continue;
    const std::string content = api::contents_of(file.path());
    EXPECT_EQ(content.find("PRIVATE KEY"), std::string::npos) << file.path();
    EXPECT_EQ(content.find("sesame"), std::string::npos) << file.path();
  }
  // A key of another cluster, and none.
  const auto ours = shared_.path() / "ours.key";
  std::filesystem::rename(cluster_key(), ours);
  const std::vector<std::string> arguments = {"--config", configuration(0).string(), "--port", "0"};
  api::Ended ended = api::run_daemon(scratch_[0], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find(cluster_key().string() + " does not exist; copy it from another node"), std::string::npos)
      << ended.err;
  ASSERT_EQ(trav({"cluster", "key", cluster_key().string()}), 0);
  ended = api::run_daemon(scratch_[0], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("keys/audit.pem does not open under " + cluster_key().string()), std::string::npos)
      << ended.err;
  // The way to another cluster key.
  const std::string at = configuration(0).string();
  EXPECT_NE(trav({"cluster", "seal", "--config", at}), 0);
  EXPECT_EQ(trav({"cluster", "seal", "--config", at, "--from", ours.string()}), 0);
  EXPECT_EQ(trav({"cluster", "seal", "--config", at}), 0) << "again";
  start(0);
  EXPECT_EQ(insist(0, token, "GET", "/v1/tenants/acme/audit/key").body, trail);
  EXPECT_EQ(daemons_[0]->stop(), 0);
}

TEST_F(Nodes, the_audit_trail_names_the_client_whichever_node_it_asked_and_whatever_it_says) {
  start(0);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  const std::string token = create_tenant(0, "acme");
  const Answer issued = insist(0, token, "POST", "/v1/tenants/acme/tokens", R"({"name":"looks","role":"viewer"})",
                               {{"Content-Type", "application/json"}});
  ASSERT_EQ(issued.status, 201) << issued.body;
  const std::string viewer = issued.value().at("token").as_string().c_str();
  // Refused, from three addresses of this machine, by the node that owns the tenant's shard and by the other one.
  for (std::size_t node : {0, 1}) {
    const std::string& url = daemons_[node]->url();
    const auto port = static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
    EXPECT_EQ(status_from(fmt::format("127.0.0.{}", 20 + node), port,
                          fmt::format("POST /v1/tenants/acme/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n"
                                      "Travertine-Client: 192.0.2.9\r\nTravertine-Forwarded: 1 0\r\n"
                                      "Content-Length: 2\r\nConnection: close\r\n\r\n{{}}",
                                      viewer)),
              403);
  }
  const std::string events = insist(1, token, "GET", "/v1/tenants/acme/events?limit=500").body;
  EXPECT_NE(events.find("127.0.0.20"), std::string::npos) << events;
  EXPECT_NE(events.find("127.0.0.21"), std::string::npos) << events;
  EXPECT_EQ(events.find("192.0.2.9"), std::string::npos) << events;
  for (std::size_t node : {0, 1}) EXPECT_EQ(daemons_[node]->stop(), 0);
}

TEST_F(Nodes, a_node_with_another_cluster_key_gets_no_request_and_no_token) {
  start(0);
  const std::string token = create_tenant(0, "acme");
  // It has keys of its own beside the log, or it would not start.
  const auto theirs = shared_.path() / "theirs";
  ASSERT_EQ(trav({"cluster", "key", (theirs.string() + ".key")}), 0);
  std::filesystem::create_directories(theirs);
  std::filesystem::copy(shared_.path() / "common", theirs, std::filesystem::copy_options::recursive);
  std::string text = api::contents_of(configuration(1));
  const auto replace = [&text](const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
  };
  replace((shared_.path() / "common").string(), theirs.string());
  replace(cluster_key().string(), theirs.string() + ".key");
  std::ofstream(configuration(1)) << text;
  ASSERT_EQ(trav({"cluster", "seal", "--config", configuration(1).string(), "--from", cluster_key().string()}), 0);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  std::size_t refused = 0;
  for (std::size_t node : {0, 1}) {
    const Answer answer = ask(*daemons_[node], token, "GET", "/v1/tenants/acme/instances");
    if (answer.status == 200) continue;
    ++refused;
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_NE(answer.body.find("nothing was changed"), std::string::npos) << answer.body;
    EXPECT_NE(daemons_[node]->complaints().find("do not take each other for nodes of one cluster"), std::string::npos);
  }
  EXPECT_EQ(refused, 1U) << "the node that does not own the shard";
  for (std::size_t node : {0, 1}) EXPECT_EQ(daemons_[node]->stop(), 0);
}

TEST_F(Nodes, a_node_that_does_not_fit_the_others_is_refused_and_the_reason_named) {
  start(0);
  ASSERT_TRUE(own({4, 0, 0}));
  const std::string right = api::contents_of(configuration(1));
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string wrong = right;
    wrong.replace(wrong.find(from), from.size(), to);
    std::ofstream(configuration(1)) << wrong;
    const auto started = Daemon::start(scratch_[1], {"--config", configuration(1).string()});
    return started ? std::string("it started") : std::string(started.error().message());
  };
  const std::string fewer = refused("shards = 4", "shards = 3");
  EXPECT_NE(fewer.find("shards = 3, but node-0 of this cluster has 4"), std::string::npos) << fewer;
  const std::string twin = refused("name = \"node-1\"", "name = \"node-0\"");
  EXPECT_NE(twin.find("node.name is 'node-0', and so is that of the node at 127.0.0.1:"), std::string::npos) << twin;
  const std::string anywhere = refused("127.0.0.1:0", "0.0.0.0:8424");
  EXPECT_NE(anywhere.find("not an address at which others reach this machine"), std::string::npos) << anywhere;
  EXPECT_EQ(owned(), (std::array<std::size_t, nodes_max>{4, 0, 0}));
  std::ofstream(configuration(1)) << right;
  start(1);
  EXPECT_TRUE(own({2, 2, 0}));
}

TEST_F(Nodes, what_was_acknowledged_outlives_the_owner_and_nothing_is_doubled) {
  for (std::size_t node = 0; node < nodes_max; ++node) start(node);
  ASSERT_TRUE(eventually([&] {
    const auto shards = owned();
    return *std::ranges::min_element(shards) >= 1 && shards[0] + shards[1] + shards[2] == 4;
  }));
  std::array<std::string, 4> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = create_tenant(i % nodes_max, fmt::format("tenant-{}", i));
  // Load on each tenant through the node that lives on, while the two others are killed one after the other.
  std::atomic<bool> is_over = false;
  std::array<std::size_t, 4> acknowledged{};
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    clients.emplace_back([&, i] {
      for (std::size_t key = 0; !is_over; ++key) {
        const long status = run(2, fmt::format("tenant-{}", i), tokens[i], fmt::format("key-{}", key)).status;
        EXPECT_TRUE(status == 201 || status == 200) << status;
        ++acknowledged[i];
      }
    });
  }
  std::this_thread::sleep_for(1s);
  kill(0);
  ASSERT_TRUE(eventually([&] { return owned()[0] == 0 && owned()[1] + owned()[2] == 4; }));
  std::this_thread::sleep_for(1s);
  kill(1);
  EXPECT_TRUE(own({0, 0, 4}));
  std::this_thread::sleep_for(1s);
  is_over = true;
  for (std::thread& client : clients) client.join();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_GT(acknowledged[i], 0U);
    std::size_t found = 0;
    std::string after;
    do {
      const Answer page =
          insist(2, tokens[i], "GET", fmt::format("/v1/tenants/tenant-{}/instances?limit=500{}", i, after));
      ASSERT_EQ(page.status, 200) << page.body;
      const auto value = page.value();
      found += value.at("items").as_array().size();
      const auto* next = value.as_object().if_contains("next_cursor");
      after = next != nullptr && next->is_string() ? "&cursor=" + std::string(next->as_string().c_str()) : "";
    } while (!after.empty());
    EXPECT_EQ(found, acknowledged[i]);
  }
  start(0);
  ASSERT_TRUE(own({2, 0, 2}));
  EXPECT_EQ(daemons_[2]->stop(), 0);
  ASSERT_TRUE(own({4, 0, 0}));
  EXPECT_EQ(daemons_[0]->stop(), 0);
}

TEST_F(Nodes, what_the_owner_of_a_shard_trimmed_is_not_needed_by_the_others) {
  const ShardId shard(3);
  const auto first_of_log = [&] { return KafkaEventLog(settings_).bounds(shard).value().first; };
  {
    // Of years ago.
    KafkaEventLog log(settings_);
    const log::Claim claim = *log.claim(shard, "before", base::Uuid());
    record::RecordEncoder encoder;
    log::Batch batch;
    base::Digest last_hash = claim.last_hash;
    for (log::Lsn lsn = claim.next; lsn <= log::Lsn(500); lsn = lsn.next()) {
      record::Draft draft = record::example_draft(lsn.value());
      draft.type = "any.example.happened";
      draft.stream_kind = "example";
      const auto record =
          *encoder.encode(draft, {.shard = shard, .lsn = lsn, .epoch = claim.epoch, .prev_hash = last_hash});
      batch.add(record);
      last_hash = record::hash_of(record.stored());
    }
    ASSERT_TRUE(log.settle(*log.append(claim, std::move(batch))));
  }
  for (std::size_t node = 0; node < nodes_max; ++node) {
    std::ofstream(configuration(node), std::ios::app) << "[log]\nkeep_days = 1\n";
  }
  start(0);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  std::vector<std::string> tokens;
  for (int tenant = 0; tenant < 4; ++tenant) {
    tokens.push_back(create_tenant(0, fmt::format("tenant-{}", tenant)));
    ASSERT_EQ(run(0, fmt::format("tenant-{}", tenant), tokens.back(), "before").status, 201);
  }
  EXPECT_EQ(first_of_log(), log::Lsn(1)) << "no snapshots replace it yet";
  // As many as are kept.
  ASSERT_TRUE(move(0, "tenant-0", 3));
  for (const char* key : {"first", "second"}) {
    ASSERT_EQ(run(0, "tenant-0", tokens[0], key).status, 201);
    Answer taken;
    ASSERT_TRUE(eventually([&] {
      taken = insist(0, operator_, "POST", "/v1/shards/3/snapshots", "{}", {{"Content-Type", "application/json"}});
      return taken.status == 200;
    })) << taken.body;
  }
  ASSERT_TRUE(eventually([&] { return first_of_log() == log::Lsn(501); })) << first_of_log().value();
  // A node that was never there, and one that was there before and has lost its disk.
  start(2);
  EXPECT_EQ(daemons_[1]->stop(), 0);
  std::filesystem::remove_all(daemons_[1]->data() / "projection");
  daemons_[1].reset();
  start(1);
  kill(0);
  ASSERT_TRUE(eventually([&] { return owned()[1] + owned()[2] == 4; }));
  for (std::size_t tenant = 0; tenant < tokens.size(); ++tenant) {
    const std::string name = fmt::format("tenant-{}", tenant);
    EXPECT_EQ(run(2, name, tokens[tenant], "after").status, 201);
    EXPECT_EQ(instances(1, name, tokens[tenant]), tenant == 0 ? 4U : 2U);
  }
}

TEST_F(Nodes, what_no_record_names_goes_from_the_shared_folder_a_day_later_and_nothing_else) {
  start(0);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  const std::filesystem::path shared = shared_.path() / "common";
  const std::string data = '"' + std::string(300'000, 'x') + '"';
  for (const char* tenant : {"acme", "beta", "gamma"}) {
    const std::string token = create_tenant(0, tenant);
    const Answer sent = insist(1, token, "POST", fmt::format("/v1/tenants/{}/events", tenant),
                               R"({"specversion":"1.0","id":"1","source":"/s","type":"large","data":)" + data + "}",
                               {{"Content-Type", "application/cloudevents+json"}});
    ASSERT_EQ(sent.status, 202) << sent.body;
  }
  const std::string digest = base::to_hex(base::sha256(base::as_bytes(data)));
  const std::filesystem::path named = shared / "blobs" / digest.substr(0, 2) / digest.substr(2);
  const std::filesystem::path taking = shared / "snapshots" / ".taking-node-9" / "0011223344556677";
  const std::vector<std::filesystem::path> left{
      shared / "blobs" / "aa" / std::string(62, 'a'), shared / "packages" / "bb" / std::string(62, 'b'),
      shared / "blobs" / ".unfinished" / std::string(32, 'c'),
      shared / "packages" / ".unfinished" / std::string(32, 'd'), shared / "secrets" / "acme" / std::string(32, 'e')};
  const std::vector<std::filesystem::path> young{
      shared / "blobs" / "ff" / std::string(62, 'f'), shared / "packages" / "ff" / std::string(62, 'f'),
      shared / "blobs" / ".unfinished" / std::string(32, 'f'), shared / "secrets" / "acme" / std::string(32, 'f')};
  const auto make_older = [](const std::filesystem::path& path) {
    std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - std::chrono::hours(25));
  };
  std::filesystem::create_directories(taking);
  make_older(taking.parent_path());
  for (const auto* files : {&left, &young}) {
    for (const std::filesystem::path& file : *files) {
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << "left behind";
      if (files == &left) make_older(file);
    }
  }
  ASSERT_TRUE(std::filesystem::exists(named));
  make_older(named);
  // The first owner has swept before. The next owner of shard 0 has not swept yet.
  start(2);
  drain(2, 0);
  drain(2, 1);
  ASSERT_TRUE(own({0, 0, 4}));
  for (const std::filesystem::path& file : left) {
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(file); })) << file;
  }
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(taking.parent_path()); }));
  EXPECT_TRUE(std::filesystem::exists(named));
  for (const std::filesystem::path& file : young) EXPECT_TRUE(std::filesystem::exists(file)) << file;
}

TEST_F(Nodes, a_new_node_begins_with_the_snapshots_of_the_others_and_reads_the_tail_alone) {
  start(0);
  start(1);
  ASSERT_TRUE(own({2, 2, 0}));
  std::array<std::string, 3> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = create_tenant(i % 2, fmt::format("tenant-{}", i));
    for (int key = 0; key < 20; ++key) {
      ASSERT_EQ(run(i % 2, fmt::format("tenant-{}", i), tokens[i], fmt::format("key-{}", key)).status, 201);
    }
  }
  // One node is asked for those of every shard; the owner of each takes them.
  std::array<std::uint64_t, 4> taken{};
  for (std::size_t shard = 0; shard < taken.size(); ++shard) {
    const std::string path = fmt::format("/v1/shards/{}/snapshots", shard);
    Answer answer = insist(0, operator_, "POST", path, "{}", {{"Content-Type", "application/json"}});
    ASSERT_TRUE(answer.status == 200 || answer.status == 202) << answer.body;
    const std::string again = fmt::format(R"({{"lsn":{}}})", answer.value().at("lsn").as_int64());
    ASSERT_TRUE(eventually([&] {
      answer = insist(1, operator_, "POST", path, again, {{"Content-Type", "application/json"}});
      return answer.status == 200;
    })) << answer.body;
    taken[shard] = static_cast<std::uint64_t>(answer.value().at("lsn").as_int64());
  }
  const Answer listed = ask(*daemons_[1], operator_, "GET", "/v1/snapshots");
  ASSERT_EQ(listed.status, 200) << listed.body;
  for (std::size_t shard = 0; shard < taken.size(); ++shard) {
    EXPECT_NE(listed.body.find(fmt::format(R"("shard":{},"lsn":{},)", shard, taken[shard])),
              taken[shard] == 0 ? 0 : std::string::npos)
        << listed.body;
  }
  EXPECT_EQ(ask(*daemons_[1], tokens[0], "GET", "/v1/snapshots").status, 403);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    ASSERT_EQ(run(1, fmt::format("tenant-{}", i), tokens[i], "key-20").status, 201);
  }
  start(2);
  const std::string said = daemons_[2]->output();
  for (std::size_t shard = 0; shard < taken.size(); ++shard) {
    if (taken[shard] == 0) continue;
    const auto line = fmt::format("state    shard {} rebuilt from the snapshot at record {}", shard, taken[shard]);
    EXPECT_NE(said.find(line), std::string::npos) << said;
  }
  const std::size_t at = said.find(" records, ");
  ASSERT_NE(at, std::string::npos) << said;
  const std::uint64_t replayed = std::stoull(said.substr(at + 10));
  const std::uint64_t records = std::stoull(said.substr(said.rfind('(', at) + 1));
  const std::uint64_t known = taken[0] + taken[1] + taken[2] + taken[3];
  EXPECT_EQ(replayed, records - known) << said;
  EXPECT_LT(replayed, records / 2) << said;
  // Nothing of what it has now comes from its own disk.
  ASSERT_TRUE(eventually([&] { return owned()[2] > 0; }));
  kill(0);
  kill(1);
  ASSERT_TRUE(own({0, 0, 4}));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string tenant = fmt::format("tenant-{}", i);
    EXPECT_EQ(instances(2, tenant, tokens[i]), 21U);
    EXPECT_EQ(run(2, tenant, tokens[i], "key-7").status, 200) << "the same key";
    EXPECT_EQ(run(2, tenant, tokens[i], "key-21").status, 201);
  }
  EXPECT_EQ(daemons_[2]->stop(), 0) << daemons_[2]->complaints();
  // A damaged one is named, and its shard is replayed.
  std::filesystem::remove_all(scratch_[2].path() / "data/projection");
  const auto damaged = *std::filesystem::directory_iterator(shared_.path() / "common/snapshots/0");
  std::filesystem::resize_file(damaged.path() / "data.mdb", 4096);
  start(2);
  const std::string complaints = daemons_[2]->complaints();
  EXPECT_NE(complaints.find("the snapshot of shard 0 at lsn "), std::string::npos) << complaints;
  EXPECT_NE(complaints.find(damaged.path().string() + "/data.mdb is damaged"), std::string::npos) << complaints;
  ASSERT_TRUE(own({0, 0, 4}));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(instances(2, fmt::format("tenant-{}", i), tokens[i]), 22U);
  }
  EXPECT_EQ(daemons_[2]->stop(), 0);
}

}  // namespace
}  // namespace trv::kafka
