#pragma once
// What HTTP calls keep between tries: tokens until they end, and documents for a while. In memory only. Any thread.

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "kernel/json/value.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/identity.hpp"

namespace trv::effects {

class HttpMemory {
 public:
  static constexpr std::size_t tokens_max = 1'000;
  static constexpr std::size_t documents_max = 64;
  static constexpr std::size_t document_bytes_max = 16'000'000;  ///< of all texts together
  static constexpr base::Duration document_lifetime = std::chrono::minutes(5);

  /// The clock outlives this.
  explicit HttpMemory(const base::Clock& clock) : clock_(clock) {}

  /// What names the token of a policy: a digest, as the policy has secrets.
  [[nodiscard]] static std::string token_name(const base::TenantId& tenant, const json::Value& policy);
  [[nodiscard]] std::optional<std::string> token(const std::string& name);
  /// Nothing is kept where `lifetime` is 0.
  void keep_token(const std::string& name, std::string token, base::Duration lifetime);
  void forget_token(const std::string& name);

  /// Null: not kept, or no longer.
  [[nodiscard]] std::shared_ptr<const json::Value> document(const base::TenantId& tenant, std::string_view address);
  void keep_document(const base::TenantId& tenant, std::string_view address,
                     std::shared_ptr<const json::Value> document, std::size_t bytes);

 private:
  struct KeptToken {
    std::string text;
    base::Duration ends{};
  };
  struct KeptDocument {
    std::string name;
    std::shared_ptr<const json::Value> document;
    std::size_t bytes = 0;
    base::Duration ends{};
  };

  const base::Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, KeptToken> tokens_;
  std::deque<KeptDocument> documents_;  ///< the oldest first
  std::size_t document_bytes_ = 0;
};

}  // namespace trv::effects
