#pragma once
#include "store/archive.hpp"

// What a field may be, and how it is stored:
//
//     bool, integer, enum         scalar dataset u64, or i64 when signed; checked to fit when read
//     float, double               scalar dataset f64
//     std::string                 scalar dataset, UTF-8 text of fixed length, without NUL
//     characters std::vector<std::string>    1-D dataset of such std::vector<number>         1-D
//     dataset Matrix<number>              2-D dataset, also where a side is 0 a described struct
//     group std::vector<struct>         group with "count" and the groups "0", "1", ...
namespace tessera::store {
namespace detail {

template <class T>
struct IsMatrix : std::false_type {};
template <class T>
struct IsMatrix<Matrix<T>> : std::true_type {};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
inline constexpr bool kIsScalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

template <class T>
using StoredScalar =
    std::conditional_t<std::is_floating_point_v<T>, double,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;

/// One function describes loading and storing, so it takes a mutable object; a writer changes
/// nothing.
template <class Archive, class T>
void walk(Archive& a, const T& object) {
  archive(a, const_cast<T&>(object));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

}  // namespace detail

template <class T>
void ArchiveWriter::operator()(const std::string& name, const T& value) {
  if constexpr (detail::kIsScalar<T>) {
    const auto stored = static_cast<detail::StoredScalar<T>>(value);
    write_array(name, element_type_of<detail::StoredScalar<T>>(), &stored, {});
  } else if constexpr (std::is_same_v<T, std::string>) {
    write_texts(name, {value}, false);
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    write_texts(name, value, true);
  } else if constexpr (detail::IsMatrix<T>::value) {
    using Element = std::remove_cvref_t<decltype(*value.data())>;
    write_array(name, element_type_of<Element>(), value.data(), {value.rows(), value.cols()});
  } else if constexpr (detail::IsVector<T>::value) {
    using Element = typename T::value_type;
    if constexpr (std::is_arithmetic_v<Element>) {
      write_array(name, element_type_of<Element>(), value.data(), {value.size()});
    } else {
      begin_group(name);
      (*this)("count", std::uint64_t{value.size()});
      for (std::size_t i = 0; i < value.size(); ++i) (*this)(std::to_string(i), value[i]);
      end_group();
    }
  } else {
    begin_group(name);
    detail::walk(*this, value);
    end_group();
  }
}

template <class T>
void ArchiveReader::operator()(const std::string& name, T& value) {
  if constexpr (detail::kIsScalar<T>) {
    detail::StoredScalar<T> stored{};
    shape_of(name, element_type_of<detail::StoredScalar<T>>(), 0);
    read_array(name, element_type_of<detail::StoredScalar<T>>(), &stored);
    value = static_cast<T>(stored);
    if (!std::is_floating_point_v<T> && static_cast<detail::StoredScalar<T>>(value) != stored) {
      refuse(name, "is " + std::to_string(stored) + " (too large for what it is read into)");
    }
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = read_texts(name, false).front();
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    value = read_texts(name, true);
  } else if constexpr (detail::IsMatrix<T>::value) {
    using Element = std::remove_cvref_t<decltype(*value.data())>;
    const auto shape = shape_of(name, element_type_of<Element>(), 2);
    value = T(shape[0], shape[1]);
    read_array(name, element_type_of<Element>(), value.data());
  } else if constexpr (detail::IsVector<T>::value) {
    using Element = typename T::value_type;
    if constexpr (std::is_arithmetic_v<Element>) {
      value.resize(shape_of(name, element_type_of<Element>(), 1)[0]);
      read_array(name, element_type_of<Element>(), value.data());
    } else {
      std::uint64_t count = 0;
      begin_group(name);
      (*this)("count", count);
      value.clear();  // grows as groups are found, so a lying count allocates nothing
      for (std::uint64_t i = 0; i < count; ++i) (*this)(std::to_string(i), value.emplace_back());
      end_group();
    }
  } else {
    begin_group(name);
    archive(*this, value);
    end_group();
  }
}

template <class T>
std::string save(const std::filesystem::path& file, const Identity& identity, const T& object) {
  std::string digest;
  write_atomically(file, [&](const std::filesystem::path& temporary) {
    ArchiveWriter writer(temporary, identity);
    detail::walk(writer, object);
    digest = writer.close();
  });
  return digest;
}

template <class T>
void load(const std::filesystem::path& file, const Identity& identity, T& object) {
  ArchiveReader reader(file);
  require_identity(file, reader.identity(), identity);
  archive(reader, object);
}

}  // namespace tessera::store
