"""From the voxels of one instance to a closed mesh, one file a method."""
