/* trv.serve/1: HTTP for clients of the tenant, below /v1/tenants/{tenant}/plugins/{plugin}/serve/. The host has checked
 * who asks; the plugin sees neither tokens nor cookies. A request is a call: it has a deadline, may be cancelled, and
 * everything that belongs to an open call (HTTP, store, events, time) can be used until it is answered. */
#ifndef TRV_ABI_EXT_SERVE_H
#define TRV_ABI_EXT_SERVE_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_SERVE "trv.serve/1"

typedef struct trv_serve_request {
  uint32_t struct_size;
  uint32_t header_count;
  uint64_t call_id;           /* unique in this instance while the call is open; never 0; shared with trv_call */
  const trv_header* headers;  /* names in small letters; those that docs/guides/serving.md lists */
  trv_string tenant;          /* whose client it is */
  trv_string principal;       /* who asks, as in events: "token:<id>" */
  trv_string principal_name;  /* for people */
  trv_string role;            /* of the principal: "owner" or "viewer". A viewer's requests are GET and HEAD alone */
  trv_string method;          /* "GET", "HEAD", "POST", "PUT", "PATCH" or "DELETE". GET and HEAD must change nothing */
  trv_string path;            /* below the prefix, as it came: begins with '/', percent-encoded; no "." and ".." */
  trv_string query;           /* as it came, without '?'; may be empty */
  trv_string idempotency_key; /* of this request; of all that a client sends with one Idempotency-Key the same */
  trv_string traceparent;     /* W3C trace context; may be empty */
  uint64_t timeout_ms;        /* time left until the host gives up */
  trv_bytes body;             /* at most 1,000,000 bytes */
} trv_serve_request;
#define TRV_SERVE_REQUEST_SIZE_V1 192
TRV_ABI_SIZE(trv_serve_request, TRV_SERVE_REQUEST_SIZE_V1);

typedef struct trv_serve_response {
  uint32_t struct_size;
  uint32_t status; /* HTTP status, 200 to 599 */
  uint32_t header_count;
  uint32_t reserved;
  const trv_header* headers; /* those that docs/guides/serving.md lists; with any other the client gets a 502 */
  trv_bytes body;            /* at most 1,000,000 bytes */
} trv_serve_response;
#define TRV_SERVE_RESPONSE_SIZE_V1 40
TRV_ABI_SIZE(trv_serve_response, TRV_SERVE_RESPONSE_SIZE_V1);

/* Host side. An answer in parts is trv.stream/1. */
typedef struct trv_host_serve {
  uint32_t struct_size;
  /* [any] Answers a request, and ends its call; trv.call/1's fail does so, too, by the status of its code. A second
   * answer is ignored and logged as a defect of the plugin. */
  void (*respond)(const trv_host* host, uint64_t call_id, const trv_serve_response* response);
} trv_host_serve;
#define TRV_HOST_SERVE_SIZE_V1 16
TRV_ABI_SIZE(trv_host_serve, TRV_HOST_SERVE_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_serve {
  uint32_t struct_size;
  /* [main] Begins a request; may return before it is answered, and must not block. The plugin answers it exactly once.
   * trv_plugin.cancel comes where its time is up or the client has gone. */
  void (*serve)(const trv_plugin* plugin, const trv_serve_request* request);
} trv_plugin_serve;
#define TRV_PLUGIN_SERVE_SIZE_V1 16
TRV_ABI_SIZE(trv_plugin_serve, TRV_PLUGIN_SERVE_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
