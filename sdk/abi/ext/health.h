/* trv.health/1: whether the plugin would do its work. Asked before a tenant switches to its version. */
#ifndef TRV_ABI_EXT_HEALTH_H
#define TRV_ABI_EXT_HEALTH_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_HEALTH "trv.health/1"

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_health {
  uint32_t struct_size;
  /* [main] After activate, and after restore where there is a state. Returns why it would not, as a sentence for
   * people, borrowed until the next function of [main] is called; empty: it is well. Must not block. */
  trv_string (*check)(const trv_plugin* plugin);
} trv_plugin_health;
#define TRV_PLUGIN_HEALTH_SIZE_V1 16
TRV_ABI_SIZE(trv_plugin_health, TRV_PLUGIN_HEALTH_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
