#include "kernel/plugin_host/frame_blob.hpp"

#include <vector>

#include "kernel/plugin_host/frame.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> bytes_of(Builder& builder, std::string_view bytes) {
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

struct Write {
  Builder& b;
  std::uint64_t call;
  std::uint64_t request_id;
  using Offset = flatbuffers::Offset<frames::BlobRequest>;

  template <typename Other>
  Offset operator()(const Other& /*request*/) const {
    TRV_EXPECTS(service_of(ServiceRequest(Other{})) == Service::blob);
    return 0;
  }
  Offset operator()(const WriteBlob& write) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::write, write.writing_id,
                                     bytes_of(b, write.part));
  }
  Offset operator()(const StoreBlob& store) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::store, store.writing_id, 0,
                                     b.CreateString(store.media_type), b.CreateString(store.name));
  }
  Offset operator()(const DropBlob& drop) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::drop, drop.writing_id);
  }
  Offset operator()(const ReadBlob& read) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::read, 0, 0, 0, 0,
                                     b.CreateString(read.digest), read.offset, read.length);
  }
  Offset operator()(const EraseBlob& erase) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::erase, 0, 0, 0, 0,
                                     b.CreateString(erase.digest));
  }
  Offset operator()(const ListBlobs& list) const {
    return frames::CreateBlobRequest(b, call, request_id, frames::BlobAction::list, 0, 0, 0, 0,
                                     b.CreateString(list.after), 0, list.count_max);
  }
};

}  // namespace

flatbuffers::Offset<frames::BlobRequest> blob_request(Builder& builder, std::uint64_t call, std::uint64_t request_id,
                                                      const ServiceRequest& request) {
  return std::visit(Write{.b = builder, .call = call, .request_id = request_id}, request);
}

flatbuffers::Offset<frames::BlobAnswer> blob_answer(Builder& builder, std::uint64_t request_id,
                                                    const KeptBlobs& answer) {
  std::vector<flatbuffers::Offset<frames::BlobEntry>> entries;
  entries.reserve(answer.entries.size());
  for (const KeptBlob& one : answer.entries) {
    entries.push_back(frames::CreateBlobEntry(builder, builder.CreateString(one.digest), one.byte_count,
                                              builder.CreateString(one.media_type), builder.CreateString(one.name)));
  }
  return frames::CreateBlobAnswer(builder, request_id, builder.CreateVector(entries), bytes_of(builder, answer.part),
                                  answer.has_more);
}

base::Result<ServiceRequest> read_blob_request(const frames::BlobRequest& frame) {
  switch (frame.action()) {
    case frames::BlobAction::write:
      return WriteBlob{.writing_id = frame.writing(), .part = std::string(view(frame.part()))};
    case frames::BlobAction::store:
      return StoreBlob{.writing_id = frame.writing(),
                       .media_type = std::string(view(frame.media_type())),
                       .name = std::string(view(frame.name()))};
    case frames::BlobAction::drop: return DropBlob{.writing_id = frame.writing()};
    case frames::BlobAction::read:
      return ReadBlob{
          .digest = std::string(view(frame.digest())), .offset = frame.offset(), .length = frame.count_max()};
    case frames::BlobAction::erase: return EraseBlob{.digest = std::string(view(frame.digest()))};
    case frames::BlobAction::list:
      return ListBlobs{.after = std::string(view(frame.digest())), .count_max = frame.count_max()};
  }
  return base::fail(base::ErrorCode::invalid, "an action on blobs that this version does not have");
}

KeptBlobs read_blob_answer(const frames::BlobAnswer& frame) {
  KeptBlobs answer{.entries = {}, .part = std::string(view(frame.part())), .has_more = frame.has_more()};
  if (frame.entries() == nullptr) return answer;
  for (const frames::BlobEntry* one : *frame.entries()) {
    answer.entries.push_back({.digest = std::string(view(one->digest())),
                              .byte_count = one->bytes(),
                              .media_type = std::string(view(one->media_type())),
                              .name = std::string(view(one->name()))});
  }
  return answer;
}

}  // namespace trv::plugin_host
