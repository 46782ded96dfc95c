#pragma once
#include <filesystem>
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

}  // namespace tessera
