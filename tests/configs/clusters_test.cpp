#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "jobs/settings/cluster_settings.hpp"

// Every file in configs/clusters is a sound table that says where its numbers come from.
namespace tessera::jobs {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ConfigsClusters, AreSoundAndSayWhereTheyComeFrom) {
  const auto names = cluster_names();
  EXPECT_GE(names.size(), 4U);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const ClusterSettings cluster = read_cluster(name);
    EXPECT_GT(cluster.source_text.size(), 20U);
    EXPECT_GE(cluster.core.kmeans.size(), 3U);
    EXPECT_EQ(cluster_from_text(cluster_text(cluster), "written"), cluster);
  }
}

TEST(ConfigsClusters, OneIsMeasured) {
  EXPECT_EQ(read_cluster("two_cores").source, RateSource::measured);
}

TEST(ConfigsClusters, AnUnknownNameHasANearOne) {
  EXPECT_THAT([] { read_cluster("h100_nod"); },
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("--cluster is h100_nod"), HasSubstr("Did you mean h100_node?"))));
  EXPECT_THAT([] { read_cluster("zzzzzzzz"); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("two_cores"), HasSubstr(".yaml"))));
  EXPECT_THAT([] { read_cluster("nowhere/mine.yaml"); },
              ThrowsMessage<InputError>(HasSubstr("nowhere/mine.yaml")));
}

TEST(ConfigsClusters, WrongTablesAreRefused) {
  const std::string head = "description: d\nsource: measured\nsource_text: t\nnode_memory: 1GiB\n";
  EXPECT_NO_THROW(cluster_from_text(head, "t.yaml"));
  EXPECT_THAT([&] { cluster_from_text(head + "core: {product_flops: 0}\n", "t.yaml"); },
              ThrowsMessage<InputError>(HasSubstr("core.product_flops is 0")));
  EXPECT_THAT([&] { cluster_from_text(head + "core: {kmeans: []}\n", "t.yaml"); },
              ThrowsMessage<InputError>(HasSubstr("kmeans is empty")));
  const std::string falling =
      "core: {kmeans: [{centroids: 256, vectors: 2}, {centroids: 16, vectors: 3}]}\n";
  EXPECT_THAT([&] { cluster_from_text(head + falling, "t.yaml"); },
              ThrowsMessage<InputError>(HasSubstr("sizes must rise")));
  EXPECT_THAT([] { cluster_from_text("description: d\n", "t.yaml"); },
              ThrowsMessage<InputError>(HasSubstr("source")));
}

}  // namespace
}  // namespace tessera::jobs
