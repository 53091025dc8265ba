/* trv.metrics/1: numbers of a plugin among those of travd (GET /metrics), of all its tenants together. */
#ifndef TRV_ABI_EXT_METRICS_H
#define TRV_ABI_EXT_METRICS_H

#include "sdk/abi/host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_METRICS "trv.metrics/1"

typedef enum trv_metric {
  TRV_METRIC_COUNTER = 1,  /* value is added; 0 or more */
  TRV_METRIC_GAUGE = 2,    /* value takes the place of the one before */
  TRV_METRIC_HISTOGRAM = 3 /* value is observed: a time in seconds, mostly */
} trv_metric;

typedef struct trv_host_metrics {
  uint32_t struct_size;
  /* [any] A name has 1 to 64 of a-z, 0-9 and _ and begins with a letter; so has that of a label, of which there are at
   * most 4, with values of at most 64 bytes. A version of a plugin has at most 200 series; what is over a limit is
   * dropped, and the host's log says so. Never put personal data or identifiers of single things there. */
  void (*record)(const trv_host* host, int32_t metric /* trv_metric */, trv_string name, double value,
                 const trv_header* labels, uint32_t label_count);
} trv_host_metrics;
#define TRV_HOST_METRICS_SIZE_V1 16
TRV_ABI_SIZE(trv_host_metrics, TRV_HOST_METRICS_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
