/* trv.state/1: what an instance keeps in memory, handed over to another version when its tenant switches to that one.
 * It is not a store: a process that crashes, has nothing to do for a while, or gets another configuration takes its
 * memory with it. What must last belongs in trv.kv/1. */
#ifndef TRV_ABI_EXT_STATE_H
#define TRV_ABI_EXT_STATE_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_STATE "trv.state/1"
#define TRV_STATE_BYTES_MAX 1000000

/* Plugin side, from trv_plugin.get_extension with the same id. Each returns what went wrong as a sentence for people,
 * borrowed until the next function of [main] is called; empty: nothing. An instance that has this serves one tenant. */
typedef struct trv_plugin_state {
  uint32_t struct_size;
  /* [main] Gives at most TRV_STATE_BYTES_MAX bytes, borrowed as the sentence is. No call is open, and none comes before
   * the hand-over has succeeded or failed. Where it failed the instance goes on as if nothing had been. */
  trv_string (*save)(const trv_plugin* plugin, trv_bytes* state);
  /* [main] Right after activate, before the first call. `version` is that of the plugin which saved, older or newer.
   * A sentence stops the switch: the other version goes on. */
  trv_string (*restore)(const trv_plugin* plugin, trv_string version, trv_bytes state);
} trv_plugin_state;
#define TRV_PLUGIN_STATE_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_state, TRV_PLUGIN_STATE_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
