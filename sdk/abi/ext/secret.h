/* trv.secret/1: signatures by secrets that the plugin never sees. Its configuration names a secret in a field that the
 * schema marks with "secret": true; that name is the handle. */
#ifndef TRV_ABI_EXT_SECRET_H
#define TRV_ABI_EXT_SECRET_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_SECRET "trv.secret/1"

typedef enum trv_signature {
  TRV_SIGNATURE_HMAC_SHA256 = 1, /* the secret is the key; 32 bytes */
  TRV_SIGNATURE_ED25519 = 2,     /* the secret is a private key in PEM (PKCS #8); 64 bytes */
  TRV_SIGNATURE_RSA_SHA256 = 3   /* the same; PKCS #1 v1.5, as RS256 of JSON Web Tokens */
} trv_signature;

/* Host side. */
typedef struct trv_host_secret {
  uint32_t struct_size;
  /* [any] Signs at most 65,536 bytes as part of an open call. `secret` is a name that the tenant's configuration of
   * this plugin gives; any other is refused (TRV_ERROR_DENIED). request_id as in trv.kv/1. The answer comes through
   * trv_plugin_secret, exactly once, never from inside sign. */
  void (*sign)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string secret,
               int32_t signature /* trv_signature */, trv_bytes data);
} trv_host_secret;
#define TRV_HOST_SECRET_SIZE_V1 16
TRV_ABI_SIZE(trv_host_secret, TRV_HOST_SECRET_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_secret {
  uint32_t struct_size;
  /* [main] */
  void (*on_signature)(const trv_plugin* plugin, uint64_t request_id, trv_bytes signature);
  /* [main] */
  void (*on_error)(const trv_plugin* plugin, uint64_t request_id, const trv_error* error);
} trv_plugin_secret;
#define TRV_PLUGIN_SECRET_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_secret, TRV_PLUGIN_SECRET_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
