/* trv.blob/1: large things that outlive calls and processes: of each tenant and plugin its own, for all versions of the
 * plugin. A blob is bytes under their SHA-256; what it is called is recorded in the tenant's log before the answer.
 * Small JSON is for trv.kv/1.
 *
 * A blob is written in parts and read in parts. Each part is a request, and its answer is the leave for the next one:
 * so neither side holds more than a part. */
#ifndef TRV_ABI_EXT_BLOB_H
#define TRV_ABI_EXT_BLOB_H

#include "sdk/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TRV_EXT_BLOB "trv.blob/1"

#define TRV_BLOB_PART_BYTES 262144    /* at most in one part, written or read */
#define TRV_BLOB_BYTES_MAX 104857600  /* of one blob */
#define TRV_BLOB_DIGEST_CHARACTERS 64 /* hexadecimal digits in small letters */

/* Frozen as a whole: it is in lists. */
typedef struct trv_blob_entry {
  trv_string digest;     /* SHA-256 of the bytes, as text */
  uint64_t byte_count;   /* of the whole blob */
  trv_string media_type; /* as it was stored; may be empty */
  trv_string name;       /* as it was stored; may be empty */
} trv_blob_entry;
#define TRV_BLOB_ENTRY_SIZE_V1 56
TRV_ABI_SIZE(trv_blob_entry, TRV_BLOB_ENTRY_SIZE_V1);

typedef struct trv_blob_answer {
  uint32_t struct_size;
  uint32_t entry_count;          /* to store and read: one. To list: some, in the order of their digests. Else none */
  const trv_blob_entry* entries; /* borrowed until the function returns, as is all of the answer */
  trv_bytes part;                /* to read; else empty */
  uint32_t has_more;             /* 1: there is more behind this part, or behind the last entry of this list; else 0 */
  uint32_t reserved;
} trv_blob_answer;
#define TRV_BLOB_ANSWER_SIZE_V1 40
TRV_ABI_SIZE(trv_blob_answer, TRV_BLOB_ANSWER_SIZE_V1);

/* Host side. Each asks as part of an open call. request_id is the plugin's own choice, unique among its open requests
 * and timers. The answer comes through trv_plugin_blob, exactly once, never from inside here. What is given is borrowed
 * until the function returns. A blob that is being written is named by a writing_id, the plugin's own choice, unique
 * among those that its call writes: at most 4 at a time, each within an hour. A call has 64 requests under way at a
 * time, and stores and erases at most 1,000 times.
 * What is over a limit of the host for all blobs of a plugin in a tenant is TRV_ERROR_EXHAUSTED, and says which. */
typedef struct trv_host_blob {
  uint32_t struct_size;
  /* [any] The next part of a blob; the first one begins it. Once at a time for a writing_id: the next part follows the
   * answer to this one. After an error the blob takes no more, and gives the error again until it is dropped. */
  void (*write)(const trv_host* host, uint64_t call_id, uint64_t request_id, uint64_t writing_id, trv_bytes part);
  /* [any] What was written is whole: it is kept from then on, and the answer has its digest. Without a part before it
   * the blob is empty. Ends the writing, also by an error. media_type has at most 128 bytes, name 256, both without
   * control characters; both may be empty. The same bytes again are not kept twice; what they are called is replaced.
   */
  void (*store)(const trv_host* host, uint64_t call_id, uint64_t request_id, uint64_t writing_id, trv_string media_type,
                trv_string name);
  /* [any] What was written is not wanted. Ends the writing; one that is not there is no error. The end of the call does
   * the same. */
  void (*drop)(const trv_host* host, uint64_t call_id, uint64_t request_id, uint64_t writing_id);
  /* [any] At most `length` bytes from `offset` on, fewer at the blob's end; length is 0 to TRV_BLOB_PART_BYTES, and 0
   * asks for the entry alone. A blob that this plugin does not have in this tenant is TRV_ERROR_NOT_FOUND, also where
   * others have it. */
  void (*read)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string digest, uint64_t offset,
               uint32_t length);
  /* [any] What is not there is erased: not an error. */
  void (*erase)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string digest);
  /* [any] Those behind the digest `after`, which may be empty; count_max is 1 to 100. */
  void (*list)(const trv_host* host, uint64_t call_id, uint64_t request_id, trv_string after, uint32_t count_max);
} trv_host_blob;
#define TRV_HOST_BLOB_SIZE_V1 56
TRV_ABI_SIZE(trv_host_blob, TRV_HOST_BLOB_SIZE_V1);

/* Plugin side, from trv_plugin.get_extension with the same id. */
typedef struct trv_plugin_blob {
  uint32_t struct_size;
  /* [main] */
  void (*on_answer)(const trv_plugin* plugin, uint64_t request_id, const trv_blob_answer* answer);
  /* [main] TRV_ERROR_NOT_FOUND: no such blob. TRV_ERROR_TOO_LARGE: of one part, or of one blob. TRV_ERROR_EXHAUSTED: a
   * limit of the call or of all blobs. TRV_ERROR_UNAVAILABLE: the disk is full or fails. */
  void (*on_error)(const trv_plugin* plugin, uint64_t request_id, const trv_error* error);
} trv_plugin_blob;
#define TRV_PLUGIN_BLOB_SIZE_V1 24
TRV_ABI_SIZE(trv_plugin_blob, TRV_PLUGIN_BLOB_SIZE_V1);

#ifdef __cplusplus
}
#endif
#endif
