#pragma once
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <H5Cpp.h>

#include "store/archive.hpp"
#include "store/hdf5_support.hpp"

namespace tessera::store {

/// The file behind a writer.
///
/// Whatever HDF5 (1.10) could not close, it closes again when the program ends, from memory it has
/// freed. So what failed is never closed here: everything is flushed first, and after a failure the
/// file and the dataset it happened in are left to the library.
struct ArchiveWriter::File {
  std::unique_lock<std::recursive_mutex> lock = lock_hdf5();  ///< until the file is closed
  std::filesystem::path path;
  hid_t id = H5I_INVALID_HID;
  H5::Group root;
  std::vector<std::string> groups;  ///< begun and not ended
  bool is_broken = false;

  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  void create();
  /// Throws H5::Exception when the last bytes cannot be written.
  void close();

  /// Runs an HDF5 call; what it throws becomes a MachineError that says what the system said.
  template <class Call>
  void guarded(const std::string& what, Call&& call) {
    errno = 0;
    try {
      call();
    } catch (const H5::Exception& error) {
      fail(what, errno, error.getDetailMsg());
    }
  }
  [[noreturn]] void fail(const std::string& what, int system_error, const std::string& detail);

  /// The full path of a new field or group; throws Bug for a name that is none, or is taken.
  std::string new_path(const std::string& name) const;

  /// Makes a dataset and calls fill(dataset), unless it has no elements.
  template <class Fill>
  void write_dataset(const std::string& full, const H5::DataType& type,
                     const std::vector<hsize_t>& shape, Fill&& fill) {
    guarded("field '" + full + "'", [&] {
      const H5::DataSet dataset = create_dataset(full, type, shape);
      try {
        if (dataset.getSpace().getSimpleExtentNpoints() > 0) fill(dataset);
        flush(dataset);
      } catch (const H5::Exception&) {
        dataset.incRefCount();
        throw;
      }
    });
  }

 private:
  H5::DataSet create_dataset(const std::string& full, const H5::DataType& type,
                             const std::vector<hsize_t>& shape) const;
  static void flush(const H5::DataSet& dataset);
};

}  // namespace tessera::store
