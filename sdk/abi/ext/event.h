/* trv.event/1: events of the tenant, which start and wake its workflows as those of webhooks do. */
#ifndef TRV_ABI_EXT_EVENT_H
#define TRV_ABI_EXT_EVENT_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_EVENT "trv.event/1"

typedef struct trv_event {
  uint32_t struct_size;
  uint32_t reserved;
  trv_string type;    /* below the plugin's own name: com.<plugin>.<…> */
  trv_string subject; /* may be empty */
  trv_bytes data;     /* JSON, at most 262,144 bytes; may be empty */
} trv_event;
#define TRV_EVENT_SIZE_V1 56
TRV_ABI_SIZE(trv_event, TRV_EVENT_SIZE_V1);

/* Host side. */
typedef struct trv_host_event {
  uint32_t struct_size;
  /* [any] Emits an event as part of an open call. The host gives it source, time and an id, which is made of the call's
   * idempotency key and of how many events the call has emitted before: the same call, made again, does not double what
   * it emits in the same order. request_id as in trv.kv/1. The answer comes through trv_plugin_event, exactly once,
   * never from inside emit. */
  void (*emit)(const trv_host* host, uint64_t call_id, uint64_t request_id, const trv_event* event);
} trv_host_event;
#define TRV_HOST_EVENT_SIZE_V1 16
TRV_ABI_SIZE(trv_host_event, TRV_HOST_EVENT_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_event {
  uint32_t struct_size;
  /* [main] It is recorded. `id` is that of the event. */
  void (*on_emitted)(const trv_plugin* plugin, uint64_t request_id, trv_string id);
  /* [main] */
  void (*on_error)(const trv_plugin* plugin, uint64_t request_id, const trv_error* error);
} trv_plugin_event;
#define TRV_PLUGIN_EVENT_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_event, TRV_PLUGIN_EVENT_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
