#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "store/archive.hpp"
#include "store/hdf5_reader_file.hpp"
#include "store/hdf5_support.hpp"
#include "store/sealed_file.hpp"

namespace tessera::store {
namespace {

std::string trimmed(const char* text, std::size_t size) {
  std::string result(text, size);
  result.erase(result.find_last_not_of('\0') + 1);
  return result;
}

}  // namespace

ArchiveReader::ArchiveReader(const std::filesystem::path& file) : file_(std::make_unique<File>()) {
  silence_hdf5();
  require_sealed(file);
  file_->path = file;
  file_->bytes = std::filesystem::file_size(file);
  try {
    file_->file.openFile(file.string(), H5F_ACC_RDONLY);
  } catch (const H5::Exception& error) {
    throw InputError(
        fmt::format("{}: HDF5 cannot open it ({})", file.string(), error.getDetailMsg()));
  }
}

ArchiveReader::~ArchiveReader() = default;

Identity ArchiveReader::identity() const {
  return file_->guarded("(identity)", [&] {
    Identity identity;
    const H5::Group root = file_->file.openGroup("/");
    for (unsigned i = 0; i < static_cast<unsigned>(root.getNumAttrs()); ++i) {
      const H5::Attribute attribute = root.openAttribute(i);
      const H5::DataType type = attribute.getDataType();
      const std::string key = attribute.getName();
      if (type.getClass() != H5T_STRING || type.isVariableStr() || type.getSize() > file_->bytes ||
          attribute.getSpace().getSimpleExtentNpoints() != 1) {
        file_->refuse_field(key, "of the identity is no text");
      }
      std::string value(type.getSize(), '\0');
      attribute.read(type, value.data());
      identity[key] = trimmed(value.data(), value.size());
    }
    return identity;
  });
}

void ArchiveReader::refuse(const std::string& name, const std::string& problem) const {
  file_->refuse_field(field_path(file_->groups, name), problem);
}

bool ArchiveReader::contains(const std::string& name) const {
  const std::string full = field_path(file_->groups, name);
  return file_->guarded(full, [&] { return file_->has(full); });
}

std::vector<std::size_t> ArchiveReader::shape_of(const std::string& name, ElementType type,
                                                 std::size_t rank) const {
  const std::string full = field_path(file_->groups, name);
  return file_->guarded(full, [&] {
    const H5::DataSet dataset = file_->open(full);
    if (!(dataset.getDataType() == hdf5_type(type))) {
      file_->refuse_field(full, fmt::format("is of another type ({} is expected)", name_of(type)));
    }
    const auto shape = file_->checked_shape(full, dataset, size_of(type), rank);
    return std::vector<std::size_t>(shape.begin(), shape.end());
  });
}

void ArchiveReader::read_array(const std::string& name, ElementType type, void* values) const {
  const std::string full = field_path(file_->groups, name);
  file_->guarded(full, [&] {
    const H5::DataSet dataset = file_->open(full);
    if (dataset.getSpace().getSimpleExtentNpoints() > 0) dataset.read(values, hdf5_type(type));
  });
}

std::vector<std::string> ArchiveReader::read_texts(const std::string& name, bool is_list) const {
  const std::string full = field_path(file_->groups, name);
  return file_->guarded(full, [&] {
    const H5::DataSet dataset = file_->open(full);
    const H5::DataType type = dataset.getDataType();
    if (type.getClass() != H5T_STRING || type.isVariableStr()) {
      file_->refuse_field(full, "is of another type (text of fixed length is expected)");
    }
    const std::size_t length = type.getSize();
    const auto shape = file_->checked_shape(full, dataset, length, is_list ? 1 : 0);
    const std::size_t count = is_list ? shape[0] : 1;
    std::string padded(count * length, '\0');
    if (count > 0) dataset.read(padded.data(), type);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back(trimmed(&padded[i * length], length));
    return texts;
  });
}

void ArchiveReader::operator()(const std::string& name, Matrix<double>& values, LowerTriangle) {
  const std::size_t total = shape_of(name, ElementType::f64, 1)[0];
  std::size_t n = 0;
  while (n * (n + 1) / 2 < total) ++n;
  if (n * (n + 1) / 2 != total) {
    refuse(name,
           fmt::format("has {} values (a lower triangle of n rows has n (n + 1) / 2)", total));
  }
  const std::string full = field_path(file_->groups, name);
  values = Matrix<double>(n, n);
  file_->guarded(full, [&] {
    const H5::DataSet dataset = file_->open(full);
    const H5::DataSpace file_space = dataset.getSpace();
    std::vector<double> chunk(std::min(total, kChunkBytes / sizeof(double)));
    std::size_t row = 0;
    std::size_t column = 0;
    for (hsize_t done = 0; done < total;) {
      const hsize_t count = std::min<hsize_t>(chunk.size(), total - done);
      file_space.selectHyperslab(H5S_SELECT_SET, &count, &done);
      dataset.read(chunk.data(), hdf5_type(ElementType::f64), H5::DataSpace(1, &count), file_space);
      for (hsize_t k = 0; k < count; ++k) {
        values(row, column) = chunk[k];
        if (column++ == row) ++row, column = 0;
      }
      done += count;
    }
  });
}

void ArchiveReader::begin_group(const std::string& name) {
  const std::string full = field_path(file_->groups, name);
  file_->guarded(full, [&] {
    if (!file_->has(full)) file_->refuse_field(full, "is missing");
    if (file_->file.childObjType(full) != H5O_TYPE_GROUP) {
      file_->refuse_field(full, "is a value (a group is expected)");
    }
  });
  file_->groups.push_back(name);
}

void ArchiveReader::end_group() {
  require(!file_->groups.empty(), "end_group without begin_group");
  file_->groups.pop_back();
}

}  // namespace tessera::store
