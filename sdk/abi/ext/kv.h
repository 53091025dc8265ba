/* trv.kv/1: a small store that outlives calls and processes: of each tenant and plugin its own, for all versions of the
 * plugin. Made for cursors, marks and identifiers. What was put is recorded in the tenant's log before the answer. */
#ifndef TRV_ABI_EXT_KV_H
#define TRV_ABI_EXT_KV_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_KV "trv.kv/1"

/* What `expected` says of a key: a number of a revision, or one of these. */
#define TRV_KV_ABSENT UINT64_C(0) /* there is nothing */
#define TRV_KV_ANY UINT64_MAX     /* whatever there is */

/* Frozen as a whole: it is in lists. */
typedef struct trv_kv_entry {
  trv_string key;
  trv_bytes value;   /* JSON; empty in the answer to put */
  uint64_t revision; /* from 1; of the store, so that none comes twice */
} trv_kv_entry;
#define TRV_KV_ENTRY_SIZE_V1 40
TRV_ABI_SIZE(trv_kv_entry, TRV_KV_ENTRY_SIZE_V1);

typedef struct trv_kv_answer {
  uint32_t struct_size;
  uint32_t entry_count;
  const trv_kv_entry* entries; /* to get: one or none. To put: one. To erase: none. To list: in the order of the keys */
  uint32_t has_more;           /* 1: list has more behind the last of them; else 0 */
  uint32_t reserved;
} trv_kv_answer;
#define TRV_KV_ANSWER_SIZE_V1 24
TRV_ABI_SIZE(trv_kv_answer, TRV_KV_ANSWER_SIZE_V1);

/* Host side. Each asks as part of an open call. request_id is the plugin's own choice, unique among its open requests
 * and timers. The answer comes through trv_plugin_kv, exactly once, never from inside here. A key has 1 to 256 bytes
 * without control characters, a value at most 65,536 bytes of JSON, a store 10,485,760 bytes of keys and values in at
 * most 10,000 entries. A call has 64 requests under way at a time and writes at most 1,000 times. */
typedef struct trv_host_kv {
  uint32_t struct_size;
  /* [any] */
  void (*get)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string key);
  /* [any] A call may be made again after it was answered: put what is right to put twice, or give `expected`, the
   * revision that was read. Where another is there, the error is TRV_ERROR_CONFLICT and nothing is changed. */
  void (*put)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string key, trv_bytes value,
              uint64_t expected);
  /* [any] What is not there is erased: not an error, unless a revision is expected. */
  void (*erase)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string key, uint64_t expected);
  /* [any] Keys that begin with `prefix` and come behind `after`; either may be empty. count_max is 1 to 100; an answer
   * has fewer where it would be over 1,000,000 bytes. */
  void (*list)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string prefix, trv_string after,
               uint32_t count_max);
} trv_host_kv;
#define TRV_HOST_KV_SIZE_V1 40
TRV_ABI_SIZE(trv_host_kv, TRV_HOST_KV_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_kv {
  uint32_t struct_size;
  /* [main] */
  void (*on_answer)(const trv_plugin* plugin, uint64_t request_id, const trv_kv_answer* answer);
  /* [main] TRV_ERROR_CONFLICT: another revision. TRV_ERROR_EXHAUSTED: the store or the call is full. */
  void (*on_error)(const trv_plugin* plugin, uint64_t request_id, const trv_error* error);
} trv_plugin_kv;
#define TRV_PLUGIN_KV_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_kv, TRV_PLUGIN_KV_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
