#include "solver/vptq/column_layout.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "tests/solver/solver_fixtures.hpp"

namespace tessera::solver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<double> kImportance{3, 9, 1, 9, 5};

TEST(ColumnLayout, OneColumn) {
  const auto layout = lay_out_columns(64, std::vector<double>{2.0}, small_settings(4, 16));
  EXPECT_THAT(layout.perm, ElementsAre(0));
  ASSERT_EQ(layout.segments.size(), 1);
  EXPECT_EQ(layout.segments[0].size(), 1);
}

TEST(ColumnLayout, OrdersByImportanceAndTiesByColumn) {
  const auto layout = lay_out_columns(64, kImportance, small_settings(4, 16));
  EXPECT_THAT(layout.perm, ElementsAre(1, 3, 4, 0, 2));
}

TEST(ColumnLayout, KeepsTheNaturalOrderWhenAsked) {
  auto settings = small_settings(4, 16);
  settings.permute = false;
  EXPECT_THAT(lay_out_columns(64, kImportance, settings).perm, ElementsAre(0, 1, 2, 3, 4));
}

TEST(ColumnLayout, OutliersTakeWhatDoesNotFillTheGroups) {
  auto settings = small_settings(4, 16);
  settings.outlier_percent = 1;  // of 5 columns: one
  settings.num_groups = 3;       // 4 columns left, 3 groups: one more becomes an outlier
  settings.num_outlier_centroids = 16;
  const auto layout = lay_out_columns(64, kImportance, settings);
  EXPECT_EQ(layout.outlier_size, 2);
  EXPECT_EQ(layout.group_size, 1);
  ASSERT_EQ(layout.segments.size(), 4);
  EXPECT_TRUE(layout.segments[0].is_outlier);
  EXPECT_EQ(layout.segments[3].end, 5);
}

TEST(ColumnLayout, UnequalGroupsAreRefusedWithTheNumbers) {
  auto settings = small_settings(4, 16);
  settings.num_groups = 2;
  try {
    lay_out_columns(64, kImportance, settings);
    FAIL() << "5 columns were cut into 2 groups";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("num_groups is 2 but the layer has 5 columns"));
  }
}

TEST(ColumnLayout, CodebooksShrinkToTheVectorsThereAre) {
  const auto layout = lay_out_columns(8, kImportance, small_settings(4, 256, 64));  // 2 x 5 vectors
  EXPECT_EQ(layout.segments[0].num_centroids, 8);
  EXPECT_EQ(layout.segments[0].num_res_centroids, 8);
  ASSERT_EQ(layout.remarks.size(), 2);
  EXPECT_THAT(layout.remarks[0], HasSubstr("num_centroids reduced from 256 to 8"));
}

}  // namespace
}  // namespace tessera::solver
