#include "sdk/package/package.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <system_error>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/frees.hpp"
#include "sdk/package/pages.hpp"

namespace trv::package {
namespace {

namespace json = boost::json;
namespace filesystem = std::filesystem;
using base::Bytes;
using base::BytesView;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr std::string_view manifest_path = "manifest.json";
constexpr std::string_view signatures_folder = "signatures/";
constexpr std::string_view publisher_path = "signatures/publisher.note";
constexpr std::string_view certifier_path = "signatures/certifier.note";

using ReadArchive = std::unique_ptr<archive, base::Frees<archive_read_free>>;
using WriteArchive = std::unique_ptr<archive, base::Frees<archive_write_free>>;
using Entry = std::unique_ptr<archive_entry, base::Frees<archive_entry_free>>;

std::string_view reason(archive* of) {
  const char* text = archive_error_string(of);
  return text == nullptr ? "no reason given" : text;
}

/// Path of a regular file: relative, plain ASCII, no empty, "." or ".." part. Error: invalid.
Status check_path(std::string_view path) {
  const auto bad = [&](std::string_view why) {
    std::string shown;
    for (const char c : path.substr(0, 100))
      shown += c >= ' ' && c <= '~' ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": {}", shown, why));
  };
  if (path.empty() || path.size() > path_bytes_max) return bad("the path must have 1 to 99 bytes");
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '_' || c == '-' || c == '+' || c == '/';
    if (!plain) return bad("the path may hold only letters, digits and . _ - + /");
  }
  for (std::string_view rest = path;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..")
      return bad("the path must be relative, without empty, . or .. parts");
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

/// `bytes_left` is what the entries before have left of the archive.
Result<File> read_entry(archive* reader, archive_entry* entry, BytesView all, std::size_t bytes_left) {
  if (archive_format(reader) != ARCHIVE_FORMAT_TAR_USTAR)
    return base::fail(ErrorCode::invalid, "package: is not a plain POSIX ustar archive (extended headers are refused)");
  const char* name = archive_entry_pathname(entry);
  File file;
  file.path = name == nullptr ? "" : name;
  TRV_TRY(check_path(file.path));
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
      archive_entry_symlink(entry) != nullptr)
    return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": is not a regular file", file.path));
  const la_int64_t size = archive_entry_size(entry);
  const std::size_t taken = all.size() - bytes_left;
  if (size < 0 || static_cast<std::uint64_t>(size) > package_bytes_max - taken)
    return base::fail(ErrorCode::too_large,
                      fmt::format("package: file \"{}\": says it has {} bytes; all files together may have {}",
                                  file.path, size, package_bytes_max));
  // What an upload that broke off looks like: the header is there, its bytes are not.
  const auto truncated = [&] {
    return base::fail(ErrorCode::invalid,
                      fmt::format("package: truncated at byte {}, within file \"{}\" of {} bytes; send it whole",
                                  all.size(), file.path, size));
  };
  if (static_cast<std::uint64_t>(size) > bytes_left) return truncated();
  file.bytes.resize(static_cast<std::size_t>(size));
  std::size_t filled = 0;
  while (filled < file.bytes.size()) {
    const la_ssize_t got = archive_read_data(reader, file.bytes.data() + filled, file.bytes.size() - filled);
    if (got <= 0) return truncated();
    filled += static_cast<std::size_t>(got);
  }
  return file;
}

Result<std::vector<File>> read_entries(BytesView bytes) {
  ReadArchive reader(archive_read_new());
  TRV_ASSERT(reader != nullptr);
  if (archive_read_support_format_tar(reader.get()) != ARCHIVE_OK ||
      archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return base::fail(ErrorCode::invalid, fmt::format("package: is not an archive: {}", reason(reader.get())));
  std::vector<File> files;
  std::size_t bytes_left = bytes.size();
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK)
      return base::fail(ErrorCode::invalid,
                        fmt::format("package: entry {} cannot be read: {}", files.size() + 1, reason(reader.get())));
    if (files.size() == entries_max)
      return base::fail(ErrorCode::too_large, fmt::format("package: holds more than {} files", entries_max));
    TRV_TRY_ASSIGN(File file, read_entry(reader.get(), entry, bytes, bytes_left));
    bytes_left -= file.bytes.size();
    files.push_back(std::move(file));
  }
  return files;
}

/// Sorted by path; error where one occurs twice.
Status sort_by_path(std::vector<File>& files) {
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.path < b.path; });
  const auto twice =
      std::adjacent_find(files.begin(), files.end(), [](const File& a, const File& b) { return a.path == b.path; });
  if (twice != files.end())
    return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": occurs twice", twice->path));
  return {};
}

Status check_digests(const Package& package) {
  for (const File& file : package.files) {
    const auto listed = package.manifest.files.find(file.path);
    if (listed == package.manifest.files.end())
      return base::fail(ErrorCode::invalid,
                        fmt::format("package: file \"{}\": is not in the manifest's files", file.path));
    if (base::sha256(file.bytes) != listed->second)
      return base::fail(ErrorCode::corrupt,
                        fmt::format("package: file \"{}\": its SHA-256 differs from the manifest's", file.path));
  }
  for (const auto& [path, digest] : package.manifest.files)
    if (package.find_file(path) == nullptr)
      return base::fail(ErrorCode::invalid,
                        fmt::format("package: file \"{}\": is in the manifest but not in the archive", path));
  return {};
}

la_ssize_t append_to_bytes(archive*, void* out, const void* data, std::size_t size) {
  auto& bytes = *static_cast<Bytes*>(out);
  const auto* first = static_cast<const std::uint8_t*>(data);
  bytes.insert(bytes.end(), first, first + size);
  return static_cast<la_ssize_t>(size);
}

Status write_entry(archive* writer, std::string_view path, BytesView bytes) {
  const Entry entry(archive_entry_new());
  TRV_ASSERT(entry != nullptr);
  archive_entry_set_pathname(entry.get(), std::string(path).c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK ||
      archive_write_data(writer, bytes.data(), bytes.size()) != static_cast<la_ssize_t>(bytes.size()))
    return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": {}", path, reason(writer)));
  return {};
}

Result<Bytes> write_archive(std::string_view manifest, const std::vector<File>& files, const Signatures& signatures) {
  Bytes bytes;
  const WriteArchive writer(archive_write_new());
  TRV_ASSERT(writer != nullptr);
  if (archive_write_set_format_ustar(writer.get()) != ARCHIVE_OK ||
      archive_write_set_bytes_in_last_block(writer.get(), 1) != ARCHIVE_OK ||
      archive_write_open(writer.get(), &bytes, nullptr, &append_to_bytes, nullptr) != ARCHIVE_OK)
    return base::fail(ErrorCode::internal, fmt::format("package: cannot write: {}", reason(writer.get())));
  TRV_TRY(write_entry(writer.get(), manifest_path, base::as_bytes(manifest)));
  for (const File& file : files) TRV_TRY(write_entry(writer.get(), file.path, file.bytes));
  if (!signatures.certifier.empty())
    TRV_TRY(write_entry(writer.get(), certifier_path, base::as_bytes(signatures.certifier)));
  if (!signatures.publisher.empty())
    TRV_TRY(write_entry(writer.get(), publisher_path, base::as_bytes(signatures.publisher)));
  if (archive_write_close(writer.get()) != ARCHIVE_OK)
    return base::fail(ErrorCode::internal, fmt::format("package: cannot write: {}", reason(writer.get())));
  return bytes;
}

Status check_signatures(const Signatures& signatures) {
  for (const auto& [path, note] :
       {std::pair(certifier_path, &signatures.certifier), std::pair(publisher_path, &signatures.publisher)}) {
    if (note->size() > signature_bytes_max)
      return base::fail(ErrorCode::too_large, fmt::format("package: file \"{}\": {} bytes, more than {}", path,
                                                          note->size(), signature_bytes_max));
  }
  if (!signatures.certifier.empty() && signatures.publisher.empty())
    return base::fail(ErrorCode::invalid, fmt::format("package: \"{}\" without \"{}\": a certifier signs what a "
                                                      "publisher has signed",
                                                      certifier_path, publisher_path));
  return {};
}

/// Takes what is below signatures/ out of the files, which are sorted.
Result<Signatures> take_signatures(std::vector<File>& files) {
  Signatures signatures;
  for (const File& file : files) {
    if (!file.path.starts_with(signatures_folder)) continue;
    if (file.path != publisher_path && file.path != certifier_path)
      return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": signatures/ holds publisher.note and "
                                                        "certifier.note, nothing else",
                                                        file.path));
    if (file.bytes.empty())
      return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": is empty", file.path));
    (file.path == publisher_path ? signatures.publisher : signatures.certifier) = base::as_text(file.bytes);
  }
  TRV_TRY(check_signatures(signatures));
  std::erase_if(files, [](const File& file) { return file.path.starts_with(signatures_folder); });
  return signatures;
}

/// Whether the archive is as a packer writes it: only then every byte of it is covered by what its digests cover.
Status check_written_so(BytesView archive, const Package& package) {
  TRV_TRY_ASSIGN(const Bytes expected, write_archive(package.manifest.text, package.files, package.signatures));
  if (std::ranges::equal(expected, archive)) return {};
  const auto differs = std::ranges::mismatch(expected, archive).in2 - archive.begin();
  return base::fail(ErrorCode::corrupt, fmt::format("package: byte {} is not as a packer writes it, and a signed "
                                                    "package has to be; pack and sign it again",
                                                    differs));
}

Result<Bytes> read_disk(const filesystem::path& path) {
  std::error_code failure;
  const auto status = filesystem::status(path, failure);
  if (!filesystem::exists(status))
    return base::fail(ErrorCode::not_found, fmt::format("package: no file {}", path.string()));
  if (!filesystem::is_regular_file(status))
    return base::fail(ErrorCode::invalid, fmt::format("package: {} is not a regular file", path.string()));
  const std::uintmax_t size = filesystem::file_size(path, failure);
  if (failure)
    return base::fail(ErrorCode::unavailable, fmt::format("package: {}: {}", path.string(), failure.message()));
  if (size > package_bytes_max)
    return base::fail(ErrorCode::too_large,
                      fmt::format("package: {} has {} bytes, more than {}", path.string(), size, package_bytes_max));
  std::ifstream in(path, std::ios::binary);
  Bytes bytes(static_cast<std::size_t>(size));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!in || in.peek() != std::ifstream::traits_type::eof())
    return base::fail(ErrorCode::unavailable, fmt::format("package: {} cannot be read whole", path.string()));
  return bytes;
}

/// The platform of an ELF shared object for 64-bit little-endian Linux. Error: invalid.
Result<std::string_view> platform_of(BytesView library, std::string_view name) {
  static constexpr std::uint8_t magic[] = {0x7f, 'E', 'L', 'F', 2, 1};
  if (library.size() < 20 || !std::equal(std::begin(magic), std::end(magic), library.begin()) || library[16] != 3)
    return base::fail(ErrorCode::invalid, fmt::format("package: library {} is not a 64-bit ELF shared object", name));
  const int machine = library[18] | library[19] << 8;
  if (machine == 62) return "linux-x86_64";
  if (machine == 183) return "linux-aarch64";
  return base::fail(ErrorCode::invalid,
                    fmt::format("package: library {} is for ELF machine {}, which is not supported", name, machine));
}

// What interpreters leave beside a program.
bool is_left_over(const filesystem::path& path) {
  return path.extension() == ".pyc" || std::ranges::find(path, "__pycache__") != path.end();
}

struct Listed {
  std::vector<std::string> paths = {};
  std::vector<std::string> left_out = {};  ///< not looked into
};

/// Hidden are a repository's folder, an environment, a file of secrets: nothing that a plugin runs with.
enum class Hidden : std::uint8_t { taken, left_out };

/// The files below a folder of the package's, where it is present.
Status list_below(const filesystem::path& folder, std::string_view name, Hidden hidden, Listed& listed) {
  std::error_code failure;
  if (!filesystem::is_directory(folder / name, failure)) return {};
  for (auto i = filesystem::recursive_directory_iterator(folder / name, failure);
       !failure && i != filesystem::recursive_directory_iterator(); i.increment(failure)) {
    const filesystem::path path = i->path().lexically_relative(folder);
    if (hidden == Hidden::left_out && path.filename().string().starts_with('.')) {
      const bool is_folder = !i->is_symlink() && i->is_directory();
      listed.left_out.push_back(path.generic_string() + (is_folder ? "/" : ""));
      i.disable_recursion_pending();
      continue;
    }
    if (i->is_symlink())
      return base::fail(ErrorCode::invalid, fmt::format("package: file \"{}\": is a symbolic link", path.string()));
    if (i->is_regular_file() && !is_left_over(path)) listed.paths.push_back(path.generic_string());
  }
  if (!failure) return {};
  return base::fail(ErrorCode::unavailable,
                    fmt::format("package: cannot list {}: {}", (folder / name).string(), failure.message()));
}

/// README.md, LICENSE, everything below docs/, the pages, and of a program all of it, where present.
Result<Listed> list_documents(const filesystem::path& folder, const Manifest& source) {
  Listed listed;
  std::error_code failure;
  for (const char* name : {"README.md", "LICENSE"})
    if (filesystem::is_regular_file(folder / name, failure)) listed.paths.emplace_back(name);
  TRV_TRY(list_below(folder, "docs", Hidden::left_out, listed));
  if (source.program) TRV_TRY(list_below(folder, "program", Hidden::left_out, listed));
  if (!source.pages.empty()) {
    // A browser may ask for .well-known.
    TRV_TRY(
        list_below(folder, std::string_view(source.pages).substr(0, source.pages.size() - 1), Hidden::taken, listed));
  }
  std::ranges::sort(listed.left_out);
  return listed;
}

Result<std::vector<File>> read_listed(const filesystem::path& folder, const std::vector<std::string>& paths) {
  std::vector<File> files;
  for (const std::string& path : paths) {
    TRV_TRY_ASSIGN(Bytes bytes, read_disk(folder / path));
    files.push_back({path, std::move(bytes)});
  }
  return files;
}

}  // namespace

const Bytes* Package::find_file(std::string_view path) const noexcept {
  const auto found = std::lower_bound(files.begin(), files.end(), path,
                                      [](const File& file, std::string_view sought) { return file.path < sought; });
  return found == files.end() || found->path != path ? nullptr : &found->bytes;
}

Result<Package> read(BytesView archive) {
  if (archive.size() > package_bytes_max)
    return base::fail(ErrorCode::too_large,
                      fmt::format("package: {} bytes, more than {}", archive.size(), package_bytes_max));
  TRV_TRY_ASSIGN(std::vector<File> files, read_entries(archive));
  if (files.empty() || files.front().path != manifest_path)
    return base::fail(ErrorCode::invalid, "package: the first file must be manifest.json");
  Package package;
  TRV_TRY_ASSIGN(package.manifest, parse_manifest(base::as_text(files.front().bytes), ManifestForm::packed));
  files.erase(files.begin());
  TRV_TRY(sort_by_path(files));
  if (std::any_of(files.begin(), files.end(), [](const File& file) { return file.path == manifest_path; }))
    return base::fail(ErrorCode::invalid, "package: file \"manifest.json\": occurs twice");
  TRV_TRY_ASSIGN(package.signatures, take_signatures(files));
  package.files = std::move(files);
  TRV_TRY(check_digests(package));
  TRV_TRY(check_pages(package.manifest, package.files));
  package.digest = base::sha256(archive);
  package.content = package.digest;
  if (package.signatures == Signatures()) return package;
  TRV_TRY(check_written_so(archive, package));
  TRV_TRY_ASSIGN(const Bytes content, write_archive(package.manifest.text, package.files, {}));
  package.content = base::sha256(content);
  return package;
}

Result<Package> read(const filesystem::path& archive) {
  TRV_TRY_ASSIGN(const Bytes bytes, read_disk(archive));
  Result<Package> package = read(BytesView(bytes));
  if (!package) return base::fail(std::move(package).error().in(archive.string()));
  return package;
}

Result<Bytes> with_signatures(BytesView archive, const Signatures& signatures) {
  TRV_TRY(check_signatures(signatures));
  TRV_TRY_ASSIGN(const Package package, read(archive));
  TRV_TRY(check_written_so(archive, package));
  TRV_TRY_ASSIGN(Bytes signed_archive, write_archive(package.manifest.text, package.files, signatures));
  TRV_TRY_ASSIGN(const Package again, read(BytesView(signed_archive)));
  TRV_ENSURES(again.content == package.content && again.signatures == signatures);
  return signed_archive;
}

Result<Bytes> assemble(std::string_view source_manifest, std::vector<File> files) {
  TRV_TRY_ASSIGN(Manifest source, parse_manifest(source_manifest, ManifestForm::source));
  if (source.libraries.empty() && !source.program) {
    return base::fail(ErrorCode::invalid, "manifest: libraries: is missing");
  }
  if (files.size() >= entries_max)
    return base::fail(ErrorCode::too_large, fmt::format("package: would hold more than {} files", entries_max));
  TRV_TRY(sort_by_path(files));
  json::object digests;
  for (const File& file : files) {
    TRV_TRY(check_path(file.path));
    if (file.path == manifest_path)
      return base::fail(ErrorCode::invalid, "package: file \"manifest.json\": occurs twice");
    if (file.path.starts_with(signatures_folder))
      return base::fail(ErrorCode::invalid,
                        fmt::format("package: file \"{}\": signatures/ is for signatures", file.path));
    digests[file.path] = base::to_hex(base::sha256(file.bytes));
  }
  json::object manifest = json::parse(source_manifest).get_object();
  for (const Library& library : source.libraries) {
    if (!digests.contains(library.path))
      return base::fail(ErrorCode::invalid, fmt::format("manifest: libraries.{}: no file \"{}\" was given",
                                                        library.platform, library.path));
    manifest["libraries"].get_object()[library.platform].get_object()["sha256"] = digests[library.path];
  }
  manifest["files"] = std::move(digests);
  TRV_TRY_ASSIGN(Bytes archive, write_archive(json::serialize(manifest), files, {}));
  TRV_TRY(read(BytesView(archive)));
  return archive;
}

Result<Package> pack(const filesystem::path& folder, const filesystem::path& library, const filesystem::path& out) {
  TRV_TRY_ASSIGN(const Bytes source_bytes, read_disk(folder / manifest_path));
  TRV_TRY_ASSIGN(const Manifest source, parse_manifest(base::as_text(source_bytes), ManifestForm::source));
  json::object manifest = json::parse(base::as_text(source_bytes)).get_object();
  TRV_TRY_ASSIGN(Listed listed, list_documents(folder, source));
  TRV_TRY_ASSIGN(std::vector<File> files, read_listed(folder, listed.paths));
  if (source.program) {
    if (!library.empty())
      return base::fail(ErrorCode::invalid, "package: a plugin with \"runtime\": \"process\" has no library");
  } else {
    if (library.empty()) return base::fail(ErrorCode::invalid, "package: which library? Name the plugin's .so");
    TRV_TRY_ASSIGN(Bytes library_bytes, read_disk(library));
    TRV_TRY_ASSIGN(const std::string_view platform, platform_of(library_bytes, library.string()));
    const Library* declared = source.find_library(platform);
    const std::string path = declared != nullptr ? declared->path : fmt::format("lib/{}/plugin.so", platform);
    manifest["libraries"] = json::object{{platform, json::object{{"path", path}}}};
    files.push_back({path, std::move(library_bytes)});
  }
  TRV_TRY_ASSIGN(const Bytes archive, assemble(json::serialize(manifest), std::move(files)));
  if (auto written = base::write_file(out, out.filename().string() + ".part", archive, 0644); !written) {
    return base::fail(ErrorCode::unavailable, "package: " + written.error().message());
  }
  TRV_TRY_ASSIGN(Package packed, read(BytesView(archive)));
  packed.left_out = std::move(listed.left_out);
  return packed;
}

}  // namespace trv::package
