/* trv.operation/1: which operations the code has. A host that installs the plugin holds them against its manifest. */
#ifndef TRV_ABI_EXT_OPERATION_H
#define TRV_ABI_EXT_OPERATION_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_OPERATION "trv.operation/1"

/* Plugin side, from trv_plugin.get_extension with the same id. A plugin without it is taken by its manifest's word. */
typedef struct trv_plugin_operation {
  uint32_t struct_size;
  /* [main] From create on, before activate too. How many there are; always the same. */
  uint32_t (*count)(const trv_plugin* plugin);
  /* [main] The name at index < count(), as in the manifest. Borrowed until destroy. */
  trv_string (*name)(const trv_plugin* plugin, uint32_t index);
} trv_plugin_operation;
#define TRV_PLUGIN_OPERATION_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_operation, TRV_PLUGIN_OPERATION_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
