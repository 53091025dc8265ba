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

/* trv.call/2 (host): the same, and how far a call is. A host that does not have it has trv.call/1. */
#define TRV_EXT_CALL_2 "trv.call/2"

typedef struct trv_host_call_2 {
  uint32_t struct_size;
  /* [any] As in trv.call/1. */
  void (*complete)(const trv_host* host, uint64_t call_id, trv_bytes output);
  /* [any] As in trv.call/1. */
  void (*fail)(const trv_host* host, uint64_t call_id, const trv_error* error);
  /* [any] Says how far an open call is, for people who look: `fraction` from 0 to 1, anything else: not known; `text`
   * at most 256 bytes (the rest is cut), may be empty. The last word counts; it is kept in memory until the call ends,
   * and extends no time. Of more than 200 a second some are dropped. */
  void (*progress)(const trv_host* host, uint64_t call_id, double fraction, trv_string text);
} trv_host_call_2;
#define TRV_HOST_CALL_2_SIZE_V1 32
TRV_ABI_SIZE(trv_host_call_2, TRV_HOST_CALL_2_SIZE_V1);

/* trv.call/3 (host): the same, and what a call gives as it comes. A host that does not have it has trv.call/2. */
#define TRV_EXT_CALL_3 "trv.call/3"

typedef struct trv_host_call_3 {
  uint32_t struct_size;
  /* [any] As in trv.call/1. */
  void (*complete)(const trv_host* host, uint64_t call_id, trv_bytes output);
  /* [any] As in trv.call/1. */
  void (*fail)(const trv_host* host, uint64_t call_id, const trv_error* error);
  /* [any] As in trv.call/2. */
  void (*progress)(const trv_host* host, uint64_t call_id, double fraction, trv_string text);
  /* [any] Adds text to what an open call has given so far, for people who look while it runs, as the answer of a model
   * comes word by word. Of it the last 65,536 bytes are kept, in memory, until the call ends; it is not the output,
   * which complete gives. Of more than 10,000 texts a second some are dropped. */
  void (*stream)(const trv_host* host, uint64_t call_id, trv_string text);
} trv_host_call_3;
#define TRV_HOST_CALL_3_SIZE_V1 40
TRV_ABI_SIZE(trv_host_call_3, TRV_HOST_CALL_3_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
