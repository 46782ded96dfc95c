#include <algorithm>

#include "core/error.hpp"
#include "store/archive.hpp"
#include "store/hdf5_creation.hpp"
#include "store/hdf5_support.hpp"
#include "store/hdf5_writer_file.hpp"
#include "store/sealed_file.hpp"

namespace tessera::store {

ArchiveWriter::ArchiveWriter(const std::filesystem::path& file, const Identity& identity)
    : file_(std::make_unique<File>()) {
  silence_hdf5();
  file_->path = file;
  file_->guarded("a new work file", [&] {
    file_->create();
    for (const auto& [key, value] : identity) {
      const H5::StrType type = text_type(value.size());
      std::string padded = value;
      padded.resize(type.getSize(), '\0');
      file_->root.createAttribute(key, type, H5::DataSpace(H5S_SCALAR)).write(type, padded.data());
    }
  });
}

ArchiveWriter::~ArchiveWriter() = default;

void ArchiveWriter::write_array(const std::string& name, ElementType type, const void* values,
                                const std::vector<std::size_t>& shape) {
  file_->write_dataset(file_->new_path(name), hdf5_type(type), to_hsize(shape),
                       [&](const H5::DataSet& dataset) { dataset.write(values, hdf5_type(type)); });
}

void ArchiveWriter::write_texts(const std::string& name, const std::vector<std::string>& texts,
                                bool is_list) {
  std::size_t longest = 1;
  for (const std::string& text : texts) {
    require(text.find('\0') == std::string::npos, "a text of a work file has a NUL character");
    longest = std::max(longest, text.size());
  }
  std::string padded(longest * texts.size(), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i].copy(padded.data() + i * longest, longest);
  }
  const H5::StrType type = text_type(longest);
  file_->write_dataset(file_->new_path(name), type,
                       is_list ? std::vector<hsize_t>{texts.size()} : std::vector<hsize_t>{},
                       [&](const H5::DataSet& dataset) { dataset.write(padded.data(), type); });
}

void ArchiveWriter::operator()(const std::string& name, const Matrix<double>& values,
                               LowerTriangle) {
  require(values.rows() == values.cols(), "a lower triangle is of a square matrix");
  const std::size_t n = values.rows();
  const std::size_t total = n * (n + 1) / 2;
  const H5::DataType& type = hdf5_type(ElementType::f64);
  file_->write_dataset(file_->new_path(name), type, {total}, [&](const H5::DataSet& dataset) {
    // Packed and written chunk by chunk: a second copy of a large Hessian would cost too much.
    std::vector<double> chunk;
    chunk.reserve(chunk_shape({total}, sizeof(double)).front());
    const H5::DataSpace file_space = dataset.getSpace();
    hsize_t written = 0;
    const auto write_chunk = [&] {
      const hsize_t count = chunk.size();
      file_space.selectHyperslab(H5S_SELECT_SET, &count, &written);
      dataset.write(chunk.data(), type, H5::DataSpace(1, &count), file_space);
      written += count;
      chunk.clear();
    };
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        chunk.push_back(values(i, j));
        if (chunk.size() == chunk.capacity()) write_chunk();
      }
    }
    if (!chunk.empty()) write_chunk();
  });
}

void ArchiveWriter::begin_group(const std::string& name) {
  const std::string full = file_->new_path(name);
  file_->guarded("group '" + full + "'", [&] {
    const hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(creation, false);
    const hid_t group =
        H5Gcreate2(file_->root.getId(), full.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
    if (group < 0) throw H5::GroupIException("begin_group", "H5Gcreate2 failed");
    H5Gclose(group);
  });
  file_->groups.push_back(name);
}

void ArchiveWriter::end_group() {
  require(!file_->groups.empty(), "end_group without begin_group");
  file_->groups.pop_back();
}

std::string ArchiveWriter::close() {
  require(file_->groups.empty(), "a work file is closed inside a group");
  file_->guarded("its last bytes", [&] { file_->close(); });
  return seal(file_->path);
}

}  // namespace tessera::store
