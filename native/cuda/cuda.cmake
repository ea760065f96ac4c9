# Adds the library athanor_no_cuda, which refuses the device, and athanor_cuda, the kernels of native/cuda for the GPU,
# where those are built. cuda_backends lists what there is; cuda_backend is the one for the addon.
#
# ATHANOR_CUDA: `auto` compiles for the GPU where nvcc 12.4 or later is, `on` fails without it, `off` never does.
set(ATHANOR_CUDA "auto" CACHE STRING "CUDA kernels: auto, on or off")
set_property(CACHE ATHANOR_CUDA PROPERTY STRINGS auto on off)
set(cuda_folder ${CMAKE_CURRENT_LIST_DIR})
set(cuda_minimum 12.4)

# nvcc from the environment, the PATH or where installers put it; empty where there is none that will do.
function(find_cuda_compiler result)
  find_program(ATHANOR_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin
    PATHS /usr/local/cuda /opt/cuda)
  set(${result} "" PARENT_SCOPE)
  set(why "nvcc was not found")
  if(ATHANOR_NVCC)
    execute_process(COMMAND ${ATHANOR_NVCC} --version OUTPUT_VARIABLE text)
    string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" found "${text}")
    if(CMAKE_MATCH_1 VERSION_GREATER_EQUAL cuda_minimum)
      set(${result} ${ATHANOR_NVCC} PARENT_SCOPE)
      return()
    endif()
    set(why "${ATHANOR_NVCC} is version ${CMAKE_MATCH_1} and ${cuda_minimum} is needed")
  endif()
  if(ATHANOR_CUDA STREQUAL "on")
    message(FATAL_ERROR "ATHANOR_CUDA=on: ${why}; put nvcc on the PATH or set CUDA_HOME")
  endif()
  message(STATUS "CUDA kernels: none, ${why}")
endfunction()

# Adds to `targets` a stub of what the contract `header` declares as TABLE and ACCESSOR.
function(add_cuda_stub header table accessor targets)
  set(source ${CMAKE_BINARY_DIR}/no_cuda/${accessor}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[// Written by native/cuda/cuda.cmake.
#include "@header@"

namespace athanor::cuda {
const @table@& @accessor@() { fail_no_backend("@table@"); }
}
]])
  foreach(target IN LISTS targets)
    target_sources(${target} PRIVATE ${source})
  endforeach()
endfunction()

set(cuda_compiler "")
set(cuda_major 13)
if(ATHANOR_CUDA MATCHES "^(auto|on)$" AND (ATHANOR_PARTS STREQUAL "all" OR "cuda" IN_LIST ATHANOR_PARTS))
  find_cuda_compiler(cuda_compiler)
endif()
if(cuda_compiler)
  set(CMAKE_CUDA_COMPILER ${cuda_compiler})
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # a CMake older than this nvcc
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  find_package(CUDAToolkit REQUIRED)
  file(GLOB runtime_sources CONFIGURE_DEPENDS ${cuda_folder}/runtime/*.cu)
  set(cuda_major ${CUDAToolkit_VERSION_MAJOR})
  set(has_cuda ON)
else()
  set(has_cuda OFF)
endif()

set(cuda_backends athanor_no_cuda)
set(cuda_backend athanor_no_cuda)
add_library(athanor_no_cuda OBJECT ${CMAKE_SOURCE_DIR}/native/no_cuda/backend.cpp)
if(has_cuda)
  list(APPEND cuda_backends athanor_cuda)
  set(cuda_backend athanor_cuda)
  add_library(athanor_cuda OBJECT ${cuda_folder}/backend.cpp ${cuda_folder}/graph.cpp ${runtime_sources})
endif()
foreach(backend IN LISTS cuda_backends)
  target_include_directories(${backend} PRIVATE ${CMAKE_SOURCE_DIR}/native)
  target_compile_options(${backend} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror=missing-field-initializers>)
endforeach()

# A family is a header in native/kernels; its kernels are <family>.cu in native/cuda or in a folder of it. Folders
# that hold no kernels are named here.
file(GLOB family_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/kernels/*.h)
set(missing "")
file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${cuda_folder}/*.cu)
list(FILTER cuda_sources EXCLUDE REGEX /cuda/runtime/)
foreach(path IN LISTS family_headers)
  get_filename_component(family ${path} NAME_WE)
  file(STRINGS ${path} declaration REGEX "^ATHANOR_KERNEL_FAMILY\\([A-Za-z]+, [a-z_]+\\)")
  if(NOT declaration)
    continue()
  endif()
  set(kernels ${cuda_sources})
  list(FILTER kernels INCLUDE REGEX /${family}[.]cu$)
  set(without athanor_no_cuda)
  if(NOT kernels)
    list(APPEND missing ${family})
    set(without ${cuda_backends})
  endif()
  string(REGEX MATCH "\\(([A-Za-z]+), ([a-z_]+)\\)" found "${declaration}")
  add_cuda_stub(kernels/${family}.h ${CMAKE_MATCH_1} ${CMAKE_MATCH_2} "${without}")
endforeach()
set_source_files_properties(${CMAKE_SOURCE_DIR}/native/core/cuda_libraries.cpp PROPERTIES
  COMPILE_DEFINITIONS "ATHANOR_CUDA_MAJOR=${cuda_major}")
if(has_cuda)
  list(JOIN missing " " missing_text)
  set_source_files_properties(${cuda_folder}/backend.cpp PROPERTIES
    COMPILE_DEFINITIONS "ATHANOR_CUDA_MISSING=\"${missing_text}\"")
  target_sources(athanor_cuda PRIVATE ${cuda_sources})
  include(${cuda_folder}/compile_options.cmake)
  set_target_properties(athanor_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
    CUDA_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  target_compile_options(athanor_cuda PRIVATE ${athanor_cuda_options})
  target_include_directories(athanor_cuda PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(athanor_cuda PUBLIC CUDA::cudart_static)
endif()
