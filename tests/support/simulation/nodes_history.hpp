#pragma once
// One random history of several nodes that share the shards of one log.
//
// Every node follows every shard and owns those that it is assigned; who is assigned, and what each node believes of
// it, the history decides. Clients ask any node, and ask again until they are answered.
//
// Faults, besides those of history.hpp: a shard is taken over while its owner does not know, before its batch, between
// the append and its place in the log, or behind that, so that two nodes own it; the log's answer is lost, or comes
// after the next owner has appended; a batch is stored twice; a node hears of an assignment late; standbys are cut off
// from the log; the clocks of nodes jump forwards and backwards; nodes are killed and find their state, an older one,
// or none when they come back; answers to clients are late, lost, repeated and out of order.

#include <cstdint>
#include <filesystem>

#include "tests/support/simulation/bug.hpp"
#include "tests/support/simulation/history.hpp"

namespace trv::simulation {

struct NodesOptions {
  std::uint64_t seed = 1;
  std::filesystem::path folder;  ///< emptied at the start
  int steps = 24;
  std::uint32_t nodes = 3;
  std::uint32_t shards = 8;
  Bug bug = Bug::none;
};

struct NodesHistory : History {
  std::uint64_t takeovers = 0;        ///< of shards whose owner did not know
  std::uint64_t handed_over = 0;      ///< shards that were ceded first
  std::uint64_t void_records = 0;     ///< behind the claim of a later owner
  std::uint64_t answers_lost = 0;     ///< of the log
  std::uint64_t stored_twice = 0;     ///< batches
  std::uint64_t restarts = 0;         ///< of nodes
  std::uint64_t asked_again = 0;      ///< by clients
  std::uint64_t client_requests = 0;  ///< that were answered
  std::uint64_t states_compared = 0;  ///< of nodes that follow one shard
};

/// The same options give the same history. It ends with the first step in which something fails.
[[nodiscard]] NodesHistory run_nodes_history(const NodesOptions& options);

}  // namespace trv::simulation
