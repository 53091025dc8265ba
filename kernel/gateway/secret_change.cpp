#include "kernel/gateway/secret_change.hpp"

#include <algorithm>

namespace trv::gateway {

std::vector<std::string> no_longer_named(const std::vector<std::string>& before,
                                         const std::vector<std::string>& after) {
  std::vector<std::string> gone;
  for (const std::string& reference : before) {
    if (!reference.empty() && std::ranges::find(after, reference) == after.end()) gone.push_back(reference);
  }
  return gone;
}

void settle_secrets(egress::SecretStore& store, const base::TenantId& tenant, const SecretChange& change,
                    bool took_effect) {
  if (took_effect) {
    for (const std::string& reference : change.replaced) (void)store.replace(tenant, reference);
  } else if (!change.decided) {
    for (const std::string& reference : change.brought) (void)store.remove(tenant, reference);
  }
}

void follow(http::Workers& follower, const std::function<void()>& act, const std::function<void()>& answer) {
  const bool is_taken = follower.run([act, answer] {
    act();
    answer();
  });
  if (!is_taken) answer();
}

}  // namespace trv::gateway
