#pragma once
// The services of plugins in memory: stores (trv.kv/1), one secret "vault" whose text is "s3cr3t" (trv.secret/1), and
// events that go nowhere (trv.event/1). Fault model: an answer comes at once, on the caller's thread; nothing is ever
// full.

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "kernel/plugin_host/service_request.hpp"

namespace trv::plugin_host {

/// Any thread.
class InMemoryStore {
 public:
  [[nodiscard]] ServeRequest serve() {
    return [this](ServiceCall call, ServiceDone done) {
      base::Result<ServiceAnswer> answer = [&]() -> base::Result<ServiceAnswer> {
        const std::lock_guard lock(mutex_);
        if (const auto* event = std::get_if<EmitEvent>(&call.request)) {
          return ServiceAnswer(EmittedEvent{event->type + "/" + call.key + "/" + std::to_string(call.emitted)});
        }
        if (const auto* data = std::get_if<SignData>(&call.request)) {
          if (data->secret != "vault") return base::fail(base::ErrorCode::denied, "no such secret");
          TRV_TRY_ASSIGN(std::string made, egress::sign(data->kind, "s3cr3t", data->data));
          return ServiceAnswer(Signature{std::move(made)});
        }
        const Of of{*this, values_[{call.tenant, call.plugin}]};
        TRV_TRY_ASSIGN(StoredValues values, std::visit(of, call.request));
        return ServiceAnswer(std::move(values));
      }();
      done(std::move(answer));
    };
  }

 private:
  using Values = std::map<std::string, StoredValue, std::less<>>;
  struct Of {
    InMemoryStore& store;
    Values& values;

    base::Status check(const std::string& key, std::uint64_t expected) const {
      const auto found = values.find(key);
      const std::uint64_t revision = found == values.end() ? 0 : found->second.revision;
      if (expected == any_revision || expected == revision) return {};
      return base::fail(base::ErrorCode::conflict, "another revision of " + key);
    }
    template <typename Other>
    base::Result<StoredValues> operator()(const Other&) const {
      return base::fail(base::ErrorCode::internal, "not of the store");
    }
    base::Result<StoredValues> operator()(const GetValue& get) const {
      const auto found = values.find(get.key);
      return found == values.end() ? StoredValues{} : StoredValues{.entries = {found->second}};
    }
    base::Result<StoredValues> operator()(const PutValue& put) const {
      TRV_TRY(check(put.key, put.expected));
      values[put.key] = {.key = put.key, .value = put.value, .revision = ++store.revision_};
      return StoredValues{.entries = {{.key = put.key, .value = {}, .revision = store.revision_}}};
    }
    base::Result<StoredValues> operator()(const EraseValue& erase) const {
      TRV_TRY(check(erase.key, erase.expected));
      values.erase(erase.key);
      return StoredValues{};
    }
    base::Result<StoredValues> operator()(const ListValues& list) const {
      StoredValues found;
      for (const auto& [key, value] : values) {
        if (!key.starts_with(list.prefix) || key <= list.after) continue;
        found.has_more = found.entries.size() == list.count_max;
        if (found.has_more) break;
        found.entries.push_back(value);
      }
      return found;
    }
  };

  std::mutex mutex_;
  std::map<std::pair<base::TenantId, std::string>, Values> values_;
  std::uint64_t revision_ = 0;
};

}  // namespace trv::plugin_host
