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
  base::Status operator()(const SignData& sign) const {
    if (sign.data.size() > signed_bytes_max) {
      return fail(ErrorCode::too_large,
                  fmt::format("{} bytes are to be signed, at most {} are", sign.data.size(), signed_bytes_max));
    }
    if (sign.secret.empty()) return fail(ErrorCode::invalid, "the name of the secret is empty");
    if (sign.secret.size() <= secret_name_bytes_max) return {};
    return fail(ErrorCode::too_large, fmt::format("the name of the secret has {} bytes, at most {} are allowed",
                                                  sign.secret.size(), secret_name_bytes_max));
  }
  base::Status operator()(const EmitEvent& event) const {
    if (event.type.size() > event_text_bytes_max || event.subject.size() > event_text_bytes_max) {
      return fail(ErrorCode::too_large,
                  fmt::format("type or subject of the event has more than {} bytes", event_text_bytes_max));
    }
    if (event.data.size() > event_data_bytes_max) {
      return fail(ErrorCode::too_large, fmt::format("the event's data has {} bytes, at most {} are allowed",
                                                    event.data.size(), event_data_bytes_max));
    }
    if (event.data.empty() || is_json(event.data)) return {};
    return fail(ErrorCode::invalid, "the event's data is not JSON");
  }
};

}  // namespace

base::Status check_request(const ServiceRequest& request) {
  return std::visit(Check{}, request);
}

Service service_of(const ServiceRequest& request) noexcept {
  if (std::holds_alternative<SignData>(request)) return Service::secret;
  return std::holds_alternative<EmitEvent>(request) ? Service::event : Service::store;
}

package::Permission permission_for(const ServiceRequest& request) {
  using enum package::Permission::Kind;
  if (const auto* event = std::get_if<EmitEvent>(&request)) return {.kind = events, .scope = event->type};
  return {.kind = std::holds_alternative<SignData>(request) ? secrets : kv, .scope = {}};
}

bool is_write(const ServiceRequest& request) noexcept {
  return std::holds_alternative<PutValue>(request) || std::holds_alternative<EraseValue>(request) ||
         std::holds_alternative<EmitEvent>(request);
}

}  // namespace trv::plugin_host
