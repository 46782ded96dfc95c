#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace tessera::model {

/// A regular file's bytes, mapped for reading.
///
/// Pages once read count as this process's memory until they are released; whoever reads a large
/// range releases it, so that a model's weights pass through memory without staying there.
class MappedFile {
 public:
  /// Throws InputError when the file cannot be opened or is not a regular file, MachineError when
  /// it cannot be mapped.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// Says that @p range will be read soon: the system may fetch it ahead.
  void will_read(std::span<const std::byte> range) const;
  /// Says that @p range has been read. It stays readable; reading it again fetches it again.
  void release(std::span<const std::byte> range) const;

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace tessera::model
