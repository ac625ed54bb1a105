# Manual pages and shell completions, printed by the program itself from its option tables, and the
# Debian package.  A new command's page follows from its file name.
set(pages ${PROJECT_BINARY_DIR}/pages)
set(page_files ${pages}/onnxpert.1)
set(page_commands COMMAND onnxpert manual > ${pages}/onnxpert.1)
foreach(file ${command_files})
  get_filename_component(name ${file} NAME_WE)
  list(APPEND page_files ${pages}/onnxpert-${name}.1)
  list(APPEND page_commands COMMAND onnxpert manual ${name} > ${pages}/onnxpert-${name}.1)
endforeach()
# bash, zsh and fish find a completion by its file name.
set(completion_bash ${pages}/onnxpert)
set(completion_zsh ${pages}/_onnxpert)
set(completion_fish ${pages}/onnxpert.fish)
foreach(shell bash zsh fish)
  list(APPEND page_files ${completion_${shell}})
  list(APPEND page_commands COMMAND onnxpert completion ${shell} > ${completion_${shell}})
endforeach()
file(MAKE_DIRECTORY ${pages})
add_custom_command(OUTPUT ${page_files} ${page_commands} DEPENDS onnxpert VERBATIM)
add_custom_target(onnxpert_pages ALL DEPENDS ${page_files})

install(DIRECTORY ${pages}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(FILES ${completion_bash} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion_zsh} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${completion_fish} DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# `cpack --config build/CPackConfig.cmake`: one package with the program, the libraries, the headers.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The onnxpert developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION "Says what an ONNX model costs and why, gives a roadmap whose savings
are computed by re-analysing the patched model, and rewrites the model in
constant memory: BN folding, fp16, static shapes and more.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # the names of the libraries' packages, from what is linked
set(CPACK_STRIP_FILES ON)
include(CPack)
