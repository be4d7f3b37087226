"""What `electra doctor` looks at: versions, devices, folders, surroundings."""
