#include "audit/note/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace trv::note {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::size_t file_bytes_max = 16'384;

std::unexpected<base::Error> failed(std::string_view doing, const path& file, int error) {
  return base::fail(ErrorCode::unavailable, fmt::format("signing key: {} {}: {}", doing, file.string(),
                                                        std::generic_category().message(error)));
}

class File {
 public:
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  // The error number, or 0.
  [[nodiscard]] int close() noexcept {
    const int result = ::close(std::exchange(descriptor_, -1));
    return result == 0 ? 0 : errno;
  }

 private:
  int descriptor_;
};

// The secret's text; wiped when it goes.
struct Secret {
  Secret() = default;
  explicit Secret(std::string value) : text(std::move(value)) {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(text.data(), text.size()); }
  std::string text;
};

Result<SigningKey> load(const File& file, const path& at, std::string_view name) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return failed("reading", at, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return base::fail(ErrorCode::invalid, fmt::format("signing key: {} is not a regular file", at.string()));
  }
  if ((status.st_mode & 077) != 0) {
    return base::fail(ErrorCode::denied, fmt::format("signing key: {} has mode {:04o}; group and others must have no "
                                                     "access. Run: chmod 600 {}",
                                                     at.string(), status.st_mode & 07777, at.string()));
  }
  Secret pem;
  pem.text.resize(file_bytes_max + 1);
  std::size_t size = 0;
  while (size < pem.text.size()) {
    const ssize_t got = ::read(file.get(), pem.text.data() + size, pem.text.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return failed("reading", at, errno);
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  auto key = SigningKey::from_pem(name, std::string_view(pem.text).substr(0, size));
  if (!key) {
    return base::fail(std::move(key).error().in(at.string()));
  }
  return key;
}

Status write_all(const File& file, const path& at, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(file.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return failed("writing", at, errno);
    }
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(file.get()) != 0) {
    return failed("syncing", at, errno);
  }
  return {};
}

Status sync_folder(const path& folder) {
  File file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) {
    return failed("syncing", folder, errno);
  }
  return {};
}

// Writes the key beside `at` and links it into place. False where there is a key already.
Result<bool> create(const path& at, const SigningKey& key, base::Random& random) {
  path aside = at;
  aside += fmt::format(".new-{:016x}", random.next());
  File file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) {
    return failed("creating", aside, errno);
  }
  const Secret pem(key.to_pem());
  Status written = write_all(file, aside, pem.text);
  if (const int error = file.close(); written && error != 0) {
    written = failed("closing", aside, error);
  }
  bool placed = false;
  if (written) {
    // Unlike rename, link never replaces the key of a process that was faster.
    placed = ::link(aside.c_str(), at.c_str()) == 0;
    if (!placed && errno != EEXIST) {
      written = failed("creating", at, errno);
    }
  }
  if (::unlink(aside.c_str()) != 0 && written) {
    written = failed("removing", aside, errno);
  }
  TRV_TRY(std::move(written));
  TRV_TRY(sync_folder(at.has_parent_path() ? at.parent_path() : path(".")));
  return placed;
}

}  // namespace

Result<SigningKey> load_or_create(const path& path, std::string_view name, base::Random& random) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() >= 0) {
      return load(file, path, name);
    }
    if (errno != ENOENT) {
      return failed("opening", path, errno);
    }
    TRV_TRY_ASSIGN(SigningKey key, SigningKey::generate(name, random));
    TRV_TRY_ASSIGN(const bool placed, create(path, key, random));
    if (placed) {
      return key;
    }
  }
  return base::fail(ErrorCode::unavailable, fmt::format("signing key: {} appears and vanishes", path.string()));
}

}  // namespace trv::note
