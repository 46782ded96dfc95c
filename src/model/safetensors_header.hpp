#pragma once
#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "model/tensor_source.hpp"

// The safetensors format: 8 bytes with the header's length (little-endian), the header (one JSON
// object: name -> dtype, shape, data_offsets; "__metadata__" -> texts), then the tensors' bytes
// without holes.
namespace tessera::model {

/// Where one tensor lies.
struct SafetensorsEntry {
  TensorInfo info;
  std::size_t offset = 0;  ///< from the start of the file
  std::size_t bytes = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry, std::less<>> entries;
  /// Tensors of a type this program does not know (F8_E4M3, U32, ...), with that type's name. Their
  /// bytes are accounted for like all others; nobody can read them.
  std::map<std::string, std::string, std::less<>> unreadable;
  std::map<std::string, std::string> metadata;
};

/// Limits that no real file reaches; they bound what a hostile header can make this program
/// allocate.
inline constexpr std::size_t kMaxHeaderBytes =
    100'000'000;  ///< the safetensors library's own limit
inline constexpr std::size_t kMaxTensorsPerFile = 1'000'000;
inline constexpr std::size_t kMaxDimensions = 16;

/// Reads the header of a safetensors file that lies in memory as @p file, and checks it completely:
/// lengths against the file's size, shapes against offsets, every byte of data owned by exactly one
/// tensor. Throws InputError with @p origin (the file's name), tensor and offset.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& origin);

}  // namespace tessera::model
