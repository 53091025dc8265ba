#pragma once
// The frames of trv.blob/1 (frame.hpp). Functions of values; any thread.

#include <flatbuffers/flatbuffers.h>

#include "kernel/plugin_host/service_request.hpp"
#include "sdk/frames/frames_generated.h"

namespace trv::plugin_host {

/// `request` is about blobs.
[[nodiscard]] flatbuffers::Offset<frames::BlobRequest> blob_request(flatbuffers::FlatBufferBuilder& builder,
                                                                    std::uint64_t call, std::uint64_t request_id,
                                                                    const ServiceRequest& request);
[[nodiscard]] flatbuffers::Offset<frames::BlobAnswer> blob_answer(flatbuffers::FlatBufferBuilder& builder,
                                                                  std::uint64_t request_id, const KeptBlobs& answer);
/// The kernel looks at the limits (check_request). Error: invalid.
[[nodiscard]] base::Result<ServiceRequest> read_blob_request(const frames::BlobRequest& frame);
[[nodiscard]] KeptBlobs read_blob_answer(const frames::BlobAnswer& frame);

}  // namespace trv::plugin_host
