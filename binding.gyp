{
  # Delegates to CMake, so that node-gyp users build from the one source list in CMakeLists.txt.
  "targets": [{
    "target_name": "athanor",
    "type": "none",
    "actions": [{
      "action_name": "cmake",
      "inputs": ["CMakeLists.txt", "<!@(node scripts/cmake-from-gyp.cjs --list)"],
      "outputs": ["<(PRODUCT_DIR)/athanor.node"],
      "action": ["node", "<(module_root_dir)/scripts/cmake-from-gyp.cjs", "<(PRODUCT_DIR)/athanor.node"]
    }]
  }]
}
