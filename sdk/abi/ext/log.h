/* trv.log/1 (host): lines for the operator's log. Never put secrets or personal data there. */
#ifndef TRV_ABI_EXT_LOG_H
#define TRV_ABI_EXT_LOG_H

#include "sdk/abi/host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_LOG "trv.log/1"

typedef enum trv_log_level {
  TRV_LOG_DEBUG = 0,
  TRV_LOG_INFO = 1,
  TRV_LOG_WARNING = 2,
  TRV_LOG_ERROR = 3
} trv_log_level;

typedef struct trv_host_log {
  uint32_t struct_size;
  /* [any] One line, at most 4,096 bytes (the rest is cut); control characters are escaped by the host. call_id 0 = not
   * about a call. */
  void (*write)(const trv_host* host, int32_t level, uint64_t call_id, trv_string message);
} trv_host_log;
#define TRV_HOST_LOG_SIZE_V1 16
TRV_ABI_SIZE(trv_host_log, TRV_HOST_LOG_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
