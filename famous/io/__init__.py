"""Files: stacks, label volumes, tables, annotations and meshes, in and out."""
