/* What the host gives to a plugin instance, version 1. See types.h for the rules that hold everywhere. */
#ifndef TRV_ABI_HOST_H
#define TRV_ABI_HOST_H

#include "sdk/abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct trv_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  void* context; /* the host's own; the plugin never looks at it */

  /* [any] A service of the host by versioned id (sdk/abi/ext), or NULL where this host does not have it. The pointer
   * lives as long as the instance. */
  const void* (*get_extension)(const struct trv_host* host, const char* id);

  /* [main] Only inside activate, before it returns a value other than 0: why the plugin cannot start. */
  void (*fail_activation)(const struct trv_host* host, const trv_error* error);
} trv_host;
#define TRV_HOST_SIZE_V1 32
TRV_ABI_SIZE(trv_host, TRV_HOST_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
