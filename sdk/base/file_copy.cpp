#include "sdk/base/file_copy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#define OPENSSL_SUPPRESS_DEPRECATED  // NOLINT(readability-identifier-naming): the name is OpenSSL's
#include <openssl/sha.h>

#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::base {
namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 20;

std::unexpected<Error> failed(const char* doing, const std::filesystem::path& file) {
  const int number = errno;
  const bool is_full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  return fail(number == ENOENT ? ErrorCode::not_found
              : is_full        ? ErrorCode::exhausted
                               : ErrorCode::unavailable,
              fmt::format("cannot {} '{}': {}", doing, file.string(), std::generic_category().message(number)));
}

OpenFile opened_at(const std::filesystem::path& file, int flags, mode_t mode = 0) {
  return OpenFile(::open(file.c_str(), flags | O_CLOEXEC, mode));
}

/// Calls `use` with each block of the file.
template <typename Use>
Result<FileDigest> read_blocks(const std::filesystem::path& file, const BlockDone& done, const Use& use) {
  const OpenFile opened = opened_at(file, O_RDONLY);
  if (!opened.is_open()) return failed("open", file);
  SHA256_CTX context;
  TRV_ASSERT(SHA256_Init(&context) == 1);
  FileDigest found;
  Bytes block(block_bytes);
  for (;;) {
    const ssize_t count = ::read(opened.number(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read", file);
    if (count == 0) break;
    const BytesView bytes = BytesView(block).first(static_cast<std::size_t>(count));
    TRV_ASSERT(SHA256_Update(&context, bytes.data(), bytes.size()) == 1);
    TRV_TRY(use(bytes));
    found.bytes += bytes.size();
    if (done) done(found.bytes);
  }
  TRV_ASSERT(SHA256_Final(found.sha256.data(), &context) == 1);
  return found;
}

Result<FileDigest> copy_into(const OpenFile& out, const std::filesystem::path& from, const std::filesystem::path& to,
                             Sync sync, const BlockDone& done) {
  TRV_TRY_ASSIGN(const FileDigest copied, read_blocks(from, done, [&](BytesView rest) -> Status {
                   while (!rest.empty()) {
                     const ssize_t count = ::write(out.number(), rest.data(), rest.size());
                     if (count < 0 && errno == EINTR) continue;
                     if (count < 0) return failed("write", to);
                     rest = rest.subspan(static_cast<std::size_t>(count));
                   }
                   return {};
                 }));
  if (sync == Sync::now && ::fsync(out.number()) != 0) return failed("sync", to);
  return copied;
}

}  // namespace

Result<FileDigest> digest_file(const std::filesystem::path& file, const BlockDone& done) {
  return read_blocks(file, done, [](BytesView) { return Status(); });
}

Result<FileDigest> copy_file(const std::filesystem::path& from, const std::filesystem::path& to, mode_t mode, Sync sync,
                             const BlockDone& done) {
  TRV_EXPECTS(from != to);
  const OpenFile out = opened_at(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!out.is_open()) return failed("create", to);
  Result<FileDigest> copied = copy_into(out, from, to, sync, done);
  if (!copied) ::unlink(to.c_str());
  return copied;
}

}  // namespace trv::base
