// trv.blob/1 of a library.

#include <vector>

#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {

static_assert(blob_part_bytes_max == TRV_BLOB_PART_BYTES && blob_bytes_max == TRV_BLOB_BYTES_MAX);
static_assert(2 * sizeof(base::Digest) == TRV_BLOB_DIGEST_CHARACTERS);

namespace {

// What is over its limit is not copied.
base::Result<ServiceRequest> read_part(std::uint64_t writing_id, std::string_view part) {
  WriteBlob write{.writing_id = writing_id, .part = std::string(part.substr(0, blob_part_bytes_max + 1))};
  TRV_TRY(check_request(write));
  return write;
}

std::string short_of(trv_string text) {
  return std::string(view(text).substr(0, 1'000));
}

}  // namespace

void LibraryPlugin::answer_blob(std::uint64_t request_id, const KeptBlobs& blobs) {
  std::vector<trv_blob_entry> entries;
  entries.reserve(blobs.entries.size());
  for (const KeptBlob& one : blobs.entries) {
    entries.push_back({.digest = borrowed(one.digest),
                       .byte_count = one.byte_count,
                       .media_type = borrowed(one.media_type),
                       .name = borrowed(one.name)});
  }
  const trv_blob_answer given = {.struct_size = sizeof(trv_blob_answer),
                                 .entry_count = static_cast<std::uint32_t>(entries.size()),
                                 .entries = entries.data(),
                                 .part = borrowed_bytes(blobs.part),
                                 .has_more = blobs.has_more ? 1U : 0U,
                                 .reserved = 0};
  plugin_blob_->on_answer(plugin_, request_id, &given);
}

const trv_host_blob LibraryPlugin::blob_service = {
    .struct_size = sizeof(trv_host_blob),
    .write =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, std::uint64_t writing_id, trv_bytes part) {
          self(host).side_.ask(id, request_id, Service::blob, read_part(writing_id, view(part)));
        },
    .store =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, std::uint64_t writing_id,
           trv_string media_type, trv_string name) {
          self(host).side_.ask(id, request_id, Service::blob,
                               StoreBlob{writing_id, short_of(media_type), short_of(name)});
        },
    .drop = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id,
               std::uint64_t writing_id) { self(host).side_.ask(id, request_id, Service::blob, DropBlob{writing_id}); },
    .read =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string digest, std::uint64_t offset,
           std::uint32_t length) {
          self(host).side_.ask(id, request_id, Service::blob, ReadBlob{short_of(digest), offset, length});
        },
    .erase =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string digest) {
          self(host).side_.ask(id, request_id, Service::blob, EraseBlob{short_of(digest)});
        },
    .list =
        [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, trv_string after,
           std::uint32_t count_max) {
          self(host).side_.ask(id, request_id, Service::blob, ListBlobs{short_of(after), count_max});
        }};

}  // namespace trv::plugin_host
