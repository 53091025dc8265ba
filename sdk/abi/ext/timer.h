/* trv.timer/1: time that passes. A plugin must not sleep on [main]; it asks to be called when the time has come. */
#ifndef TRV_ABI_EXT_TIMER_H
#define TRV_ABI_EXT_TIMER_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_TIMER "trv.timer/1"

/* Host side. */
typedef struct trv_host_timer {
  uint32_t struct_size;
  /* [any] Calls on_time after after_ms milliseconds as part of an open call: never earlier, never from inside set, and
   * never after the call has ended. timer_id is the plugin's own choice, unique among its timers and requests. A call
   * has at most 64 timers at a time; the time of one more has come at once, and the host's log says so. Timers do not
   * outlive the process. */
  void (*set)(const trv_host* host, uint64_t call_id, uint64_t timer_id, uint64_t after_ms);
} trv_host_timer;
#define TRV_HOST_TIMER_SIZE_V1 16
TRV_ABI_SIZE(trv_host_timer, TRV_HOST_TIMER_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_timer {
  uint32_t struct_size;
  /* [main] The time has come. */
  void (*on_time)(const trv_plugin* plugin, uint64_t timer_id);
} trv_plugin_timer;
#define TRV_PLUGIN_TIMER_SIZE_V1 16
TRV_ABI_SIZE(trv_plugin_timer, TRV_PLUGIN_TIMER_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
