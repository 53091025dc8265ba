#include "kernel/daemon/cluster.hpp"

#include <fmt/ranges.h>
#include <netdb.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernel/daemon/version.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

constexpr auto claim_again_after = std::chrono::seconds(1);
constexpr base::Duration cede_within = std::chrono::seconds(20);
constexpr base::Duration drain_within = std::chrono::seconds(30);
constexpr base::Duration settled_within = std::chrono::seconds(5);  ///< while the shards are distributed anew
constexpr auto look_after = std::chrono::milliseconds(10);

std::string text_of(const std::set<log::ShardId>& shards) {
  std::vector<std::uint64_t> numbers;
  for (const log::ShardId shard : shards) numbers.push_back(shard.value());
  return fmt::format("{}", fmt::join(numbers, ", "));
}

/// The first address of a host.
base::Result<std::string> numeric_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::array<char, NI_MAXHOST> text{};
  int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error == 0) {
    error = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    ::freeaddrinfo(found);
  }
  if (error == 0) return text.data();
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("node.address: '{}' has no address here: {}", host, ::gai_strerror(error)));
}

}  // namespace

std::string node_name(const config::Config& config) {
  if (!config.node_name.empty()) return config.node_name;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "node";
  return name.data();
}

Cluster::Cluster(const config::Config& config, const keys::ClusterKey& key, const base::Clock& clock,
                 std::shared_ptr<spdlog::logger> logger)
    : config_(config),
      clock_(clock),
      logger_(std::move(logger)),
      self_{.node = node_name(config), .address = config.node_address, .version = std::string(version()), .shards = {}},
      certificates_(key.derive("nodes"), key.id(), self_.node, config::node_address(config).host, clock),
      forwarder_([this](log::ShardId shard) { return owner_of(shard); }, [this] { return certificates_.identity(); },
                 logger_, clock) {
  TRV_EXPECTS(config.shares_shards());
}

Cluster::~Cluster() {
  leave();
}

node::Forward Cluster::forward() {
  return [this](log::ShardId shard, http::Responder responder, bool says_shard) {
    forwarder_.forward(shard, std::move(responder), says_shard);
  };
}

base::Result<http::ServerOptions> Cluster::for_nodes(http::ServerOptions options) const {
  const auto [host, port] = config::node_address(config_);
  TRV_TRY_ASSIGN(options.address, numeric_address(host));
  options.port = port;
  options.listening_socket = -1;
  options.socket_path.clear();
  options.tls = [this] { return http::TlsContext::for_nodes(certificates_.identity()); };
  options.is_for_nodes = true;
  return options;
}

// Best known from the others: what they say may be a moment old, or not be known while they distribute the shards.
base::Status Cluster::refuse_misfit(const kafka::Settings& settings) const {
  TRV_TRY_ASSIGN(const std::vector<kafka::Member> others, kafka::members_of(settings));
  for (const kafka::Member& other : others) {
    if (other.shards_all != 0 && other.shards_all != self_.shards_all) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("shards = {}, but {} of this cluster has {}; set the same on every node",
                                    self_.shards_all, other.node, other.shards_all));
    }
    if (other.node == self_.node && other.address != self_.address) {
      return base::fail(base::ErrorCode::conflict,
                        fmt::format("node.name is '{}', and so is that of the node at {}; give each node its own",
                                    self_.node, other.address));
    }
  }
  return {};
}

base::Status Cluster::join(node::Node& node, std::uint16_t port, BeforeCede before_cede) {
  TRV_EXPECTS(membership_ == nullptr && before_cede != nullptr);
  node_ = &node;
  const std::string host = config::node_address(config_).host;
  self_.address = host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
  before_cede_ = std::move(before_cede);
  self_.shards_all = node.shards().size();
  TRV_TRY_ASSIGN(const kafka::Settings settings, config::kafka_settings(config_));
  const auto session = std::chrono::milliseconds(config_.kafka_session_ms);
  // Who was killed a moment ago is listed until its session is over.
  base::Status fits;
  await([&] { return (fits = refuse_misfit(settings)).has_value(); }, 2 * session);
  TRV_TRY(fits);
  kafka::MembershipListener listener;
  listener.assigned = [this](const std::set<log::ShardId>& shards) { take(shards); };
  listener.inherited = [this](const std::set<log::ShardId>& shards) { inherit(shards); };
  listener.revoked = [this](const std::set<log::ShardId>& shards) { give_up(shards); };
  listener.failed = [this](const base::Error& error) { logger_->warn("nodes: {}", error.message()); };
  TRV_TRY_ASSIGN(auto membership,
                 kafka::Membership::join(settings, {.self = self_, .session = session}, std::move(listener)));
  {
    const std::scoped_lock lock(mutex_);
    membership_ = std::move(membership);
  }
  watch_ = std::make_unique<node::PeerWatch>([this](const std::string& address) {
    logger_->warn("nodes: the process at {} has ended; the others share its shards out", address);
    membership_->ended(address);
  });
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
  return {};
}

base::Status Cluster::take_part(bool takes_part) {
  if (const std::string reason = takes_part && node_ ? outdated_because() : ""; !reason.empty()) {
    return base::fail(base::ErrorCode::conflict, fmt::format("node {} cannot own shards: {}", self_.node, reason));
  }
  {
    const std::scoped_lock lock(mutex_);
    if (!membership_ && !takes_part) return {};
    if (!membership_) return base::fail(base::ErrorCode::unavailable, "this node has not joined the others yet");
    membership_->take_part(takes_part);
  }
  if (takes_part) return {};
  const auto is_drained = [this] {
    const std::scoped_lock lock(mutex_);
    return assigned_.empty() && inherited_.empty() && !gives_up_;
  };
  if (await(is_drained, drain_within)) return {};
  return base::fail(base::ErrorCode::unavailable,
                    fmt::format("node {} still gives its shards up; ask again in a moment", self_.node));
}

base::Status Cluster::refuse_last() const {
  std::vector<kafka::Member> known;
  await([&] { return !(known = members()).empty(); }, settled_within);
  const bool has_others =
      std::ranges::any_of(known, [this](const kafka::Member& member) { return member.node != self_.node; });
  if (has_others) return {};
  return base::fail(
      base::ErrorCode::conflict,
      fmt::format("no other node takes shards that could have those of {0}; start another node, or `trav "
                  "node resume` one that is drained, then drain {0}. To end {0}, stop its travd: the shards "
                  "wait for the next node",
                  self_.node));
}

std::vector<node::Peer> Cluster::peers() const {
  std::vector<kafka::Member> found;
  await([&] { return !(found = members()).empty(); }, settled_within);
  std::vector<node::Peer> peers;
  for (kafka::Member& member : found) {
    peers.push_back(
        {std::move(member.node), std::move(member.address), std::move(member.version), std::move(member.shards)});
  }
  return peers;
}

void Cluster::leave() {
  keeper_ = {};  // which asks it to stop, and joins it
  watch_.reset();
  std::unique_ptr<kafka::Membership> membership;
  {
    const std::scoped_lock lock(mutex_);
    membership = std::move(membership_);
  }
  membership.reset();  // which calls give_up()
}

std::vector<kafka::Member> Cluster::members() const {
  const std::scoped_lock lock(mutex_);
  return membership_ ? membership_->members() : std::vector<kafka::Member>();
}

base::Result<bool> Cluster::wait_for_platform(const std::stop_token& stop) const {
  TRV_EXPECTS(node_ != nullptr);
  const auto is_elsewhere = [this] {
    return std::ranges::any_of(members(), [this](const kafka::Member& member) {
      return member.node != self_.node && member.shards.contains(node_->platform().id());
    });
  };
  // The owner that the brokers name may lose the shard before it has begun.
  const auto is_begun = [this] { return node_->tenant(base::system_tenant()).value_or(std::nullopt).has_value(); };
  bool is_here = false;
  const auto is_known = [&] {
    is_here = node_->platform().is_owned();
    return is_here || (is_elsewhere() && is_begun());
  };
  if (await(is_known, base::Duration::max(), stop)) return is_here;
  return base::fail(base::ErrorCode::cancelled, "the start was ended");
}

std::string Cluster::owner_of(log::ShardId shard) const {
  const std::scoped_lock lock(mutex_);
  if (!membership_) return "";
  for (const kafka::Member& member : membership_->members()) {
    if (!member.shards.contains(shard)) continue;
    if (member.node != self_.node || node_->shards()[shard.value()]->is_owned()) return member.address;
    break;  // it is assigned here and not claimed yet, or was given up
  }
  membership_->look_again();
  return "";
}

void Cluster::take(const std::set<log::ShardId>& shards) {
  if (shards.empty()) return;
  logger_->info("nodes: {} takes the shards {}", self_.node, text_of(shards));
  own(shards, assigned_);
}

// Once: where their owner lives after all, it claims them again, and this node follows.
void Cluster::inherit(const std::set<log::ShardId>& shards) {
  logger_->warn("nodes: {} takes the shards {} of a node that has ended", self_.node, text_of(shards));
  own(shards, inherited_);
}

void Cluster::own(const std::set<log::ShardId>& shards, std::set<log::ShardId>& among) {
  const std::scoped_lock lock(mutex_);
  for (const log::ShardId shard : shards) {
    // A topic may have more partitions than there are shards.
    if (shard.value() >= node_->shards().size()) continue;
    inherited_.erase(shard);
    among.insert(shard);
    node_->shards()[shard.value()]->own();
  }
}

void Cluster::give_up(const std::set<log::ShardId>& shards) {
  std::set<log::ShardId> ours;
  {
    const std::scoped_lock lock(mutex_);
    for (const log::ShardId shard : shards) {
      if (assigned_.erase(shard) + inherited_.erase(shard) > 0) ours.insert(shard);
    }
    gives_up_ = true;
  }
  before_cede_(ours);
  for (const log::ShardId shard : ours) node_->shards()[shard.value()]->cede();
  await(
      [&] {
        return std::ranges::none_of(ours,
                                    [&](log::ShardId shard) { return node_->shards()[shard.value()]->is_owned(); });
      },
      cede_within);
  {
    const std::scoped_lock lock(mutex_);
    gives_up_ = false;
  }
  if (!ours.empty()) logger_->info("nodes: {} has given up the shards {}", self_.node, text_of(ours));
}

bool Cluster::await(const std::function<bool()>& condition, base::Duration within, const std::stop_token& stop) const {
  const base::Duration began = clock_.monotonic();
  while (!condition()) {
    if (stop.stop_requested() || clock_.monotonic() - began >= within) return false;
    std::unique_lock lock(mutex_);
    pause_.wait_for(lock, stop, look_after, [] { return false; });
  }
  return true;
}

std::string Cluster::outdated_because() const {
  for (const auto& shard : node_->shards()) {
    if (shard->is_outdated()) return shard->why_not_ready();
  }
  return "";
}

void Cluster::watch_others() {
  const std::vector<kafka::Member> known = membership_->members();
  if (known.empty()) return;  // the shards are distributed anew: that nobody is known then means nothing
  std::set<std::string> others;
  for (const kafka::Member& member : known) {
    if (member.node != self_.node) others.insert(member.address);
  }
  watch_->watch(std::move(others));
}

void Cluster::keep(const std::stop_token& stop) {
  bool hands_over = false;
  std::unique_lock lock(mutex_);
  while (!pause_.wait_for(lock, stop, claim_again_after, [&] { return stop.stop_requested(); })) {
    watch_others();
    const std::string reason = outdated_because();
    if (!reason.empty() && !hands_over && !assigned_.empty() && membership_->members().size() > 1) {
      logger_->error("nodes: {} with travd {} hands its shards to the other nodes: {}", self_.node, version(), reason);
      membership_->take_part(false);
      hands_over = true;
    }
    for (const log::ShardId shard : assigned_) {
      node::Shard& one = *node_->shards()[shard.value()];
      if (one.follows()) one.own();
    }
  }
}

}  // namespace trv::daemon
