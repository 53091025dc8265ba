#include "kernel/plugin_host/service_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::fail;

bool has_controls(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

enum class MayBeEmpty : bool { no, yes };

base::Status check_key(std::string_view what, std::string_view key, MayBeEmpty empty) {
  if (key.size() > store_key_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("{} of the store has {} bytes, at most {} are allowed", what,
                                                  key.size(), store_key_bytes_max));
  }
  if (key.empty() && empty == MayBeEmpty::no) {
    return fail(ErrorCode::invalid, fmt::format("{} of the store is empty", what));
  }
  if (has_controls(key) || !base::is_utf8(key)) {
    return fail(ErrorCode::invalid, fmt::format("{} of the store, \"{}\", has control characters or is not UTF-8", what,
                                                printable(key, 80)));
  }
  return {};
}

base::Status check_label_of_blob(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("the {} of a blob has {} bytes, at most {} are allowed", what, text.size(), bytes_max));
  }
  if (!has_controls(text) && base::is_utf8(text)) return {};
  return fail(ErrorCode::invalid, fmt::format("the {} of a blob, \"{}\", has control characters or is not UTF-8", what,
                                              printable(text, 80)));
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
  base::Status operator()(const WriteBlob& write) const {
    if (write.part.size() <= blob_part_bytes_max) return {};
    return fail(ErrorCode::too_large, fmt::format("a part of a blob has {} bytes, at most {} are written at a time",
                                                  write.part.size(), blob_part_bytes_max));
  }
  base::Status operator()(const StoreBlob& store) const {
    TRV_TRY(check_label_of_blob("media type", store.media_type, blob_media_type_bytes_max));
    return check_label_of_blob("name", store.name, blob_name_bytes_max);
  }
  base::Status operator()(const DropBlob& /*drop*/) const { return {}; }
  base::Status operator()(const ReadBlob& read) const {
    TRV_TRY(blob_digest(read.digest));
    if (read.length <= blob_part_bytes_max) return {};
    return fail(ErrorCode::too_large, fmt::format("{} bytes of a blob are asked for, at most {} are read at a time",
                                                  read.length, blob_part_bytes_max));
  }
  base::Status operator()(const EraseBlob& erase) const {
    TRV_TRY(blob_digest(erase.digest));
    return {};
  }
  base::Status operator()(const ListBlobs& list) const {
    if (!list.after.empty()) TRV_TRY(blob_digest(list.after));
    if (list.count_max >= 1 && list.count_max <= blob_list_count_max) return {};
    return fail(ErrorCode::invalid,
                fmt::format("a list of blobs is of 1 to {} entries, not {}", blob_list_count_max, list.count_max));
  }
};

}  // namespace

base::Result<base::Digest> blob_digest(std::string_view text) {
  base::Digest digest{};
  const auto bytes = text.size() == 2 * digest.size() ? base::from_hex(text) : std::nullopt;
  if (!bytes || base::to_hex(*bytes) != text) {
    return fail(ErrorCode::invalid,
                fmt::format("\"{}\" is not the digest of a blob: it has {} hexadecimal digits in small "
                            "letters",
                            printable(text, 80), 2 * digest.size()));
  }
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

base::Status check_request(const ServiceRequest& request) {
  return std::visit(Check{}, request);
}

namespace {

bool is_of_blobs(const ServiceRequest& request) noexcept {
  return std::holds_alternative<WriteBlob>(request) || std::holds_alternative<StoreBlob>(request) ||
         std::holds_alternative<DropBlob>(request) || std::holds_alternative<ReadBlob>(request) ||
         std::holds_alternative<EraseBlob>(request) || std::holds_alternative<ListBlobs>(request);
}

}  // namespace

Service service_of(const ServiceRequest& request) noexcept {
  if (std::holds_alternative<SignData>(request)) return Service::secret;
  if (is_of_blobs(request)) return Service::blob;
  return std::holds_alternative<EmitEvent>(request) ? Service::event : Service::store;
}

package::Permission permission_for(const ServiceRequest& request) {
  using enum package::Permission::Kind;
  switch (service_of(request)) {
    case Service::store: return {.kind = kv, .scope = {}};
    case Service::secret: return {.kind = secrets, .scope = {}};
    case Service::event: break;
    case Service::blob: return {.kind = blobs, .scope = {}};
  }
  return {.kind = events, .scope = std::get<EmitEvent>(request).type};
}

bool is_write(const ServiceRequest& request) noexcept {
  return std::holds_alternative<PutValue>(request) || std::holds_alternative<EraseValue>(request) ||
         std::holds_alternative<EmitEvent>(request) || std::holds_alternative<StoreBlob>(request) ||
         std::holds_alternative<EraseBlob>(request);
}

}  // namespace trv::plugin_host
