#include "model/mapped_file.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

/// Closes on every way out; the mapping outlives the descriptor.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

/// Advice is about whole pages: those that hold @p range. A neighbour's share of the first and last
/// page is at worst fetched again.
void advise(std::span<const std::byte> range, int advice) {
  if (range.empty()) return;
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  const auto first_page = begin / page * page;
  ::madvise(reinterpret_cast<void*>(first_page), begin + range.size() - first_page, advice);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& file) : path_(file) {
  // O_NONBLOCK: opening a named pipe would wait for a writer.
  const Descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (fd.value < 0) {
    throw InputError(MachineError::from_errno("cannot open " + file.string()).what());
  }
  struct stat status {};
  if (::fstat(fd.value, &status) != 0)
    throw MachineError::from_errno("cannot stat " + file.string());
  if (!S_ISREG(status.st_mode)) {
    throw InputError(fmt::format("{} is not a regular file", file.string()));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // nothing to map
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.value, 0);
  if (address == MAP_FAILED) {
    throw MachineError::from_errno(
        fmt::format("cannot map the {} bytes of {}", size, file.string()));
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void MappedFile::will_read(std::span<const std::byte> range) const {
  advise(range, MADV_WILLNEED);
}
void MappedFile::release(std::span<const std::byte> range) const {
  if (range.empty()) return;
  // A page fault maps a whole window around it (Linux: 64 KiB): what it mapped beside the range
  // goes too.
  constexpr std::size_t kWindow = std::size_t{64} << 10;
  const auto before = static_cast<std::size_t>(range.data() - bytes_.data());
  const std::size_t begin = before - std::min(before, kWindow);
  const std::size_t end = std::min(before + range.size() + kWindow, bytes_.size());
  advise(bytes_.subspan(begin, end - begin), MADV_DONTNEED);
}

}  // namespace tessera::model
