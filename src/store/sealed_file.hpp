#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

// The seal: the first 512 bytes of a work file (HDF5's user block, which its tools skip) say how
// long the file is and what SHA-256 the rest has. It is checked before anything else is read, so a
// torn or damaged file never reaches a parser.
//
//     tessera work file 1
//     bytes 00000000000012345678
//     sha256 <64 hexadecimal digits>
//     (zeros up to 512)
namespace tessera::store {

inline constexpr std::size_t kSealBytes = 512;

/// Fills in the seal of a complete file whose first kSealBytes are free; returns the SHA-256 of
/// what follows the seal, which stands for the file. Throws MachineError when it cannot be read or
/// written.
std::string seal(const std::filesystem::path& file);

/// Throws InputError naming the file and what is wrong: absent, no work file, another version,
/// shorter or longer than it was, or damaged. Returns the digest that stands for the file.
std::string require_sealed(const std::filesystem::path& file);

}  // namespace tessera::store
