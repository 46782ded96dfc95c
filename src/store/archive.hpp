#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/matrix.hpp"

// Work files. A type walks its fields past an archive (`template <class Archive> void archive(Archive&, T&)`, found by ADL); the
// writer stores them as HDF5 datasets and attributes, the reader fills them. One function, both directions.
namespace tessera::store {

/// Files with a content of their own, checksummed (Fletcher-32 and a digest over everything), written whole.
class ArchiveWriter {
 public:
  struct LowerTriangle {};  ///< stores rows 0..i of a square matrix only

  explicit ArchiveWriter(const std::filesystem::path& file);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  void operator()(const std::string& name, const std::uint64_t& value);
  void operator()(const std::string& name, const double& value);
  void operator()(const std::string& name, const std::string& value);
  template <class T>  // float, double, uint8, uint16, uint32, uint64, int32
  void operator()(const std::string& name, const std::vector<T>& values);
  template <class T>
  void operator()(const std::string& name, const Matrix<T>& values);
  void operator()(const std::string& name, const Matrix<double>& values, LowerTriangle);
  /// A described struct becomes a group; a vector of them, groups "name/0", "name/1", ...
  void begin_group(const std::string& name);
  void end_group();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

/// Reads what a writer wrote. A missing field, another type or size, a wrong checksum is an InputError naming file and field;
/// sizes are checked against the file's before anything is allocated.
class ArchiveReader {
 public:
  struct LowerTriangle {};

  explicit ArchiveReader(const std::filesystem::path& file);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  void operator()(const std::string& name, std::uint64_t& value);
  void operator()(const std::string& name, double& value);
  void operator()(const std::string& name, std::string& value);
  template <class T>
  void operator()(const std::string& name, std::vector<T>& values);
  template <class T>
  void operator()(const std::string& name, Matrix<T>& values);
  void operator()(const std::string& name, Matrix<double>& values, LowerTriangle);
  bool contains(const std::string& name) const;
  void begin_group(const std::string& name);
  void end_group();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

/// Identity of a work file: what it is, which version of its layout, and what it belongs to ("model", "tokens", "shard").
using Identity = std::map<std::string, std::string>;

/// Writes @p object atomically under @p file with its identity; returns the file's SHA-256.
template <class T>
std::string save(const std::filesystem::path& file, const Identity& identity, const T& object);
/// Reads it back; throws InputError when the file's identity differs from @p identity in any key, naming both values.
template <class T>
void load(const std::filesystem::path& file, const Identity& identity, T& object);

}  // namespace tessera::store
