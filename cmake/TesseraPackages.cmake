# Every third-party package, found once; where its headers may be included stands in tests/architecture/headers.txt.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)   # only to switch libraries' own threading off
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
add_library(tessera_yaml INTERFACE)               # yaml-cpp 0.7 exports no namespaced target
target_link_libraries(tessera_yaml INTERFACE yaml-cpp)
find_package(Boost REQUIRED COMPONENTS program_options)
find_package(HDF5 REQUIRED COMPONENTS CXX)
add_library(tessera_hdf5 INTERFACE)               # Debian's HDF5 has no C++ target of its own
target_include_directories(tessera_hdf5 SYSTEM INTERFACE ${HDF5_CXX_INCLUDE_DIRS})
target_link_libraries(tessera_hdf5 INTERFACE ${HDF5_CXX_LIBRARIES})
if(TESSERA_WITH_ONEDNN)
  find_package(OneDNN REQUIRED)
endif()
if(TESSERA_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(TESSERA_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
