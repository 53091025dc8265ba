/* What a plugin library exports and implements, version 1. See types.h for the rules that hold everywhere.
 *
 * Life of a library:   load → entry.init → factory.create … plugin.destroy → entry.deinit. The library stays mapped.
 * Life of an instance: create → activate → (invoke | cancel | extension calls)* → deactivate → destroy.
 */
#ifndef TRV_ABI_PLUGIN_H
#define TRV_ABI_PLUGIN_H

#include "sdk/abi/host.h"
#include "sdk/abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One call of an operation. */
typedef struct trv_call {
  uint32_t struct_size;
  uint32_t attempt;           /* from 1; grows with each retry of the same effect */
  uint64_t call_id;           /* unique in this instance while the call is open; never 0 */
  trv_string operation;       /* as in the manifest, for example "create-issue" */
  trv_string tenant;          /* who it is for */
  trv_string connection;      /* the tenant's connection that the operation is to use; may be empty */
  trv_string idempotency_key; /* the same over every retry and restart */
  trv_string traceparent;     /* W3C trace context; may be empty */
  uint64_t timeout_ms;        /* time left until the host gives up; 0 = none */
  trv_bytes input;            /* JSON, valid for the operation's input schema */
} trv_call;
#define TRV_CALL_SIZE_V1 120
TRV_ABI_SIZE(trv_call, TRV_CALL_SIZE_V1);

typedef struct trv_plugin {
  uint32_t struct_size;
  void* instance; /* the plugin's own; the host never looks at it */

  /* [main] First call after create. config is a JSON object. Returns 0, or another value after host->fail_activation
   * given the reason. The plugin may call the host from here on. */
  int32_t (*activate)(const struct trv_plugin* plugin, trv_bytes config);

  /* [main] Begins a call; may return before it is done. The plugin answers it exactly once through trv.call/1, from
   * inside invoke or later. Must not block: waiting is done by returning. */
  void (*invoke)(const struct trv_plugin* plugin, const trv_call* call);

  /* [any] Asks to end a call early. The plugin still answers it once, normally with TRV_ERROR_CANCELLED. Unknown or
   * finished ids are ignored. */
  void (*cancel)(const struct trv_plugin* plugin, uint64_t call_id);

  /* [main] No invoke follows. Open calls have been answered or cancelled before. */
  void (*deactivate)(const struct trv_plugin* plugin);

  /* [main] Last call; frees the instance. */
  void (*destroy)(const struct trv_plugin* plugin);

  /* [any] A capability of the plugin by versioned id (sdk/abi/ext), or NULL. The pointer lives as long as the library.
   */
  const void* (*get_extension)(const struct trv_plugin* plugin, const char* id);
} trv_plugin;
#define TRV_PLUGIN_SIZE_V1 64
TRV_ABI_SIZE(trv_plugin, TRV_PLUGIN_SIZE_V1);

typedef struct trv_descriptor {
  uint32_t struct_size;
  trv_string id;      /* as in the manifest, for example "forge" */
  trv_string version; /* semantic version, as in the manifest */
} trv_descriptor;
#define TRV_DESCRIPTOR_SIZE_V1 40
TRV_ABI_SIZE(trv_descriptor, TRV_DESCRIPTOR_SIZE_V1);

#define TRV_FACTORY_ID "trv.factory/1"

typedef struct trv_factory {
  uint32_t struct_size;
  /* [any] How many plugins the library holds. */
  uint32_t (*count)(void);
  /* [any] The plugin at index < count(), or NULL. Lives as long as the library. */
  const trv_descriptor* (*describe)(uint32_t index);
  /* [main] Makes an instance, or returns NULL for an unknown id. Must not call the host yet. The host outlives the
   * instance. */
  const trv_plugin* (*create)(const trv_host* host, trv_string id);
} trv_factory;
#define TRV_FACTORY_SIZE_V1 32
TRV_ABI_SIZE(trv_factory, TRV_FACTORY_SIZE_V1);

typedef struct trv_entry {
  uint32_t struct_size;
  uint16_t abi_major; /* TRV_ABI_MAJOR at compile time; the host refuses another one */
  uint16_t abi_minor; /* TRV_ABI_MINOR at compile time; the host accepts any */
  /* [main] Counted: each init is paired with a deinit. Returns 0 when the library is ready. */
  int32_t (*init)(void);
  /* [main] */
  void (*deinit)(void);
  /* [any] A factory by id, or NULL. */
  const void* (*get_factory)(const char* id);
} trv_entry;
#define TRV_ENTRY_SIZE_V1 32
TRV_ABI_SIZE(trv_entry, TRV_ENTRY_SIZE_V1);

/* The one symbol that a plugin library exports, also where it is compiled with -fvisibility=hidden. */
#define TRV_ENTRY_SYMBOL "trv_entry_v1"
extern __attribute__((visibility("default"))) const trv_entry trv_entry_v1;

#ifdef __cplusplus
}
#endif
#endif
