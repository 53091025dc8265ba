/* trv.trace/1: spans of a call, which are named parts of it with the time that each took. */
#ifndef TRV_ABI_EXT_TRACE_H
#define TRV_ABI_EXT_TRACE_H

#include "sdk/abi/host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_TRACE "trv.trace/1"

typedef struct trv_span {
  uint32_t struct_size;
  uint32_t attribute_count;     /* at most 8; the rest is dropped */
  const trv_header* attributes; /* names of at most 64 bytes, values of at most 256: the rest is cut */
  trv_string name;              /* at most 64 bytes: the rest is cut. For people, the same for calls that do the same */
  uint64_t span_id;             /* the plugin's own choice, not that of another span of the call */
  uint64_t parent_id;           /* the span that this one is a part of; 0 = the call */
} trv_span;
#define TRV_SPAN_SIZE_V1 48
TRV_ABI_SIZE(trv_span, TRV_SPAN_SIZE_V1);

/* The host takes the times. A span that is still open ends with its call. A call has at most 64; more are dropped, and
 * the host's log says so. Operators see them: never secrets or personal data. */
typedef struct trv_host_trace {
  uint32_t struct_size;
  /* [any] Of an open call; ignored for any other. */
  void (*begin)(const trv_host* host, uint64_t call_id, const trv_span* span);
  /* [any] Ignored where there is no such open span. */
  void (*end)(const trv_host* host, uint64_t call_id, uint64_t span_id);
} trv_host_trace;
#define TRV_HOST_TRACE_SIZE_V1 24
TRV_ABI_SIZE(trv_host_trace, TRV_HOST_TRACE_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
