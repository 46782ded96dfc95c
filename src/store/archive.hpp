#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/atomic_file.hpp"
#include "core/matrix.hpp"
#include "store/element_type.hpp"

// Work files. A type walks its fields past an archive (`template <class Archive> void
// archive(Archive&, T&)`, found by ADL); the writer stores them, the reader fills them. One
// function, both directions. See archive_fields.hpp for what a field may be.
//
// A file is HDF5 behind a seal (sealed_file.hpp). Every field is a dataset, arrays with a
// Fletcher-32 checksum; a described struct is a group; the identity stands in the root's
// attributes. No compression, no time stamps: the same content gives the same bytes. One file is
// open at a time in a process: a second thread waits.
namespace tessera::store {

/// What a work file is ("kind"), the version of its layout ("version"), and what it belongs to
/// ("model", "tokens", ...).
using Identity = std::map<std::string, std::string>;

/// Writes fields, in the order of the calls. Throws MachineError when the machine refuses (disk
/// full), Bug for a name used twice. Use save() for a file that appears whole.
class ArchiveWriter {
 public:
  struct LowerTriangle {
  };  ///< stores rows 0..i of a square matrix only; reading leaves zeros above
  static constexpr bool kIsReader = false;

  ArchiveWriter(const std::filesystem::path& file, const Identity& identity);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  template <class T>
  void operator()(const std::string& name, const T& value);
  void operator()(const std::string& name, const Matrix<double>& values, LowerTriangle);

  /// Fields between the two belong to group @p name.
  void begin_group(const std::string& name);
  void end_group();

  /// Ends and seals the file; returns the SHA-256 that stands for it (sealed_file.hpp). Without it
  /// the file is no work file.
  std::string close();

 private:
  void write_array(const std::string& name, ElementType type, const void* values,
                   const std::vector<std::size_t>& shape);
  void write_texts(const std::string& name, const std::vector<std::string>& texts, bool is_list);

  struct File;
  std::unique_ptr<File> file_;
};

/// Reads what a writer wrote, in any order, all of it or part. A missing field, another type or
/// shape, a damaged file is an InputError naming file and field; sizes are checked against the
/// file's before anything is allocated.
class ArchiveReader {
 public:
  struct LowerTriangle {};
  static constexpr bool kIsReader = true;

  explicit ArchiveReader(const std::filesystem::path& file);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  Identity identity() const;

  template <class T>
  void operator()(const std::string& name, T& value);
  void operator()(const std::string& name, Matrix<double>& values, LowerTriangle);

  /// Whether the current group has a field or group of this name.
  bool contains(const std::string& name) const;
  void begin_group(const std::string& name);
  void end_group();

 private:
  /// Shape of an array of @p rank dimensions and this type, checked against the file's length.
  std::vector<std::size_t> shape_of(const std::string& name, ElementType type,
                                    std::size_t rank) const;
  void read_array(const std::string& name, ElementType type, void* values) const;
  std::vector<std::string> read_texts(const std::string& name, bool is_list) const;
  [[noreturn]] void refuse(const std::string& name, const std::string& problem) const;

  struct File;
  std::unique_ptr<File> file_;
};

/// Throws InputError when @p found lacks a key of @p wanted or has another value there, naming both
/// values.
void require_identity(const std::filesystem::path& file, const Identity& found,
                      const Identity& wanted);

/// Writes @p object atomically under @p file with its identity; returns the SHA-256 that stands for
/// it (sealed_file.hpp).
template <class T>
std::string save(const std::filesystem::path& file, const Identity& identity, const T& object);

/// Reads it back; throws InputError when the file's identity differs from @p identity in any of its
/// keys, naming both values (keys that only the file has are not looked at).
template <class T>
void load(const std::filesystem::path& file, const Identity& identity, T& object);

}  // namespace tessera::store

#include "store/archive_fields.hpp"
