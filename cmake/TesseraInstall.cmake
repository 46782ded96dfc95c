# cmake --install: the program, the scripts it starts, and what users copy from. The program finds its scripts beside
# itself (../share/tessera/scripts), so the prefix can be moved.
include(GNUInstallDirs)
install(TARGETS tessera RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS slurm/run_resumable.sh DESTINATION ${CMAKE_INSTALL_BINDIR})   # rendered batch scripts end in it
install(PROGRAMS scripts/export-decdec scripts/setup-python scripts/tokenize DESTINATION share/tessera/scripts)
install(FILES scripts/requirements.txt DESTINATION share/tessera/scripts)
install(DIRECTORY scripts/helpers/ DESTINATION share/tessera/scripts/helpers USE_SOURCE_PERMISSIONS
  PATTERN __pycache__ EXCLUDE
  PATTERN apt.sh EXCLUDE PATTERN build.sh EXCLUDE PATTERN list_skipped.sh EXCLUDE   # of the source tree
  PATTERN fetch_sample_model.py EXCLUDE PATTERN gguf_to_hf.py EXCLUDE)
install(DIRECTORY configs slurm DESTINATION share/tessera USE_SOURCE_PERMISSIONS)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN *.md)
