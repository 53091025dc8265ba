/* trv.call/1 (host): how a plugin answers the calls made to it. Every host has it. */
#ifndef TRV_ABI_EXT_CALL_H
#define TRV_ABI_EXT_CALL_H

#include "sdk/abi/host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_CALL "trv.call/1"

typedef struct trv_host_call {
  uint32_t struct_size;
  /* [any] The call succeeded; output is JSON, at most 1,000,000 bytes. Ends the call. A second answer to the same call
   * is ignored and logged as a defect of the plugin. */
  void (*complete)(const trv_host* host, uint64_t call_id, trv_bytes output);
  /* [any] The call failed. Ends the call. */
  void (*fail)(const trv_host* host, uint64_t call_id, const trv_error* error);
} trv_host_call;
#define TRV_HOST_CALL_SIZE_V1 24
TRV_ABI_SIZE(trv_host_call, TRV_HOST_CALL_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
