# athanor_test_gpu: the kernel tests on a GPU. Needs nvcc; CMAKE_CUDA_COMPILER or CUDACXX says which.
set(CMAKE_CUDA_ARCHITECTURES OFF)
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # a CMake older than this nvcc
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)
find_package(Threads REQUIRED)

file(GLOB core CONFIGURE_DEPENDS ${native}/core/*.cpp)
file(GLOB runtime CONFIGURE_DEPENDS ${native}/cuda/runtime/*.cu)
add_executable(athanor_test_gpu ${native}/test/check.cpp ${native}/cuda/backend.cpp ${native}/cuda/graph.cpp ${core} ${operations} ${runtime} ${kernels} ${kernel_tests} ${instruction_tests})
set_target_properties(athanor_test_gpu PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
target_include_directories(athanor_test_gpu PRIVATE ${native} ${CUDAToolkit_INCLUDE_DIRS})
target_compile_definitions(athanor_test_gpu PRIVATE ATHANOR_CUDA_MISSING="")
include(${native}/cuda/compile_options.cmake)
target_compile_options(athanor_test_gpu PRIVATE ${athanor_cuda_options})
target_link_libraries(athanor_test_gpu PRIVATE CUDA::cudart_static Threads::Threads ${CMAKE_DL_LIBS})
