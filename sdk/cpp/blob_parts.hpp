#pragma once
// What the calls of one instance write to blobs (trv.blob/1): a write of any size goes out part by part, each with the
// leave of the answer before. Authors do not use it; they write to a BlobWriting (blob.hpp). C++20. [main].

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "sdk/abi/ext/blob.h"
#include "sdk/abi/plugin.h"
#include "sdk/cpp/abi_values.hpp"
#include "sdk/cpp/call.hpp"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

class BlobParts {
 public:
  /// `blob` is nullptr where the host does not have it.
  void bind(const trv_host* host, const trv_host_blob* blob) noexcept {
    host_ = host;
    blob_ = blob;
  }

  /// Sends a request; a failure where it cannot be sent.
  std::optional<Failure> ask(std::uint64_t call_id, std::uint64_t request_id, const BlobRequest& request) {
    if (blob_ == nullptr) return Failure{.code = Code::denied, .message = "this host keeps no blobs (trv.blob/1)"};
    const trv_string digest = borrow(request.digest);
    switch (request.action) {
      case BlobRequest::Action::write: write(call_id, request_id, request); break;
      case BlobRequest::Action::store:
        blob_->store(host_, call_id, request_id, request.writing_id, borrow(request.media_type), borrow(request.name));
        break;
      case BlobRequest::Action::read:
        blob_->read(host_, call_id, request_id, digest, request.offset, request.count_max);
        break;
      case BlobRequest::Action::erase: blob_->erase(host_, call_id, request_id, digest); break;
      case BlobRequest::Action::list: blob_->list(host_, call_id, request_id, digest, request.count_max); break;
    }
    return std::nullopt;
  }

  void drop(std::uint64_t call_id, std::uint64_t request_id, std::uint64_t writing_id) const noexcept {
    if (blob_ != nullptr) blob_->drop(host_, call_id, request_id, writing_id);
  }

  /// Whether the answer is that of a part behind which there are more; the next one is sent.
  [[nodiscard]] bool goes_on(std::uint64_t request_id) {
    const auto found = rest_.find(request_id);
    if (found == rest_.end()) return false;
    // The map may change while the host has it.
    Rest& rest = found->second;
    const std::string part = rest.bytes.substr(rest.sent, TRV_BLOB_PART_BYTES);
    const Rest about{rest.call_id, rest.writing_id, {}, 0};
    rest.sent += part.size();
    if (rest.sent == rest.bytes.size()) rest_.erase(found);
    blob_->write(host_, about.call_id, request_id, about.writing_id, borrow_bytes(part));
    return true;
  }

  /// It failed, or nobody waits for it.
  void forget(std::uint64_t request_id) noexcept { rest_.erase(request_id); }

 private:
  struct Rest {
    std::uint64_t call_id = 0;
    std::uint64_t writing_id = 0;
    std::string bytes;
    std::size_t sent = 0;
  };

  void write(std::uint64_t call_id, std::uint64_t request_id, const BlobRequest& request) {
    const std::string_view part = request.bytes.substr(0, TRV_BLOB_PART_BYTES);
    if (part.size() < request.bytes.size())
      rest_[request_id] = {call_id, request.writing_id, std::string(request.bytes.substr(part.size())), 0};
    blob_->write(host_, call_id, request_id, request.writing_id, borrow_bytes(part));
  }

  const trv_host* host_ = nullptr;
  const trv_host_blob* blob_ = nullptr;
  std::unordered_map<std::uint64_t, Rest> rest_;  ///< by request: what waits for leave
};

}  // namespace trv::sdk
