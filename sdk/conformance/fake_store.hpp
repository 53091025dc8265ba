#pragma once
// The stores of plugins (trv.kv/1) for a fake host: one for each tenant, without bounds in all. Header-only; C++20 and
// the standard library.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/ext/kv.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

enum class StoreAction { get, put, erase, list };

struct StoreAsked {
  std::uint64_t call_id = 0;
  std::uint64_t request_id = 0;
  StoreAction action = StoreAction::get;
  std::string key = {};  ///< of list: the prefix
  std::string value = {};
  std::uint64_t expected = TRV_KV_ANY;
  std::string after = {};
  std::uint32_t count_max = 0;
  std::string tenant = {};
};

struct StoreEntry {
  std::string key = {};
  std::string value = {};
  std::uint64_t revision = 0;
};

struct StoreAnswer {
  std::vector<StoreEntry> entries = {};
  bool has_more = false;
  std::optional<CallError> error = std::nullopt;
};

/// The functions of trv.kv/1 that give what they are asked to `take`, which is called as take(host, StoreAsked).
template <auto take>
trv_host_kv store_service() {
  return {
      .struct_size = sizeof(trv_host_kv),
      .get = [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id,
                trv_string key) { take(host, {call_id, request_id, StoreAction::get, text_of(key)}); },
      .put =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string key, trv_bytes value,
             std::uint64_t expected) {
            take(host, {call_id, request_id, StoreAction::put, text_of(key), text_of(value), expected});
          },
      .erase =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string key,
             std::uint64_t expected) {
            take(host, {call_id, request_id, StoreAction::erase, text_of(key), {}, expected});
          },
      .list =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string prefix, trv_string after,
             std::uint32_t count_max) {
            take(host,
                 {call_id, request_id, StoreAction::list, text_of(prefix), {}, TRV_KV_ANY, text_of(after), count_max});
          }};
}

class FakeStore {
 public:
  /// The JSON of a key; nullopt where there is none.
  [[nodiscard]] std::optional<std::string> find(const std::string& key, const std::string& tenant = "acme") const {
    const auto values = values_.find(tenant);
    if (values == values_.end()) return std::nullopt;
    const auto found = values->second.find(key);
    return found == values->second.end() ? std::nullopt : std::optional(found->second.value);
  }
  void put(const std::string& key, std::string value, const std::string& tenant = "acme") {
    values_[tenant][key] = {key, std::move(value), ++revision_};
  }
  /// Every request ends with this until another word, as where a store is full; nullopt: none does.
  void fail_with(std::optional<CallError> error) { error_ = std::move(error); }
  [[nodiscard]] const std::optional<CallError>& failure() const noexcept { return error_; }

  /// How often it was asked.
  [[nodiscard]] std::size_t asked() const noexcept { return asked_; }

  /// What a plugin should not ask.
  [[nodiscard]] static std::vector<std::string> faults_of(const StoreAsked& asked) {
    std::vector<std::string> faults;
    const auto has_controls = [](const std::string& text) {
      for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
      return false;
    };
    if (asked.key.empty() && asked.action != StoreAction::list) faults.emplace_back("the key is empty");
    if (asked.key.size() > 256 || asked.after.size() > 256) faults.emplace_back("a key is over 256 bytes");
    if (has_controls(asked.key) || has_controls(asked.after)) faults.emplace_back("a key has control characters");
    if (asked.value.size() > 65'536) faults.emplace_back("the value is over 65,536 bytes");
    if (asked.value.empty() && asked.action == StoreAction::put) faults.emplace_back("the value is not JSON");
    if (asked.action == StoreAction::list && (asked.count_max < 1 || asked.count_max > 100))
      faults.emplace_back("a list is of 1 to 100 entries");
    return faults;
  }

  StoreAnswer answer(const StoreAsked& asked) {
    ++asked_;
    if (error_) return {.error = error_};
    if (!faults_of(asked).empty()) return refused(TRV_ERROR_INVALID, "it is not within the limits of trv.kv/1");
    Values& values = values_[asked.tenant];
    const auto found = values.find(asked.key);
    const bool is_there = found != values.end();
    switch (asked.action) {
      case StoreAction::get: return is_there ? StoreAnswer{.entries = {found->second}} : StoreAnswer{};
      case StoreAction::list: return list(values, asked);
      default: break;
    }
    const std::uint64_t revision = is_there ? found->second.revision : TRV_KV_ABSENT;
    if (asked.expected != TRV_KV_ANY && asked.expected != revision)
      return refused(TRV_ERROR_CONFLICT, "another revision of " + asked.key);
    if (asked.action == StoreAction::erase) {
      values.erase(asked.key);
      return {};
    }
    put(asked.key, asked.value, asked.tenant);
    return {.entries = {{asked.key, {}, revision_}}};
  }

 private:
  using Values = std::map<std::string, StoreEntry, std::less<>>;

  static StoreAnswer refused(std::int32_t code, std::string message) {
    return {.error = CallError{.code = code, .message = std::move(message), .retry = TRV_RETRY_NEVER}};
  }
  static StoreAnswer list(const Values& values, const StoreAsked& asked) {
    StoreAnswer answer;
    for (const auto& [key, entry] : values) {
      if (!std::string_view(key).starts_with(asked.key) || (!asked.after.empty() && key <= asked.after)) continue;
      answer.has_more = answer.entries.size() == asked.count_max;
      if (answer.has_more) break;
      answer.entries.push_back(entry);
    }
    return answer;
  }

  std::map<std::string, Values> values_;  // by tenant
  std::uint64_t revision_ = 0;
  std::size_t asked_ = 0;
  std::optional<CallError> error_;
};

}  // namespace trv::conformance
