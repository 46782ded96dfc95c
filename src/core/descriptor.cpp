#include "core/descriptor.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "core/error.hpp"

namespace tessera {

Descriptor::Descriptor(const std::filesystem::path& file, int flags)
    : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw MachineError::from_errno("cannot open " + file.string());
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void write_all(const Descriptor& out, std::span<const std::byte> bytes,
               const std::filesystem::path& file) {
  for (auto rest = bytes; !rest.empty();) {
    const auto written = ::write(out.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw MachineError::from_errno(
          fmt::format("cannot write {} bytes to {}", bytes.size(), file.string()));
    }
    rest = rest.subspan(static_cast<std::size_t>(written));
  }
}

void write_all(const Descriptor& out, std::string_view text, const std::filesystem::path& file) {
  write_all(out, std::as_bytes(std::span(text)), file);
}

}  // namespace tessera
