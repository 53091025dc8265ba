/* Types shared by both sides of the plugin ABI, version 1. C11; no dependency but the C standard headers.
 *
 * Rules that hold for every function of the ABI:
 *  - Bytes and strings are borrowed: valid until the function they were passed to returns. Copy what has to be kept.
 *  - Strings are UTF-8 with an explicit size; they need not end in NUL.
 *  - Every struct that may grow begins with its size in bytes as its maker knew it. It grows at the tail only, with a
 * minor version. TRV_…_SIZE_V1 is its size in ABI 1.0 and never changes: a reader refuses a struct that is smaller, and
 * looks at a field of a later minor version only where struct_size covers it. So every library and every host of one
 * major version work together.
 *  - No exception, no longjmp crosses a function of the ABI.
 *  - Nothing crosses that could not be framed on a socket: a library runs in-process or in a child process unchanged.
 *  - Threads: [main] one call at a time per plugin instance, from whatever thread the host picks, each call ordered
 * after the one before it; [any] any thread at any time, also from inside a [main] call.
 */
#ifndef TRV_ABI_TYPES_H
#define TRV_ABI_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_ABI_MAJOR 1
#define TRV_ABI_MINOR 0

/* Holds a struct at its frozen size. Once a minor version has added fields, it is the offset of the first of them that
 * is held instead. */
#ifdef __cplusplus
#define TRV_ABI_SIZE(type, size) static_assert(sizeof(type) == (size), "the size of " #type " is frozen")
#else
#define TRV_ABI_SIZE(type, size) _Static_assert(sizeof(type) == (size), "the size of " #type " is frozen")
#endif

/* Borrowed bytes. data may be NULL where size is 0. */
typedef struct trv_bytes {
  const uint8_t* data;
  uint64_t size;
} trv_bytes;

/* Borrowed UTF-8 text. */
typedef struct trv_string {
  const char* data;
  uint64_t size;
} trv_string;

typedef struct trv_header {
  trv_string name; /* compared without regard to case */
  trv_string value;
} trv_header;

/* What went wrong; each asks for a different reaction. Values are frozen; unknown ones read as TRV_ERROR_INTERNAL. */
typedef enum trv_error_code {
  TRV_ERROR_INVALID = 1,         /* the input or configuration is wrong; the same call will fail again */
  TRV_ERROR_UNAUTHENTICATED = 2, /* the service did not accept the credentials */
  TRV_ERROR_DENIED = 3,          /* a grant or the service forbids it */
  TRV_ERROR_NOT_FOUND = 4,       /* no such operation, connection or remote thing */
  TRV_ERROR_CONFLICT = 5,        /* contradicts the state of the service */
  TRV_ERROR_TOO_LARGE = 6,       /* over a limit of size */
  TRV_ERROR_EXHAUSTED = 7,       /* rate or quota used up; see retry_after_ms */
  TRV_ERROR_UNAVAILABLE = 8,     /* the service or the network failed */
  TRV_ERROR_TIMEOUT = 9,         /* the deadline passed */
  TRV_ERROR_CANCELLED = 10,      /* the host asked to stop */
  TRV_ERROR_INTERNAL = 11        /* a defect of the plugin */
} trv_error_code;

typedef enum trv_retry {
  TRV_RETRY_NEVER = 0, /* the same call would fail again */
  TRV_RETRY_SAFE = 1   /* the same call, with the same idempotency key, may be made again after retry_after_ms */
} trv_retry;

typedef struct trv_error {
  uint32_t struct_size;
  int32_t code;            /* trv_error_code */
  int32_t retry;           /* trv_retry */
  int32_t status;          /* HTTP status of the service, 0 where there is none */
  uint64_t retry_after_ms; /* how long to wait before a retry; 0 = the host decides */
  trv_string message;      /* for a person: what was wrong, where, what to do */
  trv_bytes detail;        /* JSON object for programs; may be empty */
} trv_error;
#define TRV_ERROR_SIZE_V1 56
TRV_ABI_SIZE(trv_error, TRV_ERROR_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
