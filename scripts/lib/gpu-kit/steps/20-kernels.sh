# title: all tests of the kernels
# limit: 120
exec athanor_test_gpu
