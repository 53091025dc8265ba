#pragma once
// A digest of a projection's rows, by which states of one log are compared, wherever the log is.

#include "events/lmdb/env.hpp"
#include "events/projection/applied.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

/// SHA-256 over names, keys and values of all tables in order, but for the table `without`. LMDB lets one thread at a
/// time open tables that nobody has opened in this process. Errors: of LMDB.
[[nodiscard]] base::Result<base::Digest> digest_rows(lmdb::ReadTxn& txn, std::string_view without = {});

struct DigestedState {
  Applied applied;
  base::Digest rows{};  ///< without the applied row: it says where the record is in the engine of the log
};

/// As of the transaction. Errors: as digest_rows; corrupt.
[[nodiscard]] base::Result<DigestedState> digest_state(lmdb::ReadTxn& txn);

}  // namespace trv::projection
