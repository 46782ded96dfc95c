#include "model/safetensors_header_json.hpp"

#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_header.hpp"

namespace tessera::model {
namespace {

/// Receives the parser's events and knows what may come where.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& origin) : origin_(origin) {}

  HeaderJson take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::file;
    } else if (place_ == Place::file && name_ == "__metadata__") {
      place_ = Place::metadata;
    } else if (place_ == Place::file) {
      place_ = Place::tensor;
      keys_.clear();
      header_.tensors.emplace_back().name = name_;
    } else {
      refuse("an object");
    }
    return true;
  }

  bool key(string_t& key) override {
    if (place_ == Place::file) {
      name_ = key;
      if (!names_.insert(key).second) fail("has this name twice");
      if (names_.size() > kMaxTensorsPerFile) {
        fail(fmt::format("is one too many (at most {} are allowed)", kMaxTensorsPerFile));
      }
      return true;
    }
    key_ = key;
    if (!keys_.insert(key).second) fail("has the key " + quote_name(key) + " twice");
    if (place_ == Place::tensor && key != "dtype" && key != "shape" && key != "data_offsets") {
      fail("has a key " + quote_name(key) +
           " (dtype, shape and data_offsets are the format's keys)");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      for (const char* needed : {"dtype", "shape", "data_offsets"}) {
        if (!keys_.contains(needed)) fail(fmt::format("has no {}", needed));
      }
    }
    place_ = place_ == Place::file ? Place::outside : Place::file;
    keys_.clear();
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || key_ == "dtype") refuse("a list");
    place_ = key_ == "shape" ? Place::shape : Place::offsets;
    num_offsets_ = 0;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && num_offsets_ != 2) refuse_offsets();
    place_ = Place::tensor;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    HeaderTensor* tensor = header_.tensors.empty() ? nullptr : &header_.tensors.back();
    if (place_ == Place::shape) {
      if (tensor->shape.size() == kMaxDimensions) {
        fail(fmt::format("has more than {} dimensions", kMaxDimensions));
      }
      tensor->shape.push_back(value);
    } else if (place_ == Place::offsets) {
      if (num_offsets_ == 2) refuse_offsets();
      tensor->offsets[num_offsets_++] = value;
    } else {
      refuse(std::to_string(value));
    }
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      header_.metadata.emplace(key_, std::move(text));
    } else if (place_ == Place::tensor && key_ == "dtype") {
      header_.tensors.back().dtype = std::move(text);
    } else {
      refuse(quote_name(text));
    }
    return true;
  }

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return refuse(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return refuse(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override {
    return refuse(quote_name(text));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    // Offsets count from the file's start; the parser's positions from 1.
    throw InputError(
        fmt::format("{}: the header is not valid JSON at offset {} (the file is damaged "
                    "or is no safetensors file). Fetch it again.",
                    origin_, 8 + position - (position > 0 ? 1 : 0)));
  }

 private:
  enum class Place { outside, file, metadata, tensor, shape, offsets };

  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(fmt::format("{}: tensor {} {}", origin_, quote_name(name_), problem));
  }
  [[noreturn]] void refuse_offsets() const { fail("has data_offsets that are not two numbers"); }

  /// @p found stands where the format has something else.
  bool refuse(const std::string& found) const {
    switch (place_) {
      case Place::outside:
        throw InputError(
            fmt::format("{}: the header is {} (an object is expected)", origin_, found));
      case Place::file:
        fail(fmt::format("is {} (an object is expected)", found));
      case Place::metadata:
        throw InputError(fmt::format("{}: __metadata__ holds {} under {} (a text is expected)",
                                     origin_, found, quote_name(key_)));
      case Place::tensor:
        fail(fmt::format("has {} as its {} ({} is expected)", found, key_,
                         key_ == "dtype" ? "a text" : "a list"));
      case Place::shape:
        fail(fmt::format("has {} in its shape (whole numbers are expected)", found));
      case Place::offsets:
        fail(fmt::format("has {} in its data_offsets (whole numbers are expected)", found));
    }
    throw Bug("a place in the header that is not known");
  }

  const std::string& origin_;
  HeaderJson header_;
  std::set<std::string> names_;
  Place place_ = Place::outside;
  std::string name_;            ///< of the tensor being read
  std::string key_;             ///< inside it, or inside __metadata__
  std::set<std::string> keys_;  ///< seen there
  std::size_t num_offsets_ = 0;
};

}  // namespace

HeaderJson read_header_json(std::string_view text, const std::string& origin) {
  HeaderReader reader(origin);
  nlohmann::json::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace tessera::model
