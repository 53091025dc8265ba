// trv.stream/1 of a library.

#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/library_values.hpp"
#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {

static_assert(egress::stream_room_bytes == TRV_STREAM_ROOM_BYTES && egress::stream_part_bytes == TRV_STREAM_PART_BYTES);
static_assert(stream_room_bytes == TRV_STREAM_ROOM_BYTES && stream_part_bytes_max == TRV_STREAM_PART_BYTES);

void LibraryPlugin::part_arrived(std::uint64_t stream_id, std::string_view part) {
  if (plugin_stream_ != nullptr) plugin_stream_->on_part(plugin_, stream_id, borrowed_bytes(part));
}

void LibraryPlugin::stream_ended(std::uint64_t stream_id, const base::Status& end) {
  if (plugin_stream_ == nullptr) return;
  if (end) return plugin_stream_->on_end(plugin_, stream_id);
  const trv_error error = borrowed_error(end.error());
  plugin_stream_->on_error(plugin_, stream_id, &error);
}

void LibraryPlugin::room(std::uint64_t stream_id, std::uint64_t byte_count) {
  if (plugin_stream_ != nullptr) plugin_stream_->on_room(plugin_, stream_id, byte_count);
}

void LibraryPlugin::send_in_parts(CallId call, std::uint64_t request_id, const trv_http_request* request) {
  base::Result<egress::Request> read = read_request(request);
  if (read) read->in_parts = true;
  if (plugin_stream_ == nullptr) {
    read = base::fail(base::ErrorCode::invalid, "the plugin takes no parts: its get_extension has no trv.stream/1");
  }
  side_.send_http(call, request_id, std::move(read));
}

void LibraryPlugin::upload(CallId call, std::uint64_t request_id, const trv_http_request* request,
                           const trv_upload* upload) {
  base::Result<egress::Request> read = read_request(request);
  if (upload == nullptr || upload->struct_size < TRV_UPLOAD_SIZE_V1) {
    read = base::fail(base::ErrorCode::invalid, "trv_upload is null or too small");
  } else if (plugin_stream_ == nullptr) {
    read = base::fail(base::ErrorCode::invalid, "the plugin writes no parts: its get_extension has no trv.stream/1");
  }
  if (read) {
    read->in_parts = upload->answer_in_parts != 0;
    read->written = egress::WrittenBody{.stream_id = upload->stream_id};
    if (upload->length != TRV_LENGTH_UNKNOWN) read->written->length = upload->length;
  }
  side_.send_http(call, request_id, std::move(read));
}

const trv_host_stream LibraryPlugin::stream_service = {
    .struct_size = sizeof(trv_host_stream),
    .respond =
        [](const trv_host* host, std::uint64_t id, std::uint64_t stream_id, const trv_serve_response* head) {
          self(host).side_.respond_in_parts(id, stream_id, read_response(head));
        },
    .write = [](const trv_host* host, std::uint64_t id, std::uint64_t stream_id,
                trv_bytes part) { self(host).side_.write(id, stream_id, view(part)); },
    .end = [](const trv_host* host, std::uint64_t id,
              std::uint64_t stream_id) { self(host).side_.end_stream(id, stream_id); },
    .send = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id,
               const trv_http_request* request) { self(host).send_in_parts(id, request_id, request); },
    .take = [](const trv_host* host, std::uint64_t id, std::uint64_t stream_id,
               std::uint64_t byte_count) { self(host).side_.take(id, stream_id, byte_count); },
    .drop = [](const trv_host* host, std::uint64_t id,
               std::uint64_t stream_id) { self(host).side_.drop(id, stream_id); }};

const trv_host_stream_2 LibraryPlugin::stream_2_service = {
    .struct_size = sizeof(trv_host_stream_2),
    .respond = stream_service.respond,
    .write = stream_service.write,
    .end = stream_service.end,
    .send = stream_service.send,
    .take = stream_service.take,
    .drop = stream_service.drop,
    .upload = [](const trv_host* host, std::uint64_t id, std::uint64_t request_id, const trv_http_request* request,
                 const trv_upload* upload) { self(host).upload(id, request_id, request, upload); },
    .read = [](const trv_host* host, std::uint64_t id,
               std::uint64_t stream_id) { self(host).side_.read_body(id, stream_id); }};

}  // namespace trv::plugin_host
