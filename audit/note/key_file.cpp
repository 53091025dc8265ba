#include "audit/note/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "sdk/base/file.hpp"

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
    const Secret pem(key.to_pem());
    const std::string aside = fmt::format("{}.new-{:016x}", path.filename().string(), random.next());
    const auto placed = base::create_file(path, aside, base::as_bytes(pem.text), 0600);
    if (!placed) {
      return base::fail(ErrorCode::unavailable, "signing key: " + placed.error().message());
    }
    if (*placed) {
      return key;
    }
  }
  return base::fail(
      ErrorCode::unavailable,
      fmt::format("signing key: {} is created and removed by another program at the same time", path.string()));
}

}  // namespace trv::note
