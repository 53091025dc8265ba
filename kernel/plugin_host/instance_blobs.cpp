// trv.blob/1: the blobs that calls write. A part is a request, and its answer is the leave for the next one.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/instance_core.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::size_t blobs_per_call_max = 4;
constexpr std::size_t blobs_per_instance_max = 16;
constexpr auto written_within = std::chrono::hours(1);  // long before a sweep could take it for left over

}  // namespace

// nullptr: the request is not about one that is written.
base::Result<std::shared_ptr<BlobWriting>> InstanceCore::admit_blob(OpenCall& call, const ServiceRequest& request) {
  const auto* part = std::get_if<WriteBlob>(&request);
  const auto* store = std::get_if<StoreBlob>(&request);
  const auto* drop = std::get_if<DropBlob>(&request);
  if (part == nullptr && store == nullptr && drop == nullptr) return nullptr;
  const std::uint64_t id = part != nullptr ? part->writing_id : store != nullptr ? store->writing_id : drop->writing_id;
  auto open = std::ranges::find(call.blobs, id, &OpenBlob::writing_id);
  if (open == call.blobs.end()) {
    if (drop != nullptr) return nullptr;
    if (call.blobs.size() >= blobs_per_call_max || blobs_open_ >= blobs_per_instance_max) {
      return base::fail(ErrorCode::exhausted,
                        fmt::format("the call writes {} blobs at once, and all calls of the plugin {}; at most {} and "
                                    "{} are written at a time: store or drop one first",
                                    call.blobs.size(), blobs_open_, blobs_per_call_max, blobs_per_instance_max));
    }
    ++blobs_open_;
    call.blobs.push_back(
        {.writing_id = id, .began = services_.clock.monotonic(), .writing = std::make_shared<BlobWriting>()});
    open = call.blobs.end() - 1;
  }
  if (open->is_busy) {
    return base::fail(ErrorCode::conflict, "the part before of this blob is not answered yet; write one at a time");
  }
  if (!open->failed && services_.clock.monotonic() - open->began > written_within) {
    open->failed = base::Error(ErrorCode::timeout, "the blob was begun more than an hour ago; write it again");
  }
  const std::optional<base::Error> failed = open->failed;
  std::shared_ptr<BlobWriting> writing = open->writing;
  if (part == nullptr) forget_blob(call, id);
  if (drop != nullptr) return nullptr;
  if (failed) return base::fail(*failed);
  if (part != nullptr) open->is_busy = true;
  return writing;
}

void InstanceCore::forget_blob(OpenCall& call, std::uint64_t writing_id) {
  blobs_open_ -= std::erase_if(call.blobs, [&](const OpenBlob& one) { return one.writing_id == writing_id; });
}

void InstanceCore::part_written(OpenCall& call, std::uint64_t writing_id, const base::Status& written,
                                bool was_admitted) {
  const auto open = std::ranges::find(call.blobs, writing_id, &OpenBlob::writing_id);
  if (open == call.blobs.end()) return;
  if (was_admitted) open->is_busy = false;
  if (!written && !open->failed) open->failed = written.error();
}

}  // namespace trv::plugin_host
