#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <H5Cpp.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "store/archive.hpp"
#include "store/hdf5_support.hpp"

namespace tessera::store {

/// The open file behind a reader, and the checks that come before anything of it is believed.
struct ArchiveReader::File {
  std::unique_lock<std::recursive_mutex> lock = lock_hdf5();  ///< until the file is closed
  std::filesystem::path path;
  std::uint64_t bytes = 0;
  H5::H5File file;
  std::vector<std::string> groups;  ///< begun and not ended

  [[noreturn]] void refuse_field(const std::string& full, const std::string& problem) const;

  /// Runs an HDF5 call; what it throws becomes an InputError naming file and field.
  template <class Call>
  auto guarded(const std::string& full, Call&& call) const {
    try {
      return call();
    } catch (const H5::Exception& error) {
      refuse_field(full, fmt::format("cannot be read ({})", error.getDetailMsg()));
    }
  }

  /// Whether the path exists and every link of it is a link of its own, as the writer makes them:
  /// soft and external links could lead anywhere.
  bool has(const std::string& full) const;

  /// A dataset as the writer makes them: nothing compressed, nothing that lies in another file.
  H5::DataSet open(const std::string& full) const;

  /// Shape of a dataset whose content cannot be larger than the file; so whoever allocates it is
  /// safe.
  std::vector<hsize_t> checked_shape(const std::string& full, const H5::DataSet& dataset,
                                     std::uint64_t element_bytes, std::size_t rank) const;
};

}  // namespace tessera::store
