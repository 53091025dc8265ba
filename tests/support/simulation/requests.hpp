#pragma once
// Random commands of clients: of tenants, members, packages, definitions, events and instances.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/tenancy/plugin_decisions.hpp"
#include "sdk/base/random.hpp"
#include "tests/support/simulation/author.hpp"
#include "tests/support/simulation/bug.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {

/// Any node may be asked, and more than once.
struct Request {
  std::string tenant;
  Decide decide;
};

/// The same numbers from `dice` and the same states give the same requests.
class Requests {
 public:
  /// `world_of` gives the world whose state is read for a request of the tenant.
  Requests(base::Random& dice, std::vector<std::string> tenants, Bug bug,
           std::function<World&(std::string_view tenant)> world_of, Author::Kinds kinds = Author::Kinds::all)
      : dice_(dice),
        tenants_(std::move(tenants)),
        bug_(bug),
        world_of_(std::move(world_of)),
        kinds_(kinds),
        author_(dice, kinds) {}

  /// Anything but the outcome of an effect.
  [[nodiscard]] Request next();
  /// What has ended is forgotten after a day.
  [[nodiscard]] static Request keep_for_a_day(std::string_view tenant);
  /// An event from outside, which is taken once.
  [[nodiscard]] static Request received(std::string_view tenant, ingest::Received event);
  /// What an operator suspended goes on.
  [[nodiscard]] static Request resumed(std::string_view tenant, const instance::InstanceId& id, Bug bug);
  /// All that are suspended in that state.
  [[nodiscard]] std::vector<Request> resumed_all(const World& state) const;
  /// No schedule has a next time.
  [[nodiscard]] std::vector<Request> disabled_all() const;
  [[nodiscard]] Request any_received();
  [[nodiscard]] const std::vector<std::string>& tenants() const noexcept { return tenants_; }
  [[nodiscard]] const std::string& tenant() { return tenants_[dice_.below(tenants_.size())]; }

 private:
  std::string number(std::uint64_t below) { return std::to_string(dice_.below(below)); }
  Request tenancy_request();
  Request definition();
  Request start();
  Request switched();
  Request act();
  /// `one` of `some`.
  Decide operated(const std::string& tenant, const std::vector<instance::InstanceSummary>& some,
                  const instance::InstanceSummary& one, std::uint64_t action);
  /// From an earlier state of the instance, which is read here. What cannot be is suspended instead.
  Decide anew(World& owner, const lmdb::Txn& state, const std::string& tenant, const instance::InstanceId& id);

  base::Random& dice_;
  const std::vector<std::string> tenants_;
  const Bug bug_;
  const std::function<World&(std::string_view)> world_of_;
  const Author::Kinds kinds_;
  Author author_;
  std::map<std::string, std::string> texts_;                   ///< that was written last, by "tenant/name"
  std::map<std::string, std::vector<std::string>> versions_;   ///< that were asked for, by "tenant/name"
  std::vector<std::pair<std::string, std::string>> disabled_;  ///< tenant and name
};

}  // namespace trv::simulation
