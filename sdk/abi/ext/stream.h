/* trv.stream/1: bytes in parts, where a body is long or comes over time: the answers to requests of trv.http/1, and
 * what is answered to those of trv.serve/1. With trv.stream/2 the bodies of those requests, too. A stream has one
 * direction, belongs to an open call and ends with it. Its number is the plugin's own choice, unique among its open
 * requests and streams (that of a request whose answer comes in parts is its request_id).
 *
 * Who receives says how much: the first 262,144 bytes of a stream need no leave; each byte behind them has to be taken
 * by the receiver first. So neither side holds more than that of a stream, however long it is. */
#ifndef TRV_ABI_EXT_STREAM_H
#define TRV_ABI_EXT_STREAM_H

#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_STREAM "trv.stream/1"

#define TRV_STREAM_ROOM_BYTES 262144 /* of a new stream */
#define TRV_STREAM_PART_BYTES 65536  /* at most in one part */

/* Host side. */
typedef struct trv_host_stream {
  uint32_t struct_size;
  /* [any] Answers a request of trv.serve/1 in parts, instead of trv_host_serve.respond: status and headers go out at
   * once, with the body as the first part, which may be empty and counts against the room. The call stays open until
   * `end`; where it fails before, the client's connection is cut, so that it cannot take a part for the whole. */
  void (*respond)(const trv_host* host, uint64_t call_id, uint64_t stream_id, const trv_serve_response* head);
  /* [any] The next part of what `respond` began. What is over the room of the stream ends the call as exhausted. */
  void (*write)(const trv_host* host, uint64_t call_id, uint64_t stream_id, trv_bytes part);
  /* [any] What `respond` began is whole. Ends the call. */
  void (*end)(const trv_host* host, uint64_t call_id, uint64_t stream_id);
  /* [any] As trv_host_http.send, but the answer comes in parts: trv_plugin_http.on_response brings its head, without a
   * body, and what follows of the stream request_id its body. No answer at all comes through trv_plugin_http.on_error,
   * as there. timeout_ms is the time until the head; the body has what is left of the call's. */
  void (*send)(const trv_host* host, uint64_t call_id, uint64_t request_id, const trv_http_request* request);
  /* [any] So many bytes more may come, of those that have: what is taken before it came is not counted. */
  void (*take)(const trv_host* host, uint64_t call_id, uint64_t stream_id, uint64_t byte_count);
  /* [any] What is left of an answer is not wanted. Nothing follows. */
  void (*drop)(const trv_host* host, uint64_t call_id, uint64_t stream_id);
} trv_host_stream;
#define TRV_HOST_STREAM_SIZE_V1 56
TRV_ABI_SIZE(trv_host_stream, TRV_HOST_STREAM_SIZE_V1);

/* trv.stream/2 (host): the same, and the bodies of requests in parts. A host that does not have it has trv.stream/1.
 * The plugin's side is that of trv.stream/1. */
#define TRV_EXT_STREAM_2 "trv.stream/2"

#define TRV_LENGTH_UNKNOWN UINT64_MAX

/* The body of a request that the plugin writes. */
typedef struct trv_upload {
  uint32_t struct_size;
  uint32_t answer_in_parts; /* 1: the answer comes as after trv_host_stream.send; 0: as after trv_host_http.send */
  uint64_t stream_id;       /* of the body; not the request_id */
  uint64_t length;          /* bytes of the whole body, at most 1 GiB; TRV_LENGTH_UNKNOWN: it is sent in chunks */
} trv_upload;
#define TRV_UPLOAD_SIZE_V1 24
TRV_ABI_SIZE(trv_upload, TRV_UPLOAD_SIZE_V1);

typedef struct trv_host_stream_2 {
  uint32_t struct_size;
  /* [any] As in trv.stream/1. */
  void (*respond)(const trv_host* host, uint64_t call_id, uint64_t stream_id, const trv_serve_response* head);
  /* [any] The next part of what `respond` or `upload` began. What is over the room of the stream ends the call as
   * exhausted. What is written after on_error of the stream is ignored. */
  void (*write)(const trv_host* host, uint64_t call_id, uint64_t stream_id, trv_bytes part);
  /* [any] What was written is whole. Ends the call where `respond` began it, and only the body where `upload` did. */
  void (*end)(const trv_host* host, uint64_t call_id, uint64_t stream_id);
  /* [any] These three as in trv.stream/1. `take` and `drop` also of what `read` began. */
  void (*send)(const trv_host* host, uint64_t call_id, uint64_t request_id, const trv_http_request* request);
  void (*take)(const trv_host* host, uint64_t call_id, uint64_t stream_id, uint64_t byte_count);
  void (*drop)(const trv_host* host, uint64_t call_id, uint64_t stream_id);
  /* [any] As trv_host_http.send or `send`, but the plugin writes the body, by `write` and `end`; that of `request` is
   * empty. timeout_ms is the time without progress: from one taken part to the next, and from the last to the answer.
   * on_room says what the service took. Where no more of the body is wanted, trv_plugin_stream.on_error of the body's
   * stream comes: the service has answered before it was whole, with a status from 300 on, and the answer comes as
   * always; or the request has failed. A body that ends before its length fails the request as invalid, one that is
   * longer ends the call as too_large. Such a request is sent once: nothing repeats it. */
  void (*upload)(const trv_host* host, uint64_t call_id, uint64_t request_id, const trv_http_request* request,
                 const trv_upload* upload);
  /* [any] The body of a request of trv.serve/1 comes as stream stream_id: once for a request. Where the body came
   * whole, in trv_serve_request.body, nothing but on_end comes. It comes in parts where the manifest says `"bodies":
   * "in-parts"`; what is not asked for is not read from the client. */
  void (*read)(const trv_host* host, uint64_t call_id, uint64_t stream_id);
} trv_host_stream_2;
#define TRV_HOST_STREAM_2_SIZE_V1 72
TRV_ABI_SIZE(trv_host_stream_2, TRV_HOST_STREAM_2_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the id of trv.stream/1. */
typedef struct trv_plugin_stream {
  uint32_t struct_size;
  /* [main] The next part of what the plugin reads; not empty. */
  void (*on_part)(const trv_plugin* plugin, uint64_t stream_id, trv_bytes part);
  /* [main] What the plugin reads is whole. Nothing follows. */
  void (*on_end)(const trv_plugin* plugin, uint64_t stream_id);
  /* [main] The rest will not come, or is not taken: the connection broke, a limit, the call has ended. Nothing follows.
   */
  void (*on_error)(const trv_plugin* plugin, uint64_t stream_id, const trv_error* error);
  /* [main] The receiver has taken so many bytes of what the plugin writes: they may be written again. Comes for many
   * parts at once; bytes that were taken may be behind by 32,767. */
  void (*on_room)(const trv_plugin* plugin, uint64_t stream_id, uint64_t byte_count);
} trv_plugin_stream;
#define TRV_PLUGIN_STREAM_SIZE_V1 40
TRV_ABI_SIZE(trv_plugin_stream, TRV_PLUGIN_STREAM_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
