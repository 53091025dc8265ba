#pragma once
// Secrets that a command brings into the secret store, and those that its record replaces there.

#include <functional>
#include <string>
#include <vector>

#include "kernel/egress/secret_store.hpp"
#include "kernel/http/workers.hpp"

namespace trv::gateway {

/// What a command does to the secrets; known once it was decided, which may happen more than once.
struct SecretChange {
  bool decided = false;              ///< the last decision was no refusal
  std::vector<std::string> brought;  ///< stored for this command
  std::vector<std::string> replaced;
};

/// The references of `before` that `after` does not have. An empty one is none.
[[nodiscard]] std::vector<std::string> no_longer_named(const std::vector<std::string>& before,
                                                       const std::vector<std::string>& after);

/// What the log named before, and names no longer, goes once that is durable; what a refused command brought goes, too.
/// Where it is not known what became of a decision, both stay for the next start to find out. What the disk does not
/// remove now goes at the next start as well.
void settle_secrets(egress::SecretStore& store, const base::TenantId& tenant, const SecretChange& change,
                    bool took_effect);

/// The record first; then `act` removes files on the follower's thread, for which no shard waits, and then it is
/// answered.
void follow(http::Workers& follower, const std::function<void()>& act, const std::function<void()>& answer);

}  // namespace trv::gateway
