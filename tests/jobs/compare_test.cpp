#include "jobs/compare.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

Matrix<float> matrix(std::initializer_list<float> values) {
  Matrix<float> result(1, values.size());
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

TEST(Difference, OfNothingAndOfZeros) {
  EXPECT_EQ(difference(matrix({}), matrix({})).relative, 0);
  EXPECT_EQ(difference(matrix({0, 0}), matrix({0, 0})).relative, 0);
  EXPECT_TRUE(std::isinf(difference(matrix({0, 0}), matrix({0, 1})).relative));
}

TEST(Difference, IsRelativeToTheFirst) {
  const auto found = difference(matrix({3, 4}), matrix({3, 6}));
  EXPECT_DOUBLE_EQ(found.relative, 4.0 / 25);
  EXPECT_DOUBLE_EQ(found.largest, 2);
  EXPECT_DOUBLE_EQ(difference(matrix({3, 6}), matrix({3, 4})).relative, 4.0 / 45);
}

class CompareTest : public testing::Test {
 protected:
  CompareTest() {
    test::write_tiny_model(model());
    test::pack_tiny_model(model(), packed());
  }
  fs::path model() const { return folder_ / "model"; }
  fs::path packed() const { return folder_ / "packed"; }
  test::TemporaryFolder folder_;
};

TEST_F(CompareTest, ModelsOfAnotherShapeAreRefusedByEveryKey) {
  const fs::path other = folder_ / "other";
  std::string config = test::tiny_config_json();
  config.replace(config.find("\"vocab_size\": 33"), 16, "\"vocab_size\": 34");
  config.replace(config.find("\"intermediate_size\": 52"), 23, "\"intermediate_size\": 48");
  fs::create_directories(other);
  write_file_atomically(other / "config.json", config);
  fs::copy_file(model() / "model.safetensors", other / "model.safetensors");
  EXPECT_THAT([&] { compare(model(), other); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("vocabulary is 33 and 34"),
                                              HasSubstr("intermediate_size is 52 and 48"))));
  EXPECT_THROW(compare(model(), folder_ / "nowhere"), InputError);
}

TEST_F(CompareTest, AModelEqualsItsCopyAndADifferentByteIsSeen) {
  const fs::path copy = folder_ / "copy";
  fs::copy(packed(), copy, fs::copy_options::recursive);
  const Comparison same = compare(packed(), copy);
  EXPECT_TRUE(same.has_equal_files);
  EXPECT_EQ(same.layers.size(), 7u);
  EXPECT_EQ(same.worst().difference.relative, 0);
  EXPECT_EQ(same.worst().difference.largest, 0);

  test::pack_tiny_model(model(), copy, [](const std::string&, test::RandomLayer& layer) {
    layer.num_res_centroids = 256;
  });
  EXPECT_FALSE(compare(packed(), copy).has_equal_files);
}

TEST_F(CompareTest, APackedModelAgainstItsOriginalLayerByLayer) {
  const Comparison found = compare(model(), packed());
  EXPECT_FALSE(found.has_equal_files);
  EXPECT_FALSE(found.bits_of_a);
  ASSERT_TRUE(found.bits_of_b);
  const auto plain = format::open_weights(model()), read_back = format::open_weights(packed());
  for (const LayerComparison& layer : found.layers) {
    EXPECT_FALSE(layer.bits_of_a) << layer.name;
    EXPECT_GT(layer.bits_of_b.value(), 0) << layer.name;
    const auto count = plain->info(layer.name + ".weight").count();
    std::vector<float> a(count), b(count);
    plain->read(layer.name + ".weight", a);
    read_back->read(layer.name + ".weight", b);
    double apart = 0, size = 0;
    for (std::size_t i = 0; i < count; ++i) {
      apart += std::pow(static_cast<double>(a[i]) - b[i], 2);
      size += std::pow(static_cast<double>(a[i]), 2);
    }
    EXPECT_DOUBLE_EQ(layer.difference.relative, apart / size) << layer.name;
    EXPECT_LE(layer.difference.relative, found.worst().difference.relative);
  }
}

TEST_F(CompareTest, TheDocumentNamesTheWorstLayer) {
  const Comparison found = compare(model(), packed());
  const JsonValue document = to_json(found);
  EXPECT_EQ(document.at("worst_layer").text(), found.worst().name);
  EXPECT_FALSE(document.at("equal_files").boolean());
  EXPECT_TRUE(document.at("bits_per_weight_a").is_null());
  EXPECT_EQ(document.at("layers").items().size(), 7u);
}

}  // namespace
}  // namespace tessera::jobs
