#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

namespace tessera {

/// A file descriptor that closes itself, and that children do not inherit.
class Descriptor {
 public:
  Descriptor() = default;
  /// Opens @p file with the flags of open(2); what is created may be read and written by all that
  /// the umask allows. Throws MachineError.
  Descriptor(const std::filesystem::path& file, int flags);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// All of @p bytes where @p out stands, however few of them one call takes. Throws MachineError
/// naming @p file when the machine takes no more.
void write_all(const Descriptor& out, std::span<const std::byte> bytes,
               const std::filesystem::path& file);
void write_all(const Descriptor& out, std::string_view text, const std::filesystem::path& file);

}  // namespace tessera
