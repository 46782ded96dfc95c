#include "store/hdf5_reader_file.hpp"

#include <limits>

namespace tessera::store {
namespace {

/// Product of the sides, or nullopt-like maximum when it does not fit.
std::uint64_t saturated_product(const std::vector<hsize_t>& shape, std::uint64_t element_bytes) {
  std::uint64_t product = element_bytes;
  for (const hsize_t side : shape) {
    if (side != 0 && product > std::numeric_limits<std::uint64_t>::max() / side) {
      return std::numeric_limits<std::uint64_t>::max();
    }
    product *= side;
  }
  return product;
}

std::vector<hsize_t> shape_of_space(const H5::DataSpace& space) {
  std::vector<hsize_t> shape(static_cast<std::size_t>(space.getSimpleExtentNdims()));
  if (!shape.empty()) space.getSimpleExtentDims(shape.data());
  return shape;
}

/// A dataset as the writer makes them: nothing compressed, nothing that lies in another file.
bool has_known_storage(const H5::DataSet& dataset) {
  const H5::DSetCreatPropList creation = dataset.getCreatePlist();
  if (creation.getLayout() == H5D_VIRTUAL || creation.getExternalCount() != 0) return false;
  for (int i = 0; i < creation.getNfilters(); ++i) {
    unsigned flags = 0;
    std::size_t num_values = 0;
    unsigned config = 0;
    char name[1] = {};
    if (creation.getFilter(i, flags, num_values, nullptr, 0, name, config) !=
        H5Z_FILTER_FLETCHER32) {
      return false;
    }
  }
  return true;
}

}  // namespace

void ArchiveReader::File::refuse_field(const std::string& full, const std::string& problem) const {
  throw InputError(
      fmt::format("{}: field '{}' {}. The file is of another version, or not what it is taken for.",
                  path.string(), full, problem));
}

bool ArchiveReader::File::has(const std::string& full) const {
  for (std::size_t slash = full.find('/');; slash = full.find('/', slash + 1)) {
    const std::string part = full.substr(0, slash);
    H5L_info_t info{};
    if (H5Lexists(file.getId(), part.c_str(), H5P_DEFAULT) <= 0 ||
        H5Lget_info(file.getId(), part.c_str(), &info, H5P_DEFAULT) < 0 ||
        info.type != H5L_TYPE_HARD) {
      return false;
    }
    if (slash == std::string::npos) return true;
  }
}

H5::DataSet ArchiveReader::File::open(const std::string& full) const {
  if (!has(full)) refuse_field(full, "is missing");
  if (file.childObjType(full) != H5O_TYPE_DATASET)
    refuse_field(full, "is a group (a value is expected)");
  H5::DataSet dataset = file.openDataSet(full);
  if (!has_known_storage(dataset))
    refuse_field(full, "is stored in a way this program does not write");
  return dataset;
}

std::vector<hsize_t> ArchiveReader::File::checked_shape(const std::string& full,
                                                        const H5::DataSet& dataset,
                                                        std::uint64_t element_bytes,
                                                        std::size_t rank) const {
  const H5::DataSpace space = dataset.getSpace();
  if (space.getSimpleExtentType() == H5S_NULL) refuse_field(full, "has no value");
  const auto shape = shape_of_space(space);
  if (shape.size() != rank) {
    refuse_field(full, fmt::format("has {} dimensions ({} are expected)", shape.size(), rank));
  }
  if (const auto wanted = saturated_product(shape, element_bytes); wanted > bytes) {
    refuse_field(full, fmt::format("claims {} bytes (the file has {})", wanted, bytes));
  }
  return shape;
}

}  // namespace tessera::store
