#include "store/hdf5_support.hpp"

#include <bit>

#include "core/error.hpp"

namespace tessera::store {

static_assert(std::endian::native == std::endian::little, "work files are read without conversion");

const H5::PredType& hdf5_type(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return H5::PredType::STD_U8LE;
    case ElementType::u16:
      return H5::PredType::STD_U16LE;
    case ElementType::u32:
      return H5::PredType::STD_U32LE;
    case ElementType::u64:
      return H5::PredType::STD_U64LE;
    case ElementType::i32:
      return H5::PredType::STD_I32LE;
    case ElementType::i64:
      return H5::PredType::STD_I64LE;
    case ElementType::f32:
      return H5::PredType::IEEE_F32LE;
    case ElementType::f64:
      return H5::PredType::IEEE_F64LE;
  }
  throw Bug("unknown element type");
}

std::string field_path(const std::vector<std::string>& groups, const std::string& name) {
  std::string path;
  for (const std::string& group : groups) path += group + "/";
  return path + name;
}

}  // namespace tessera::store
