#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

/// SHA-256, so that anybody can check a manifest with sha256sum.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  Digest& add(std::span<const std::byte> bytes);
  /// Adds the length before the characters, so that ("ab", "c") differs from ("a", "bc").
  Digest& add_text(std::string_view text);
  /// 64 hexadecimal digits. Ends the digest.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest_of_bytes(std::span<const std::byte> bytes);
std::string digest_of_text(std::string_view text);
/// Reads the file in pieces. Throws InputError when it cannot be opened, MachineError when reading
/// fails.
std::string digest_of_file(const std::filesystem::path& file);

}  // namespace tessera
