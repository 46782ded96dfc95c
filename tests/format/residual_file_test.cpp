#include "format/residual_file.hpp"

#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/format/residual_file_fixture.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using test::random_residual;
using test::Residuals;
using test::write_residuals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kUp = "model.layers.0.mlp.up_proj", kDown = "model.layers.0.mlp.down_proj";

struct Shape {
  std::uint64_t outputs, inputs, bits;
};
class ResidualShapes : public ResidualFileTest, public testing::WithParamInterface<Shape> {};

TEST_P(ResidualShapes, ReadBackAsTheyWereWritten) {
  const auto [outputs, inputs, bits] = GetParam();
  Residuals residuals;
  residuals["b"] = random_residual(outputs, inputs, bits, 1);
  residuals["a.b"] = random_residual(2 * outputs, 1, bits, 2);
  write_residuals(folder_.path(), residuals, test::residual_info(bits));
  const ResidualFile file(folder_.path());
  EXPECT_EQ(file.info(), test::residual_info(bits));
  EXPECT_THAT(file.layers(), ElementsAre("a.b", "b"));
  for (const auto& [layer, wanted] : residuals) test::expect_same(file.read(layer), wanted);
}

INSTANTIATE_TEST_SUITE_P(AwkwardShapes, ResidualShapes,
                         testing::Values(Shape{16, 1, 2}, Shape{48, 7, 2}, Shape{32, 1, 3},
                                         Shape{96, 33, 3}, Shape{8, 1, 4}, Shape{24, 1025, 4},
                                         Shape{4, 1, 8}, Shape{20, 9, 8}));

TEST_F(ResidualFileTest, OpensByFolderFileAndIndex) {
  Residuals residuals;
  residuals[kUp] = random_residual(8, 3, 4, 1);
  residuals[kDown] = random_residual(16, 5, 4, 2);
  write_residuals(folder_ / "one", residuals, test::residual_info(4));
  write_residuals(folder_ / "many", residuals, test::residual_info(4), 70);
  EXPECT_TRUE(fs::exists(folder_ / "many" / "decdec_residual-00001-of-00004.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "many" / kResidualFileName));
  for (const fs::path& path :
       {folder_ / "one", folder_ / "one" / kResidualFileName, folder_ / "many",
        folder_ / "many" / "decdec_residual.safetensors.index.json"}) {
    const ResidualFile file(path);
    EXPECT_TRUE(file.contains(kUp));
    EXPECT_FALSE(file.contains("model.layers.0.mlp"));
    EXPECT_EQ(file.sizes(kDown).out_features, 16u);
    for (const auto& [layer, wanted] : residuals) test::expect_same(file.read(layer), wanted);
  }
  // 3 channels of 4 bytes and 5 of 8; 24 scales; 8 magnitudes, norms and places.
  EXPECT_EQ(ResidualFile(folder_ / "one").num_bytes(), 3 * 4 + 5 * 8 + 24 * 2 + 8 * (4 + 2 + 4));
  EXPECT_THAT(refusal_of([&] { ResidualFile(folder_ / "one").read("lm_head"); }),
              AllOf(HasSubstr("no residual of 'lm_head'"), HasSubstr("layer's name")));
}

TEST_F(ResidualFileTest, AFileMayHaveAnotherName) {
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_.path(), residuals, test::residual_info(4));
  fs::rename(folder_ / kResidualFileName, folder_ / "mine.safetensors");
  test::expect_same(ResidualFile(folder_ / "mine.safetensors").read("a"), residuals["a"]);
}

TEST_F(ResidualFileTest, IsToldFromOtherFiles) {
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_ / "one", residuals, test::residual_info(4));
  write_residuals(folder_ / "many", residuals, test::residual_info(4), 1);
  test::write_tiny_model(folder_ / "model");
  for (const char* path : {"one", "one/decdec_residual.safetensors", "many",
                           "many/decdec_residual.safetensors.index.json"}) {
    EXPECT_TRUE(holds_residuals(folder_ / path)) << path;
  }
  for (const char* path : {"absent", "model", "model/model.safetensors", "model/config.json",
                           "many/decdec_residual-00001-of-00005.safetensors"}) {
    EXPECT_FALSE(holds_residuals(folder_ / path)) << path;
  }
}

TEST_F(ResidualFileTest, PathsThatNameNoResiduals) {
  EXPECT_THAT(refusal(folder_.path()),
              AllOf(HasSubstr("holds neither decdec_residual.safetensors nor"),
                    HasSubstr("Quantize with residual.bits")));
  EXPECT_THAT(refusal(folder_ / "absent.safetensors"), HasSubstr("does not exist"));
  write_file_atomically(folder_ / "text.txt", "x");
  EXPECT_THAT(refusal(folder_ / "text.txt"), HasSubstr("ends neither in"));
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_.path(), residuals, test::residual_info(4), 1);
  EXPECT_THAT(refusal(folder_ / "decdec_residual-00001-of-00005.safetensors"),
              HasSubstr("one of several files"));
  write_residuals(folder_.path(), residuals, test::residual_info(4));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("one of them is left over"));
  test::write_tiny_model(folder_ / "model");
  EXPECT_THAT(refusal(folder_ / "model" / "model.safetensors"),
              HasSubstr("the header has no residual_version"));
}

/// Residuals beside the weights they belong to.
class ResidualsOfABase : public ResidualFileTest {
 protected:
  ResidualsOfABase() {
    test::write_tiny_model(base());
    config_ = model::read_model_config(base());
    info_.base_digest = base_digest_of(base());
  }
  fs::path base() const { return folder_ / "base"; }

  std::string refusal_for(const std::string& layer, std::uint64_t outputs, std::uint64_t inputs) {
    Residuals residuals;
    residuals[layer] = random_residual(outputs, inputs, 4);
    write_residuals(folder_ / "residuals", residuals, info_);
    return refusal_of([&] { ResidualFile(folder_ / "residuals").require_base(base(), config_); });
  }

  model::ModelConfig config_;
  ResidualInfo info_ = test::residual_info(4);
};

TEST_F(ResidualsOfABase, FitTheLayersThere) {
  EXPECT_EQ(refusal_for("model.layers.0.mlp.down_proj", 40, 52), "");
}

TEST_F(ResidualsOfABase, AnotherBaseIsRefusedWithBothDigests) {
  info_.base_digest = "0123456789abcdef" + std::string(48, '0');
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 40, 52),
              AllOf(HasSubstr("begins with 0123456789ab,"),
                    HasSubstr("begins with " + base_digest_of(base()).substr(0, 12) + " "),
                    HasSubstr("the folder it was made with")));
}

TEST_F(ResidualsOfABase, LayersOfOtherNamesAndShapesAreRefused) {
  EXPECT_THAT(refusal_for("model.layers.1.mlp.down_proj", 40, 52), HasSubstr("no linear layer"));
  EXPECT_THAT(refusal_for("lm_head", 40, 40), HasSubstr("'lm_head', which is no linear layer"));
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 40, 51),
              HasSubstr("that is [40, 51], but the layer in"));
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 48, 52), HasSubstr("is [40, 52]"));
}

}  // namespace
}  // namespace tessera::format
