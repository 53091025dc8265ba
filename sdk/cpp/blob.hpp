#pragma once
// The large things that a plugin keeps (trv.blob/1), as its author sees them. C++20.
//
//   auto blob = call.blobs().begin();
//   for (…) {
//     auto written = blob.write(bytes);
//     co_await written;
//     if (!written) co_return written.failure();
//   }
//   auto stored = blob.store("text/csv", "export.csv");
//   co_await stored;
//   if (!stored) co_return stored.failure();
//   remember(stored->digest());
//
//   for (std::uint64_t at = 0;;) {
//     auto part = call.blobs().read(digest, at);
//     co_await part;
//     if (!part) co_return part.failure();
//     at += part->bytes.size();
//     use(part->bytes);
//     if (!part->has_more) break;
//   }

#include <cstdint>
#include <string_view>

#include "sdk/abi/ext/blob.h"
#include "sdk/cpp/call.hpp"

namespace trv::sdk {

/// A blob that the call writes; let go before store(), nothing of it is kept. Lives in a coroutine of the call.
class [[nodiscard]] BlobWriting {
 public:
  BlobWriting(CallServices& services, std::uint64_t call_id) noexcept
      : services_(services), call_id_(call_id), writing_id_(services.new_id()) {}
  BlobWriting(const BlobWriting&) = delete;
  BlobWriting& operator=(const BlobWriting&) = delete;
  ~BlobWriting() {
    if (is_begun_) services_.drop_blob(call_id_, writing_id_);
  }

  /// Adds bytes, of any size; one at a time. The answer arrives once the host has all of them. A blob has at most
  /// 104,857,600 bytes. After a failure it takes no more.
  Asked<KeptBlobs> write(std::string_view bytes) {
    is_begun_ = true;
    return {services_,
            services_.ask(call_id_, {.action = BlobRequest::Action::write, .writing_id = writing_id_, .bytes = bytes})};
  }
  /// What was written is whole: from the answer on it is kept under digest(). Once, and last.
  Asked<KeptBlobs> store(std::string_view media_type = {}, std::string_view name = {}) {
    is_begun_ = false;
    return {services_, services_.ask(call_id_, {.action = BlobRequest::Action::store,
                                                .writing_id = writing_id_,
                                                .media_type = media_type,
                                                .name = name})};
  }

 private:
  CallServices& services_;
  std::uint64_t call_id_;
  std::uint64_t writing_id_;
  bool is_begun_ = false;
};

/// What the plugin keeps in the call's tenant, the same for all its versions. Each asks now; see Asked for the answer.
class BlobStore {
 public:
  BlobStore(CallServices& services, std::uint64_t call_id) noexcept : services_(services), call_id_(call_id) {}

  /// A new blob; a call writes 4 at a time.
  BlobWriting begin() { return {services_, call_id_}; }
  /// At most `length` bytes from `offset` on, with what is known of the blob; 0 asks for that alone. A digest that the
  /// plugin does not keep in this tenant is Code::not_found.
  Asked<KeptBlobs> read(std::string_view digest, std::uint64_t offset = 0, std::uint32_t length = TRV_BLOB_PART_BYTES) {
    return ask({.action = BlobRequest::Action::read, .digest = digest, .offset = offset, .count_max = length});
  }
  /// What is not there is erased: no failure.
  Asked<KeptBlobs> erase(std::string_view digest) {
    return ask({.action = BlobRequest::Action::erase, .digest = digest});
  }
  /// Those behind the digest `after`, at most 100.
  Asked<KeptBlobs> list(std::string_view after = {}, std::uint32_t count_max = 100) {
    return ask({.action = BlobRequest::Action::list, .digest = after, .count_max = count_max});
  }

 private:
  Asked<KeptBlobs> ask(const BlobRequest& request) { return {services_, services_.ask(call_id_, request)}; }

  CallServices& services_;
  std::uint64_t call_id_;
};

inline BlobStore Call::blobs() noexcept {
  return {services_, facts_.id};
}

}  // namespace trv::sdk
