#include "store/hdf5_writer_file.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "store/hdf5_creation.hpp"
#include "store/hdf5_support.hpp"
#include "store/sealed_file.hpp"

namespace tessera::store {

ArchiveWriter::File::~File() {
  root = H5::Group();
  if (id >= 0 && !is_broken && H5Fflush(id, H5F_SCOPE_GLOBAL) >= 0) H5Fclose(id);
}

void ArchiveWriter::File::create() {
  const H5::FileCreatPropList creation;
  creation.setUserblock(kSealBytes);
  forget_times(creation);
  const H5::FileAccPropList access;
  access.setLibverBounds(H5F_LIBVER_V110, H5F_LIBVER_V110);  // headers with checksums of their own
  id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.getId(), access.getId());
  if (id < 0) throw H5::FileIException("create", "H5Fcreate failed");
  const hid_t group = H5Gopen2(id, "/", H5P_DEFAULT);
  if (group < 0) throw H5::GroupIException("create", "H5Gopen2 failed");
  root = H5::Group(group);
  H5Gclose(group);  // the Group holds it too
}

void ArchiveWriter::File::close() {
  if (H5Fflush(id, H5F_SCOPE_GLOBAL) < 0) throw H5::FileIException("close", "H5Fflush failed");
  root = H5::Group();
  if (H5Fclose(std::exchange(id, H5I_INVALID_HID)) < 0) {
    throw H5::FileIException("close", "H5Fclose failed");
  }
}

void ArchiveWriter::File::fail(const std::string& what, int system_error,
                               const std::string& detail) {
  is_broken = true;
  throw MachineError(fmt::format("cannot write {} to {} ({})", what, path.string(),
                                 system_error != 0 ? std::strerror(system_error) : detail));
}

std::string ArchiveWriter::File::new_path(const std::string& name) const {
  if (name.empty() || name == "." || name.find('/') != std::string::npos) {
    throw Bug(fmt::format("'{}' is no name for a field of {}", name, path.string()));
  }
  const std::string full = field_path(groups, name);
  if (H5Lexists(root.getId(), full.c_str(), H5P_DEFAULT) > 0) {
    throw Bug(fmt::format("{} has two fields '{}'", path.string(), full));
  }
  return full;
}

H5::DataSet ArchiveWriter::File::create_dataset(const std::string& full, const H5::DataType& type,
                                                const std::vector<hsize_t>& shape) const {
  const H5::DataSpace space = shape.empty()
                                  ? H5::DataSpace(H5S_SCALAR)
                                  : H5::DataSpace(static_cast<int>(shape.size()), shape.data());
  return root.createDataSet(full, type, space, creation_of(shape, type.getSize()));
}

void ArchiveWriter::File::flush(const H5::DataSet& dataset) {
  if (H5Dflush(dataset.getId()) < 0) throw H5::DataSetIException("flush", "H5Dflush failed");
}

}  // namespace tessera::store
