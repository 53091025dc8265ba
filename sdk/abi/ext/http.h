/* trv.http/1: HTTP through the host. A plugin names a connection of the tenant and a path below its base URL; the host
 * adds base URL and credentials, checks the grant, applies timeouts, limits and pools. A plugin never sees a
 * credential.
 *
 * A connection whose base URL is smtp://host or smtps://host sends mail (RFC 5321): the method is "MAIL", the path "/",
 * the headers are one Mail-From and a Rcpt-To for each recipient, and the body is the message (RFC 5322), whose lines
 * end with CR LF. The answer's status is the server's reply code, 250 where it took the message, and its body the text
 * of that reply. */
#ifndef TRV_ABI_EXT_HTTP_H
#define TRV_ABI_EXT_HTTP_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_HTTP "trv.http/1"

typedef struct trv_http_request {
  uint32_t struct_size;
  uint32_t header_count;
  const trv_header*
      headers;           /* Authorization, Cookie, Host, Content-Length and Transfer-Encoding are the host's: refused */
  trv_string connection; /* name of the tenant's connection */
  trv_string method;     /* "GET", "POST", … */
  trv_string path;       /* begins with '/', may have a query; appended to the base URL's path */
  trv_bytes body;        /* at most 1,000,000 bytes */
  uint64_t timeout_ms;   /* 0 = what is left of the call's time */
} trv_http_request;
#define TRV_HTTP_REQUEST_SIZE_V1 88
TRV_ABI_SIZE(trv_http_request, TRV_HTTP_REQUEST_SIZE_V1);

typedef struct trv_http_response {
  uint32_t struct_size;
  uint32_t status; /* HTTP status, 100 to 599 */
  uint32_t header_count;
  uint32_t reserved;
  const trv_header* headers;
  trv_bytes body; /* at most the connection's limit, 1,000,000 bytes by default */
} trv_http_response;
#define TRV_HTTP_RESPONSE_SIZE_V1 40
TRV_ABI_SIZE(trv_http_response, TRV_HTTP_RESPONSE_SIZE_V1);

/* Host side. */
typedef struct trv_host_http {
  uint32_t struct_size;
  /* [any] Sends a request as part of an open call. request_id is the plugin's own choice, unique among its open
   * requests. The answer comes through trv_plugin_http, exactly once, never from inside send. Requests with a method
   * other than GET, HEAD and OPTIONS carry the header Idempotency-Key: the call's key for the first, the key with "/2",
   * "/3", … for those after it. */
  void (*send)(const trv_host* host, uint64_t call_id, uint64_t request_id, const trv_http_request* request);
} trv_host_http;
#define TRV_HOST_HTTP_SIZE_V1 16
TRV_ABI_SIZE(trv_host_http, TRV_HOST_HTTP_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_http {
  uint32_t struct_size;
  /* [main] An answer arrived, whatever its status. */
  void (*on_response)(const trv_plugin* plugin, uint64_t request_id, const trv_http_response* response);
  /* [main] No answer will arrive: connection refused, time-out, limit, no such connection, not granted. */
  void (*on_error)(const trv_plugin* plugin, uint64_t request_id, const trv_error* error);
} trv_plugin_http;
#define TRV_PLUGIN_HTTP_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_http, TRV_PLUGIN_HTTP_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
