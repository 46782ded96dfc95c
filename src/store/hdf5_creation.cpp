#include "store/hdf5_creation.hpp"

#include <algorithm>

#include "store/hdf5_support.hpp"

namespace tessera::store {

void forget_times(const H5::PropList& properties) {
  H5Pset_obj_track_times(properties.getId(), false);
}

std::vector<hsize_t> chunk_shape(const std::vector<hsize_t>& shape, std::size_t element_bytes) {
  std::vector<hsize_t> chunk = shape;
  hsize_t left = std::max<hsize_t>(kChunkBytes / element_bytes, 1);
  for (std::size_t d = shape.size(); d-- > 0;) {
    const hsize_t num_chunks = (shape[d] + left - 1) / left;
    chunk[d] = (shape[d] + num_chunks - 1) / num_chunks;
    left = std::max<hsize_t>(left / chunk[d], 1);
  }
  return chunk;
}

H5::DSetCreatPropList creation_of(const std::vector<hsize_t>& shape, std::size_t element_bytes) {
  constexpr std::size_t kCompactBytes = 4096;  // stored in the dataset's header, under its checksum
  const H5::DSetCreatPropList creation;
  forget_times(creation);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0U) != shape.end();
  if (shape.empty() && element_bytes <= kCompactBytes) creation.setLayout(H5D_COMPACT);
  if (!shape.empty() && !is_empty) {
    const auto chunk = chunk_shape(shape, element_bytes);
    creation.setChunk(static_cast<int>(chunk.size()), chunk.data());
    creation.setFletcher32();
  }
  return creation;
}

H5::StrType text_type(std::size_t length) {
  H5::StrType type(H5::PredType::C_S1, std::max<std::size_t>(length, 1));
  type.setCset(H5T_CSET_UTF8);
  type.setStrpad(H5T_STR_NULLPAD);
  return type;
}

}  // namespace tessera::store
