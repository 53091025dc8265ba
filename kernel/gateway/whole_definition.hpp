#pragma once
// A definition with the functions that it calls from catalogs and addresses, fetched when it is applied and recorded
// within its text, so that neither its instances nor a replay need the network. Any thread.

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/effects/performers.hpp"
#include "kernel/workflow/definition/expansion.hpp"
#include "sdk/base/identity.hpp"

namespace trv::gateway {

/// Fetches functions as HTTP calls of the tenant's workflows are made: the same rules, limits and credentials.
class FunctionSource {
 public:
  static constexpr std::size_t waiting_max = 2;  ///< texts that wait for functions at once
  static constexpr base::Duration patience = std::chrono::seconds(5);

  /// `calls` outlives this.
  explicit FunctionSource(effects::HttpCalls& calls) : calls_(calls) {}

  /// Holds the right to wait; false: too many wait already.
  class Turn {
   public:
    explicit Turn(FunctionSource& source) : source_(source), is_taken_(source.waiting_.fetch_add(1) < waiting_max) {}
    ~Turn() { source_.waiting_.fetch_sub(1); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    [[nodiscard]] bool is_taken() const noexcept { return is_taken_; }

   private:
    FunctionSource& source_;
    bool is_taken_;
  };

  /// The texts, in the same order; waits for all, at most `patience`.
  [[nodiscard]] std::vector<base::Result<std::string>> fetch(const base::TenantId& tenant,
                                                             const std::vector<definition::UnfetchedFunction>& wanted);

 private:
  effects::HttpCalls& calls_;
  std::atomic<std::size_t> waiting_ = 0;
};

struct WholeDefinition {
  std::string text;  ///< the author's, with what was fetched
  definition::Checked checked;
  std::vector<definition::FetchedFunction> fetched;
};

inline constexpr std::size_t fetched_functions_max = 32;
inline constexpr int fetched_rounds_max = 6;  ///< functions of functions

/// Waits where something is to be fetched; what is wrong is said of the author's text. Error: exhausted, where too many
/// wait already.
[[nodiscard]] base::Result<WholeDefinition> whole_definition(std::string_view text, definition::Format format,
                                                             const base::TenantId& tenant, FunctionSource& source,
                                                             const definition::MoreChecks& more);

}  // namespace trv::gateway
