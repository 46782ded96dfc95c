#pragma once
#include <mutex>
#include <string>
#include <vector>

#include <H5Cpp.h>

#include "store/element_type.hpp"

// What the HDF5 writer and reader share.
namespace tessera::store {

/// Chunks are the unit of the checksums: about this many bytes, so that a damaged place costs
/// little to find.
inline constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

/// The little-endian type of the file, which is also the memory's.
const H5::PredType& hdf5_type(ElementType type);

/// Debian's HDF5 is used by one thread at a time; whoever has a file open holds this.
inline std::unique_lock<std::recursive_mutex> lock_hdf5() {
  static std::recursive_mutex mutex;
  return std::unique_lock(mutex);
}

/// HDF5 prints its error stack unless told not to, thread by thread; messages are ours to write.
inline void silence_hdf5() {
  H5::Exception::dontPrint();
}

inline std::vector<hsize_t> to_hsize(const std::vector<std::size_t>& shape) {
  return {shape.begin(), shape.end()};
}

/// "block/q_proj/sum", for messages.
std::string field_path(const std::vector<std::string>& groups, const std::string& name);

}  // namespace tessera::store
