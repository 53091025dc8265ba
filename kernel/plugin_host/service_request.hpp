#pragma once
// What a plugin asks of the kernel as part of a call, beyond HTTP and time: sdk/abi/ext/kv.h, blob.h,
// secret.h and event.h.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "events/blob/blob_store.hpp"
#include "kernel/egress/signature.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/permission.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t store_key_bytes_max = 256;
inline constexpr std::size_t store_value_bytes_max = 65'536;
inline constexpr std::uint32_t store_list_count_max = 100;
inline constexpr std::size_t store_answer_bytes_max = 1'000'000;
inline constexpr std::size_t blob_part_bytes_max = 262'144;
inline constexpr std::size_t blob_bytes_max = 104'857'600;
inline constexpr std::size_t blob_media_type_bytes_max = 128;
inline constexpr std::size_t blob_name_bytes_max = 256;
inline constexpr std::uint32_t blob_list_count_max = 100;
inline constexpr std::size_t signed_bytes_max = 65'536;
inline constexpr std::size_t secret_name_bytes_max = 256;
inline constexpr std::size_t event_data_bytes_max = 262'144;
inline constexpr std::size_t event_text_bytes_max = 1'024;  ///< of type and subject

/// Whatever revision there is, or none.
inline constexpr std::uint64_t any_revision = std::numeric_limits<std::uint64_t>::max();

/// Who serves it.
enum class Service : std::uint8_t { store, secret, event, blob };

struct GetValue {
  std::string key;
};
struct PutValue {
  std::string key;
  std::string value;  ///< JSON
  std::uint64_t expected = any_revision;
};
struct EraseValue {
  std::string key;
  std::uint64_t expected = any_revision;
};
struct ListValues {
  std::string prefix;
  std::string after;
  std::uint32_t count_max = store_list_count_max;
};
struct SignData {
  std::string secret;  ///< a name that the configuration gives
  egress::SignatureKind kind = egress::SignatureKind::hmac_sha256;
  std::string data;
};
struct EmitEvent {
  std::string type;
  std::string subject;
  std::string data;  ///< JSON; empty: none
};
/// The next part of the blob that the call writes under a number of the plugin's own.
struct WriteBlob {
  std::uint64_t writing_id = 0;
  std::string part;
};
struct StoreBlob {
  std::uint64_t writing_id = 0;
  std::string media_type = {};
  std::string name = {};
};
struct DropBlob {
  std::uint64_t writing_id = 0;
};
struct ReadBlob {
  std::string digest;  ///< as text, as in all of these
  std::uint64_t offset = 0;
  std::uint32_t length = blob_part_bytes_max;  ///< 0: nothing but what is known of the blob
};
struct EraseBlob {
  std::string digest;
};
struct ListBlobs {
  std::string after;  ///< a digest; empty: from the first
  std::uint32_t count_max = blob_list_count_max;
};
using ServiceRequest = std::variant<GetValue, PutValue, EraseValue, ListValues, SignData, EmitEvent, WriteBlob,
                                    StoreBlob, DropBlob, ReadBlob, EraseBlob, ListBlobs>;

struct StoredValue {
  std::string key;
  std::string value;  ///< JSON; empty in the answer to a PutValue
  std::uint64_t revision = 0;
};
struct StoredValues {
  std::vector<StoredValue> entries;
  bool has_more = false;
};
struct Signature {
  std::string bytes;
};
struct EmittedEvent {
  std::string id;
};
struct KeptBlob {
  std::string digest;
  std::uint64_t byte_count = 0;
  std::string media_type;
  std::string name;
};
struct KeptBlobs {
  std::vector<KeptBlob> entries = {};  ///< to a StoreBlob and a ReadBlob: one
  std::string part = {};               ///< to a ReadBlob
  bool has_more = false;               ///< behind the part, or the last entry of a list
};
using ServiceAnswer = std::variant<StoredValues, Signature, EmittedEvent, KeptBlobs>;

/// A blob that a call writes. Used by the one request about it that is under way.
struct BlobWriting {
  std::unique_ptr<blob::BlobWriter> writer = {};  ///< from its first part on
};

/// A request with who makes it.
struct ServiceCall {
  base::TenantId tenant;
  std::string plugin;
  std::string version;
  std::string key;  ///< idempotency key of the call
  std::string traceparent;
  std::uint32_t emitted = 0;  ///< events that the call has emitted, this one included
  ServiceRequest request;
  std::shared_ptr<BlobWriting> writing = {};  ///< of a WriteBlob and a StoreBlob
};
/// Called exactly once, on any thread, possibly at once. Must not block.
using ServiceDone = std::move_only_function<void(base::Result<ServiceAnswer>)>;
/// Serves requests that check_request lets pass. Any thread; must not block for long.
using ServeRequest = std::function<void(ServiceCall call, ServiceDone done)>;

/// Whether it is within the limits of the ABI. Errors: invalid, too_large.
[[nodiscard]] base::Status check_request(const ServiceRequest& request);
/// The digest that a plugin names. Error: invalid.
[[nodiscard]] base::Result<base::Digest> blob_digest(std::string_view text);
/// Who serves it.
[[nodiscard]] Service service_of(const ServiceRequest& request) noexcept;
/// What a plugin must be permitted that makes it.
[[nodiscard]] package::Permission permission_for(const ServiceRequest& request);
/// Whether it changes something.
[[nodiscard]] bool is_write(const ServiceRequest& request) noexcept;

}  // namespace trv::plugin_host
