#include "kernel/plugin_host/service_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::fail;

enum class MayBeEmpty : bool { no, yes };

base::Status check_key(std::string_view what, std::string_view key, MayBeEmpty empty) {
  if (key.size() > store_key_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("{} of the store has {} bytes, at most {} are allowed", what,
                                                  key.size(), store_key_bytes_max));
  }
  if (key.empty() && empty == MayBeEmpty::no) {
    return fail(ErrorCode::invalid, fmt::format("{} of the store is empty", what));
  }
  const bool has_controls =
      std::ranges::any_of(key, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (has_controls || !base::is_utf8(key)) {
    return fail(ErrorCode::invalid, fmt::format("{} of the store, \"{}\", has control characters or is not UTF-8", what,
                                                printable(key, 80)));
  }
  return {};
}

struct Check {
  base::Status operator()(const GetValue& get) const { return check_key("the key", get.key, MayBeEmpty::no); }
  base::Status operator()(const EraseValue& erase) const { return check_key("the key", erase.key, MayBeEmpty::no); }
  base::Status operator()(const PutValue& put) const {
    TRV_TRY(check_key("the key", put.key, MayBeEmpty::no));
    if (put.value.size() > store_value_bytes_max) {
      return fail(ErrorCode::too_large, fmt::format("the value of \"{}\" has {} bytes, at most {} are stored", put.key,
                                                    put.value.size(), store_value_bytes_max));
    }
    if (!is_json(put.value)) return fail(ErrorCode::invalid, fmt::format("the value of \"{}\" is not JSON", put.key));
    return {};
  }
  base::Status operator()(const ListValues& list) const {
    TRV_TRY(check_key("the prefix", list.prefix, MayBeEmpty::yes));
    TRV_TRY(check_key("the key before a list", list.after, MayBeEmpty::yes));
    if (list.count_max >= 1 && list.count_max <= store_list_count_max) return {};
    return fail(ErrorCode::invalid,
                fmt::format("a list of the store is of 1 to {} entries, not {}", store_list_count_max, list.count_max));
  }
};

}  // namespace

base::Status check_request(const ServiceRequest& request) {
  return std::visit(Check{}, request);
}

package::Permission permission_for(const ServiceRequest&) {
  return {.kind = package::Permission::Kind::kv};
}

bool is_write(const ServiceRequest& request) noexcept {
  return std::holds_alternative<PutValue>(request) || std::holds_alternative<EraseValue>(request);
}

}  // namespace trv::plugin_host
