#pragma once
#include <cstddef>
#include <vector>

#include <H5Cpp.h>

// How the writer's datasets are laid out.
namespace tessera::store {

/// Time stamps would make two saves of the same content differ.
void forget_times(const H5::PropList& properties);

/// Whole rows, at most kChunkBytes; a longer row is cut. Chunks are stored whole, so they are made
/// equally large: a last one that is nearly empty would waste its room.
std::vector<hsize_t> chunk_shape(const std::vector<hsize_t>& shape, std::size_t element_bytes);

/// Chunks with checksums; scalars in the dataset's header; arrays without elements as nothing but
/// their shape.
H5::DSetCreatPropList creation_of(const std::vector<hsize_t>& shape, std::size_t element_bytes);

/// UTF-8 text of fixed length, at least 1, filled up with NULs.
H5::StrType text_type(std::size_t length);

}  // namespace tessera::store
