#include "store/sealed_file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::store {
namespace {

constexpr std::string_view kMagic = "tessera work file ";
constexpr std::string_view kFirstLine = "tessera work file 1\n";
constexpr std::string_view kAdvice = "Delete or rename it; it will be made again.";
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

std::string seal_text(std::uint64_t bytes, const std::string& sha256) {
  std::string text = fmt::format("{}bytes {:020}\nsha256 {}\n", kFirstLine, bytes, sha256);
  text.resize(kSealBytes, '\0');
  return text;
}

/// The length that a seal states, without leading zeros; whatever stands there when it is damaged.
std::string written_bytes(std::string_view start) {
  const std::string digits(start.substr(kFirstLine.size() + std::strlen("bytes "), 20));
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

/// Adds what is left of @p in to @p digest; returns how many bytes that was.
std::uint64_t add_rest(std::istream& in, Digest& digest) {
  std::vector<char> piece(kPieceBytes);
  std::uint64_t total = 0;
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    const auto count = static_cast<std::size_t>(in.gcount());
    digest.add(std::as_bytes(std::span(piece.data(), count)));
    total += count;
  }
  return total;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& problem) {
  throw InputError(fmt::format("{}: {}. {}", file.string(), problem, kAdvice));
}

}  // namespace

std::string seal(const fs::path& file) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  if (!stream) throw MachineError::from_errno("cannot open " + file.string());
  stream.seekg(kSealBytes);
  Digest rest;
  const std::uint64_t bytes = kSealBytes + add_rest(stream, rest);
  if (stream.bad()) throw MachineError::from_errno("cannot read back " + file.string());
  stream.clear();
  const std::string digest = rest.hex();
  const std::string text = seal_text(bytes, digest);
  stream.seekp(0);
  stream.write(text.data(), kSealBytes);
  stream.flush();
  if (!stream) {
    throw MachineError::from_errno(
        fmt::format("cannot write {} bytes to {}", kSealBytes, file.string()));
  }
  return digest;
}

std::string require_sealed(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code failure;
  const std::uint64_t bytes = fs::file_size(file, failure);
  if (!in || failure) {
    throw InputError(
        fmt::format("cannot open {} (it does not exist or may not be read)", file.string()));
  }
  std::array<char, kSealBytes> found{};
  in.read(found.data(), kSealBytes);
  const std::string_view start(found.data(), static_cast<std::size_t>(in.gcount()));
  if (!start.starts_with(kMagic)) refuse(file, "no work file of this program (no seal)");
  if (!start.starts_with(kFirstLine)) {
    refuse(file, "a work file of another version of this program");
  }
  if (start.size() < kSealBytes) refuse(file, fmt::format("cut off after {} bytes", bytes));

  if (const auto written = written_bytes(start); written != std::to_string(bytes)) {
    refuse(file, fmt::format("{} bytes long (its seal says {})", bytes, written));
  }
  Digest rest;
  add_rest(in, rest);
  if (in.bad()) throw MachineError::from_errno("cannot read " + file.string());
  std::string digest = rest.hex();
  if (start != seal_text(bytes, digest)) {
    refuse(file, "damaged (its content has another SHA-256 than its seal says)");
  }
  return digest;
}

}  // namespace tessera::store
