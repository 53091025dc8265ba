#include "kernel/mirror/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::mirror {
namespace {

using base::ErrorCode;

constexpr std::size_t block_bytes = 64 * 1024;
using Entry = std::unique_ptr<archive_entry, base::Frees<archive_entry_free>>;

std::string_view reason(archive* of) {
  const char* text = archive_error_string(of);
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

void ArchiveReader::Close::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

void ArchiveWriter::Close::operator()(archive* writer) const noexcept {
  archive_write_free(writer);
}

base::Result<ArchiveReader> ArchiveReader::open(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return base::fail(ErrorCode::not_found, fmt::format("no file {}", file.string()));
  }
  std::unique_ptr<archive, Close> reader(archive_read_new());
  TRV_ASSERT(reader != nullptr);
  if (archive_read_support_format_tar(reader.get()) != ARCHIVE_OK ||
      archive_read_open_filename(reader.get(), file.c_str(), block_bytes) != ARCHIVE_OK) {
    return base::fail(ErrorCode::invalid, fmt::format("{} is not an archive: {}", file.string(), reason(reader.get())));
  }
  return ArchiveReader(std::move(reader));
}

base::Result<std::optional<ArchiveReader::File>> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(reader_.get(), &entry);
  if (status == ARCHIVE_EOF) return std::nullopt;
  if (status != ARCHIVE_OK) {
    return base::fail(ErrorCode::invalid, fmt::format("the archive cannot be read: {}", reason(reader_.get())));
  }
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || archive_format(reader_.get()) != ARCHIVE_FORMAT_TAR_USTAR ||
      archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
    return base::fail(ErrorCode::invalid, "the archive is not a plain POSIX ustar archive of regular files");
  }
  File file{.path = name, .bytes = {}};
  const la_int64_t size = archive_entry_size(entry);
  if (size < 0 || static_cast<std::uint64_t>(size) > file_bytes_max) {
    return base::fail(
        ErrorCode::too_large,
        fmt::format("a file of the archive says it has {} bytes; at most {} are taken", size, file_bytes_max));
  }
  // Grows with what is there, not with what the header says.
  while (file.bytes.size() < static_cast<std::size_t>(size)) {
    const std::size_t filled = file.bytes.size();
    file.bytes.resize(std::min(filled + block_bytes, static_cast<std::size_t>(size)));
    const la_ssize_t got = archive_read_data(reader_.get(), file.bytes.data() + filled, file.bytes.size() - filled);
    if (got <= 0) return base::fail(ErrorCode::invalid, "the archive is cut off; fetch it again");
    file.bytes.resize(filled + static_cast<std::size_t>(got));
  }
  return file;
}

base::Result<ArchiveWriter> ArchiveWriter::create(const std::filesystem::path& file) {
  std::unique_ptr<archive, Close> writer(archive_write_new());
  TRV_ASSERT(writer != nullptr);
  if (archive_write_set_format_ustar(writer.get()) != ARCHIVE_OK ||
      archive_write_open_filename(writer.get(), file.c_str()) != ARCHIVE_OK) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", file.string(), reason(writer.get())));
  }
  return ArchiveWriter(std::move(writer));
}

base::Status ArchiveWriter::add(std::string_view path, base::BytesView bytes) {
  const Entry entry(archive_entry_new());
  TRV_ASSERT(entry != nullptr);
  archive_entry_set_pathname(entry.get(), std::string(path).c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  if (archive_write_header(writer_.get(), entry.get()) == ARCHIVE_OK &&
      archive_write_data(writer_.get(), bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size())) {
    return {};
  }
  return base::fail(ErrorCode::unavailable, fmt::format("the archive cannot be written: {}", reason(writer_.get())));
}

base::Status ArchiveWriter::finish() {
  if (archive_write_close(writer_.get()) == ARCHIVE_OK) return {};
  return base::fail(ErrorCode::unavailable, fmt::format("the archive cannot be written: {}", reason(writer_.get())));
}

}  // namespace trv::mirror
