"""What a person looks at: colours of classes, pictures of meshes, and the overview of a run."""
